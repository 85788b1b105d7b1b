import { command, NodeObject, query } from 'theseus-actors'

/** Ends by itself: a timer is memory, and a node that starts sets it again. */
export class AuctionV1 extends NodeObject<{ endsAt: number | null; isOver: boolean; highest: number }> {
  static override readonly className = 'Auction.v1'
  static override initial() {
    return { endsAt: null as number | null, isOver: false, highest: 0 }
  }
  protected override start(): void {
    if (this.state.endsAt !== null && !this.state.isOver) this.after(Math.max(0, this.state.endsAt - this.now()), 'end')
  }
  @command open(): void {
    this.state.endsAt ??= this.now() + 200
    this.after(200, 'end')
  }
  @command bid(cents: number): boolean {
    if (this.state.isOver || cents <= this.state.highest) return false
    this.state.highest = cents
    return true
  }
  @command end(): void {
    this.state.isOver = true
  }
  @query isOver(): boolean {
    return this.state.isOver
  }
}
