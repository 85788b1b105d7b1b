import { command, event, hears, NodeObject, query } from 'theseus-actors'

export const paid = event<[cents: number]>('paid')

export class TillV1 extends NodeObject<{ cents: number }> {
  static override readonly className = 'CashTill.v1'
  static override readonly publishes = [paid]
  static override initial() {
    return { cents: 0 }
  }
  @command pay(cents: number): void {
    this.state.cents += cents
    this.publish(paid, cents)
  }
  @query cents(): number {
    return this.state.cents
  }
}

/** Counts what all tills have taken. */
export class BooksV1 extends NodeObject<{ cents: number }> {
  static override readonly className = 'Books.v1'
  static override initial() {
    return { cents: 0 }
  }
  @hears(paid) book(cents: number): void {
    this.state.cents += cents
  }
  @query total(): number {
    return this.state.cents
  }
}
