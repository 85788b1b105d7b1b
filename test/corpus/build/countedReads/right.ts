import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { ArticleV1 } from './v1.js'

/** Reading changes nothing: whoever wants to be counted says so. */
class ArticleV2 extends NodeObject<{ text: string; reads: number }> {
  static override readonly className = 'Article.v2'
  static override initial() {
    return { text: '', reads: 0 }
  }
  @command write(text: string): void {
    this.state.text = text
  }
  @query read(): string {
    return this.state.text
  }
  @command hasRead(): void {
    this.state.reads++
  }
}

export default defineUpgrade({
  title: 'Reads are counted',
  classUpgrades: [
    upgradeClass({
      oldClass: ArticleV1,
      newClass: ArticleV2,
      futureSO: futureSO({
        simulates: ArticleV2,
        over: ArticleV1,
        delegates: ['write', 'read'],
        refuses: ['hasRead'],
        methods: {},
      }),
      pastSO: notNeeded,
      transform: ({ text }) => ({ text, reads: 0 }),
      schedule: eagerly(),
    }),
  ],
})
