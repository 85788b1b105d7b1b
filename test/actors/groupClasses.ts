/** A till and its drawer, which go through every version together; and a display, which often stays. */
import {
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  pastSO,
  query,
  type Schedule,
  type Upgrade,
  upgradeClass,
} from '../../index.js'
import type { Gate } from '../support/testSystem.js'

/** The gates that the methods of these objects wait for, by name. */
export const gates = new Map<string, Gate>()

const drawerOf = (till: string) => till.replace(/_till$/, '_drawer')

export class DrawerV1 extends NodeObject<{ coins: number }> {
  static override readonly className: string = 'Drawer.v1'
  static override initial() {
    return { coins: 0 }
  }

  @command put(coins: number): string {
    this.state.coins += coins
    return 'v1'
  }

  @query coins(): number {
    return this.state.coins
  }
}

export class DrawerV2 extends NodeObject<{ cents: number }> {
  static override readonly className: string = 'Drawer.v2'
  static override initial() {
    return { cents: 0 }
  }

  @command put(coins: number): string {
    this.state.cents += coins * 100
    return 'v2'
  }

  @query coins(): number {
    return this.state.cents / 100
  }

  @query cents(): number {
    return this.state.cents
  }
}

export class TillV1 extends NodeObject<{ sales: number }> {
  static override readonly className: string = 'Till.v1'
  static override readonly calls = () => [DrawerV1]
  static override initial() {
    return { sales: 0 }
  }

  /** The versions of the till and of the drawer that took the coins. */
  @command async sell(coins: number, gate?: string): Promise<readonly [string, string]> {
    if (gate !== undefined) await gates.get(gate)!.pass()
    const drawer = await this.ref(DrawerV1, drawerOf(this.nodeId)).put(coins)
    this.state.sales++
    return ['v1', drawer]
  }

  @query sales(): number {
    return this.state.sales
  }
}

export class TillV2 extends NodeObject<{ sales: number; receipts: number }> {
  static override readonly className: string = 'Till.v2'
  static override readonly calls = () => [DrawerV2]
  static override initial() {
    return { sales: 0, receipts: 0 }
  }

  @command async sell(coins: number, gate?: string): Promise<readonly [string, string]> {
    if (gate !== undefined) await gates.get(gate)!.pass()
    const drawer = await this.ref(DrawerV2, drawerOf(this.nodeId)).put(coins)
    this.state.sales++
    this.state.receipts++
    return ['v2', drawer]
  }

  @query sales(): number {
    return this.state.sales
  }

  @query receipts(): number {
    return this.state.receipts
  }
}

export class DisplayV1 extends NodeObject<{ text: string }> {
  static override readonly className: string = 'Display.v1'
  static override initial() {
    return { text: '' }
  }

  @command async show(text: string, gate?: string): Promise<void> {
    if (gate !== undefined) await gates.get(gate)!.pass()
    this.state.text = text
  }

  @query text(): string {
    return this.state.text
  }
}

export class DisplayV2 extends NodeObject<{ text: string }> {
  static override readonly className: string = 'Display.v2'
  static override initial() {
    return { text: '' }
  }

  @command async show(text: string, _gate?: string): Promise<void> {
    this.state.text = text
  }

  @query text(): string {
    return this.state.text
  }
}

const drawersAhead = futureSO({
  simulates: DrawerV2,
  over: DrawerV1,
  delegates: ['put', 'coins'],
  methods: {
    async cents() {
      return (await this.next.coins()) * 100
    },
  },
})

const drawersBehind = pastSO({ simulates: DrawerV1, over: DrawerV2, delegates: ['put', 'coins'], methods: {} })

const tillsAhead = futureSO({
  simulates: TillV2,
  over: TillV1,
  delegates: ['sell', 'sales'],
  methods: {
    receipts() {
      return 0
    },
  },
})

const tillsBehind = pastSO({ simulates: TillV1, over: TillV2, delegates: ['sell', 'sales'], methods: {} })

interface Parts {
  readonly schedule?: Schedule
  readonly drawers?: Schedule
  readonly drawerTransform?: (old: { coins: number }) => { cents: number }
  readonly newDrawer?: typeof DrawerV2
  readonly drainTimeout?: number
}

/** Till and drawer to their second versions. */
export function toV2({
  schedule = eagerly(),
  drawers = schedule,
  drawerTransform,
  newDrawer = DrawerV2,
  drainTimeout = 10_000,
}: Parts = {}): Upgrade {
  return defineUpgrade({
    title: 'Drawers count cents, tills print receipts',
    classUpgrades: [
      upgradeClass({
        oldClass: TillV1,
        newClass: TillV2,
        futureSO: tillsAhead,
        pastSO: tillsBehind,
        transform: (old) => ({ sales: old.sales, receipts: 0 }),
        inverse: { transform: (old) => ({ sales: old.sales }) },
        schedule,
        drainTimeout,
      }),
      upgradeClass({
        oldClass: DrawerV1,
        newClass: newDrawer,
        futureSO: drawersAhead,
        pastSO: drawersBehind,
        transform: drawerTransform ?? ((old) => ({ cents: old.coins * 100 })),
        inverse: { transform: (old) => ({ coins: old.cents / 100 }) },
        schedule: drawers,
        drainTimeout,
      }),
    ],
  })
}

/** Displays alone. */
export function displaysToV2(): Upgrade {
  return defineUpgrade({
    title: 'Displays are bright',
    classUpgrades: [
      upgradeClass({
        oldClass: DisplayV1,
        newClass: DisplayV2,
        futureSO: futureSO({ simulates: DisplayV2, over: DisplayV1, delegates: ['show', 'text'], methods: {} }),
        pastSO: pastSO({ simulates: DisplayV1, over: DisplayV2, delegates: ['show', 'text'], methods: {} }),
        transform: (old) => old,
        inverse: { transform: (old) => old },
        schedule: eagerly(),
      }),
    ],
  })
}

export const members = { till: TillV1, drawer: DrawerV1 }
export const withDisplay = { ...members, display: DisplayV1 }
