import { command, NodeObject, query } from 'theseus-actors'

/** The warehouse's team keeps a stock. */
export class StockV1 extends NodeObject<{ left: number }> {
  static override readonly className = 'Stock.v1'
  static override initial() {
    return { left: 20 }
  }

  @command take(count: number): number {
    this.state.left -= count
    return this.state.left
  }

  @query left(): number {
    return this.state.left
  }
}

/** Everything is taken for an order, and there is a receipt. */
export class StockV2 extends NodeObject<{ left: number; orders: string[] }> {
  static override readonly className = 'Stock.v2'
  static override initial() {
    return { left: 20, orders: [] as string[] }
  }

  @command take(count: number, order: string): string {
    this.state.left -= count
    this.state.orders.push(order)
    return `order ${order}, ${this.state.left} left`
  }

  @query left(): number {
    return this.state.left
  }

  @query orders(): string[] {
    return this.state.orders
  }
}
