/** The cost of a rollout by the number of nodes in one process. */
import type { ScaleReport } from '../scale/scale.js'
import type { ScaleResult } from '../scale/scaleHost.js'
import { type Curve, curvesChart } from './curves.js'

/** The default of a host: a quarter of the nodes may be away at once. */
const limitPercent = 25

const curves: readonly (Pick<Curve, 'name' | 'ink'> & { readonly seconds: (result: ScaleResult) => number | null })[] = [
  { name: 'until all are there', ink: 'own', seconds: ({ rolloutMs }) => (rolloutMs === null ? null : rolloutMs / 1000) },
  { name: 'longest block of the event loop', ink: 'peer', seconds: ({ rollout }) => rollout.longestBlockMs / 1000 },
  { name: 'CPU time of Redis', ink: 'bare', seconds: ({ rollout }) => rollout.redisCpuMs / 1000 },
]

export function scaleChart({ machine, results }: ScaleReport): string {
  const shown = results.filter((result) => result.limitPercent === limitPercent)
  return curvesChart({
    title: 'The cost of a rollout by the number of nodes',
    heading: 'A rollout from 10 to 10,000 nodes: eager, over NATS and Redis, with LMDB',
    subheading: `A quarter of the nodes away at once. ${machine}`,
    across: 'nodes in one process',
    unit: 's',
    curves: curves.map(({ name, ink, seconds }) => ({
      name,
      ink,
      points: shown.flatMap((result) => {
        const value = seconds(result)
        return value === null || value <= 0 ? [] : [[result.nodes, value] as const]
      }),
    })),
  })
}
