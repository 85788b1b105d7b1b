/**
 * Curves over one axis, both axes by powers of ten: what a cost does when there is ten times as much to do.
 */
import { brief, whole } from '../table.js'
import { dot, path, svg, text } from './svg.js'

export interface Curve {
  readonly name: string
  readonly ink: 'own' | 'peer' | 'bare' | 'floor'
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface CurvesChart {
  /** For those who hear it. */
  readonly title: string
  readonly heading: string
  readonly subheading: string
  /** The quantity that is counted from left to right. */
  readonly across: string
  readonly unit: 's' | 'ms'
  readonly curves: readonly Curve[]
}

const width = 800
const height = 440
const plot = { left: 70, right: 530, top: 84, bottom: 384 }
/** Between two labels. */
const labelHeight = 16

export function curvesChart({ title, heading, subheading, across, unit, curves }: CurvesChart): string {
  const drawn = curves.filter(({ points }) => points.length > 0)
  const points = drawn.flatMap((curve) => curve.points)
  const x = axis(
    points.map(([across]) => across),
    plot.left,
    plot.right,
  )
  const y = axis(
    points.map(([, up]) => up),
    plot.bottom,
    plot.top,
  )
  const grid = [
    ...y.ticks.flatMap((tick) => [
      path([at(plot.left, y.of(tick)), at(plot.right, y.of(tick))], 'line grid'),
      text(plot.left - 8, y.of(tick) + 4, `${tick < 1 ? tick : whole(tick)} ${unit}`, 'soft end'),
    ]),
    ...x.ticks.map((tick) => text(x.of(tick), plot.bottom + 20, whole(tick), 'soft middle')),
    text((plot.left + plot.right) / 2, plot.bottom + 42, across, 'soft middle'),
  ]
  const ends = drawn
    .map(({ name, ink, points }) => ({ name, ink, value: points.at(-1)![1], y: y.of(points.at(-1)![1]) }))
    .sort((a, b) => a.y - b.y)
  // Labels that would lie over each other move down.
  ends.forEach((end, i) => {
    if (i > 0) end.y = Math.max(end.y, ends[i - 1]!.y + labelHeight)
  })
  return svg(width, height, title, [
    text(20, 30, heading, 'ink title'),
    text(20, 50, subheading, 'soft'),
    ...grid,
    ...drawn.flatMap(({ ink, points }) => {
      const places = points.map(([across, up]) => at(x.of(across), y.of(up)))
      return [path(places, `line ${ink}`), ...places.map(([px, py]) => dot(px, py, ink))]
    }),
    ...ends.map(({ name, ink, value, y: place }) => text(plot.right + 12, place + 4, `${name}: ${brief(value)} ${unit}`, ink)),
  ])
}

function at(x: number, y: number): readonly [number, number] {
  return [x, y]
}

/** By powers of ten: a place for each value, and ticks at the powers. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => Number((10 ** (low + i)).toPrecision(1)))
  return { ticks, of: (value: number) => from + ((Math.log10(value) - low) / (high - low)) * (to - from) }
}
