import { notServing } from '../base/phases.js'
import type { NodeRow } from '../model/nodeRow.js'
import { declaredServers } from './awaitedServers.js'
import { isDone } from './rowConditions.js'
import type { Schedule, SchedulingView } from './schedule.js'

/**
 * §4, "Upgrade after my servers upgrade. The SF signals once its node's servers have upgraded. This schedule
 * prevents a client node from calling methods that its servers do not yet fully support." The servers are the
 * registered nodes of the services named; without a name, of those that the node's class declares to call.
 * Every one counts, also one that is down: it will be called again.
 */
export function afterMyServers(...services: readonly string[]): Schedule {
  return {
    describe: `afterMyServers(${services.join(', ')})`,
    run: (view) => view.until(() => haveUpgraded(view, services.length > 0 ? services : view.servers)),
    awaits: services.length > 0 ? services : [declaredServers],
  }
}

async function haveUpgraded(view: SchedulingView, services: readonly string[]): Promise<boolean> {
  const rows = await view.nodes()
  const waitsFor = rows.filter((row) => services.includes(row.service) && !isDone(row, view.target))
  if (waitsFor.length === 0) return true
  // A node that has answered at the version is there, though its row may be late.
  const heard = new Map(view.contacts().map(({ nodeId, version }) => [nodeId, version]))
  return waitsFor.every((row) => hasAnswered(row, heard.get(row.nodeId), view))
}

function hasAnswered(row: NodeRow, heard: number | undefined, view: SchedulingView): boolean {
  return heard !== undefined && heard >= view.target && !notServing.has(row.phase)
}
