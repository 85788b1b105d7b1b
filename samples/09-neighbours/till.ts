import { command, NodeObject } from 'theseus-actors'
import { StockV1, StockV2 } from './stock.js'

/** The shop's team has tills. They call another system: `StockV1.of('warehouse')`. */
export class TillV1 extends NodeObject<{ sold: number }> {
  static override readonly className = 'Till.v1'
  static override readonly calls = [StockV1.of('warehouse')]
  static override initial() {
    return { sold: 0 }
  }

  @command async sell(): Promise<string> {
    this.state.sold++
    return `${await this.ref(StockV1.of('warehouse'), 'stock').take(1)} left`
  }
}

/** The same type: only its calls are others. */
export class TillV2 extends NodeObject<{ sold: number }> {
  static override readonly className = 'Till.v2'
  static override readonly calls = [StockV2.of('warehouse')]
  static override initial() {
    return { sold: 0 }
  }

  @command async sell(): Promise<string> {
    this.state.sold++
    return await this.ref(StockV2.of('warehouse'), 'stock').take(1, `${this.nodeId}-${this.state.sold}`)
  }
}
