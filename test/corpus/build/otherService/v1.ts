import { NodeObject, query } from 'theseus-actors'

export class CartV1 extends NodeObject<{ items: number }> {
  static override readonly className = 'Cart.v1'
  static override initial() {
    return { items: 0 }
  }
  @query items(): number {
    return this.state.items
  }
}
