import { type Duration, milliseconds } from '../base/duration.js'
import { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import type { NodeRow } from '../model/nodeRow.js'
import { isDone, oncePerReading } from './rowConditions.js'
import { type Schedule, schedule } from './schedule.js'

/** How many nodes of the service have gone when a step is done: `'1 node'`, `'5 nodes'`, `'10%'`, `'all'`. */
export type StepSize = `${number} node` | `${number} nodes` | `${number}%` | 'all'

/**
 * A few nodes first, then more, with time to look in between:
 * `steps(['1 node', '10%', '50%', 'all'], { bake: '10m' })`. A step begins when every node of
 * the step before serves at the new version and has done so for the bake time. The order is
 * that of the node ids; a dead node blocks nobody. A step that went wrong is where a pause or
 * an undo comes in: no node of a later one has gone.
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
const orderOf = oncePerReading((rows, target) => {
  const group = rows.filter((row) => row.alive || isDone(row, target))
  return { group, ranks: new Map(group.map(({ nodeId }, rank) => [nodeId, rank])) }
})

/** Looks are at most a second apart, and take what the answer takes. */
const lookMsMax = 2_000

/**
 * How long nodes have served at the new version, as this function has seen it. Of those that did when it
 * first looked their rows say it, which tell the time of day of their hosts. A clock that is set back must
 * not make a step wait for hours, nor one that is set forward end it.
 */
class Baking {
  #nowMs: number | undefined
  #lookedMs = 0
  /** When they began, in looked time; null for those that have not. */
  readonly #beganMs = new Map<string, number | null>()

  constructor(private readonly bakeMs: number) {}

  look(nowMs: number): void {
    if (this.#nowMs !== undefined) this.#lookedMs += Math.min(lookMsMax, Math.max(0, nowMs - this.#nowMs))
    this.#nowMs = nowMs
  }

  isOver(row: NodeRow, target: Version): boolean {
    if (!isDone(row, target)) {
      this.#beganMs.set(row.nodeId, null)
      return false
    }
    let beganMs = this.#beganMs.get(row.nodeId)
    beganMs ??= beganMs === null ? this.#lookedMs : this.#lookedMs - Math.max(0, this.#nowMs! - row.since)
    this.#beganMs.set(row.nodeId, beganMs)
    return this.#lookedMs - beganMs >= this.bakeMs
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
