/**
 * XState's inspection events as plain data: what travels, is recorded, and is shown. Bounded, for a context
 * may hold a user's error.
 */
import type { ActorRefLike, AnyTransitionDefinition, InspectionEvent } from 'xstate'
import { isFault } from '../base/fault.js'
import { thrownText } from '../base/thrownText.js'

/** An actor's state, as far as it can travel. */
export interface SnapshotSeen {
  readonly status: string
  /** The states that are active: a name, or names within names. Of a state machine only. */
  readonly value?: unknown
  readonly context?: unknown
  readonly output?: unknown
  readonly error?: unknown
}

/**
 * `actor` and `source` are session ids, unique within one upgrade manager. The upgrade manager
 * itself has no `parent`.
 */
export type StatechartEvent =
  | {
      readonly type: '@xstate.actor'
      readonly actor: string
      readonly id: string
      readonly parent: string | null
      readonly snapshot: SnapshotSeen
    }
  | { readonly type: '@xstate.event'; readonly actor: string; readonly source: string | null; readonly event: unknown }
  | {
      readonly type: '@xstate.microstep'
      readonly actor: string
      readonly event: unknown
      /** The ids of the transitions taken, as `describeStatechart` gives them. */
      readonly transitions: readonly string[]
      readonly value: unknown
      readonly context: unknown
    }
  | { readonly type: '@xstate.snapshot'; readonly actor: string; readonly event: unknown; readonly snapshot: SnapshotSeen }
  | {
      readonly type: '@xstate.action'
      readonly actor: string
      readonly action: { readonly type: string; readonly params: unknown }
    }

const textLengthMax = 512
const depthMax = 6
const entriesMax = 64

/** Undefined for events of a kind that tells nothing more. */
export function statechartEvent(event: InspectionEvent): StatechartEvent | undefined {
  const { type } = event
  const actor = event.actorRef.sessionId
  switch (type) {
    case '@xstate.actor':
      return actorEvent(event.actorRef)
    case '@xstate.event':
      return { type, actor, source: event.sourceRef?.sessionId ?? null, event: plain(event.event) }
    case '@xstate.microstep': {
      const { value, context } = event.snapshot as { readonly value?: unknown; readonly context?: unknown }
      const transitions = event._transitions.map(transitionId)
      return { type, actor, event: plain(event.event), transitions, value: plain(value), context: plain(context) }
    }
    case '@xstate.snapshot':
      return { type, actor, event: plain(event.event), snapshot: snapshotSeen(event.snapshot) }
    case '@xstate.action':
      // XState's own: assignments show in the context, what it raises and invokes in the events.
      if (event.action.type.startsWith('xstate.')) return undefined
      return { type, actor, action: { type: event.action.type, params: plain(event.action.params) } }
    case '@xstate.transition':
      return undefined
  }
}

/** An actor as it is now: at its beginning, or when somebody comes to look. */
export function actorEvent(actorRef: ActorRefLike): StatechartEvent {
  const { sessionId, id, _parent } = actorRef as ActorRefLike & { readonly id?: string; readonly _parent?: ActorRefLike }
  return {
    type: '@xstate.actor',
    actor: sessionId,
    id: id ?? sessionId,
    parent: _parent?.sessionId ?? null,
    snapshot: snapshotSeen(actorRef.getSnapshot()),
  }
}

/** A transition's name: where it is, upon what, and which of the candidates. */
export function transitionId(transition: AnyTransitionDefinition): string {
  const { source, eventType } = transition
  const candidates = eventType === '' ? source.always : source.transitions.get(eventType)
  return `${source.id} ${eventType} ${candidates?.indexOf(transition) ?? 0}`
}

function snapshotSeen(snapshot: unknown): SnapshotSeen {
  // XState tells of an actor before it has a snapshot.
  if (typeof snapshot !== 'object' || snapshot === null) return { status: 'active' }
  const { status, value, context, output, error } = snapshot as Record<string, unknown>
  return {
    status: String(status ?? 'active'),
    ...(value !== undefined && { value: plain(value) }),
    ...(context !== undefined && { context: plain(context) }),
    ...(output !== undefined && { output: plain(output) }),
    ...(error !== undefined && { error: plain(error) }),
  }
}

/**
 * The plain part of a value, cut where it is long or deep. User code may have thrown it: what
 * can't be read is not shown.
 */
export function plain(value: unknown, depth = 0): unknown {
  try {
    return readable(value, depth)
  } catch {
    return '(unreadable)'
  }
}

function readable(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return cut(value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'boolean':
      return value
    case 'object':
      return value === null ? null : plainObject(value, depth)
    case 'undefined':
      return null
    default:
      return `(${typeof value})`
  }
}

function plainObject(value: object, depth: number): unknown {
  if (isFault(value)) return { code: cut(String(value.code)), message: cut(thrownText(value)) }
  if (value instanceof Error) return { name: cut(String(value.name)), message: cut(thrownText(value)) }
  if (depth >= depthMax) return '…'
  if (Array.isArray(value)) return value.slice(0, entriesMax).map((item) => plain(item, depth + 1))
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `(${value.constructor?.name ?? 'object'})`
  const entries = Object.entries(value).filter(([key, item]) => key !== '__proto__' && item !== undefined)
  return Object.fromEntries(entries.slice(0, entriesMax).map(([key, item]) => [cut(key), plain(item, depth + 1)]))
}

function cut(text: string): string {
  const whole = text.toWellFormed()
  return whole.length <= textLengthMax ? whole : `${whole.slice(0, textLengthMax).toWellFormed()}…`
}
