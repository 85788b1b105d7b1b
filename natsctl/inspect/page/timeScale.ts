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

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** No step is three times the one before it, so there are enough marks whatever the range. */
const steps = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12].map((count) => count * hour),
  ...[1, 2, 5, 10, 20, 50, 100].map((count) => count * day),
]

/** Moments worth a mark, as offsets from `origin`, about so many. No two have the same label. */
export function ticks({ from, to }: TimeRange, origin: number, count: number): readonly { at: number; label: string }[] {
  const least = (to - from) / Math.max(1, count)
  const last = steps.at(-1)!
  const step = steps.find((one) => one >= least) ?? Math.ceil(least / last) * last
  const found: { at: number; label: string }[] = []
  for (let n = Math.max(0, Math.ceil((from - origin) / step)); origin + n * step <= to; n++)
    found.push({ at: origin + n * step, label: spanLabel(n * step, step) })
  return found
}

/** A length of time in as few signs as tell it, and tell it from one that is longer by `stepMs`. */
export function spanLabel(ms: number, stepMs = Number.POSITIVE_INFINITY): string {
  const unit = Math.min(stepMs, unitOf(ms))
  const rounded = Math.round(ms / unit) * unit
  if (rounded < second) return rounded === 0 ? '0' : `${rounded} ms`
  const parts = [
    [Math.floor(rounded / day), 'd'],
    [Math.floor((rounded % day) / hour), 'h'],
    [Math.floor((rounded % hour) / minute), 'min'],
    [Number(((rounded % minute) / second).toFixed(3)), 's'],
  ]
  return parts
    .filter(([count]) => count !== 0)
    .map(([count, name]) => `${count} ${name}`)
    .join(' ')
}

/** A smaller difference says nothing at such a length. */
function unitOf(ms: number): number {
  if (ms < second) return 1
  if (ms < 10 * second) return 10
  if (ms < minute) return 100
  if (ms < hour) return second
  return ms < 2 * day ? minute : hour
}
