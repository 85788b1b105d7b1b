/** How long a node is away for its upgrade, by how many records the transform rewrites. */
import type { PauseReport } from '../pause/pause.js'
import { type Curve, curvesChart } from './curves.js'

const curves: readonly (Pick<Curve, 'ink' | 'name'> & { readonly way: PauseReport['lines'][number]['way'] })[] = [
  { name: 'eager transform', way: 'eager', ink: 'peer' },
  { name: 'lazy transform', way: 'lazy', ink: 'own' },
]

export function pauseChart({ machine, lines }: PauseReport): string {
  return curvesChart({
    title: 'How long a node is away for its upgrade, by its records',
    heading: 'How long one node is away for its upgrade',
    subheading: machine,
    across: 'records',
    unit: 'ms',
    curves: curves.map(({ name, way, ink }) => ({
      name,
      ink,
      points: lines.filter((line) => line.way === way).map(({ records, pauseMs }) => [records, pauseMs] as const),
    })),
  })
}
