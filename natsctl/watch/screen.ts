/**
 * The screen of a rollout: what there is to see, and a size, become lines. Title, bar, nodes and the status
 * line are always there; the rest as far as there is room. Pure: the terminal is somebody else's. Nodes that
 * are not on the screen cost nothing here.
 */
import { count } from '../output/output.js'
import { fitted, widthOf } from '../output/width.js'
import { helpLines } from './helpScreen.js'
import { historyLines } from './historyScreen.js'
import { nodeColumns, wideColumns } from './nodeColumns.js'
import { roundedDuration } from './remainingTime.js'
import type { ScreenContent } from './screenContent.js'
import { selectedIndex, topOf } from './screenState.js'
import { statusLine } from './statusLine.js'
import { gateLine, promiseLines, rewindLines, scheduleLines } from './stepLines.js'
import { type Line, leftAndRight, lineWidth, rendered, type ScreenSize } from './styledLine.js'
import { type Column, layOutTable } from './tableLayout.js'
import { serviceColumns, serviceLines, versionColumns, versionLines } from './tables.js'
import { ageText } from './valueFormat.js'
import { holdsOf, pauseOf, type WatchedRollout } from './watchedRollout.js'

export interface DrawnScreen {
  readonly lines: readonly string[]
  /** How many rows the list shows, and which is the first. */
  readonly page: number
  readonly top: number
  /** The same of a history that is open. */
  readonly historyTop: number
}

export function drawScreen(content: ScreenContent, size: ScreenSize): DrawnScreen {
  const { lines, page, top, historyTop = 0 } = body(content, size)
  const shown = lines.slice(0, Math.max(0, size.rows - 1))
  while (shown.length < size.rows - 1) shown.push([])
  shown.push(statusLine(content, { page, top }, size.columns))
  return { lines: shown.slice(-size.rows).map((line) => rendered(line, size)), page, top, historyTop }
}

interface Body {
  readonly lines: readonly Line[]
  readonly page: number
  readonly top: number
  readonly historyTop?: number
}

function body(content: ScreenContent, size: ScreenSize): Body {
  const { state, watched, now, system } = content
  if (state.mode.type === 'help') return { lines: helpLines, page: 1, top: state.top }
  if (watched === undefined)
    return { lines: [[{ text: `system ${system}`, style: 'bold' }], ['waits for the upgrade database']], page: 1, top: 0 }
  if (state.mode.type === 'history') {
    const { nodeId, top } = state.mode
    const shown = historyLines(watched, nodeId, content.history, top, size, now)
    return { lines: shown.lines, page: shown.page, top: state.top, historyTop: shown.top }
  }
  return list(content, watched, size)
}

function list(content: ScreenContent, watched: WatchedRollout, size: ScreenSize): Body {
  const { state, now } = content
  const head = [titleOf(watched, size.columns, now), barOf(watched, size.columns)]
  // The header of the list, and the status line.
  const room = size.rows - head.length - 2
  const middle = middleOf(content, watched, size.columns, room)
  const page = Math.max(1, room - middle.length)
  const top = topOf(state, watched.rows, page)
  const rows = watched.rows.slice(top, top + page)
  const { header, lines } = layOutTable(nodeColumns(watched, now, size.columns), rows, size.columns - 2)
  const selected = selectedIndex(state, watched.rows) - top
  return {
    lines: [
      ...head,
      ...middle,
      ['  ', ...header],
      ...lines.map((line, i) => (i === selected ? marked(line, size) : ['  ', ...line])),
    ],
    page,
    top,
  }
}

/** Also told apart where there are no colours. */
function marked(line: Line, { columns }: ScreenSize): Line {
  const text = line.map((span) => (typeof span === 'string' ? span : span.text)).join('')
  return [{ text: fitted(`▸ ${text}`, columns), style: 'inverse' }]
}

function titleOf({ system, rollout, known, standing }: WatchedRollout, columns: number, now: number): Line {
  const { goal } = rollout
  const title = known.manifests[goal - 1]?.title
  const name = columns < 60 ? `${system} v${goal}` : `system ${system}, version ${goal}`
  const style = standing.state === 'degraded' ? 'red' : standing.state === 'done' ? 'green' : 'yellow'
  const state = standing.isPaused ? (standing.state === 'moving' ? 'paused' : `${standing.state}, paused`) : standing.state
  const since = ageText(standing.since, now)
  return leftAndRight(
    [
      { text: name, style: 'bold' },
      ...(title === undefined ? [] : [`: ${title}${known.doubt === undefined ? '' : ' (not verified)'}`]),
    ],
    [{ text: state, style }, ...(since === '' ? [] : [` for ${since}`])],
    columns,
  )
}

/** Of a bar, where tables don't stand beside each other. */
const barWidthMax = 60
const barWidthMin = 8

