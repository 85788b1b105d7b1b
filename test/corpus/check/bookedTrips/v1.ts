import { command, NodeObject, query } from 'theseus-actors'

export class WalletV1 extends NodeObject<{ spent: number }> {
  static override readonly className = 'Wallet.v1'
  static override initial() {
    return { spent: 0 }
  }
  @command spend(cents: number): void {
    this.state.spent += cents
  }
  @query spent(): number {
    return this.state.spent
  }
}

export class TripV1 extends NodeObject<{ isBooked: boolean }> {
  static override readonly className = 'Trip.v1'
  static override readonly calls = [WalletV1]
  static override initial() {
    return { isBooked: false }
  }
  @command async book(cents: number): Promise<void> {
    await this.ref(WalletV1, 'wallet1').spend(cents)
    this.state.isBooked = true
  }
  @query isBooked(): boolean {
    return this.state.isBooked
  }
}

export class TripV2 extends NodeObject<{ isBooked: boolean; isInsured: boolean }> {
  static override readonly className = 'Trip.v2'
  static override readonly calls = [WalletV1]
  static override initial() {
    return { isBooked: false, isInsured: false }
  }
  @command async book(cents: number): Promise<void> {
    await this.ref(WalletV1, 'wallet1').spend(cents)
    this.state.isBooked = true
  }
  @command async insure(cents: number): Promise<void> {
    await this.ref(WalletV1, 'wallet1').spend(cents)
    this.state.isInsured = true
  }
  @query isBooked(): boolean {
    return this.state.isBooked
  }
  @query isInsured(): boolean {
    return this.state.isInsured
  }
}
