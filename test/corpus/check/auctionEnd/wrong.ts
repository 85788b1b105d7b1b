/** Upgrade operation (timers are lost). Found: inconsistent answer; forgotten state. */
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { AuctionV1 } from './v1.js'

class AuctionV2 extends NodeObject<{ endsAt: number | null; isOver: boolean; bids: number[] }> {
  static override readonly className = 'Auction.v2'
  static override initial() {
    return { endsAt: null as number | null, isOver: false, bids: [] as number[] }
  }
  @command open(): void {
    this.state.endsAt ??= this.now() + 200
    this.after(200, 'end')
  }
  @command bid(cents: number): boolean {
    if (this.state.isOver || cents <= (this.state.bids.at(-1) ?? 0)) return false
    this.state.bids.push(cents)
    return true
  }
  @command end(): void {
    this.state.isOver = true
  }
  @query isOver(): boolean {
    return this.state.isOver
  }
}

export default defineUpgrade({
  title: 'All bids are kept',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: AuctionV1, newClass: AuctionV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ endsAt, isOver, highest }) => ({ endsAt, isOver, bids: highest === 0 ? [] : [highest] }),
      schedule: eagerly(),
    }),
  ],
})
