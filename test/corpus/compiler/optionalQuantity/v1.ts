import { command, NodeObject, query } from 'theseus-actors'

/** Without a quantity it is one. */
type Line = { item: string; quantity?: number }

export class WishesV1 extends NodeObject<{ lines: Line[] }> {
  static override readonly className = 'Wishes.v1'
  static override initial() {
    return { lines: [] as Line[] }
  }
  @command wish(item: string, quantity?: number): void {
    this.state.lines.push(quantity === undefined ? { item } : { item, quantity })
  }
  @query total(): number {
    return this.state.lines.reduce((sum, { quantity = 1 }) => sum + quantity, 0)
  }
}

export class WishesV2 extends NodeObject<{ lines: { item: string; quantity: number }[] }> {
  static override readonly className = 'Wishes.v2'
  static override initial() {
    return { lines: [] as { item: string; quantity: number }[] }
  }
  @command wish(item: string, quantity?: number): void {
    this.state.lines.push({ item, quantity: quantity ?? 1 })
  }
  @query total(): number {
    return this.state.lines.reduce((sum, { quantity }) => sum + quantity, 0)
  }
}
