import { command, NodeObject, query } from 'theseus-actors'

export class GiftCardV1 extends NodeObject<{ cents: number }> {
  static override readonly className = 'GiftCard.v1'
  static override initial() {
    return { cents: 0 }
  }
  @command load(cents: number): void {
    this.state.cents += cents
  }
  @query cents(): number {
    return this.state.cents
  }
}

/** Counts in euros, as the bookkeeping does. */
export class GiftCardV2 extends NodeObject<{ euros: number }> {
  static override readonly className = 'GiftCard.v2'
  static override initial() {
    return { euros: 0 }
  }
  @command load(cents: number): void {
    this.state.euros += cents / 100
  }
  @query cents(): number {
    return Math.round(this.state.euros * 100)
  }
}
