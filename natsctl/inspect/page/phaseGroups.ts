/** Phases as the page shows them: few colours, by what they mean for those who call the node. */
import type { Phase } from 'theseus-actors'

export type PhaseGroup = 'serving' | 'preparing' | 'waiting' | 'away' | 'trouble'

export interface GroupDescription {
  readonly group: PhaseGroup
  readonly title: string
  readonly phases: readonly Phase[]
  readonly means: string
}

/** In the order in which a node passes them; trouble last. */
export const phaseGroups: readonly GroupDescription[] = [
  { group: 'serving', title: 'current', phases: ['current'], means: 'serves, with no upgrade under way' },
  { group: 'preparing', title: 'fetching', phases: ['fetching', 'verifying'], means: 'serves, and gets the upgrade' },
  { group: 'waiting', title: 'scheduled', phases: ['scheduled'], means: 'serves both versions, and waits for its time' },
  {
    group: 'away',
    title: 'upgrading',
    phases: ['draining', 'transforming', 'checking', 'flipping', 'recovering'],
    means: 'holds its calls, from draining to recovering',
  },
  {
    group: 'trouble',
    title: 'in trouble',
    phases: ['stalled', 'rejected', 'failed'],
    means: 'stalled, rejected or failed: an operator should look',
  },
]

const groups = new Map<string, PhaseGroup>(phaseGroups.flatMap(({ group, phases }) => phases.map((phase) => [phase, group])))

/** A phase that this page does not know is one that somebody should look at. */
export function groupOf(phase: string): PhaseGroup {
  return groups.get(phase) ?? 'trouble'
}
