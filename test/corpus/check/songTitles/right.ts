import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { SongV1 } from './v1.js'

/** The title stays whole, and displays ask for a line of it. */
class SongV2 extends NodeObject<{ title: string }> {
  static override readonly className = 'Song.v2'
  static override initial() {
    return { title: '' }
  }
  @command rename(title: string): void {
    this.state.title = title
  }
  @query title(): string {
    return this.state.title
  }
  @query line(): string {
    return this.state.title.slice(0, 40)
  }
}

export default defineUpgrade({
  title: 'Titles fit into a line',
  classUpgrades: [
    upgradeClass({
      oldClass: SongV1,
      newClass: SongV2,
      futureSO: futureSO({
        simulates: SongV2,
        over: SongV1,
        delegates: ['rename', 'title'],
        methods: {
          async line() {
            return (await this.next.title()).slice(0, 40)
          },
        },
      }),
      pastSO: notNeeded,
      transform: ({ title }) => ({ title }),
      schedule: eagerly(),
    }),
  ],
})
