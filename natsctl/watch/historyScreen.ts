/** The history of one node: the phases that its host remembers, and what it waits for now. */
import { mayBeAsleep, type PhaseSeen } from 'theseus-actors/operator'
import { age } from '../output/output.js'
import { phaseCell } from '../rollout/nodeFormat.js'
import { waitReasonOf } from '../rollout/waitReason.js'
import type { Line, ScreenSize } from './styledLine.js'
import { type Column, layOutTable } from './tableLayout.js'
import { ageText, timeOfDay } from './valueFormat.js'
import type { WatchedRollout } from './watchedRollout.js'

/** The reports of hosts about a node. */
export interface NodeHistory {
  readonly phases: readonly PhaseSeen[]
  readonly since: number
}

export const historyPhasesMax = 2_000
/** Hosts answer at once. */
const answerMs = 2_000

interface Passed extends PhaseSeen {
  /** When the next one began; undefined for the one that it is in. */
  readonly until: number | undefined
}

export function historyLines(
  watched: WatchedRollout,
  nodeId: string,
  heard: NodeHistory | undefined,
  top: number,
  { columns, rows }: ScreenSize,
  now: number,
): { readonly lines: readonly Line[]; readonly page: number; readonly top: number } {
  const head = headOf(watched, nodeId, now)
  const phases = passed(heard?.phases ?? [])
  const page = Math.max(1, rows - head.length - 2)
  if (phases.length === 0) {
    const isLate = heard !== undefined && now - heard.since > answerMs
    const text = isLate ? 'no host tells of its phases: it is away, or was started anew' : 'asks its host …'
    return { lines: [...head, [{ text, style: 'dim' }]], page, top: 0 }
  }
  const from = Math.min(top, Math.max(0, phases.length - page))
  const { header, lines } = layOutTable(columnsOf(now), phases.slice(from, from + page), columns)
  return { lines: [...head, header, ...lines], page, top: from }
}

/** Newest first, each until the one after it. */
function passed(phases: readonly PhaseSeen[]): readonly Passed[] {
  const sorted = phases.toSorted((a, b) => a.at - b.at || a.n - b.n)
  return sorted.map((phase, i) => ({ ...phase, until: sorted[i + 1]?.at })).reverse()
}

function headOf({ rows, known }: WatchedRollout, nodeId: string, now: number): readonly Line[] {
  const row = rows.find((one) => one.nodeId === nodeId)
  if (row === undefined) return [[{ text: nodeId, style: 'bold' }, ' is not registered any more'], []]
  const { service, className, version, hostId, alive } = row
  const { waitsFor, since, movedBy } = waitReasonOf(row, known)
  return [
    [{ text: nodeId, style: 'bold' }, ` of ${service} runs ${className} at version ${version}`],
    ['on host ', hostId, ...(alive ? [] : mayBeAsleep(row) ? [', asleep'] : [{ text: ', not alive', style: 'red' as const }])],
    waitsFor === null ? ['waits for nothing'] : [`waits for ${waitsFor}, for ${ageText(since, now)}`],
    ...movedBy.map((way, i): Line => [`${i === 0 ? 'moved by ' : '      or '}${way}`]),
    [],
  ]
}

function columnsOf(now: number): readonly Column<Passed>[] {
  return [
    { title: 'WHEN', rank: 2, cell: ({ at }) => timeOfDay(at, now) },
    { title: 'LASTED', rank: 4, min: 6, align: 'right', cell: ({ at, until }) => lasted((until ?? now) - at) },
    { title: 'PHASE', rank: 1, min: 12, cell: ({ phase }) => phaseCell(phase) },
    { title: 'TO', rank: 5, align: 'right', cell: ({ target }) => target ?? '' },
    { title: 'REASON', rank: 3, min: 8, wants: 24, cell: ({ reason }) => reason ?? '' },
  ]
}

/** Most phases of an upgrade are short. */
function lasted(ms: number): string {
  return ms < 1_000 ? `${Math.max(0, Math.round(ms))}ms` : age(ms)
}
