import { command, NodeObject, query } from 'theseus-actors'

type Money = { amount: number; currency: string }

export class DonationV1 extends NodeObject<{ amount: number }> {
  static override readonly className = 'Donation.v1'
  static override initial() {
    return { amount: 0 }
  }
  @command give(amount: number): void {
    this.state.amount += amount
  }
  @query given(): number {
    return this.state.amount
  }
}

export class DonationV2 extends NodeObject<{ amount: number; currency: string }> {
  static override readonly className = 'Donation.v2'
  static override initial() {
    return { amount: 0, currency: 'EUR' }
  }
  @command give(amount: number): void {
    this.state.amount += amount
  }
  @query given(): Money {
    return { ...this.state }
  }
}
