/** Data semantics (cut off). Found: inconsistent answer; forgotten state. */
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { SongV1 } from './v1.js'

/** Displays have 40 columns. */
class SongV2 extends NodeObject<{ title: string }> {
  static override readonly className = 'Song.v2'
  static override initial() {
    return { title: '' }
  }
  @command rename(title: string): void {
    this.state.title = title.slice(0, 40)
  }
  @query title(): string {
    return this.state.title
  }
}

export default defineUpgrade({
  title: 'Titles fit into a line',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: SongV1, newClass: SongV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ title }) => ({ title: title.slice(0, 40) }),
      schedule: eagerly(),
    }),
  ],
})
