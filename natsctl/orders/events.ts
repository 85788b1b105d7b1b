/**
 * `natsctl events`: what happened to a system, out of the audit: orders, pauses of the gate, deaths, losses.
 * With `--follow` also what happens to nodes: trouble, arrivals, hosts that are not heard of.
 */
import type { Command } from 'commander'
import type { NodeRow, Operator } from 'theseus-actors'
import type { AuditEntry, AuditHead } from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { entriesFrom, entriesShown, limitFlag, newestEntries, readEntry, sinceFlag } from '../history/auditEntries.js'
import { auditEntryText, signersText } from '../history/auditFormat.js'
import { type ExitCode, exitCodes, usageFailure } from '../output/exitCodes.js'
import { type Column, showList } from '../output/forms.js'
import { Interruption } from '../output/interruption.js'
import { note, oneLine, print, printJson } from '../output/output.js'
import type { Program } from '../output/program.js'
import { pollUntilAborted } from '../rollout/rolloutPoll.js'
import { NodeEvents, type SystemEvent } from './nodeEvents.js'

interface EventsFlags extends GlobalFlags {
  readonly since?: number
  readonly limit?: number
  readonly follow?: true
}

/** Before the first event of a stream. */
const followedBefore = 10

export function addEvents(program: Program): void {
  program.command
    .command('events')
    .description('what happened: versions, orders, pauses, deaths; and with --follow what happens to nodes')
    .option('--follow', 'go on, one line for each event, until Ctrl-C; with -o json one document for each')
    .option('--since <when>', 'only what is as new: 2h, or 2026-11-30T12:00:00Z', sinceFlag)
    .option('--limit <n>', `only so many, the newest (default: ${entriesShown}, with --follow ${followedBefore})`, limitFlag)
    .action(program.action((_: unknown, command: Command) => events(command.optsWithGlobals())))
}

function events(flags: EventsFlags): Promise<ExitCode> {
  if (flags.follow === true && flags.output !== 'table' && flags.output !== 'json')
    throw usageFailure(`a stream of events has no -o ${flags.output}: use table or json`)
  return withKnownSystem(flags, async ({ database }, system) => {
    const { since, follow } = flags
    const shown = follow === true ? followedBefore : entriesShown
    const limit = flags.limit ?? (since === undefined ? shown : Number.POSITIVE_INFINITY)
    const head = await database.auditHead()
    const entries = await newestEntries(database, head, since === undefined ? limit : undefined)
    const found = eventsIn(entries).filter(({ at }) => Date.parse(at) >= (since ?? 0))
    const newest = limit < found.length ? found.slice(-limit) : found
    if (follow === true) return followEvents(database, head, newest, flags)
    showList(flags.output, newest, { columns, document: (event) => event, name: ({ entry }) => `audit/${entry}` })
    if (newest.length === 0) note(`nothing has happened to system ${system}${since === undefined ? '' : ' since then'}`)
    return exitCodes.done
  })
}

async function followEvents(
  database: Operator['database'],
  seen: AuditHead,
  before: readonly SystemEvent[],
  flags: EventsFlags,
): Promise<ExitCode> {
  const tell = flags.output === 'json' ? (event: SystemEvent) => printJson(event) : printEvent
  for (const event of before) tell(event)
  const ending = new AbortController()
  const interruption = new Interruption()
  void interruption.asked.then(() => ending.abort())
  const nodes = new NodeEvents()
  let { number } = seen
  try {
    const ask = async (): Promise<readonly [readonly Uint8Array[], readonly NodeRow[]]> => {
      const head = await database.auditHead()
      // A database that has lost something may begin anew.
      const from = head.number < number ? head.first : number + 1
      const entries = from > head.number ? [] : await entriesFrom(database, from, head)
      number = head.number
      return [entries, await database.nodes()]
    }
    for await (const [entries, rows] of pollUntilAborted(ask, ending.signal)) {
      for (const event of eventsIn(entries)) tell(event)
      for (const event of nodes.seen(rows, new Date().toISOString())) tell(event)
    }
    return exitCodes.done
  } finally {
    interruption.close()
  }
}

function eventsIn(entries: readonly Uint8Array[]): readonly SystemEvent[] {
  return entries.flatMap((bytes) => {
    const read = readEntry(bytes)
    return read === undefined ? [] : [eventOf(read.entry)]
  })
}

function eventOf(entry: AuditEntry): SystemEvent {
  const { number, at, what, outcome } = entry
  const reason = what.act === 'order' && what.reason !== undefined ? `: ${what.reason}` : ''
  const refused = outcome === 'done' ? '' : `, refused: ${outcome}`
  return {
    at,
    event: what.act,
    what: oneLine(`${auditEntryText(entry)}${refused}${reason}`),
    who: signersText(entry),
    entry: number,
    node: null,
  }
}

function printEvent({ at, event, what, who }: SystemEvent): void {
  print(oneLine(`${at} ${event.padEnd(10)} ${what}${who === '-' ? '' : `, by ${who}`}`))
}

const columns: readonly Column<SystemEvent>[] = [
  { title: 'AT', cell: ({ at }) => at },
  { title: 'EVENT', cell: ({ event }) => event },
  { title: 'WHAT', cell: ({ what }) => what },
  { title: 'WHO', cell: ({ who }) => who },
]
