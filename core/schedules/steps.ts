import { type Duration, milliseconds } from '../base/duration.js'
import { Fault } from '../base/fault.js'
import { awaitPopulation } from './awaitPopulation.js'
import type { LookTime, OrderQuestions } from './population.js'
import { paceSeen, type RolloutPace } from './rolloutPace.js'
import { type Schedule, schedule } from './schedule.js'

/** How many nodes of the service have gone when a step is done: `'1 node'`, `'5 nodes'`, `'10%'`, `'all'`. */
export type StepSize = `${number} node` | `${number} nodes` | `${number}%` | 'all'

/**
 * A few nodes first, then more, with time to look in between:
 * `steps(['1 node', '10%', '50%', 'all'], { bake: '10m' })`. A step begins when every node of
 * the step before serves at the new version and has done so for the bake time. The order is
 * that of the node ids; a dead node blocks nobody. A step that went wrong is where a pause or
 * an undo comes in: no node of a later one has gone. An operator may change the bake time meanwhile, and end
 * the bake that is under way.
 */
export function steps(sizes: readonly StepSize[], options: { readonly bake: Duration }): Schedule {
  const bakeMs = milliseconds(options.bake)
  const counts = sizes.map((size) => countOf(size))
  if (sizes.at(-1) !== 'all')
    throw new Fault('config.invalid', `steps(${sizes.join(', ')}): the last step is 'all', or some nodes would never go`)
  return schedule(`steps(${sizes.join(', ')}; bake: ${options.bake})`, (view) => {
    const baking = new Baking()
    return awaitPopulation(view, view.service, ({ order }, time) => {
      // Not registered yet: nobody can tell its place.
      if (!order.has(view.nodeId)) return false
      const place = order.placeOf(view.nodeId)
      const ends = counts.map((count) => count(order.size))
      const own = ends.findIndex((end) => place < end)
      return own === 0 || baking.left(order, ends[own - 1]!, time, bakeMs, paceSeen(view))
    })
  })
}

/**
 * How long the nodes of the steps before have all served at the new version, as this function has seen it. If
 * they did when it first looked their rows say it, which tell the time of day of their hosts.
 */
class Baking {
  /** When the last of them began, in looked time; null while they do not all serve. */
  #beganMs: number | null | undefined

  /** Milliseconds; false where one does not serve at the new version. */
  left(
    order: OrderQuestions,
    first: number,
    { nowMs, waitedMs }: LookTime,
    ownBakeMs: number,
    { bakeMs, bakedMs }: RolloutPace,
  ): number | false {
    if (!order.areDone(first)) {
      this.#beganMs = null
      return false
    }
    const sinceMs = this.#beganMs === null ? 0 : Math.max(0, nowMs - order.since(first))
    this.#beganMs ??= waitedMs - sinceMs
    // They were all there when an operator said that this is long enough.
    if (bakedMs !== null && order.since(first) <= bakedMs) return 0
    return this.#beganMs + (bakeMs ?? ownBakeMs) - waitedMs
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
