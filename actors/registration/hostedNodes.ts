/** The nodes of this host, as the upgrade database is told of them. */
import type { Session, Standing } from '../../core/control/standing.js'
import type { NodeStatus } from '../../core/model/nodeRow.js'

/** `forgotten`: by an operator, who wants the node registered again only when it starts anew. */
type Registration = 'pending' | 'registered' | 'forgotten'

/**
 * A node of this host, from its start to its release. An answer to a question about an earlier one with the
 * same id says nothing about it.
 */
export interface HostedNode {
  row: NodeStatus
  registration: Registration
  /** When the newest request was sent that has renewed its lease. */
  leasedMs: number
}

export class HostedNodes {
  readonly #entries = new Map<string, HostedNode>()
  readonly #registeredMs = new Map<string, number>()

  has(nodeId: string): boolean {
    return this.#entries.has(nodeId)
  }

  get(nodeId: string): HostedNode | undefined {
    return this.#entries.get(nodeId)
  }

  ids(): Iterable<string> {
    return this.#entries.keys()
  }

  /** The moments of their registrations, by the database. */
  get registeredMs(): NonNullable<Session['registeredMs']> {
    return this.#registeredMs
  }

  /** Its newest row. */
  enter(row: NodeStatus): HostedNode {
    const { nodeId } = row
    const found = this.#entries.get(nodeId)
    if (found !== undefined) {
      // Only a start looks into the store for it.
      const { moved } = found.row
      found.row = moved === undefined || row.moved !== undefined ? row : { ...row, moved }
      return found
    }
    const entry: HostedNode = { row, registration: 'pending', leasedMs: Number.NEGATIVE_INFINITY }
    this.#entries.set(nodeId, entry)
    return entry
  }

  /** Not one that was released meanwhile, though another may have its id. */
  isHere(entry: HostedNode | undefined): entry is HostedNode {
    return entry !== undefined && this.#entries.get(entry.row.nodeId) === entry
  }

  drop(nodeId: string): boolean {
    this.#registeredMs.delete(nodeId)
    return this.#entries.delete(nodeId)
  }

  registered(entry: HostedNode, standing: Standing | undefined, askedMs: number): void {
    entry.registration = 'registered'
    entry.leasedMs = askedMs
    if (standing !== undefined) this.#registeredMs.set(entry.row.nodeId, standing.stampMs)
  }

  /** A node whose registration is pending has been refused by nobody yet. */
  allRegistered(): readonly HostedNode[] {
    return [...this.#entries.values()].filter(({ registration }) => registration !== 'pending')
  }
}

export function byId(entries: readonly HostedNode[]): ReadonlyMap<string, HostedNode> {
  return new Map(entries.map((entry) => [entry.row.nodeId, entry]))
}
