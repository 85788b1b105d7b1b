/**
 * Schedules of a rehearsal that wait for a condition on the other nodes: each looks again when one of the
 * answers that it was given can be another one, and not at every change. So a rollout costs about as much for
 * each node, however many wait.
 *
 * A1. A look notes the answers for which it was told to wait: a node that is not done, a set that is not
 *     empty, rows.
 * A2. When one of them can be another, it looks at the next moment at which a node at work would.
 * A3. A condition that time brings is looked at when the time has come.
 */
import type { Version } from '../../core/base/ids.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { Random } from '../../core/ports/random.js'
import { NodeOrder } from '../../core/schedules/nodeOrder.js'
import type { OrderQuestions, Population, RowSet } from '../../core/schedules/population.js'
import { isDone, isServing } from '../../core/schedules/rowConditions.js'
import type { VirtualTime } from '../world/virtualTime.js'
import { workPauseMs } from './recheckTimes.js'

interface Waiter {
  isWoken: boolean
  readonly wake: () => void
}

/** The rows that the rehearsal has at this moment. */
interface CurrentRows {
  row(nodeId: string): NodeRow | undefined
  list(service?: string): readonly NodeRow[]
}

export class AwaitedPopulation {
  readonly #orders = new Map<string, AwaitedOrder>()
  readonly #sets = new Map<string, AwaitedSet>()
  readonly #watchedRows = new Map<string, Set<Waiter>>()
  looks = 0
  /** How many rows were put in order, or looked through for a set. */
  rowsOrdered = 0

  constructor(
    readonly nodes: CurrentRows,
    private readonly time: VirtualTime,
    private readonly random: Random,
  ) {}

  /** A2, A3. Resolves when who has looked looks again. Time alone brings it after `ms`. */
  next(look: PopulationLook, ms: number): Promise<void> {
    this.looks++
    return new Promise((resolve) => {
      const { rows } = look
      let cancel = () => {}
      const waiter: Waiter = {
        isWoken: false,
        wake: () => {
          if (waiter.isWoken) return
          waiter.isWoken = true
          cancel()
          for (const nodeId of rows) this.#watchedRows.get(nodeId)?.delete(waiter)
          this.time.after(this.#untilLookMs(), resolve)
        },
      }
      for (const nodeId of rows) this.#watch(nodeId, waiter)
      for (const [set, most] of look.sets) set.add(waiter, most)
      look.awaitedOrder?.add(waiter, look.awaitedPlace)
      if (Number.isFinite(ms)) cancel = this.time.after(ms, waiter.wake)
    })
  }

  /** Told of every change of a row. */
  changed(before: NodeRow, after: NodeRow): void {
    for (const order of this.#orders.values()) {
      if (order.service === after.service && order.changed(after, this.nodes)) this.rowsOrdered += order.order.size
    }
    for (const set of this.#sets.values()) set.changed(after)
    const watching = this.#watchedRows.get(after.nodeId)
    if (watching === undefined || watching.size === 0 || isLike(before, after)) return
    for (const waiter of [...watching]) waiter.wake()
  }

  order(service: string, target: Version): AwaitedOrder {
    const key = `${service} ${target}`
    let order = this.#orders.get(key)
    if (order === undefined) this.#orders.set(key, (order = new AwaitedOrder(service, target, this.nodes)))
    return order
  }

  set({ key, has }: RowSet): AwaitedSet {
    let set = this.#sets.get(key)
    if (set === undefined) this.#sets.set(key, (set = new AwaitedSet(has, this.nodes.list())))
    return set
  }

  #watch(nodeId: string, waiter: Waiter): void {
    const watching = this.#watchedRows.get(nodeId) ?? new Set()
    this.#watchedRows.set(nodeId, watching)
    watching.add(waiter)
  }

  #untilLookMs(): number {
    return workPauseMs(this.random) * this.random.next()
  }
}

/** The population as one look sees it. A1. */
export class PopulationLook implements Population {
  readonly rows = new Set<string>()
  /** With how many rows each may have. */
  readonly sets = new Map<AwaitedSet, number>()
  awaitedOrder: AwaitedOrder | undefined
  /** The first place that has to be reached. */
  awaitedPlace = Number.POSITIVE_INFINITY

