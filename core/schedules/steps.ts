import { type Duration, milliseconds } from '../duration.js'
import { Fault } from '../fault.js'
import type { Version } from '../ids.js'
import type { NodeRow } from '../ports/upgradeDatabase.js'
import { type Schedule, schedule } from '../schedule.js'
import { isDone, perReading } from './population.js'

/** How many nodes of the service have gone when a step is done: `'1 node'`, `'5 nodes'`, `'10%'`, `'all'`. */
export type StepSize = `${number} node` | `${number} nodes` | `${number}%` | 'all'

/**
 * A few nodes first, then more, with time to look in between: `steps(['1 node', '10%', '50%', 'all'], { bake: '10m' })`. A step begins when every
 * node of the step before serves at the new version and has done so for the bake time. The order is that of the node ids; a dead node blocks
 * nobody. A step that went wrong is where a pause or an undo comes in: no node of a later one has gone.
 */
export function steps(sizes: readonly StepSize[], options: { readonly bake: Duration }): Schedule {
  const bakeMs = milliseconds(options.bake)
  const counts = sizes.map((size) => countOf(size))
  if (sizes.at(-1) !== 'all')
    throw new Fault('config.invalid', `steps(${sizes.join(', ')}): the last step is 'all', or some nodes would never go`)
  return schedule(`steps(${sizes.join(', ')}; bake: ${options.bake})`, (view) => {
    const baking = new Baking(bakeMs)
    return view.until(async () => {
      baking.look(view.now())
      const { group, ranks } = orderOf(await view.nodes(view.service), view.target)
      const rank = ranks.get(view.nodeId)
      // Not registered yet: nobody can tell its place.
      if (rank === undefined) return false
      const ends = counts.map((count) => count(group.length))
      const own = ends.findIndex((end) => rank < end)
      const before = own > 0 ? group.slice(0, ends[own - 1]) : []
      // All of them, so that their times run side by side.
      return before.filter((row) => !baking.isOver(row, view.target)).length === 0
    })
  })
}

/** Those who count, in their order, and the place of each. */
const orderOf = perReading((rows, target) => {
  const group = rows.filter((row) => row.alive || isDone(row, target))
  return { group, ranks: new Map(group.map(({ nodeId }, rank) => [nodeId, rank])) }
})

/**
 * How long nodes have served at the new version: since their rows say so, or since this function has seen it, whichever is longer. Rows tell the
 * time of day of their hosts; a clock that is set back must not make a step wait for hours.
 */
class Baking {
  #nowMs = 0
  #lookedMs = 0
  #isFirst = true
  readonly #seenMs = new Map<string, number>()

  constructor(private readonly bakeMs: number) {}

  look(nowMs: number): void {
    // What the clock went back is left out.
    if (!this.#isFirst) this.#lookedMs += Math.max(0, nowMs - this.#nowMs)
    this.#isFirst = false
    this.#nowMs = nowMs
  }

  isOver(row: NodeRow, target: Version): boolean {
    if (!isDone(row, target)) {
      this.#seenMs.delete(row.nodeId)
      return false
    }
    const seenMs = this.#seenMs.get(row.nodeId) ?? this.#lookedMs
    this.#seenMs.set(row.nodeId, seenMs)
    return Math.max(this.#nowMs - row.since, this.#lookedMs - seenMs) >= this.bakeMs
  }
}

function countOf(size: StepSize): (nodes: number) => number {
  if (size === 'all') return () => Number.POSITIVE_INFINITY
  const found = /^(\d+)(%| nodes?)$/.exec(size)
  const amount = Number(found?.[1])
  const isShare = found?.[2] === '%'
  if (found === null || amount < 1 || (isShare && amount > 100))
    throw new Fault('config.invalid', `step ${JSON.stringify(size)}: use '1 node', '5 nodes', '10%' or 'all'`)
  return isShare ? (nodes) => Math.max(1, Math.floor((nodes * amount) / 100)) : () => amount
}
