/** Two systems of two teams: a warehouse with a stock, and a shop whose tills call it. */
import {
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  notNeeded,
  pastSO,
  query,
  type Schedule,
  type Upgrade,
  upgradeClass,
} from '../../index.js'

export const warehouse = 'warehouse'

/** Things that can be taken. */
export class StockV1 extends NodeObject<{ left: number; askedBy: string[] }> {
  static override readonly className: string = 'Stock.v1'
  static override initial() {
    return { left: 10, askedBy: [] as string[] }
  }

  @command take(count: number): number {
    this.state.askedBy.push(`${this.caller.node} ${this.caller.className} ${this.caller.version}`)
    this.state.left -= count
    return this.state.left
  }

  @query left(): number {
    return this.state.left
  }

  @query askedBy(): string[] {
    return this.state.askedBy
  }
}

/** Things are taken for an order. */
export class StockV2 extends NodeObject<{ left: number; orders: string[] }> {
  static override readonly className: string = 'Stock.v2'
  static override initial() {
    return { left: 10, orders: [] as string[] }
  }

  @command take(count: number, order: string): string {
    this.state.left -= count
    this.state.orders.push(order)
    return `${order}: ${this.state.left}`
  }

  @query left(): number {
    return this.state.left
  }

  @query orders(): string[] {
    return this.state.orders
  }
}

const behind = pastSO({
  simulates: StockV1,
  over: StockV2,
  delegates: ['left'],
  methods: {
    async take(count) {
      await this.next.take(count, '?')
      return await this.next.left()
    },
    askedBy() {
      return []
    },
  },
})

const ahead = futureSO({
  simulates: StockV2,
  over: StockV1,
  initial: (): { orders: string[] } => ({ orders: [] }),
  delegates: ['left'],
  methods: {
    async take(count, order) {
      this.state.orders.push(order)
      return `${order}: ${await this.next.take(count)}`
    },
    orders() {
      return this.state.orders
    },
  },
})

export function stockToV2(schedule: Schedule = eagerly()): Upgrade {
  return defineUpgrade({
    title: 'Things are taken for an order',
    classUpgrades: [
      upgradeClass({
        oldClass: StockV1,
        newClass: StockV2,
        futureSO: ahead,
        pastSO: behind,
        transform: (old, future) => ({ left: old.left, orders: future.orders ?? [] }),
        inverse: {
          transform: (now) => ({ left: now.left, askedBy: [] }),
          future: (now) => ({ orders: now.orders }),
        },
        schedule,
      }),
    ],
  })
}

/** An upgrade of the warehouse that leaves its stock alone. */
export class LampV1 extends NodeObject<object> {
  static override readonly className: string = 'Lamp.v1'
  @query isOn(): boolean {
    return false
  }
}

export class LampV2 extends LampV1 {
  static override readonly className: string = 'Lamp.v2'
  static override readonly service = 'lamp'
}

export function lampToV2(): Upgrade {
  return defineUpgrade({
    title: 'Other lamps',
    classUpgrades: [
      upgradeClass({
        oldClass: LampV1,
        newClass: LampV2,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: () => ({}),
        schedule: eagerly(),
      }),
    ],
  })
}

/** A class's text does not tell it. */
function notDeclared() {
  return StockV2.of(warehouse)
}

/** Sells what is in stock. */
export class TillV1 extends NodeObject<{ sold: number }> {
  static override readonly className: string = 'Till.v1'
  static override readonly calls = [StockV1.of(warehouse)]
  static override initial() {
    return { sold: 0 }
  }

  @command async sell(): Promise<string> {
    this.state.sold++
    const left: number = await this.ref(StockV1.of(warehouse), 'stock1').take(1)
    return `${left} left`
  }

  @query async left(): Promise<number> {
    return await this.ref(StockV1.of(warehouse)).left()
  }

  @command later(): void {
    this.sender(StockV1.of(warehouse), 'stock1').take(1)
  }

  @query async wrong(): Promise<unknown> {
    return await this.ref(notDeclared()).left()
  }
}

/** Sells for orders. */
export class TillV2 extends NodeObject<{ sold: number }> {
  static override readonly className: string = 'Till.v2'
  static override readonly calls = [StockV2.of(warehouse)]
  static override initial() {
    return { sold: 0 }
  }

  @command async sell(): Promise<string> {
    this.state.sold++
    const taken: string = await this.ref(StockV2.of(warehouse), 'stock1').take(1, `${this.nodeId}-${this.state.sold}`)
    return taken
  }

  @query async left(): Promise<number> {
    return await this.ref(StockV2.of(warehouse)).left()
  }

  @command later(): void {
    this.sender(StockV2.of(warehouse), 'stock1').take(1, 'later')
  }

  @query wrong(): Promise<unknown> {
    throw new Error('nothing is wrong')
  }
}

export function tillToV2(schedule: Schedule = eagerly()): Upgrade {
  return defineUpgrade({
    title: 'Sales have orders',
    classUpgrades: [
      upgradeClass({
        oldClass: TillV1,
        newClass: TillV2,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: (old) => old,
        inverse: { transform: (now) => now },
        schedule,
      }),
    ],
  })
}

/** A door that calls nobody, and one that rings at the warehouse. */
export class DoorV1 extends NodeObject<object> {
  static override readonly className: string = 'Door.v1'
  @query rings(): Promise<number> | number {
    return 0
  }
}

export class DoorV2 extends NodeObject<object> {
  static override readonly className: string = 'Door.v2'
  static override readonly calls = [StockV1.of(warehouse)]
  @query async rings(): Promise<number> {
    return await this.ref(StockV1.of(warehouse), 'stock1').left()
  }
}

export function doorToV2(): Upgrade {
  return defineUpgrade({
    title: 'Doors ring at the warehouse',
    classUpgrades: [
      upgradeClass({
        oldClass: DoorV1,
        newClass: DoorV2,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: () => ({}),
        schedule: eagerly(),
      }),
    ],
  })
}
