/** How nodes are told, as rows of a table, as JSON and by name: by every command that lists some. */
import type { NodeRow, Phase } from 'theseus-actors'
import { mayBeAsleep, type PhaseStage, stageOf } from 'theseus-actors/operator'
import type { Column } from '../output/forms.js'
import { age, type Cell } from '../output/output.js'

/** One node as `-o json` shows it. */
export interface NodeJson {
  readonly node: string
  readonly service: string
  readonly class: string
  readonly version: number
  readonly phase: Phase
  readonly target: number | null
  /** RFC 3339: when the phase began, by the clock of the node's host. */
  readonly since: string
  readonly alive: boolean
  readonly host: string
  readonly reason: string | null
  /** Left out for a node of no group. */
  readonly group?: string
  /** Of a sharded service: its shard, and whether it may be asleep. */
  readonly shard?: number
  readonly asleep?: boolean
}

/** A mistyped name looks just the same, and a database that was emptied. */
export function noNodesText(system: string, service?: string): string {
  return service === undefined
    ? `system ${system} has no registered nodes`
    : `service ${service} of system ${system} has no registered nodes`
}

export function nodeJson(row: NodeRow): NodeJson {
  return {
    node: row.nodeId,
    service: row.service,
    class: row.className,
    version: row.version,
    phase: row.phase,
    target: row.target,
    since: new Date(row.since).toISOString(),
    alive: row.alive,
    host: row.hostId,
    reason: row.reason,
    ...(row.group === undefined ? {} : { group: row.group }),
    ...(row.shard === undefined ? {} : { shard: row.shard, asleep: mayBeAsleep(row) }),
  }
}

const nodeHeader = ['NODE', 'SERVICE', 'CLASS', 'VERSION', 'PHASE', 'TARGET', 'SINCE', 'ALIVE', 'HOST', 'REASON']

function nodeCells(row: NodeRow, now: number): readonly Cell[] {
  return [
    row.nodeId,
    row.service,
    row.className,
    row.version,
    phaseCell(row.phase),
    row.target ?? '-',
    age(now - row.since),
    row.alive ? 'yes' : mayBeAsleep(row) ? 'asleep' : { text: 'no', style: 'red' },
    row.hostId,
    row.reason ?? '',
  ]
}

export function nodeColumns(now: number): readonly Column<NodeRow>[] {
  const columns = nodeHeader.map((title, at): Column<NodeRow> => ({ title, cell: (row) => nodeCells(row, now)[at]! }))
  return [
    ...columns.slice(0, -1),
    { title: 'BEGAN', cell: ({ since }) => new Date(since).toISOString(), isWide: true },
    { title: 'SHARD', cell: ({ shard }) => shard ?? '-', isWide: true },
    { title: 'GROUP', cell: ({ group }) => group ?? '-', isWide: true },
    { title: 'DIRECTORY', cell: ({ directoryId }) => directoryId ?? '-', isWide: true },
    ...columns.slice(-1),
  ]
}

export function nodeName({ nodeId }: Pick<NodeRow, 'nodeId'>): string {
  return `node/${nodeId}`
}

const styles = {
  idle: 'green',
  preparing: 'yellow',
  waiting: 'yellow',
  changing: 'yellow',
  stuck: 'red',
  failed: 'red',
} as const satisfies Record<PhaseStage, string>

/** Quiet when all is well, red where somebody must look. */
export function phaseCell(phase: Phase): Cell {
  return { text: phase, style: styles[stageOf(phase)] }
}
