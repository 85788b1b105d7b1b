/** The time of a plan by the number of nodes. */
import type { PlanReport } from '../plan/plan.js'
import { type Curve, curvesChart } from './curves.js'

/** By the name that a schedule's description begins with. */
const curves: readonly (Pick<Curve, 'name' | 'ink'> & { readonly schedule: string })[] = [
  { name: 'eagerly', ink: 'own', schedule: 'eagerly' },
  { name: 'gradually, several rehearsals', ink: 'peer', schedule: 'gradually' },
  { name: 'in steps', ink: 'bare', schedule: 'steps' },
  { name: 'one replica at a time', ink: 'floor', schedule: 'oneReplicaAtATime' },
]

export function planChart({ machine, results }: PlanReport): string {
  return curvesChart({
    title: 'The time of a plan by the number of nodes',
    heading: 'natsctl upgrade plan: the rehearsal of a rollout',
    subheading: machine,
    across: 'nodes',
    unit: 's',
    curves: curves.map(({ name, ink, schedule }) => ({
      name,
      ink,
      points: results
        .filter((result) => result.schedule.startsWith(schedule))
        .map(({ nodes, ms }) => [nodes, ms / 1_000] as const),
    })),
  })
}
