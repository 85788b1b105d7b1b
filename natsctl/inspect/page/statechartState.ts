/**
 * Where an upgrade manager's statechart stands after so many of its events: what is lit, what was taken, and
 * what its guards said.
 */
import type { StatechartDescription, StatechartSeen, TransitionDescription } from 'theseus-actors/operator'

export interface StatechartState {
  /** The ids of the states that are active, outermost first. */
  readonly active: readonly string[]
  readonly context: unknown
  readonly status: string
  /** The ids of the transitions that were taken last. */
  readonly taken: readonly string[]
  /** The candidates among which they were chosen: those before a taken one had guards that did not hold. */
  readonly guards: readonly { readonly transition: TransitionDescription; readonly held: boolean }[]
}

const unknownState: StatechartState = { active: [], context: null, status: 'unknown', taken: [], guards: [] }

export const seenByPhase = 'seen by its phase'

/** The state that shows a phase, where nobody saw more than that. */
export function stateOfPhase(statechart: StatechartDescription, phase: string): StatechartState {
  const found = statechart.states.find(({ key, parent }) => key === phase && parent === statechart.id)
  return found === undefined ? unknownState : { ...unknownState, active: [found.id], status: seenByPhase }
}

/** @param upTo how many of the events have happened */
export function stateAfter(statechart: StatechartDescription, events: readonly StatechartSeen[], upTo: number): StatechartState {
  let state = unknownState
  for (let i = 0; i < upTo; i++) {
    const { event, manager } = events[i]!
    if (event.actor !== manager) continue
    if (event.type === '@xstate.actor') {
      // Another try, or the next upgrade.
      const { snapshot } = event
      state = {
        ...unknownState,
        status: snapshot.status,
        context: snapshot.context ?? null,
        active: activeIn(statechart, snapshot.value),
      }
    } else if (event.type === '@xstate.microstep' && event.transitions.length > 0) {
      const guards = event.transitions.flatMap((id) => guardsOf(statechart, id))
      state = {
        ...state,
        taken: event.transitions,
        guards,
        active: activeIn(statechart, event.value),
        context: event.context ?? null,
      }
    } else if (event.type === '@xstate.snapshot' && event.snapshot.value !== undefined) {
      const { snapshot } = event
      state = {
        ...state,
        status: snapshot.status,
        context: snapshot.context ?? null,
        active: activeIn(statechart, snapshot.value),
      }
    }
  }
  return state
}

/** `{ scheduled: 'deciding' }` are the states `upgrade.scheduled` and `upgrade.scheduled.deciding`. */
export function activeIn({ id }: StatechartDescription, value: unknown): readonly string[] {
  const found: string[] = []
  const visit = (within: string, part: unknown) => {
    if (typeof part === 'string') found.push(`${within}.${part}`)
    else if (typeof part === 'object' && part !== null) {
      for (const [key, inner] of Object.entries(part)) {
        found.push(`${within}.${key}`)
        visit(`${within}.${key}`, inner)
      }
    }
  }
  visit(id, value)
  return found
}

function guardsOf(statechart: StatechartDescription, takenId: string): StatechartState['guards'] {
  const taken = statechart.transitions.find(({ id }) => id === takenId)
  if (taken === undefined) return []
  const candidates = statechart.transitions.filter(({ from, event }) => from === taken.from && event === taken.event)
  return candidates
    .slice(0, candidates.indexOf(taken) + 1)
    .filter(({ guard }) => guard !== null)
    .map((transition) => ({ transition, held: transition === taken }))
}

/** The events that can happen next, the innermost state first. */
export function possible(statechart: StatechartDescription, active: readonly string[]): readonly TransitionDescription[] {
  return [...active].reverse().flatMap((id) => statechart.transitions.filter(({ from }) => from === id))
}

/** A state's name without the statechart's. */
export function shortName({ id }: StatechartDescription, state: string): string {
  return state.startsWith(`${id}.`) ? state.slice(id.length + 1) : state
}
