import { command, NodeObject, query } from 'theseus-actors'

export class LoanV1 extends NodeObject<{ status: 'open' | 'repaid' }> {
  static override readonly className = 'Loan.v1'
  static override initial() {
    return { status: 'open' as const }
  }
  @command repay(): void {
    this.state.status = 'repaid'
  }
  @query status(): 'open' | 'repaid' {
    return this.state.status
  }
}

export class LoanV2 extends NodeObject<{ status: 'open' | 'repaid' | 'written off' }> {
  static override readonly className = 'Loan.v2'
  static override initial() {
    return { status: 'open' as const }
  }
  @command repay(): void {
    this.state.status = 'repaid'
  }
  @command writeOff(): void {
    this.state.status = 'written off'
  }
  @query status(): 'open' | 'repaid' | 'written off' {
    return this.state.status
  }
}
