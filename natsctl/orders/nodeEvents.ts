/** Events of nodes: the differences between two readings of their rows. */
import type { NodeRow } from 'theseus-actors'
import { type AuditEntry, mayBeAsleep } from 'theseus-actors/operator'
import { oneLine } from '../output/output.js'

export interface SystemEvent {
  /** RFC 3339. */
  readonly at: string
  readonly event: AuditEntry['what']['act'] | 'trouble' | 'arrived' | 'away' | 'back' | 'new' | 'gone'
  /** As people read it. */
  readonly what: string
  /** The keys or the name of those who ordered it; `-` for nobody. */
  readonly who: string
  /** The number of its entry in the audit; null for an event of a node. */
  readonly entry: number | null
  readonly node: string | null
}

const troubled: ReadonlySet<NodeRow['phase']> = new Set(['stalled', 'rejected', 'failed'])

export class NodeEvents {
  #before: ReadonlyMap<string, NodeRow> | undefined

  /** Of the first reading nothing is told: it happened before. */
  seen(rows: readonly NodeRow[], at: string): readonly SystemEvent[] {
    const before = this.#before
    const now = new Map(rows.map((row) => [row.nodeId, row]))
    this.#before = now
    if (before === undefined) return []
    const gone = [...before.keys()].filter((nodeId) => !now.has(nodeId))
    return [
      ...rows.flatMap((row) => changesOf(before.get(row.nodeId), row).map((change) => told(row.nodeId, change, at))),
      ...gone.map((nodeId) => told(nodeId, ['gone', 'is not registered any more'], at)),
    ]
  }
}

type Change = readonly [event: SystemEvent['event'], what: string]

function changesOf(before: NodeRow | undefined, row: NodeRow): readonly Change[] {
  const { className, version, phase, target, reason, alive, hostId } = row
  if (before === undefined) return [['new', `is registered: ${className}, version ${version}, host ${hostId}`]]
  const changes: Change[] = []
  if (before.version !== version) changes.push(['arrived', `is at version ${version}, ${className}`])
  const isOther = before.phase !== phase || before.reason !== reason
  if (troubled.has(phase) && isOther) {
    const towards = target === null ? '' : ` on its way to version ${target}`
    changes.push(['trouble', `is ${phase}${towards}${reason === null ? '' : `: ${reason}`}`])
  }
  if (before.alive && !alive && !mayBeAsleep(row)) changes.push(['away', `is not heard of: host ${hostId}`])
  if (!before.alive && alive && !mayBeAsleep(before)) changes.push(['back', `is back: host ${hostId}`])
  return changes
}

function told(nodeId: string, [event, what]: Change, at: string): SystemEvent {
  return { at, event, what: oneLine(`${nodeId} ${what}`), who: '-', entry: null, node: nodeId }
}
