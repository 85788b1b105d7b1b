/**
 * The registered nodes of a rehearsal, as the upgrade database would have them at this moment of virtual
 * time; and how many were away at most.
 */
import { notServing } from '../../core/base/phases.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { VirtualTime } from '../world/virtualTime.js'

export class SimulatedNodes {
  /** By node id, in that order. Rows are replaced, never changed: a schedule may keep what it has read. */
  readonly #rows: Map<string, NodeRow>
  readonly #lists = new Map<string | undefined, readonly NodeRow[]>()
  readonly #registered = new Map<string, number>()
  readonly #away = new Map<string, number>()
  readonly #mostAway = new Map<string, number>()
  #groups: ReadonlyMap<string, readonly NodeRow[]> | undefined
  #awayTogether = 0
  /** How many rows lists were made of. */
  rowsListed = 0
  #mostTogether = 0

  constructor(
    rows: readonly NodeRow[],
    private readonly time: VirtualTime,
    private readonly changed: (before: NodeRow, after: NodeRow) => void,
  ) {
    this.#rows = new Map(rows.map((row) => [row.nodeId, row]))
    for (const { service, phase } of rows) {
      this.#registered.set(service, this.registered(service) + 1)
      if (notServing.has(phase)) this.#count(service, 1)
    }
  }

  row(nodeId: string): NodeRow {
    return this.#rows.get(nodeId)!
  }

  /** The members of a group, as it was at first. */
  group(name: string): readonly string[] {
    this.#groups ??= Map.groupBy(
      [...this.#rows.values()].filter(({ group }) => group !== undefined),
      ({ group }) => group!,
    )
    return (this.#groups.get(name) ?? []).map(({ nodeId }) => nodeId)
  }

  /** How many nodes of the service are registered: as many as at first. */
  registered(service: string): number {
    return this.#registered.get(service) ?? 0
  }

  list(service?: string): readonly NodeRow[] {
    let list = this.#lists.get(service)
    if (list === undefined) {
      this.rowsListed += this.#rows.size
      list = [...this.#rows.values()].filter((row) => service === undefined || row.service === service)
      this.#lists.set(service, list)
    }
    return list
  }

  /** A report of the node: a phase that begins now. */
  report(nodeId: string, change: Partial<NodeRow> & Pick<NodeRow, 'phase' | 'target'>): void {
    const before = this.row(nodeId)
    const after: NodeRow = { ...before, reason: null, ...change, since: Math.round(this.time.now()) }
    this.#replace(after)
    this.#count(after.service, Number(notServing.has(after.phase)) - Number(notServing.has(before.phase)))
    this.changed(before, after)
  }

  /** The upgrade database hears of the node again, or no more. */
  notice(nodeId: string, alive: boolean): void {
    const before = this.row(nodeId)
    const after = { ...before, alive }
    this.#replace(after)
    this.changed(before, after)
  }

  #replace(row: NodeRow): void {
    this.#rows.set(row.nodeId, row)
    this.#lists.delete(undefined)
    this.#lists.delete(row.service)
  }

  /** The most nodes of a service that were away at once; of all services together without one. */
  mostAwayByService(): (service?: string) => number {
    const together = this.#mostTogether
    const mostAway = this.#mostAway
    return (service) => (service === undefined ? together : (mostAway.get(service) ?? 0))
  }

  #count(service: string, more: number): void {
    const away = (this.#away.get(service) ?? 0) + more
    this.#away.set(service, away)
    this.#mostAway.set(service, Math.max(away, this.#mostAway.get(service) ?? 0))
    this.#awayTogether += more
    this.#mostTogether = Math.max(this.#awayTogether, this.#mostTogether)
  }
}
