/** The live screen of a rollout, as lines. Pure: the terminal is somebody else's. */
import type { NodeRow } from 'theseus'
import { nodeHeader, phaseCell } from './node.js'
import { age, type Cell, count, paint, tableLines } from './output.js'
import { isPartOfRollout, isThere, isTroubled, type Rollout } from './rolloutSummary.js'

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
  readonly colour: boolean
}

const barWidth = 30
/** Lines that are no node: the title, the bar, an empty line, the header, what is left out, a warning, and where the cursor stands. */
const otherLines = 7

export function screenOf(rollout: Rollout, rows: readonly NodeRow[], system: string, now: number, size: ScreenSize): string[] {
  const shown = rows
    .filter(isPartOfRollout)
    .sort((a, b) => order(a, rollout) - order(b, rollout) || (a.nodeId < b.nodeId ? -1 : 1))
  const room = Math.max(1, size.rows - otherLines)
  const cells = shown.slice(0, room).map((row) => cellsOf(row, now))
  const left = shown.length - cells.length
  return [
    paint('bold', `system ${system}, version ${rollout.goal}`, size.colour),
    barOf(rollout, size.colour),
    '',
    ...tableLines(screenHeader, cells, size.colour),
    ...(left > 0 ? [`… and ${left} more`] : []),
  ].map((line) => shorten(line, size.columns))
}

const screenHeader = [...nodeHeader.slice(0, 6), 'FOR', 'ALIVE', 'REASON']

function cellsOf(row: NodeRow, now: number): readonly Cell[] {
  return [
    row.nodeId,
    row.service,
    row.className,
    row.version,
    phaseCell(row.phase),
    row.target ?? '-',
    age(now - row.since),
    row.alive ? 'yes' : { text: 'no', style: 'red' },
    row.reason ?? '',
  ]
}

/** What somebody must look at comes first, what has arrived last: a screen has room for few of many nodes. */
function order(row: NodeRow, { goal }: Rollout): number {
  if (isTroubled(row, goal)) return 0
  if (isThere(row, goal)) return 3
  return row.phase === 'current' ? 2 : 1
}

function barOf({ nodes, there, state }: Rollout, colour: boolean): string {
  const full = nodes === 0 ? barWidth : Math.floor((there * barWidth) / nodes)
  const style = state === 'degraded' ? 'red' : state === 'done' ? 'green' : 'yellow'
  const bar = `${'█'.repeat(full)}${'░'.repeat(barWidth - full)}`
  return `${paint(style, bar, colour)} ${there} of ${count(nodes, 'node')}, ${state}`
}

const escapeSequence = /(\p{Cc}\[[0-9;]*m)/u

/** A line that is too long would wrap, and the redraw would miss its place. Escape sequences take no room. */
export function shorten(line: string, columns: number): string {
  let room = columns
  let cut = ''
  for (const part of line.split(escapeSequence)) {
    if (part.startsWith('\u001b')) {
      cut += part
      continue
    }
    cut += part.length <= room ? part : `${part.slice(0, Math.max(0, room - 1))}${room > 0 ? '…' : ''}`
    room -= Math.min(room, part.length)
  }
  return cut
}
