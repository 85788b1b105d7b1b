/** Carts under load, and the items that were acknowledged: one caller a cart adds one item at a time. */
import { isFault, type RunningHost } from 'theseus-actors'
import { pause, type Tally } from 'theseus-actors/demo'
import { CartsV1 } from './carts/carts.v1.js'
import { CartsV2 } from './carts/carts.v2.js'

/** Longer than it takes another host to claim the shards of a lost one. */
const deadline = '9s'
const pauseMs = 8

interface Cart {
  readonly id: string
  readonly acknowledged: string[]
  /** Under way when the host was killed: it may be there, or not. */
  readonly unknown: Set<string>
}

export class CartsLoad {
  readonly tally: Tally = { calls: 0, failed: 0, wrong: 0, unknown: 0, failures: new Map(), contradictions: [] }
  readonly #carts: readonly Cart[]
  readonly #workers: readonly Promise<void>[]
  #isOver = false

  constructor(
    private readonly desk: RunningHost,
    ids: readonly string[],
  ) {
    this.#carts = ids.map((id) => ({ id, acknowledged: [], unknown: new Set() }))
    this.#workers = this.#carts.map((cart) => this.#work(cart))
  }

  /** Ends the load. Answers what was acknowledged, and is not there, or is there twice. */
  async account(): Promise<readonly string[]> {
    this.#isOver = true
    await Promise.all(this.#workers)
    const lost: string[] = []
    for (const { id, acknowledged, unknown } of this.#carts) {
      const items = await this.desk.ref(CartsV2, id, { deadline }).items()
      const certain = items.filter((item) => !unknown.has(item))
      const isSame = certain.length === acknowledged.length && certain.every((item, i) => item === acknowledged[i])
      if (!isSame) lost.push(`${id}: ${acknowledged.length} items were acknowledged, ${certain.length} are there`)
      if (new Set(items).size !== items.length) lost.push(`${id}: an item is there twice`)
    }
    return lost
  }

  async #work(cart: Cart): Promise<void> {
    const ref = this.desk.ref(CartsV1, cart.id, { deadline })
    for (let i = 0; !this.#isOver; i++) {
      await this.#add(ref, cart, `${cart.id} ${i}`)
      await pause(pauseMs)
    }
  }

  async #add(ref: { add(item: string): Promise<number> }, cart: Cart, item: string): Promise<void> {
    const { tally } = this
    tally.calls++
    try {
      const place = await ref.add(item)
      cart.acknowledged.push(item)
      const most = cart.acknowledged.length + cart.unknown.size
      if (place >= cart.acknowledged.length && place <= most) return
      tally.wrong++
      tally.contradictions.push(`${item} is item ${place} of ${cart.acknowledged.length} to ${most}`)
    } catch (error) {
      const code = isFault(error) ? error.code : String(error)
      if (isFault(error) && error.kind === 'timeout') {
        tally.unknown++
        cart.unknown.add(item)
      } else {
        tally.failed++
        tally.failures.set(code, (tally.failures.get(code) ?? 0) + 1)
      }
    }
  }
}
