import { command, NodeObject, query } from 'theseus-actors'

/** A cart knows what was added last. */
export class CartsV2 extends NodeObject<{ items: string[]; last: string | null }> {
  static override readonly className = 'Carts.v2'
  static override readonly shards = 6
  static override initial() {
    return { items: [] as string[], last: null }
  }
  @command add(item: string): number {
    this.state.last = item
    return this.state.items.push(item)
  }
  @query items(): string[] {
    return this.state.items
  }
  @query last(): string | null {
    return this.state.last
  }
}
