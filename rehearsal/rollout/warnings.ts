/** The faults that a system has already, before an upgrade is published to it. */
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import { type Proposal, versionOf } from './situation.js'

/** Nobody reads more names. */
const namesMax = 5

export function warningsOf({ situation, draft }: Pick<Proposal, 'situation' | 'draft'>): readonly string[] {
  const { rows, controls, manifests } = situation
  const version = versionOf({ situation })
  const nodes = rows.filter(({ service }) => service !== clientService)
  const some = (found: readonly NodeRow[], what: string) => (found.length === 0 ? [] : [`${what}: ${names(found)}`])
  const services = [...new Set(draft.classUpgrades.map(({ service }) => service))].sort()
  const inTrouble = (row: NodeRow) => row.phase === 'stalled' || row.phase === 'rejected' || row.phase === 'failed'
  const pause = controls.find((control) => control.kind === 'pause' && control.version === version)
  return [
    ...services
      .filter((service) => !nodes.some((row) => row.service === service))
      .map((service) => `no node of service ${service} is registered`),
    ...some(nodes.filter(inTrouble), 'in trouble already'),
    ...some(
      nodes.filter((row) => !row.alive && !inTrouble(row)),
      'not heard of',
    ),
    ...some(
      nodes.filter((row) => row.alive && !inTrouble(row) && row.version < manifests.length),
      'not at the newest version yet',
    ),
    ...services.flatMap((service) => nobodyServes(service, nodes, draft)),
    ...(pause === undefined ? [] : [`version ${version} is paused before it is installed`]),
  ]
}

function names(rows: readonly NodeRow[]): string {
  const shown = rows.slice(0, namesMax).map(({ nodeId }) => nodeId)
  return `${shown.join(', ')}${rows.length > shown.length ? ` and ${rows.length - shown.length} more` : ''}`
}

/** `atMost('all')`, as its callers see it. */
function nobodyServes(service: string, nodes: readonly NodeRow[], { classUpgrades }: Proposal['draft']): readonly string[] {
  const entries = classUpgrades.filter((entry) => entry.service === service && entry.limit === 'all')
  if (entries.length === 0) return []
  const isTaken = (row: NodeRow) =>
    entries.some(({ oldClass, only }) => oldClass === row.className && (only?.nodes?.includes(row.nodeId) ?? true))
  const away = nodes.filter((row) => row.service === service && isTaken(row)).length
  const registered = nodes.filter((row) => row.service === service).length
  const whose = away === registered ? 'all nodes' : `${away} of ${registered} nodes`
  const calls = away === registered ? 'nobody answers calls to it meanwhile' : 'the others answer calls to it meanwhile'
  return [
    `${whose} of service ${service} may be away at once (atMost('all')): ${calls}; calls to these nodes are held, and end with unavailable.upgrading where their deadline comes first`,
  ]
}
