import { command, NodeObject, query } from 'theseus-actors'

/** An item that is bought twice is there twice. */
export class BasketV1 extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Basket.v1'
  static override initial() {
    return { items: [] as string[] }
  }
  @command put(item: string): void {
    this.state.items.push(item)
  }
  @query count(item: string): number {
    return this.state.items.filter((each) => each === item).length
  }
}

export class BasketV2 extends NodeObject<{ counts: Record<string, number> }> {
  static override readonly className = 'Basket.v2'
  static override initial() {
    return { counts: {} as Record<string, number> }
  }
  @command put(item: string): void {
    this.state.counts[item] = (this.state.counts[item] ?? 0) + 1
  }
  @query count(item: string): number {
    return this.state.counts[item] ?? 0
  }
}
