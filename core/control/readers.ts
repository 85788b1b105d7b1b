/**
 * T3. Those who would be left behind by a format number, of all that are registered: nodes alive or not,
 *     clients, upgrade servers. A node whose host is down comes back with what is installed there.
 */
import { readsOf, releaseOf, type Software } from '../base/level.js'
import type { NodeStatus } from '../model/nodeRow.js'
import type { ServerRow } from './upgradeDatabase.js'

/** One process: a host with all its nodes, or an upgrade server. */
export interface Reader {
  readonly role: 'host' | 'server'
  readonly id: string
  readonly release: string
  readonly software: Software | undefined
  /** Of a host. */
  readonly nodes: readonly string[]
}

type Row = Pick<NodeStatus, 'nodeId' | 'hostId' | 'software'>

/** Hosts and upgrade servers. A host stands there twice while some of its rows are of another release. */
export function readersOf(rows: readonly Row[], servers: readonly ServerRow[]): readonly Reader[] {
  const hosts = Map.groupBy(rows, ({ hostId, software }) => JSON.stringify([hostId, releaseOf(software), software?.reads]))
  return [
    ...[...hosts.values()].map(
      ([first, ...more]): Reader => ({
        role: 'host',
        id: first!.hostId,
        release: releaseOf(first!.software),
        software: first!.software,
        nodes: [first!, ...more].map(({ nodeId }) => nodeId),
      }),
    ),
    ...servers.map(({ id, software }): Reader => ({ role: 'server', id, release: releaseOf(software), software, nodes: [] })),
  ]
}

/** Whether each of them reads these numbers. */
export function isReadByAll(
  numbers: Readonly<Record<string, number>>,
  rows: readonly Row[],
  servers: readonly ServerRow[],
): boolean {
  return [...rows, ...servers].every(({ software }) => isReadBy(numbers, software))
}

export function isReadBy(numbers: Readonly<Record<string, number>>, software: Software | undefined): boolean {
  const reads = readsOf(software)
  return Object.entries(numbers).every(([name, number]) => number <= (reads[name] ?? 0))
}

export function leftBehind(
  numbers: Readonly<Record<string, number>>,
  rows: readonly Row[],
  servers: readonly ServerRow[],
): readonly Reader[] {
  return readersOf(rows, servers).filter(({ software }) => !isReadBy(numbers, software))
}

/** So many are named. */
const namedMax = 5

/** For a refusal: `host h1 of release 0.1.0 (s0, s1), upgrade server x of release 0.1.0`. */
export function readersText(readers: readonly Reader[]): string {
  const shown = readers.slice(0, namedMax).map(({ role, id, release, nodes }) => {
    const some = nodes.slice(0, namedMax).join(', ') + (nodes.length > namedMax ? ', …' : '')
    return `${role === 'host' ? 'host' : 'upgrade server'} ${id} of release ${release}${nodes.length === 0 ? '' : ` (${some})`}`
  })
  return [...shown, ...(readers.length > namedMax ? [`and ${readers.length - namedMax} more`] : [])].join(', ')
}
