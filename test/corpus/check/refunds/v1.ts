import { command, NodeObject, query } from 'theseus-actors'

/** A purchase that is cancelled after it was paid is refunded. */
export class PurchaseV1 extends NodeObject<{ isPaid: boolean; isCancelled: boolean }> {
  static override readonly className = 'Purchase.v1'
  static override initial() {
    return { isPaid: false, isCancelled: false }
  }
  @command pay(): void {
    if (!this.state.isCancelled) this.state.isPaid = true
  }
  @command cancel(): void {
    this.state.isCancelled = true
  }
  @query isRefundDue(): boolean {
    return this.state.isPaid && this.state.isCancelled
  }
}

export type Stage = 'open' | 'paid' | 'cancelled' | 'refund due'

/** One word instead of two flags. */
export class PurchaseV2 extends NodeObject<{ stage: Stage }> {
  static override readonly className = 'Purchase.v2'
  static override initial() {
    return { stage: 'open' as Stage }
  }
  @command pay(): void {
    if (this.state.stage === 'open') this.state.stage = 'paid'
  }
  @command cancel(): void {
    if (this.state.stage === 'paid') this.state.stage = 'refund due'
    else if (this.state.stage === 'open') this.state.stage = 'cancelled'
  }
  @query isRefundDue(): boolean {
    return this.state.stage === 'refund due'
  }
}
