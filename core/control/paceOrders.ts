/** The orders of operators about the pace of a rollout, beside what its schedules say. */
import { formats, isRead } from '../base/formats.js'
import { isVersion, type Version } from '../base/ids.js'
import { ownPace, type Pace, paceMsMax, type RolloutPace } from '../schedules/rolloutPace.js'
import type { Control } from './control.js'

/**
 * So many of each service's nodes go to this version now, the first by id: their SFs are not asked. A pause
 * holds them, but for the one that was in force when this was ordered. Without a share, bakes under way end.
 * Release 0.1.0 passes it over: its upgrade servers refuse it, and its nodes go as their schedules say.
 */
export interface Promotion {
  readonly kind: 'promote'
  readonly format: number
  readonly version: Version
  /** 1 to 100; null: the steps that are done have baked long enough. */
  readonly percent: number | null
  /** `since` of the pause that it passes; null: none. */
  readonly past: number | null
  readonly reason: string
  readonly since: number
}

/**
 * Other figures than those that the schedules of this version name; null: theirs. Release 0.1.0 passes it
 * over, as it does a promotion.
 */
export interface PaceChange extends Pace {
  readonly kind: 'pace'
  readonly format: number
  readonly version: Version
  readonly reason: string
  readonly since: number
}

/** Whether these are the fields of a promotion or of a change of pace; its reason is not looked at. */
export function isPaceOrder(control: Readonly<Record<string, unknown>>): boolean {
  const { kind, format, version, percent, past, probability, everyMs, bakeMs } = control
  if (!isRead(formats.pace, format) || !isVersion(version)) return false
  if (kind === 'promote') return (percent === null || isPercent(percent)) && (past === null || typeof past === 'number')
  return (
    (probability === null || isProbability(probability)) &&
    (everyMs === null || (isPaceMs(everyMs) && everyMs !== 0)) &&
    (bakeMs === null || isPaceMs(bakeMs))
  )
}

/** The share of a promotion. */
export function isPercent(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 100
}

/** Of a coin. */
export function isProbability(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= 1
}

function isPaceMs(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= paceMsMax
}

/** The newest promotion of nodes to this version. */
export function promotionOf(controls: readonly Control[], version: Version): Promotion | undefined {
  return controls.find((control): control is Promotion => control.kind === 'promote' && control.version === version)
}

/** The change of pace of this version that is in force. */
export function paceChangeOf(controls: readonly Control[], version: Version): PaceChange | undefined {
  return controls.find((control): control is PaceChange => control.kind === 'pace' && control.version === version)
}

/** As a schedule sees both. */
export function rolloutPaceOf(controls: readonly Control[], version: Version): RolloutPace {
  const { probability, everyMs, bakeMs } = paceChangeOf(controls, version) ?? ownPace
  const promotion = promotionOf(controls, version)
  return { probability, everyMs, bakeMs, bakedMs: promotion?.percent === null ? promotion.since : null }
}

/** How many of so many nodes a promotion lets go, the first by id: at least one. */
export function promotedNodes(percent: number, nodes: number): number {
  return Math.max(1, Math.floor((nodes * percent) / 100))
}
