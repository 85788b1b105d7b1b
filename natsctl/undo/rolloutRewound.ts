/** `natsctl rollout rewound`: the report of the newest rewind, from the hosts of its nodes (§8). */
import type { NodeRow, Operator } from 'theseus-actors'
import type { Manifest, ReportedDifference } from 'theseus-actors/operator'
import { answerTimeoutMs } from '../context/answerTimeout.js'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { readHistory } from '../history/knownHistory.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { type Column, printColumns, show as showForm } from '../output/forms.js'
import { count, note, oneLine, print, toJson } from '../output/output.js'
import { findNode } from '../rollout/findNode.js'
import { type NodeReport, RewoundReports } from './rewoundReports.js'

export interface RewoundFlags extends GlobalFlags {
  readonly node?: string
}

const answerMs = 5_000
/** A host that has more to tell says so within this time, one message after the other. */
const quietMs = 300
const rowsShownMax = 50
/** Columns of a cell: `-o wide` has more of it, `-o json` all. */
const cellMax = 32
const wideCellMax = 200

/** The report, and all that it lacks. */
interface Rewound {
  readonly rewind: Manifest
  /** Of the upgrade that was rewound. */
  readonly title: string
  readonly reports: readonly NodeReport[]
  /** Nodes that have not gone back yet. */
  readonly coming: readonly NodeRow[]
  /** Nodes that have gone back and tell of no replay. */
  readonly untold: readonly NodeRow[]
  /** Hosts that have not answered: those that are not heard of among them. */
  readonly unheard: readonly string[]
  readonly partial: readonly string[]
}

interface Told extends ReportedDifference {
  readonly node: string
}

export function rewound(flags: RewoundFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async (operator, system, trust) => {
    const { history } = await readHistory(operator.database, system, trust)
    const rewind = history.manifests.findLast(({ rewinds }) => rewinds === true)
    if (rewind === undefined) throw new Failure(exitCodes.error, `error: no version of system ${system} was rewound`)
    const all = await operator.database.nodes()
    const services = new Set(rewind.classUpgrades.map(({ service }) => service))
    const rows = flags.node === undefined ? all : [findNode(flags.node, all, system)]
    const concerned = rows.filter(({ service }) => services.has(service))
    const title = history.manifests[rewind.undoes! - 1]!.title
    const found = { title, ...(await reportsOf(operator, rewind, concerned, flags.node)) }
    show(found, system, flags)
    return found.unheard.length + found.partial.length === 0 ? exitCodes.done : exitCodes.timedOut
  })
}

async function reportsOf(
  operator: Operator,
  rewind: Manifest,
  rows: readonly NodeRow[],
  node: string | undefined,
): Promise<Omit<Rewound, 'title'>> {
  const { undoes, version } = rewind
  const back = rows.filter((row) => row.version >= version)
  const away = rows.filter(({ alive }) => !alive).map(({ hostId }) => hostId)
  const asked = new Set(rows.filter(({ alive }) => alive).map(({ hostId }) => hostId))
  const reports = new RewoundReports(undoes!, asked)
  if (asked.size > 0) await gather(operator, reports, back.filter(({ alive }) => alive).length, node)
  const told = new Set(reports.reports.map(({ nodeId }) => nodeId))
  const unheard = new Set([...reports.unheard, ...away])
  return {
    rewind,
    reports: reports.reports,
    coming: rows.filter((row) => row.version < version),
    untold: back.filter(({ nodeId, hostId }) => !told.has(nodeId) && !unheard.has(hostId)),
    unheard: [...unheard].sort(),
    partial: reports.partial,
  }
}

/** Waits until the reports are whole: all nodes have one, or hosts that have answered say no more. */
async function gather(operator: Operator, reports: RewoundReports, nodes: number, node: string | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let quiet: NodeJS.Timeout | undefined
  const stop = operator.look(
    ({ hostId, seen }) => {
      reports.hear(hostId, seen)
      clearTimeout(quiet)
      if (!reports.isWhole) return
      if (reports.reports.length >= nodes) resolve()
      else quiet = setTimeout(resolve, quietMs)
    },
    { types: ['rewound'], ...(node === undefined ? {} : { nodes: [node] }) },
  )
  const timer = setTimeout(resolve, answerTimeoutMs(answerMs))
  await promise
  clearTimeout(timer)
  clearTimeout(quiet)
  stop()
}

