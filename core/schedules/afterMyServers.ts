import { type Schedule, type SchedulingView, schedule } from '../schedule.js'
import { isDone } from './population.js'

/**
 * §4, "Upgrade after my servers upgrade. The SF signals once its node's servers have upgraded. This schedule prevents a client node from
 * calling methods that its servers do not yet fully support." The servers are the nodes of the services named; without a name, the nodes
 * that this one has recently exchanged calls with. Every registered server counts, also one that is down: it will be called again.
 */
export function afterMyServers(...services: readonly string[]): Schedule {
  return schedule(`afterMyServers(${services.join(', ')})`, (view) => view.until(() => haveUpgraded(view, services)))
}

async function haveUpgraded(view: SchedulingView, services: readonly string[]): Promise<boolean> {
  const contacted = new Set(view.contacts().map(({ nodeId }) => nodeId))
  const isServer = (nodeId: string, service: string) =>
    services.length > 0 ? services.includes(service) : contacted.has(nodeId) && nodeId !== view.nodeId
  const rows = await view.nodes()
  return rows.every((row) => !isServer(row.nodeId, row.service) || isDone(row, view.target))
}
