import type { NodeClass } from '../model/nodeObject.js'
import { awaitPopulation } from './awaitPopulation.js'
import type { RowSet } from './population.js'
import { type Schedule, type SchedulingView, schedule } from './schedule.js'

/**
 * §4, "Upgrade all nodes of class C1 before nodes of class C2. The SF queries the upgrade database to
 * determine when to signal its UM. This schedule imposes a partial order on node upgrades." For both class
 * upgrades: nodes of `first` go at once, all others wait until no registered node of class `first` is left.
 */
export function classBefore(first: NodeClass | string, then: NodeClass | string): Schedule {
  const [firstName, thenName] = [nameOf(first), nameOf(then)]
  return schedule(`classBefore(${firstName}, ${thenName})`, async (view) => {
    if (view.className !== firstName) await areGone(view, firstName)
  })
}

/** A node that is still recovering may yet flip back to the first class. */
function areGone(view: SchedulingView, className: string): Promise<void> {
  const { service } = view
  const left: RowSet = {
    key: `${className} or recovering outside ${service}`,
    has: (row) => row.className === className || (row.phase === 'recovering' && row.service !== service),
  }
  return awaitPopulation(view, undefined, (population) => !population.some(left))
}

function nameOf(target: NodeClass | string): string {
  return typeof target === 'string' ? target : target.className
}
