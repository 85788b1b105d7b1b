/**
 * The promises of an upgrade, or of its schedule, for the time while nodes go: replica sets and places of a
 * field that never have too few nodes (§4), and an end in time. They are plain data, for they stand in the
 * manifest: an upgrade server runs no code of an upgrade, and guards them all the same.
 */
import { type Duration, milliseconds } from '../base/duration.js'
import { Fault } from '../base/fault.js'
import { isName } from '../base/ids.js'
import type { Schedule } from './schedule.js'

/** A count, or a share of the nodes of a set, rounded up. */
export type Share = number | `${number}%`

/**
 * The replica sets of a service. A pattern of node ids, such as `'{set}-*'`: ids that agree in the part
 * `{set}` are of one set; `*` is any text. Or the node ids of each set, by its name.
 */
export type ReplicaSets = string | Readonly<Record<string, readonly string[]>>

export type RolloutPromise =
  | { readonly kind: 'keeps'; readonly service: string; readonly serving: Share; readonly of: ReplicaSets | null }
  | {
      readonly kind: 'covered'
      readonly service: string
      readonly atLeast: number
      /** The nodes that cover each place. */
      readonly places: Readonly<Record<string, readonly string[]>>
    }
  | { readonly kind: 'within'; readonly ms: number }

/** Promises of one upgrade. */
export const promisesMax = 16
/** Replica sets or places of one promise, and nodes of one of them, that are named one by one. */
export const promisedSetsMax = 10_000

/**
 * At least so many nodes of the service serve, of each replica set if `of` names sets:
 * `keeps({ service: 'store', serving: 2, of: '{set}-*' })`.
 */
export function keeps(options: { readonly service: string; readonly serving: Share; readonly of?: ReplicaSets }): RolloutPromise {
  return checked({ kind: 'keeps', service: options.service, serving: options.serving, of: options.of ?? null })
}

/**
 * At least so many of the nodes that cover a place serve, at each place. A place that fewer nodes cover keeps
 * all of them.
 */
export function covered(options: {
  readonly service: string
  readonly atLeast: number
  readonly places: Readonly<Record<string, readonly string[]>>
}): RolloutPromise {
  return checked({ kind: 'covered', service: options.service, atLeast: options.atLeast, places: options.places })
}

/** All living nodes that the upgrade concerns serve at its version so long after it was published. */
export function doneWithin(duration: Duration): RolloutPromise {
  return checked({ kind: 'within', ms: milliseconds(duration) })
}

/** The same schedule, with its promises. */
export function promising(schedule: Schedule, ...promises: readonly RolloutPromise[]): Schedule {
  return { ...schedule, promises: [...(schedule.promises ?? []), ...promises] }
}

export function isRolloutPromise(value: unknown): value is RolloutPromise {
  if (typeof value !== 'object' || value === null) return false
  const promise = value as RolloutPromise
  switch (promise.kind) {
    case 'keeps':
      return isName(promise.service) && isShare(promise.serving) && (promise.of === null || isSets(promise.of))
    case 'covered':
      return isName(promise.service) && isCount(promise.atLeast) && isNamedSets(promise.places)
    case 'within':
      return Number.isFinite(promise.ms) && promise.ms > 0
    default:
      return false
  }
}

export function isPromiseList(value: unknown): value is readonly RolloutPromise[] {
  return Array.isArray(value) && value.length > 0 && value.length <= promisesMax && value.every(isRolloutPromise)
}

/** The parts of a pattern of replica sets; undefined for what is none. */
export function setPattern(pattern: string): RegExp | undefined {
  if (pattern.split('{set}').length !== 2 || pattern.length > 128) return undefined
  const parts = pattern.split(/(\{set\}|\*)/).map((part) => {
    if (part === '{set}') return '(.+)'
    return part === '*' ? '.*' : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`)
}

/** As people read it. */
export function promiseText(promise: RolloutPromise): string {
  switch (promise.kind) {
    case 'keeps': {
      const { service, serving, of } = promise
      const sets = typeof of === 'string' ? `each set ${of}` : `each of ${Object.keys(of ?? {}).length} sets`
      return `keeps ${serving}${typeof serving === 'number' ? (serving === 1 ? ' node' : ' nodes') : ''} of ${of === null ? service : `${sets} of ${service}`} serving`
    }
    case 'covered':
      return `keeps ${promise.atLeast} of ${promise.service} serving at each of ${Object.keys(promise.places).length} places`
    case 'within':
      return `done within ${durationText(promise.ms)}`
  }
}

function durationText(ms: number): string {
  const [unit, size] = (
    [
      ['h', 3_600_000],
      ['m', 60_000],
      ['s', 1_000],
    ] as const
  ).find(([, each]) => ms % each === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}

function checked(promise: RolloutPromise): RolloutPromise {
  if (isRolloutPromise(promise)) return promise
  throw new Fault(
    'config.invalid',
    `${(promise as { readonly kind: string }).kind}: use keeps({ service: 'store', serving: 2, of: '{set}-*' }), covered({ service: 'sensor', atLeast: 1, places: { hall: ['n1', 'n2'] } }) or doneWithin('2h')`,
  )
}

function isShare(value: unknown): boolean {
  if (typeof value === 'number') return isCount(value)
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(String(value))?.[1]
  return typeof value === 'string' && percent !== undefined && Number(percent) > 0 && Number(percent) <= 100
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isSets(value: unknown): boolean {
  return typeof value === 'string' ? setPattern(value) !== undefined : isNamedSets(value)
}

function isNamedSets(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const sets = Object.values(value)
  return (
    sets.length > 0 &&
    sets.length <= promisedSetsMax &&
    sets.every((set) => Array.isArray(set) && set.length > 0 && set.length <= promisedSetsMax && set.every(isName))
  )
}
