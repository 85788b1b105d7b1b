/** How a schedule waits for a condition on the other nodes. */
import type { NodeRow } from '../model/nodeRow.js'
import { NodeOrder } from './nodeOrder.js'
import type { Population, PopulationCondition, RowSet } from './population.js'
import { oncePerReading } from './rowConditions.js'
import type { SchedulingView } from './schedule.js'
import { knownSource } from './schedulingView.js'

/** Looks are at most a second apart, and take what the answer takes. */
const lookMsMax = 2_000

/** Resolves when the condition holds, of the nodes of `service`, or of all. */
export async function awaitPopulation(
  view: SchedulingView,
  service: string | undefined,
  condition: PopulationCondition,
): Promise<void> {
  const waiting = knownSource(view)?.awaitPopulation?.(view, service, condition)
  if (waiting !== undefined) return waiting
  let lookedMs: number | undefined
  let waitedMs = 0
  await view.until(async () => {
    const nowMs = view.now()
    // A clock that is set back must not make it wait for hours, nor one that is set forward end it.
    if (lookedMs !== undefined) waitedMs += Math.min(lookMsMax, Math.max(0, nowMs - lookedMs))
    lookedMs = nowMs
    return holds(condition(populationOf(await view.nodes(service), view.target), { nowMs, waitedMs }))
  })
}

export function holds(answer: boolean | number): boolean {
  return answer === true || (typeof answer === 'number' && answer <= 0)
}

/** That of one reading, whose parts are made when they are asked for. */
export const populationOf = oncePerReading((rows, target): Population => {
  let byNodeId: ReadonlyMap<string, NodeRow> | undefined
  let order: NodeOrder | undefined
  const sets = new Map<string, readonly NodeRow[]>()
  return {
    row: (nodeId) => {
      byNodeId ??= new Map(rows.map((row) => [row.nodeId, row]))
      return byNodeId.get(nodeId)
    },
    get order() {
      order ??= new NodeOrder(rows, target)
      return order
    },
    some: ({ key, has }: RowSet, test = () => true) => {
      let found = sets.get(key)
      if (found === undefined) sets.set(key, (found = rows.filter(has)))
      return found.some(test)
    },
  }
})
