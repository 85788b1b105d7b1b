import { notServing } from '../base/phases.js'
import type { NodeRow } from '../model/nodeRow.js'
import { declaredServers } from './awaitedServers.js'
import { awaitPopulation } from './awaitPopulation.js'
import type { RowSet } from './population.js'
import { isDone } from './rowConditions.js'
import type { Schedule, SchedulingView } from './schedule.js'
import { knownSource } from './schedulingView.js'

/**
 * §4, "Upgrade after my servers upgrade. The SF signals once its node's servers have upgraded. This schedule
 * prevents a client node from calling methods that its servers do not yet fully support." The servers are the
 * registered nodes of the services named; without a name, of those that the node's class declares to call.
 * Every one counts, also one that is down: it will be called again.
 */
export function afterMyServers(...services: readonly string[]): Schedule {
  return {
    describe: `afterMyServers(${services.join(', ')})`,
    run: (view) => haveUpgraded(view, services.length > 0 ? services : view.servers),
    awaits: services.length > 0 ? services : [declaredServers],
  }
}

function haveUpgraded(view: SchedulingView, services: readonly string[]): Promise<void> {
  const { target } = view
  const waitsFor = services.map(
    (service): RowSet => ({
      key: `${service} before ${target}`,
      has: (row) => row.service === service && !isDone(row, target),
    }),
  )
  return awaitPopulation(view, undefined, (population) => {
    const contact = contactsOf(view)
    // A node that has answered at the version is there, though its row may be late.
    const hasAnswered = (row: NodeRow) => (contact(row.nodeId)?.version ?? -1) >= target && !notServing.has(row.phase)
    return !waitsFor.some((set) => population.some(set, (row) => !hasAnswered(row)))
  })
}

function contactsOf(view: SchedulingView): (nodeId: string) => { readonly version: number } | undefined {
  const source = knownSource(view)
  if (source?.contact !== undefined) return (nodeId) => source.contact!(nodeId)
  let byNodeId: ReadonlyMap<string, { readonly version: number }> | undefined
  return (nodeId) => {
    byNodeId ??= new Map(view.contacts().map((contact) => [contact.nodeId, contact]))
    return byNodeId.get(nodeId)
  }
}
