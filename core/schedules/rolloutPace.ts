/**
 * The pace of a rollout while it runs: orders of operators (core/control/paceOrders.ts) that schedules heed
 * beside the figures that they were built with.
 */
import type { SchedulingView } from './schedule.js'
import { knownSource } from './schedulingView.js'

/** Figures in the place of those that schedules name; null: theirs. */
export interface Pace {
  /** Of a coin of `gradually`: above 0, at most 1. */
  readonly probability: number | null
  /** Between two coins of `gradually`, in milliseconds. */
  readonly everyMs: number | null
  /** Of `steps`, in milliseconds. */
  readonly bakeMs: number | null
}

/** A period or a bake is at most so long. */
export const paceMsMax = 365 * 24 * 3_600_000

export interface RolloutPace extends Pace {
  /** When bakes under way were ended, in milliseconds since 1970; null: never. */
  readonly bakedMs: number | null
}

/** As the schedules say. */
export const ownPace: Pace = { probability: null, everyMs: null, bakeMs: null }
export const ownRolloutPace: RolloutPace = { ...ownPace, bakedMs: null }

export function isSamePace(one: Pace, other: Pace): boolean {
  return one.probability === other.probability && one.everyMs === other.everyMs && one.bakeMs === other.bakeMs
}

export function isSameRolloutPace(one: RolloutPace, other: RolloutPace): boolean {
  return isSamePace(one, other) && one.bakedMs === other.bakedMs
}

/** A view that somebody has made by hand may know no orders: then as the schedules say. */
export function paceSeen(view: Partial<Pick<SchedulingView, 'pace'>>): RolloutPace {
  return view.pace?.() ?? ownRolloutPace
}

/** Sleeps, but no longer than the pace stays as it is: true if it has changed meanwhile. */
export async function sleepAtPace(view: SchedulingView, ms: number, pace: RolloutPace): Promise<boolean> {
  const source = knownSource(view)
  if (source?.paceChanged === undefined) {
    await view.sleep(ms)
    return false
  }
  const over = new AbortController()
  const signal = AbortSignal.any([view.signal, over.signal])
  const slept = source.sleep(ms, signal).then(() => false)
  const changed = source.paceChanged(view.target, pace, signal).then(() => true)
  try {
    return await Promise.race([slept, changed])
  } finally {
    over.abort()
    for (const each of [slept, changed]) each.catch(() => {})
  }
}