  constructor(
    private readonly awaited: AwaitedPopulation,
    private readonly service: string | undefined,
    private readonly target: Version,
    /** The other members of the group, which are not seen. */
    private readonly siblings: ReadonlySet<string>,
  ) {}

  row(nodeId: string): NodeRow | undefined {
    this.rows.add(nodeId)
    const row = this.awaited.nodes.row(nodeId)
    const isSeen = !this.siblings.has(nodeId) && (this.service === undefined || row?.service === this.service)
    return isSeen ? row : undefined
  }

  get order(): OrderQuestions {
    const awaited = this.awaited.order(this.service ?? '', this.target)
    this.awaitedOrder = awaited
    const { order } = awaited
    return {
      size: order.size,
      has: (nodeId) => order.has(nodeId),
      placeOf: (nodeId) => order.placeOf(nodeId),
      since: (first) => order.since(first),
      areDone: (first) => {
        const areDone = order.areDone(first)
        if (!areDone) this.awaitedPlace = Math.min(this.awaitedPlace, first)
        return areDone
      },
    }
  }

  some(rowSet: RowSet, holds: (row: NodeRow) => boolean = () => true): boolean {
    const set = this.awaited.set(rowSet)
    for (const nodeId of set.nodeIds) {
      this.awaited.rowsOrdered++
      if (this.siblings.has(nodeId) || !holds(this.awaited.nodes.row(nodeId)!)) continue
      this.sets.set(set, [...this.siblings].filter((sibling) => set.nodeIds.has(sibling)).length)
      return true
    }
    return false
  }
}

class AwaitedOrder {
  order: NodeOrder
  /** By the place that has to be reached. */
  #waiters = new Map<number, Waiter[]>()

  constructor(
    readonly service: string,
    private readonly target: Version,
    nodes: CurrentRows,
  ) {
    this.order = new NodeOrder(nodes.list(service), target)
  }

  add(waiter: Waiter, place: number): void {
    const at = Math.min(place, this.order.size)
    const waiters = this.#waiters.get(at)
    if (waiters === undefined) this.#waiters.set(at, [waiter])
    else waiters.push(waiter)
  }

  /** Whether all nodes had to be put in order again. */
  changed(row: NodeRow, nodes: CurrentRows): boolean {
    const before = this.order.unfinished
    if (!this.order.take(row)) {
      this.order = new NodeOrder(nodes.list(this.service), this.target)
      const all = [...this.#waiters.values()].flat()
      this.#waiters = new Map()
      for (const waiter of all) waiter.wake()
      return true
    }
    for (let place = before + 1; place <= this.order.unfinished; place++) {
      const waiters = this.#waiters.get(place) ?? []
      this.#waiters.delete(place)
      for (const waiter of waiters) waiter.wake()
    }
    return false
  }
}

class AwaitedSet {
  readonly nodeIds: Set<string>
  /** By how many rows the set may have. */
  readonly #waiters = new Map<number, Waiter[]>()

  constructor(
    private readonly has: (row: NodeRow) => boolean,
    rows: readonly NodeRow[],
  ) {
    this.nodeIds = new Set(rows.filter(has).map(({ nodeId }) => nodeId))
  }

  add(waiter: Waiter, most: number): void {
    const waiters = this.#waiters.get(most)
    if (waiters === undefined) this.#waiters.set(most, [waiter])
    else waiters.push(waiter)
  }

  changed(row: NodeRow): void {
    if (this.has(row)) this.nodeIds.add(row.nodeId)
    else if (this.nodeIds.delete(row.nodeId)) {
      const waiters = this.#waiters.get(this.nodeIds.size) ?? []
      this.#waiters.delete(this.nodeIds.size)
      for (const waiter of waiters) waiter.wake()
    }
  }
}

/** Whether conditions on single rows have the same answers. */
function isLike(before: NodeRow, after: NodeRow): boolean {
  return (
    before.alive === after.alive &&
    before.version === after.version &&
    before.settled === after.settled &&
    isServing(before) === isServing(after) &&
    isDone(before, before.version) === isDone(after, after.version)
  )
}
