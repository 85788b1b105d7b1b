import { type Duration, milliseconds } from '../duration.js'
import { Fault } from '../fault.js'
import type { NodeRow } from '../ports/upgradeDatabase.js'
import { type Schedule, type SchedulingView, schedule } from '../schedule.js'
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
  return schedule(`steps(${sizes.join(', ')}; bake: ${options.bake})`, (view) =>
    view.until(async () => {
      const { group, ranks } = orderOf(await view.nodes(view.service), view.target)
      const rank = ranks.get(view.nodeId)
      // Not registered yet: nobody can tell its place.
      if (rank === undefined) return false
      const ends = counts.map((count) => count(group.length))
      const own = ends.findIndex((end) => rank < end)
      const before = own > 0 ? group.slice(0, ends[own - 1]) : []
      return before.every((row) => isBaked(row, view, bakeMs))
    }),
  )
}

/** Those who count, in their order, and the place of each. */
const orderOf = perReading((rows, target) => {
  const group = rows.filter((row) => row.alive || isDone(row, target))
  return { group, ranks: new Map(group.map(({ nodeId }, rank) => [nodeId, rank])) }
})

function isBaked(row: NodeRow, view: SchedulingView, bakeMs: number): boolean {
  return isDone(row, view.target) && view.now() - row.since >= bakeMs
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