function show(found: Rewound, system: string, flags: RewoundFlags): void {
  const { rewind, reports, coming, untold, unheard, partial } = found
  const all = reports.flatMap(({ nodeId, differences }) => differences.map((each): Told => ({ ...each, node: nodeId })))
  showForm(flags.output, {
    table: (isWide) => showTable(found, all, system, isWide),
    document: () => ({
      version: rewind.version,
      undoes: rewind.undoes,
      nodes: reports.map(({ nodeId, hostId, replayed, differing, told }) => ({
        ...{ node: nodeId, host: hostId, replayed, differing, told },
      })),
      operations: all.map(operationJson),
      coming: coming.map(({ nodeId }) => nodeId),
      untold: untold.map(({ nodeId }) => nodeId),
      unheard,
      partial,
    }),
    names: () => reports.map(({ nodeId }) => `node/${nodeId}`),
  })
  for (const line of missingLines(found)) note(line)
}

function showTable({ rewind, title, reports }: Rewound, all: readonly Told[], system: string, isWide: boolean): void {
  const { version, undoes } = rewind
  const sum = (of: (report: NodeReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  const differing = sum((report) => report.differing)
  print(`version ${version} of system ${system}: rewind of version ${undoes}, ${oneLine(title)}`)
  print(
    `${count(reports.length, 'node')} replayed ${count(
      sum(({ replayed }) => replayed),
      'operation',
    )}; ${differing} did not end as before`,
  )
  if (all.length === 0) return
  const of = (outcome: Told['outcome']) => all.filter((each) => each.outcome === outcome).length
  print(`another answer: ${of('answer')}, refused now: ${of('refused')}, diverged: ${of('diverged')}`)
  print('')
  const shown = isWide ? all : all.slice(0, rowsShownMax)
  printColumns(columnsOf(isWide ? wideCellMax : cellMax), shown, isWide)
  if (all.length > shown.length) print(`… and ${all.length - shown.length} more (-o wide has them all)`)
}

function columnsOf(max: number): readonly Column<Told>[] {
  return [
    { title: 'NODE', cell: ({ node }) => node },
    { title: 'AT', cell: ({ at }) => instant(at) },
    { title: 'VERSION', cell: ({ label }) => label, isWide: true },
    { title: 'METHOD', cell: ({ method }) => cut(method, max) },
    { title: 'ARGUMENTS', cell: ({ args }) => (args === undefined ? 'too long to be kept' : cut(withoutBrackets(args), max)) },
    { title: 'CALLER', cell: ({ caller, kind }) => cut(callerText(caller, kind), max) },
    { title: 'WAS TOLD', cell: ({ told }) => cut(toJson(told), max) },
    { title: 'IS', cell: ({ now, outcome }) => (outcome === 'answer' ? cut(toJson(now), max) : outcome) },
    { title: 'BECAUSE', cell: ({ reason }) => cut(reason ?? '', max) },
  ]
}

function callerText(caller: ReportedDifference['caller'], kind: ReportedDifference['kind']): string {
  if (caller === null) return `its own ${kind}`
  return caller.name === null ? caller.node : `${caller.name} (${caller.node})`
}

function operationJson({ node, at, label, kind, method, args, caller, outcome, told, now, reason }: Told) {
  const when = instant(at)
  return { node, at: when, version: label, kind, method, args: args ?? null, caller, outcome, told, now, reason }
}

/** Another host's clock, or somebody in its name, may say anything. */
function instant(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? '-' : date.toISOString()
}

/** In the table it says who gave the arguments: the brackets of the list tell nobody anything. */
function withoutBrackets(args: readonly unknown[]): string {
  return toJson(args).slice(1, -1)
}

function cut(text: string, max: number): string {
  const line = oneLine(text)
  return line.length <= max ? line : `${line.slice(0, max - 1).toWellFormed()}…`
}

function missingLines({ reports, coming, untold, unheard, partial }: Rewound): readonly string[] {
  const names = (all: readonly string[]) =>
    all.length > 5 ? `${all.slice(0, 5).join(', ')} and ${all.length - 5} more` : all.join(', ')
  const ids = (rows: readonly NodeRow[]) => names(rows.map(({ nodeId }) => nodeId))
  const cutShort = reports.filter(({ told, differing }) => told < differing)
  return [
    ...(coming.length === 0 ? [] : [`not back yet, so not in this report: ${ids(coming)}`]),
    ...(untold.length === 0
      ? []
      : [`back, with no report: ${ids(untold)}: they had no whole recording, or "observedState" of their host is 'nothing'`]),
    ...cutShort.map(
      ({ nodeId, told, differing }) =>
        `${nodeId}: the first ${told} of ${differing} operations are kept ("rewindReportMax" of its host)`,
    ),
    ...(partial.length === 0 ? [] : [`not the whole report has come: ${names(partial)}: ask again, with --node`]),
    ...(unheard.length === 0 ? [] : [`no answer: host ${names(unheard)}: its part of the report is missing`]),
  ]
}
