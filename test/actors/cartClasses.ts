/** A sharded service for the tests, and an upgrade of it. */
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

/** How many objects of version 0 have begun to start, and what they wait for. */
export const starts: { begun: number; held: Promise<void> | undefined } = { begun: 0, held: undefined }

export class CartV1 extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Cart.v1'
  static override readonly shards = 8
  static override initial() {
    return { items: [] as string[] }
  }
  protected override async start(): Promise<void> {
    starts.begun++
    await starts.held
  }
  @command add(item: string): number {
    return this.state.items.push(item)
  }
  @query items(): string[] {
    return this.state.items
  }
}

export class CartV2 extends NodeObject<{ items: string[]; note: string }> {
  static override readonly className = 'Cart.v2'
  static override readonly shards = 8
  static override initial() {
    return { items: [] as string[], note: '' }
  }
  @command add(item: string): number {
    return this.state.items.push(item)
  }
  @query items(): string[] {
    return this.state.items
  }
  @command remark(note: string): void {
    this.state.note = note
  }
  @query note(): string {
    return this.state.note
  }
}

const noted = futureSO({
  simulates: CartV2,
  over: CartV1,
  initial: () => ({ note: '' }),
  delegates: ['add', 'items'],
  methods: {
    remark(note) {
      this.state.note = note
    },
    note() {
      return this.state.note
    },
  },
})

export const toV2 = (): Upgrade =>
  defineUpgrade({
    title: 'Carts have a note',
    classUpgrades: [
      upgradeClass({
        oldClass: CartV1,
        newClass: CartV2,
        futureSO: noted,
        pastSO: notNeeded,
        transform: (old, future) => ({ items: old.items, note: future.note }),
        schedule: eagerly(),
      }),
    ],
  })