function barOf({ rollout, standing, toGoMs }: WatchedRollout, columns: number): Line {
  const { nodes, there } = rollout
  const toGo = toGoMs === undefined ? '' : `, ${roundedDuration(toGoMs)} to go`
  const text = ` ${there} of ${columns < 60 ? nodes : count(nodes, 'node')}${toGo}`
  const width = Math.max(barWidthMin, Math.min(columns < wideColumns ? barWidthMax : columns, columns - widthOf(text) - 1))
  const full = nodes === 0 ? 0 : Math.floor((there * width) / nodes)
  const style = standing.state === 'degraded' ? 'red' : standing.state === 'done' ? 'green' : 'yellow'
  return [{ text: '█'.repeat(full), style }, { text: '░'.repeat(width - full), style: 'dim' }, text]
}

/**
 * The blocks between the bar and the nodes, in the order of the screen; `rank` says what comes first where
 * there is little room.
 */
interface Block {
  readonly rank: number
  readonly lines: readonly Line[]
  /** Where not all of it fits, so many of its first lines say something by themselves. */
  readonly linesMin: number
}

/** Of what is there beside the fixed lines, so much is for nodes, and no more than so much for one table. */
const nodesShare = 0.4
const nodesMin = 4
const tableShare = 0.25
const tableLinesMin = 4

function middleOf(
  { rates, limits, now }: ScreenContent,
  watched: WatchedRollout,
  columns: number,
  room: number,
): readonly Line[] {
  const forNodes = Math.min(watched.rows.length, Math.max(nodesMin, Math.ceil(room * nodesShare)))
  const controls = controlLines(watched, now)
  const schedules = scheduleLines(watched, columns)
  const blocks: Block[] = [
    { rank: 1, lines: controls, linesMin: 1 },
    // In which step it is changes; a schedule stays what it is.
    { rank: watched.schedules.some(({ steps }) => steps !== undefined) ? 2 : 5, lines: schedules, linesMin: 1 },
    { rank: 6, lines: gateLine(watched), linesMin: 1 },
    { rank: 6, lines: promiseLines(watched), linesMin: 1 },
    { rank: 7, lines: rewindLines(watched), linesMin: 1 },
    ...tableBlocks(
      (width) => tableOf(serviceColumns, serviceLines(watched, limits), width),
      (width) => tableOf(versionColumns, versionLines(watched, rates), width),
      columns,
    ),
  ]
  const tableLines = Math.max(tableLinesMin, Math.floor(room * tableShare))
  let left = room - forNodes
  const kept = new Map<Block, readonly Line[]>()
  for (const block of blocks.toSorted((a, b) => a.rank - b.rank)) {
    if (block.lines.length === 0 || left < block.linesMin) continue
    const lines = shortened(block.lines, block.linesMin > 1 ? Math.min(left, tableLines) : left)
    kept.set(block, lines)
    left -= lines.length
  }
  const shown = blocks.flatMap((block) => kept.get(block) ?? [])
  const tables = blocks.filter((block) => kept.has(block) && block.linesMin > 1).length
  // Air, where there is some.
  if (left < tables + 1 || shown.length === 0) return shown
  return [...blocks.flatMap((block) => (kept.has(block) ? [...(block.linesMin > 1 ? [[]] : []), ...kept.get(block)!] : [])), []]
}

function tableBlocks(
  services: (width: number) => readonly Line[],
  versions: (width: number) => readonly Line[],
  columns: number,
): readonly Block[] {
  if (columns < wideColumns)
    return [
      { rank: 4, lines: services(columns), linesMin: 2 },
      { rank: 3, lines: versions(columns), linesMin: 2 },
    ]
  const half = Math.floor(columns / 2)
  return [{ rank: 3, lines: beside(services(half), versions(columns - half), half), linesMin: 2 }]
}

function beside(left: readonly Line[], right: readonly Line[], at: number): readonly Line[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    const line = left[i] ?? []
    return [...line, ' '.repeat(Math.max(0, at - lineWidth(line))), ...(right[i] ?? [])]
  })
}

function shortened(lines: readonly Line[], max: number): readonly Line[] {
  if (lines.length <= max) return lines
  const kept = Math.max(1, max - 1)
  return [...lines.slice(0, kept), [{ text: `  … and ${lines.length - kept} more`, style: 'dim' as const }]].slice(0, max)
}

function tableOf<R>(columns: readonly Column<R>[], rows: readonly R[], width: number): readonly Line[] {
  if (rows.length === 0) return []
  const { header, lines } = layOutTable(columns, rows, width - 2)
  return [header, ...lines].map((line) => ['  ', ...line])
}

const namesMax = 5

function controlLines({ known }: WatchedRollout, now: number): readonly Line[] {
  const lines: Line[] = []
  const pause = pauseOf(known)
  if (pause !== undefined) {
    const why = pause.reason === '' ? '' : `: ${pause.reason}`
    lines.push([{ text: 'paused', style: 'yellow' }, ` for ${ageText(pause.since, now)}${why}`])
  }
  const holds = holdsOf(known)
  if (holds.length > 0) {
    const named = holds.slice(0, namesMax).map(({ nodeId, reason }) => (reason === '' ? nodeId : `${nodeId} (${reason})`))
    const more = holds.length > namesMax ? ` and ${holds.length - namesMax} more` : ''
    lines.push([{ text: 'held', style: 'yellow' }, ` ${named.join(', ')}${more}`])
  }
  return lines
}
