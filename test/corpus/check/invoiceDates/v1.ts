import { command, NodeObject, query } from 'theseus-actors'

/** The date is kept as "24.12.2026". */
export class InvoiceV1 extends NodeObject<{ due: string }> {
  static override readonly className = 'Invoice.v1'
  static override initial() {
    return { due: '' }
  }
  @command payBy(day: number, month: number, year: number): void {
    this.state.due = `${day}.${month}.${year}`
  }
  @query due(): number[] {
    return this.state.due === '' ? [] : this.state.due.split('.').map(Number)
  }
}

/** The date is kept as "2026-12-24". */
export class InvoiceV2 extends NodeObject<{ due: string }> {
  static override readonly className = 'Invoice.v2'
  static override initial() {
    return { due: '' }
  }
  @command payBy(day: number, month: number, year: number): void {
    this.state.due = `${year}-${month}-${day}`
  }
  @query due(): number[] {
    return this.state.due === '' ? [] : this.state.due.split('-').map(Number).reverse()
  }
}
