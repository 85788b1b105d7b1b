/** Which part of time is shown, and where a moment is on it. */
import type { Rollout } from './rollout.js'

export interface TimeRange {
  readonly from: number
  readonly to: number
}

export type RangeChoice = 'rollout' | 'everything' | 'minute'

const shortestMs = 20

/** @param now the end of what can be seen: this moment, or the end of a recording */
export function chosenRange(choice: RangeChoice, { span }: Rollout, now: number): TimeRange {
  const minute = { from: now - 60_000, to: now }
  switch (choice) {
    case 'minute':
      return minute
    case 'everything':
      return padded(span.first ?? minute.from, now)
    case 'rollout':
      return span.begins === undefined ? minute : padded(span.begins, Math.min(now, span.ends ?? now))
  }
}

function padded(from: number, to: number): TimeRange {
  const length = Math.max(shortestMs, to - from)
  return { from: from - length * 0.03, to: from + length * 1.05 }
}

/** Around `focus`, a share of the range from its left. */
export function zoomed({ from, to }: TimeRange, factor: number, focus = 0.5): TimeRange {
  const length = Math.max(shortestMs, (to - from) * factor)
  const middle = from + (to - from) * focus
  return { from: middle - length * focus, to: middle + length * (1 - focus) }
}

export function panned({ from, to }: TimeRange, share: number): TimeRange {
  const by = (to - from) * share
  return { from: from + by, to: to + by }
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000]
const hour = 3_600_000

/** Moments worth a mark, as offsets from `origin`, at most so many. */
export function ticks({ from, to }: TimeRange, origin: number, countMax: number): readonly { at: number; label: string }[] {
  const least = (to - from) / Math.max(1, countMax)
  const step = steps.find((one) => one >= least) ?? Math.ceil(least / hour) * hour
  const found: { at: number; label: string }[] = []
  for (let at = origin + Math.ceil((from - origin) / step) * step; at <= to; at += step) {
    if (at >= origin) found.push({ at, label: spanLabel(at - origin) })
  }
  return found
}

/** A length of time in as few signs as tell it. */
export function spanLabel(ms: number): string {
  if (ms < 1) return '0'
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${Number(seconds.toFixed(seconds < 10 ? 2 : 1))} s`
  const minutes = Math.floor(seconds / 60)
  const rest = Math.round(seconds % 60)
  if (minutes < 60) return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
