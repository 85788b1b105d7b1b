/**
 * The ways between the statechart's boxes, as SVG paths: straight down where all goes well,
 * curves for everything else.
 */
import type { StatechartDescription } from 'theseus-actors/operator'
import { type Box, type ChartLayout, topOf } from './chartLayout.js'

export interface Edge {
  /** The transitions that are drawn as this one line. */
  readonly transitions: readonly string[]
  readonly from: string
  readonly to: string
  readonly path: string
}

export function edges(statechart: StatechartDescription, layout: ChartLayout): readonly Edge[] {
  const found = new Map<string, { from: string; to: string; transitions: string[] }>()
  for (const { id, from, to } of statechart.transitions) {
    if (to === null) continue
    const key = `${from} ${to}`
    const edge = found.get(key) ?? { from, to, transitions: [] }
    edge.transitions.push(id)
    found.set(key, edge)
  }
  return [...found.values()].map((edge) => ({ ...edge, path: pathOf(statechart, layout, edge.from, edge.to) }))
}

function pathOf(statechart: StatechartDescription, { boxes }: ChartLayout, from: string, to: string): string {
  const [source, target] = [boxes.get(from)!, boxes.get(to)!]
  const [sourceTop, targetTop] = [topOf(statechart, from), topOf(statechart, to)]
  if (sourceTop === targetTop) return within(source, target)
  if (source.column === 'way' && target.column === 'way') {
    const [above, below] = [boxes.get(sourceTop.id)!, boxes.get(targetTop.id)!]
    const isNext = below.y > above.y && below.y - (above.y + above.height) < 20
    return isNext && target === below ? down(above, below) : aside(source, target, 'left')
  }
  if (source.column === 'beside' && target.column === 'beside') return aside(source, target, 'right')
  return across(source, target)
}

function down(above: Box, below: Box): string {
  const x = above.x + above.width / 2
  return `M ${x} ${above.y + above.height} V ${below.y}`
}

/** Between two states of one state. */
function within(source: Box, target: Box): string {
  const isDown = target.y > source.y
  const x = isDown ? source.x + source.width - 14 : source.x + 14
  const isNext = Math.abs(target.y - source.y) < source.height + 12
  if (isNext)
    return isDown ? `M ${x} ${source.y + source.height} V ${target.y}` : `M ${x} ${source.y} V ${target.y + target.height}`
  return aside(source, target, 'right', 12)
}

/** Out on one side and in again on the same. */
function aside(source: Box, target: Box, side: 'left' | 'right', leastBulge = 14): string {
  const x = (box: Box) => (side === 'left' ? box.x : box.x + box.width)
  const [y1, y2] = [middle(source), middle(target)]
  const bulge = Math.min(30, leastBulge + Math.abs(y2 - y1) / 24) * (side === 'left' ? -1 : 1)
  return `M ${x(source)} ${y1} C ${x(source) + bulge} ${y1}, ${x(target) + bulge} ${y2}, ${x(target)} ${y2}`
}

/** From one column to the other. */
function across(source: Box, target: Box): string {
  const isRight = target.x > source.x
  const x1 = isRight ? source.x + source.width : source.x
  const x2 = isRight ? target.x : target.x + target.width
  const bend = (x2 - x1) / 2
  // Those that go come in above the middle, those that come back below: they do not lie on each other.
  const shift = isRight ? -4 : 4
  const [y1, y2] = [middle(source) + shift, middle(target) + shift]
  return `M ${x1} ${y1} C ${x1 + bend} ${y1}, ${x2 - bend} ${y2}, ${x2} ${y2}`
}

function middle({ y, height }: Box): number {
  return y + height / 2
}
