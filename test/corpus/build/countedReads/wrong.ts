/** Upgrade operation (past-SO is missing). Found: it is a query of Article.v1 and a command of Article.v2. */
import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, upgradeClass } from 'theseus-actors'
import { ArticleV1 } from './v1.js'

class ArticleV2 extends NodeObject<{ text: string; reads: number }> {
  static override readonly className = 'Article.v2'
  static override initial() {
    return { text: '', reads: 0 }
  }
  @command write(text: string): void {
    this.state.text = text
  }
  @command read(): string {
    this.state.reads++
    return this.state.text
  }
}

export default defineUpgrade({
  title: 'Reads are counted',
  classUpgrades: [
    upgradeClass({
      oldClass: ArticleV1,
      newClass: ArticleV2,
      futureSO: futureSO({ simulates: ArticleV2, over: ArticleV1, delegates: ['write', 'read'], methods: {} }),
      pastSO: notNeeded,
      transform: ({ text }) => ({ text, reads: 0 }),
      schedule: eagerly(),
    }),
  ],
})
