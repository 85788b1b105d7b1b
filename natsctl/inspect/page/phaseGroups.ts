/**
 * Phases as the page shows them: few colours, by their meaning for those who call the node. The browser loads
 * this module as it is, so the phases stand here once more; the compiler asks for each.
 */
import type { Phase } from 'theseus-actors'

export type PhaseGroup = 'serving' | 'preparing' | 'waiting' | 'away' | 'trouble'

export interface GroupDescription {
  readonly group: PhaseGroup
  readonly title: string
  readonly means: string
}

/** In the order in which a node passes them; trouble last. */
export const phaseGroups: readonly GroupDescription[] = [
  { group: 'serving', title: 'current', means: 'serves, with no upgrade under way' },
  { group: 'preparing', title: 'fetching', means: 'serves, and gets the upgrade' },
  { group: 'waiting', title: 'scheduled', means: 'serves both versions, and waits for its time' },
  { group: 'away', title: 'upgrading', means: 'holds its calls, from draining to recovering' },
  { group: 'trouble', title: 'in trouble', means: 'stalled, rejected or failed: an operator should look' },
]

const byPhase: Readonly<Record<Phase, PhaseGroup>> = {
  current: 'serving',
  fetching: 'preparing',
  verifying: 'preparing',
  scheduled: 'waiting',
  draining: 'away',
  transforming: 'away',
  checking: 'away',
  flipping: 'away',
  recovering: 'away',
  stalled: 'trouble',
  rejected: 'trouble',
  failed: 'trouble',
}
const groups = new Map<string, PhaseGroup>(Object.entries(byPhase))

export function phasesOf(of: PhaseGroup): readonly string[] {
  return [...groups].filter(([, group]) => group === of).map(([phase]) => phase)
}

/** A phase that this page does not know is one that somebody should look at. */
export function groupOf(phase: string): PhaseGroup {
  return groups.get(phase) ?? 'trouble'
}
