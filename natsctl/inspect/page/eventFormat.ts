/** The steps of an upgrade manager's statechart, in words. */
import type { StatechartDescription, StatechartEvent, StatechartSeen } from 'theseus-actors/operator'
import { activeIn, shortName } from './statechartState.js'

export interface EventText {
  readonly kind: 'event' | 'transition' | 'action' | 'snapshot' | 'actor'
  readonly text: string
  readonly detail: string
}

/** Those that tell the story: what the upgrade manager hears, where it goes, what it says. */
export function isShown({ event, manager }: StatechartSeen): boolean {
  switch (event.type) {
    case '@xstate.event':
      return event.actor === manager && typeOf(event.event) !== 'xstate.init'
    case '@xstate.microstep':
      return event.transitions.length > 0
    case '@xstate.action':
      return true
    case '@xstate.actor':
      return event.parent === null
    case '@xstate.snapshot':
      return false
  }
}

export function eventTextOf(statechart: StatechartDescription, { event, target }: StatechartSeen): EventText {
  switch (event.type) {
    case '@xstate.actor':
      return event.parent === null
        ? { kind: 'actor', text: `the upgrade manager goes to version ${target}`, detail: '' }
        : { kind: 'actor', text: `begins ${event.id}`, detail: '' }
    case '@xstate.event':
      return { kind: 'event', text: spoken(statechart, typeOf(event.event)), detail: detailOf(event.event) }
    case '@xstate.microstep':
      return { kind: 'transition', ...transitionText(statechart, event) }
    case '@xstate.action':
      return { kind: 'action', text: event.action.type, detail: shortJson(event.action.params) }
    case '@xstate.snapshot': {
      const active = activeIn(statechart, event.snapshot.value).at(-1)
      const where = active === undefined ? event.actor : shortName(statechart, active)
      return {
        kind: 'snapshot',
        text: `${where}: ${event.snapshot.status}`,
        detail: shortJson(event.snapshot.context ?? event.snapshot.output),
      }
    }
  }
}

function transitionText(
  statechart: StatechartDescription,
  { transitions }: Extract<StatechartEvent, { type: '@xstate.microstep' }>,
): { text: string; detail: string } {
  const taken = transitions.flatMap((id) => statechart.transitions.filter((one) => one.id === id))
  const text = taken.map(
    ({ from, to }) => `${shortName(statechart, from)} → ${to === null ? 'stays' : shortName(statechart, to)}`,
  )
  const guards = taken.flatMap(({ guard }) => (guard === null ? [] : [`since ${guard}`]))
  return { text: text.join(', ') || transitions.join(', '), detail: guards.join(', ') }
}

function spoken({ transitions }: StatechartDescription, type: string): string {
  return transitions.find(({ event }) => event === type)?.on ?? type
}

function typeOf(event: unknown): string {
  return String((event as { type?: unknown } | null)?.type ?? '')
}

function detailOf(event: unknown): string {
  const { error, output } = (event ?? {}) as { error?: unknown; output?: unknown }
  if (error !== undefined && error !== null) return (error as { message?: string }).message ?? shortJson(error)
  return output === undefined || output === null ? '' : shortJson(output)
}

export function shortJson(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value).replaceAll('"', '')
  return text.length > 160 ? `${text.slice(0, 160)}…` : text
}
