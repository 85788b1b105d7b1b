import { command, NodeObject, query } from 'theseus-actors'

export class LedgerV1 extends NodeObject<{ balances: Record<string, number> }> {
  static override readonly className = 'Ledger.v1'
  static override initial() {
    return { balances: {} as Record<string, number> }
  }
  @command transfer(from: string, to: string, amount: number): void {
    this.state.balances[from] = (this.state.balances[from] ?? 0) - amount
    this.state.balances[to] = (this.state.balances[to] ?? 0) + amount
  }
  @query balance(account: string): number {
    return this.state.balances[account] ?? 0
  }
}

/** To whom comes first, as in the forms. */
export class LedgerV2 extends NodeObject<{ balances: Record<string, number> }> {
  static override readonly className = 'Ledger.v2'
  static override initial() {
    return { balances: {} as Record<string, number> }
  }
  @command transfer(to: string, from: string, amount: number): void {
    this.state.balances[from] = (this.state.balances[from] ?? 0) - amount
    this.state.balances[to] = (this.state.balances[to] ?? 0) + amount
  }
  @query balance(account: string): number {
    return this.state.balances[account] ?? 0
  }
}
