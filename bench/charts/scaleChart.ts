/** What a rollout costs by the number of nodes in one process, both axes by powers of ten. */
import type { ScaleReport } from '../scale/scale.js'
import type { ScaleResult } from '../scale/scaleHost.js'
import { brief, whole } from '../table.js'
import { dot, path, svg, text } from './svg.js'

const width = 800
const height = 440
const plot = { left: 70, right: 530, top: 84, bottom: 384 }

/** The default of a host: a quarter of the nodes may be away at once. */
const limitPercent = 25

const curves: readonly {
  readonly name: string
  readonly ink: string
  readonly seconds: (result: ScaleResult) => number | null
}[] = [
  { name: 'until all are there', ink: 'own', seconds: ({ rolloutMs }) => (rolloutMs === null ? null : rolloutMs / 1000) },
  { name: 'longest block of the event loop', ink: 'peer', seconds: ({ rollout }) => rollout.longestBlockMs / 1000 },
  { name: 'CPU time of Redis', ink: 'bare', seconds: ({ rollout }) => rollout.redisCpuMs / 1000 },
]

export function scaleChart({ machine, results }: ScaleReport): string {
  const shown = results.filter((result) => result.limitPercent === limitPercent)
  const lines = curves.map(({ name, ink, seconds }) => {
    const points = shown.flatMap((result) => {
      const value = seconds(result)
      return value === null || value <= 0 ? [] : [[result.nodes, value] as const]
    })
    return { name, ink, points }
  })
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value))
  const nodes = shown.map((result) => result.nodes)
  const x = axis(Math.min(...nodes), Math.max(...nodes), plot.left, plot.right)
  const y = axis(Math.min(...values), Math.max(...values), plot.bottom, plot.top)
  const grid = [
    ...y.ticks.flatMap((tick) => [
      path([at(plot.left, y.of(tick)), at(plot.right, y.of(tick))], 'line grid'),
      text(plot.left - 8, y.of(tick) + 4, `${tick} s`, 'soft end'),
    ]),
    ...x.ticks.map((tick) => text(x.of(tick), plot.bottom + 20, whole(tick), 'soft middle')),
    text((plot.left + plot.right) / 2, plot.bottom + 42, 'nodes in one process', 'soft middle'),
  ]
  const ends = lines
    .filter(({ points }) => points.length > 0)
    .map(({ name, ink, points }) => ({ name, ink, value: points.at(-1)![1], y: y.of(points.at(-1)![1]) }))
    .sort((a, b) => a.y - b.y)
  // Labels that would lie over each other move down.
  ends.forEach((end, i) => {
    if (i > 0) end.y = Math.max(end.y, ends[i - 1]!.y + 16)
  })
  return svg(width, height, 'The cost of a rollout by the number of nodes', [
    text(20, 30, 'A rollout from 10 to 10,000 nodes: eager, over NATS and Redis, with LMDB', 'ink title'),
    text(20, 50, `A quarter of the nodes away at once. ${machine}`, 'soft'),
    ...grid,
    ...lines.flatMap(({ ink, points }) => {
      const places = points.map(([count, value]) => at(x.of(count), y.of(value)))
      return [path(places, `line ${ink}`), ...places.map(([px, py]) => dot(px, py, ink))]
    }),
    ...ends.map(({ name, ink, value, y: place }) => text(plot.right + 12, place + 4, `${name}: ${brief(value)} s`, ink)),
  ])
}

function at(x: number, y: number): readonly [number, number] {
  return [x, y]
}

/** By powers of ten: a place for each value, and ticks at the powers. */
function axis(least: number, most: number, from: number, to: number) {
  const low = Math.floor(Math.log10(least))
  const high = Math.max(low + 1, Math.ceil(Math.log10(most)))
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => Number((10 ** (low + i)).toPrecision(1)))
  return { ticks, of: (value: number) => from + ((Math.log10(value) - low) / (high - low)) * (to - from) }
}
