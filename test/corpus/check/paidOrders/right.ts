import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { BooksV1, paid, TillV1 } from './v1.js'

/** Counts coins too. */
class TillV2 extends NodeObject<{ cents: number; payments: number }> {
  static override readonly className = 'CashTill.v2'
  static override readonly publishes = [paid]
  static override initial() {
    return { cents: 0, payments: 0 }
  }
  @command pay(cents: number): void {
    this.state.cents += cents
    this.state.payments++
    this.publish(paid, cents)
  }
  @query cents(): number {
    return this.state.cents
  }
}

export default defineUpgrade({
  title: 'Payments are counted',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: TillV1, newClass: TillV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ cents }) => ({ cents, payments: 0 }),
      schedule: eagerly(),
    }),
  ],
  unaffected: [BooksV1],
})
