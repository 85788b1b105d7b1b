/**
 * Classes for the tests of rewinding (§8): a till whose second version counts wrongly, and what it calls.
 */

import type { ClassList } from '../../core/model/nodeObject.js'
import { type RewindOptions, rewindLimits } from '../../core/upgrade/rewindLimits.js'
import {
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  notNeeded,
  query,
  type Upgrade,
  upgradeClass,
} from '../../index.js'

/** The tills that tell the ledger of each start at version 1. */
export const startsTell = new Set<string>()

/** The tills that do not start at version 1. */
export const startsFail = new Set<string>()

/** Called by tills: it gives numbers, and remembers what it was told. */
export class LedgerV1 extends NodeObject<{ next: number; told: string[] }> {
  static override readonly className: string = 'Ledger.v1'
  static override initial() {
    return { next: 1, told: [] as string[] }
  }

  @command number(): number {
    return this.state.next++
  }

  @command tell(text: string): void {
    this.state.told.push(text)
  }

  @query told(): string[] {
    return this.state.told
  }
}

export interface Sale {
  amount: number
  number: number
  at: number
  luck: number
}

export class TillV1 extends NodeObject<{ total: number; starts: number; rings: number }, { sales: Sale }> {
  static override readonly className: string = 'Till.v1'
  static override readonly calls = [LedgerV1]
  static override initial() {
    return { total: 0, starts: 0, rings: 0 }
  }

  protected override start(): void {
    if (startsFail.has(this.nodeId)) throw new Error('no start')
    this.state.starts++
    if (startsTell.has(this.nodeId)) this.sender(LedgerV1, 'ledger').tell('started')
  }

  @command pay(amount: number): number {
    return (this.state.total += amount)
  }

  @query total(): number {
    return this.state.total
  }

  /** Takes its number from the ledger, and tells it. */
  @command async sell(amount: number): Promise<Sale> {
    const number = await this.ref(LedgerV1, 'ledger').number()
    const sale = { amount, number, at: this.now(), luck: this.random() }
    this.collection('sales').put(String(number), sale)
    this.sender(LedgerV1, 'ledger').tell(`sold ${amount}`)
    this.state.total += amount
    return sale
  }

  @query sales(): Sale[] {
    return [...this.collection('sales').entries()].map(([, sale]) => sale)
  }

  @command refund(amount: number): number {
    if (amount > this.state.total) throw new Error('not so much in the till')
    return (this.state.total -= amount)
  }

  @command strike(number: number): void {
    this.collection('sales').delete(String(number))
  }

  @query starts(): number {
    return this.state.starts
  }
}

/** Counts what is paid above 100 twice, and takes refunds that it should not. */
export class TillV2 extends NodeObject<
  { total: number; starts: number; rings: number; tips: number },
  { sales: Sale; thanks: string }
> {
  static override readonly className: string = 'Till.v2'
  static override readonly calls = [LedgerV1]
  static override initial() {
    return { total: 0, starts: 0, rings: 0, tips: 0 }
  }

  protected override start(): void {
    this.state.starts++
  }

  @command pay(amount: number): number {
    return (this.state.total += amount > 100 ? 2 * amount : amount)
  }

  @query total(): number {
    return this.state.total
  }

  @command async sell(amount: number): Promise<Sale> {
    const number = await this.ref(LedgerV1, 'ledger').number()
    const sale = { amount: amount > 100 ? 2 * amount : amount, number, at: this.now(), luck: this.random() }
    this.collection('sales').put(String(number), sale)
    // Tells the ledger another amount than version 1 would.
    this.sender(LedgerV1, 'ledger').tell(`sold ${amount === 99 ? 98 : amount}`)
    this.state.total += sale.amount
    return sale
  }

  @query sales(): Sale[] {
    return [...this.collection('sales').entries()].map(([, sale]) => sale)
  }

  @command refund(amount: number): number {
    return (this.state.total -= amount)
  }

  /** Forgets to do it. */
  @command strike(_number: number): void {}

  @query starts(): number {
    return this.state.starts
  }

  @command tip(amount: number): number {
    return (this.state.tips += amount)
  }

  @query tips(): number {
    return this.state.tips
  }

  @command thank(name: string, text: string): void {
    this.collection('thanks').put(name, text)
  }

  @query thanks(): string[] {
    return [...this.collection('thanks').entries()].map(([name, text]) => `${name}: ${text}`)
  }
}

/** Version 2, repaired. */
export class TillV3 extends TillV2 {
  static override readonly className: string = 'Till.v3'
  @command override pay(amount: number): number {
    return (this.state.total += amount)
  }
}

const both = ['pay', 'total', 'sell', 'sales', 'refund', 'strike', 'starts'] as const

