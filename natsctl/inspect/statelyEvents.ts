/**
 * The same events in the protocol of `@statelyai/inspect`, which Stately's inspector reads: one actor for
 * each upgrade manager, named after its node, its children below it.
 */
import type { StatelyActorEvent, StatelyInspectionEvent } from '@statelyai/inspect'
import type { StatechartDescription, StatechartSeen } from 'theseus-actors/operator'

/** The release of the protocol that is spoken. */
const statelyVersion = '0.7.2'

/**
 * Undefined for what the protocol has no word for: it shows transitions by the snapshots that they lead to.
 */
export function statelyEvent(seen: StatechartSeen, statechart: StatechartDescription): StatelyInspectionEvent | undefined {
  const { event, nodeId, target, run, at, manager } = seen
  const session = (actor: string) => `${nodeId}/${target}/${run}/${actor}`
  const common = {
    sessionId: session(event.actor),
    rootId: session(manager),
    createdAt: String(at),
    id: `${at}`,
    _version: statelyVersion,
  }
  switch (event.type) {
    case '@xstate.actor':
      return {
        ...common,
        type: '@xstate.actor',
        name: event.parent === null ? `${nodeId} to version ${target}` : event.id,
        parentId: event.parent === null ? undefined : session(event.parent),
        definition: JSON.stringify(event.parent === null ? definitionOf(statechart) : { id: event.id }),
        snapshot: event.snapshot as StatelyActorEvent['snapshot'],
      }
    case '@xstate.event':
      return {
        ...common,
        type: '@xstate.event',
        sourceId: event.source === null ? undefined : session(event.source),
        event: event.event as { type: string },
      }
    case '@xstate.snapshot':
      return {
        ...common,
        type: '@xstate.snapshot',
        event: event.event as { type: string },
        snapshot: event.snapshot as unknown as Extract<StatelyInspectionEvent, { type: '@xstate.snapshot' }>['snapshot'],
      }
    case '@xstate.microstep':
    case '@xstate.action':
      return undefined
  }
}

interface StateConfig {
  id: string
  initial?: string
  type?: 'final' | 'parallel' | 'history'
  invoke: { src: string }[]
  on: Record<string, { target?: string; guard?: string; actions: readonly string[] }[]>
  always: { target?: string; guard?: string; actions: readonly string[] }[]
  states: Record<string, StateConfig>
}

/** A configuration as `createMachine` takes it: what Stately's inspector draws. */
function definitionOf({ states, transitions }: StatechartDescription): StateConfig | undefined {
  const configs = new Map<string, StateConfig>()
  let root: StateConfig | undefined
  for (const { id, key, parent, type, initial, invokes } of states) {
    const config: StateConfig = { id, invoke: invokes.map((src) => ({ src })), on: {}, always: [], states: {} }
    if (initial !== null) config.initial = initial.slice(id.length + 1)
    if (type === 'final' || type === 'parallel' || type === 'history') config.type = type
    configs.set(id, config)
    if (parent === null) root = config
    else configs.get(parent)!.states[key] = config
  }
  for (const { from, to, event, guard, actions } of transitions) {
    const config = configs.get(from)
    const transition = { ...(to !== null && { target: `#${to}` }), ...(guard !== null && { guard }), actions }
    if (event === '') config?.always.push(transition)
    else (config!.on[event] ??= []).push(transition)
  }
  return root
}
