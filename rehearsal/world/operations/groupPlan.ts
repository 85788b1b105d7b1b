/**
 * Makes a group of a plan: a ledger and a teller of one host get ids as members of it. All else in the plan
 * stays as it is.
 */
import { memberId } from '../../../core/model/groupRecord.js'
import type { NodePlan, Plan, ServiceName } from '../plan.js'

/** The last in the order of ids: schedules that go by that order wait for no member of it. */
export const groupName = 'z'

/** The plan with a group, if it has a ledger and a teller. */
export function withGroup(plan: Plan): Plan {
  const first = (service: ServiceName) => plan.nodes.find((node) => node.service === service)
  const [ledger, teller] = [first('ledger'), first('teller')]
  if (ledger === undefined || teller === undefined) return plan
  const names = new Map([ledger, teller].map(({ nodeId, service }) => [nodeId, memberId(groupName, service)]))
  const renamed = renamedIn(plan, names) as Plan
  const members = new Set(names.values())
  const nodes = renamed.nodes.map((node): NodePlan => {
    return members.has(node.nodeId) ? { ...node, host: ledger.host, group: groupName } : node
  })
  return { ...renamed, nodes }
}

/** All texts that are an id are that of the member. */
function renamedIn(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return names.get(value) ?? value
  if (Array.isArray(value)) return value.map((item) => renamedIn(item, names))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, renamedIn(item, names)]))
}

/** The services whose nodes go through a version together: of a node's group, or its own. */
export function servicesWith(plan: Plan, { group, service }: Pick<NodePlan, 'group' | 'service'>): readonly ServiceName[] {
  return group === undefined ? [service] : plan.nodes.filter((node) => node.group === group).map((node) => node.service)
}
