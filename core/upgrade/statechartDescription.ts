/**
 * A statechart's own definition as plain data: what is drawn, recorded, and compared with the
 * transitions that are taken.
 */
import type { AnyStateMachine, AnyTransitionDefinition, StateNode } from 'xstate'
import { transitionId } from './statechartEvent.js'
import { upgradeStatechart } from './upgradeStatechart.js'

export interface StateDescription {
  readonly id: string
  readonly key: string
  /** Null for the statechart itself. */
  readonly parent: string | null
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history'
  readonly initial: string | null
  /** The effects that run while the state is active. */
  readonly invokes: readonly string[]
}

export interface TransitionDescription {
  /** As inspection events name it. */
  readonly id: string
  readonly from: string
  /** Null where it goes nowhere: the event is heeded and that is all. */
  readonly to: string | null
  readonly event: string
  /** The event as people read it: `fetch done`, `fetch fails`, `after fetchBackoff`, `always`, `retry`. */
  readonly on: string
  /** A name, or the condition itself as it is written; null where there is none. */
  readonly guard: string | null
  readonly actions: readonly string[]
}

export interface StatechartDescription {
  readonly id: string
  readonly initial: string
  readonly states: readonly StateDescription[]
  readonly transitions: readonly TransitionDescription[]
}

export function describeStatechart(machine: AnyStateMachine): StatechartDescription {
  const nodes = inOrder(machine.root)
  return {
    id: machine.root.id,
    initial: initialOf(machine.root) ?? machine.root.id,
    states: nodes.map((node) => ({
      id: node.id,
      key: node.key,
      parent: node.parent?.id ?? null,
      type: node.type,
      initial: initialOf(node),
      invokes: node.invoke.map(({ src }) => String(src)),
    })),
    transitions: nodes.flatMap((node) => [...(node.always ?? []), ...[...node.transitions.values()].flat()].map(describe)),
  }
}

/** The upgrade manager's. */
export const upgradeStatechartDescription: StatechartDescription = describeStatechart(upgradeStatechart)

/** A state before those within it, otherwise as they are written. */
function inOrder(node: StateNode<any, any>): readonly StateNode<any, any>[] {
  return [node, ...Object.values(node.states).flatMap((child) => inOrder(child as StateNode<any, any>))]
}

function initialOf(node: StateNode<any, any>): string | null {
  return node.initial.target[0]?.id ?? null
}

function describe(transition: AnyTransitionDefinition): TransitionDescription {
  return {
    id: transitionId(transition),
    from: transition.source.id,
    to: transition.target?.[0]?.id ?? null,
    event: transition.eventType,
    on: spoken(transition),
    guard: guardOf(transition.guard),
    actions: transition.actions.map(actionOf),
  }
}

function spoken({ eventType, source }: AnyTransitionDefinition): string {
  const effect = source.invoke.find(({ id }) => eventType.endsWith(`.${id}`))?.src
  if (eventType === '') return 'always'
  if (eventType.startsWith('xstate.done.')) return `${effect ?? 'effect'} done`
  if (eventType.startsWith('xstate.error.')) return `${effect ?? 'effect'} fails`
  if (eventType.startsWith('xstate.after.')) return `after ${eventType.split('.')[2]}`
  return eventType
}

/** A guard without a name is its own best description. */
function guardOf(guard: unknown): string | null {
  if (guard === undefined) return null
  if (typeof guard === 'function')
    return String(guard)
      .replace(/^.*?=>/s, '')
      .trim()
  return typeof guard === 'string' ? guard : ((guard as { type?: string }).type ?? 'guarded')
}

function actionOf(action: unknown): string {
  if (typeof action === 'string') return action
  const { type = 'action', assignment } = action as { readonly type?: string; readonly assignment?: unknown }
  if (type === 'xstate.assign') return `assign ${Object.keys((assignment as object) ?? {}).join(', ')}`.trim()
  return type.replace(/^xstate\./, '')
}
