/**
 * `natsctl orders`: who ordered what, when and why, and whether it was carried out: the audit as an operator
 * reads it. With `--in-force`, the orders that hold or move nodes now, and those that concern nobody.
 */
import type { Command } from 'commander'
import type { Operator } from 'theseus-actors'
import { type AuditEntry, decodeDirective, decodeManifest, digestOf, orderReason } from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { entriesShown, limitFlag, newestEntries, readableDirectives, readEntry, sinceFlag } from '../history/auditEntries.js'
import { auditEntryText, signersText } from '../history/auditFormat.js'
import { readHistory } from '../history/knownHistory.js'
import { type ExitCode, exitCodes, usageFailure } from '../output/exitCodes.js'
import { type Column, showList } from '../output/forms.js'
import { age, note } from '../output/output.js'
import type { Program } from '../output/program.js'
import { type OrderInForce, ordersInForce } from './ordersInForce.js'

interface OrdersFlags extends GlobalFlags {
  readonly since?: number
  readonly limit?: number
  readonly inForce?: true
}

export function addOrders(program: Program): void {
  program.command
    .command('orders')
    .description('who ordered what, when and why, and whether it was carried out')
    .option('--since <when>', 'only what is as new: 2h, or 2026-11-30T12:00:00Z', sinceFlag)
    .option('--limit <n>', `only so many, the newest (default: ${entriesShown})`, limitFlag)
    .option('--in-force', 'the pauses, holds and other orders that are in force, and the nodes that each concerns')
    .action(program.action((_: unknown, command: Command) => orders(command.optsWithGlobals())))
}

function orders(flags: OrdersFlags): Promise<ExitCode> {
  if (flags.inForce !== true) return given(flags)
  if (flags.since !== undefined || flags.limit !== undefined)
    throw usageFailure('--in-force lists all: leave --since and --limit')
  return inForce(flags)
}

interface GivenOrder {
  readonly entry: AuditEntry
  /** Null where nobody said it. */
  readonly reason: string | null
}

type Ordered = Extract<AuditEntry['what'], { act: 'install' | 'undo' | 'order' }>

function given(flags: OrdersFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }, system) => {
    const { since } = flags
    const limit = flags.limit ?? (since === undefined ? entriesShown : Number.POSITIVE_INFINITY)
    const head = await database.auditHead()
    const reasons = await reasonsIn(database)
    const entries = await newestEntries(database, head)
    const found = entries.flatMap((bytes): readonly GivenOrder[] => {
      const entry = readEntry(bytes)?.entry
      if (entry === undefined || !isOrdered(entry.what) || Date.parse(entry.at) < (since ?? 0)) return []
      const { what } = entry
      return [{ entry, reason: ('reason' in what ? what.reason : undefined) ?? reasons.get(what.digest) ?? null }]
    })
    showList(flags.output, limit < found.length ? found.slice(-limit) : found, {
      columns,
      document: orderJson,
      name: ({ entry }) => `audit/${entry.number}`,
    })
    if (found.length === 0) note(`nothing was ordered of system ${system}${since === undefined ? '' : ' since then'}`)
    if (head.first > 1) note(`the audit begins at entry ${head.first}: older orders were dropped`)
    return exitCodes.done
  })
}

function isOrdered(what: AuditEntry['what']): what is Ordered {
  return what.act === 'install' || what.act === 'undo' || what.act === 'order'
}

/** By the digest of what was signed: entries of older releases do not have them. */
async function reasonsIn(database: Operator['database']): Promise<ReadonlyMap<string, string>> {
  const { version } = await database.head()
  const [manifests, directives] = await Promise.all([database.manifests(1, version), readableDirectives(database)])
  const found = new Map<string, string>()
  const keep = (bytes: Uint8Array, reason: (bytes: Uint8Array) => string | null) => {
    try {
      const text = reason(bytes)
      if (text !== null) found.set(digestOf(bytes), text)
    } catch {
      // Of a later release: its reason is not known.
    }
  }
  for (const { bytes } of manifests) keep(bytes, (signed) => decodeManifest(signed).reason)
  for (const { bytes } of directives ?? []) keep(bytes, (signed) => orderReason(decodeDirective(signed)))
  return found
}

const columns: readonly Column<GivenOrder>[] = [
  { title: 'AT', cell: ({ entry }) => entry.at },
  { title: 'WHO', cell: ({ entry }) => signersText(entry) },
  { title: 'ORDER', cell: ({ entry }) => auditEntryText(entry) },
  {
    title: 'CARRIED OUT',
    cell: ({ entry: { outcome } }) => (outcome === 'done' ? 'yes' : { text: `no: ${outcome}`, style: 'yellow' }),
  },
  { title: 'WHY', cell: ({ reason }) => reason ?? '-' },
  { title: 'ENTRY', cell: ({ entry }) => entry.number, isWide: true },
]

function orderJson({ entry, reason }: GivenOrder) {
  const { number, at, what, outcome, times, by, from } = entry
  const act =
    what.act === 'order' ? { order: what.words, directive: what.number } : { order: auditEntryText({ ...entry, times: 1 }) }
  return { entry: number, at, ...act, isDone: outcome === 'done', outcome, times, by, from, reason }
}

function inForce(flags: OrdersFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }, system, trust) => {
    const [controls, rows] = await Promise.all([database.controls(), database.nodes()])
    const { newest, history } = await readHistory(database, system, trust)
    const found = ordersInForce({ controls, rows, newest, manifests: history.manifests })
    showList(flags.output, found, { columns: inForceColumns, document: inForceJson, name: ({ key }) => `control/${key}` })
    if (found.length === 0) note(`no order of system ${system} is in force`)
    return exitCodes.done
  })
}

const inForceColumns: readonly Column<OrderInForce>[] = [
  { title: 'ORDER', cell: ({ words }) => words },
  { title: 'FOR', cell: ({ since }) => age(Date.now() - since) },
  {
    title: 'CONCERNS',
    cell: ({ concerns, nobody }) =>
      nobody === null ? `${concerns.length} nodes`.replace(/^1 nodes$/, '1 node') : { text: nobody, style: 'yellow' },
  },
  { title: 'WHY', cell: ({ reason }) => reason ?? '-' },
  { title: 'NODES', cell: ({ concerns }) => concerns.join(', ') || '-', isWide: true },
]

function inForceJson({ key, kind, since, reason, concerns, nobody }: OrderInForce) {
  return { order: key, kind, since: new Date(since).toISOString(), reason, nodes: concerns, nobody }
}
