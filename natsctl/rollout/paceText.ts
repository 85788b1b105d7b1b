/** The words for a changed pace of a rollout. */
import type { Pace } from 'theseus-actors/operator'
import { age } from '../output/output.js'
import type { RolloutState } from './rolloutState.js'

/** `probability 0.5, every 10s, bake 5m`. */
export function paceText({ probability, everyMs, bakeMs }: Pace): string {
  return [
    ...(probability === null ? [] : [`probability ${probability}`]),
    ...(everyMs === null ? [] : [`every ${duration(everyMs)}`]),
    ...(bakeMs === null ? [] : [`bake ${duration(bakeMs)}`]),
  ].join(', ')
}

const units = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** Exact, as it is given: `90s`, `1h`, `1500ms`. */
function duration(ms: number): string {
  const found = units.find(([, of]) => ms > 0 && ms % of === 0)
  return found === undefined ? `${ms}ms` : `${ms / found[1]}${found[0]}`
}

/** The orders about the pace of a rollout that are in force. */
export function paceLines({ goal, promotion, pace }: Pick<RolloutState, 'goal' | 'promotion' | 'pace'>): readonly string[] {
  const since = (order: { readonly since: number; readonly reason: string }) =>
    `for ${age(Date.now() - order.since)}${order.reason === '' ? '' : `: ${order.reason}`}`
  const promoted = promotion === null || promotion.percent === null ? [] : [promotion]
  return [
    ...promoted.map((order) => `version ${goal} is promoted on ${order.percent} % of the nodes ${since(order)}`),
    ...(pace === null ? [] : [`version ${goal} goes on with ${paceText(pace)} ${since(pace)}`]),
  ]
}
