/** `natsctl node`: who runs what. */
import type { Command } from 'commander'
import type { NodeRow, Phase } from 'theseus'
import { withOperator } from './connection.js'
import { type ExitCode, exitCodes } from './exitCodes.js'
import { type GlobalFlags, nameFlag } from './flags.js'
import { age, type Cell, note, printJson, printTable } from './output.js'
import type { Program } from './program.js'

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
}

export function addNode(program: Program): void {
  const node = program.command.command('node').description('the registered nodes')
  node
    .command('ls')
    .description('list nodes with their class, version and phase')
    .option('--service <name>', 'only the nodes of this service', nameFlag)
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
}

interface ListFlags extends GlobalFlags {
  readonly service?: string
}

function list(flags: ListFlags): Promise<ExitCode> {
  return withOperator(flags, async (operator, system) => {
    const rows = await operator.database.nodes(flags.service)
    if (flags.output === 'json') printJson(rows.map(nodeJson))
    else
      printTable(
        nodeHeader,
        rows.map((row) => nodeCells(row, Date.now())),
      )
    if (rows.length === 0) note(noNodes(system, flags.service))
    return exitCodes.done
  })
}

/** Nothing is wrong with that, but a mistyped name looks just the same. */
export function noNodes(system: string, service?: string): string {
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
  }
}

export const nodeHeader = ['NODE', 'SERVICE', 'CLASS', 'VERSION', 'PHASE', 'TARGET', 'SINCE', 'ALIVE', 'HOST', 'REASON']

export function nodeCells(row: NodeRow, now: number): readonly Cell[] {
  return [
    row.nodeId,
    row.service,
    row.className,
    row.version,
    phaseCell(row.phase),
    row.target ?? '-',
    age(now - row.since),
    row.alive ? 'yes' : { text: 'no', style: 'red' },
    row.hostId,
    row.reason ?? '',
  ]
}

/** Quiet when all is well, red where somebody must look. */
export function phaseCell(phase: Phase): Cell {
  switch (phase) {
    case 'current':
      return { text: phase, style: 'green' }
    case 'fetching':
    case 'verifying':
    case 'scheduled':
    case 'draining':
    case 'transforming':
    case 'checking':
    case 'flipping':
    case 'recovering':
      return { text: phase, style: 'yellow' }
    case 'stalled':
    case 'rejected':
    case 'failed':
      return { text: phase, style: 'red' }
  }
}
