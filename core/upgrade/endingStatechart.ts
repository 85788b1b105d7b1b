/**
 * C10, of a statechart itself: from every state something leads on that surely comes, so that
 * what it takes through its states comes to an end. A state leads on by itself, after a while,
 * or when its effect is done and when it fails.
 */
import type { AnyStateMachine, AnyTransitionDefinition, StateNode } from 'xstate'
import { invariant } from '../base/invariant.js'

type State = StateNode<any, any>

/** The same statechart. `ends`: where it may rest, beside its final states. */
export function ending<Chart extends AnyStateMachine>(chart: Chart, ends: readonly string[]): Chart {
  for (const state of atomicStates(chart.root)) {
    if (state.type === 'final' || ends.includes(state.key)) continue
    const missing = missingIn(state)
    invariant(missing === undefined, `C10: nothing leads on from ${state.id} ${missing}`)
  }
  return chart
}

function atomicStates(state: State): readonly State[] {
  const children = Object.values(state.states) as State[]
  return children.length === 0 ? [state] : children.flatMap(atomicStates)
}

/** When nothing leads on. */
function missingIn(state: State): string | undefined {
  if (leadsOn(state.always)) return undefined
  for (const [event, transitions] of state.transitions)
    if (event.startsWith('xstate.after.') && leadsOn(transitions)) return undefined
  if (state.invoke.length === 0) return 'by itself'
  for (const { id, src } of state.invoke) {
    if (!leadsOn(state.transitions.get(`xstate.done.actor.${id}`))) return `when ${src} is done`
    if (!leadsOn(state.transitions.get(`xstate.error.actor.${id}`))) return `when ${src} fails`
  }
  return undefined
}

function leadsOn(transitions: readonly AnyTransitionDefinition[] | undefined): boolean {
  return transitions?.some(({ guard, target }) => guard === undefined && target !== undefined) ?? false
}
