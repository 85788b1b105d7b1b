import { command, futureSO, NodeObject, query } from 'theseus-actors'

export class StockV1 extends NodeObject<{ left: number }> {
  static override readonly className = 'Warehouse.v1'
  static override initial() {
    return { left: 0 }
  }
  @command take(pieces: number): void {
    this.state.left -= pieces
  }
  @query left(): number {
    return this.state.left
  }
}

/** Takes reservations only. */
export class StockV2 extends NodeObject<{ left: number; reserved: number }> {
  static override readonly className = 'Warehouse.v2'
  static override initial() {
    return { left: 0, reserved: 0 }
  }
  @command reserve(pieces: number): void {
    this.state.reserved += pieces
  }
  @query left(): number {
    return this.state.left
  }
}

export class DeskV1 extends NodeObject<object> {
  static override readonly className = 'OrderDesk.v1'
  static override readonly calls = [StockV1]
  @command async order(pieces: number): Promise<void> {
    await this.ref(StockV1, 'stock1').take(pieces)
  }
}

export class DeskV2 extends NodeObject<object> {
  static override readonly className = 'OrderDesk.v2'
  static override readonly calls = [StockV2]
  @command async order(pieces: number): Promise<void> {
    await this.ref(StockV2, 'stock1').reserve(pieces)
  }
}

export const ahead = futureSO({
  simulates: StockV2,
  over: StockV1,
  delegates: ['left'],
  refuses: ['reserve'],
  methods: {},
})
