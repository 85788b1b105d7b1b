/** Calls a second at each load as bars, Theseus beside the bare wire and its peers. */
import type { Line, MatchReport } from '../match/report.js'
import { whole } from '../table.js'
import { bar, svg, text } from './svg.js'

const width = 960
const margin = 20
const gap = 40
const columns = 2
const panelWidth = (width - 2 * margin - (columns - 1) * gap) / columns
const nameWidth = 196
const figureWidth = 118
const barsWidth = panelWidth - nameWidth - figureWidth
const rowHeight = 19
const barHeight = 12
const headHeight = 102

/** As the panels follow each other, and what their titles say. */
const panels: readonly { readonly load: string; readonly title: string }[] = [
  { load: '256', title: '256 in flight' },
  { load: '256 paced', title: '256 in flight, at most 16 new in a turn' },
  { load: '64', title: '64 in flight' },
  { load: '256, 1 KB', title: '256 in flight, answers of 1 KB' },
  { load: '1', title: 'one at a time' },
  { load: 'sends', title: 'one-way sends' },
]

export function callsChart({ machine, rounds, lines, references }: MatchReport): string {
  const shown = panels
    .map(({ load, title }) => ({ title, lines: lines.filter((line) => line.load === load) }))
    .filter((panel) => panel.lines.length > 0)
  const parts: string[] = []
  const heights = new Array<number>(columns).fill(headHeight)
  for (const panel of shown) {
    const column = heights.indexOf(Math.min(...heights))
    const left = margin + column * (panelWidth + gap)
    parts.push(...drawn(panel.title, panel.lines, left, heights[column]!))
    heights[column]! += (panel.lines.length + 2.5) * rowHeight
  }
  const height = Math.max(...heights) + margin
  const legend = [
    ['own', 'Theseus'],
    ['peer', 'peers'],
    ['bare', 'the bare wire'],
    ['floor', 'without a server'],
  ].flatMap(([ink, name], i) => [bar(margin + i * 130, 70, 12, 12, ink!), text(margin + 18 + i * 130, 80, name!, 'ink')])
  return svg(width, height, 'Calls a second: Theseus, the bare wire and peers', [
    text(margin, 30, 'Calls a second, two processes over one nats-server', 'ink title'),
    text(margin, 50, `× is the ratio to ${references.join(' or ')}; medians of ${rounds} rounds. ${machine}`, 'soft'),
    ...legend,
    ...parts,
  ])
}

function drawn(title: string, lines: readonly Line[], left: number, top: number): string[] {
  const most = Math.max(...lines.map(({ callsPerSecond }) => callsPerSecond.median))
  const rows = lines.flatMap(({ contender, callsPerSecond, ratio, p50Ms }, i) => {
    const y = top + (i + 1.5) * rowHeight
    const ink = inkOf(contender)
    const rate = p50Ms === null ? `${whole(callsPerSecond.median)}/s` : `${whole(p50Ms * 1000)} µs`
    const figure = ratio === null ? rate : `${ratio.toFixed(ratio < 1 ? 2 : 1)} ×  ${rate}`
    const length = (callsPerSecond.median / most) * barsWidth
    return [
      text(left + nameWidth - 8, y + 10, contender.replace(' microservices', ''), ink === 'own' ? 'ink end' : 'soft end'),
      bar(left + nameWidth, y, length, barHeight, ink),
      text(left + nameWidth + length + 6, y + 10, figure, 'soft'),
    ]
  })
  return [text(left, top + 12, title, 'ink title'), ...rows]
}

function inkOf(contender: string): string {
  if (contender.startsWith('Theseus')) return 'own'
  if (isPeer(contender)) return 'peer'
  return contender.startsWith('plain TCP') ? 'floor' : 'bare'
}

export function isPeer(contender: string): boolean {
  return /^(Moleculer|NestJS|NATS services)/.test(contender)
}