export const tipsAhead = futureSO({
  simulates: TillV2,
  over: TillV1,
  initial: () => ({ tips: 0 }),
  delegates: both,
  methods: {
    tip(amount) {
      return (this.state.tips += amount)
    },
    tips() {
      return this.state.tips
    },
    thank(name, text) {
      this.collection('thanks').put(name, text)
    },
    thanks() {
      return [...this.collection('thanks').entries()].map(([name, text]) => `${name}: ${text}`)
    },
  },
})

/** Begins with what the first try knew. */
const tipsAgain = futureSO({
  simulates: TillV3,
  over: TillV1,
  initial: () => ({ given: 0 }),
  initialFrom: {
    so: tipsAhead,
    state: (kept, { kept: all, own }) => {
      for (const [name, text] of all('thanks').entries()) own('thanks').put(name, text)
      return { given: kept.tips }
    },
  },
  delegates: both,
  methods: {
    tip(amount) {
      return (this.state.given += amount)
    },
    tips() {
      return this.state.given
    },
    thank(name, text) {
      this.collection('thanks').put(name, text)
    },
    thanks() {
      return [...this.collection('thanks').entries()].map(([name, text]) => `${name}: ${text}`)
    },
  },
})

/** The upgrade, repaired. */
export function toTillV3(): Upgrade {
  return defineUpgrade({
    title: 'Tips, repaired',
    gate: 'open',
    classUpgrades: [
      upgradeClass({
        oldClass: TillV1,
        newClass: TillV3,
        futureSO: tipsAgain,
        pastSO: notNeeded,
        transform: async (old, future, { carry, future: made, next }) => {
          await carry('sales')
          for (const [name, text] of made('thanks').entries()) next('thanks').put(name, text)
          return { ...old, tips: future.given }
        },
        rewind: { for: '1h' },
        schedule: eagerly(),
      }),
    ],
  })
}

export interface TillParts {
  readonly rewind?: RewindOptions | null
  readonly inverse?: false
  readonly newClass?: typeof TillV2
  /** The sales are made record by record. */
  readonly lazy?: true
}

export function toTillV2({ rewind = { for: '1h' }, inverse, newClass = TillV2, lazy }: TillParts = {}): Upgrade {
  const collections = lazy ? { records: { sales: (old: Sale | undefined) => old } } : {}
  return defineUpgrade({
    title: 'Tips',
    gate: 'open',
    classUpgrades: [
      upgradeClass({
        oldClass: TillV1,
        newClass,
        futureSO: { ...tipsAhead, simulates: newClass },
        pastSO: notNeeded,
        ...(collections as object),
        transform: async (old, future, { carry, future: made, next }) => {
          if (!lazy) await carry('sales')
          for (const [name, text] of made('thanks').entries()) next('thanks').put(name, text)
          return { ...old, tips: future.tips }
        },
        ...(inverse === false
          ? {}
          : {
              inverse: {
                transform: async ({ tips: _, ...now }, _past, { carry }) => {
                  await carry('sales')
                  return now
                },
                future: ({ tips }) => ({ tips }),
              },
            }),
        ...(rewind === null ? {} : { rewind }),
        schedule: eagerly(),
      }),
    ],
  })
}

/** The same upgrade, so that it can be rewound. */
export function rewindable(upgrade: Upgrade): Upgrade {
  const rewind = rewindLimits({ for: '1h' })!
  return { ...upgrade, classUpgrades: upgrade.classUpgrades.map((each) => ({ ...each, rewind })) }
}

/** Calls back whom it was called by. */
export class EchoV1 extends NodeObject<object> {
  static override readonly className: string = 'Echo.v1'
  static override readonly calls: ClassList = () => [RingV1]
  static override initial() {
    return {}
  }

  @command async echo(): Promise<number> {
    return this.ref(RingV1, 'ring').inside()
  }
}

/** Calls itself through another node. */
export class RingV1 extends NodeObject<{ count: number }> {
  static override readonly className: string = 'Ring.v1'
  static override readonly service: string = 'Ring'
  static override readonly reentrant = true
  static override readonly calls = [EchoV1]
  static override initial() {
    return { count: 0 }
  }

  @command async around(): Promise<number> {
    this.state.count++
    return this.ref(EchoV1, 'echo').echo()
  }

  @command inside(): number {
    return ++this.state.count
  }

  @query count(): number {
    return this.state.count
  }
}

export class RingV2 extends RingV1 {
  static override readonly className: string = 'Ring.v2'
}

export function toRingV2(): Upgrade {
  return defineUpgrade({
    title: 'Rings',
    classUpgrades: [
      upgradeClass({
        oldClass: RingV1,
        newClass: RingV2,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: (old) => old,
        rewind: { for: '1h' },
        schedule: eagerly(),
      }),
    ],
  })
}
