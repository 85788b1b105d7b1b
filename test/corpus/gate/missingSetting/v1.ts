import { NodeObject, query } from 'theseus-actors'

export class PricesV1 extends NodeObject<{ rate: number }> {
  static override readonly className = 'Prices.v1'
  static override initial() {
    return { rate: 1 }
  }
  @query rate(): number {
    return this.state.rate
  }
}

/** No calls are needed: a node does not start. */
export const traffic: readonly (readonly [method: string, ...args: unknown[]])[] = []
export const FirstClass = PricesV1
