/**
 * How long a rollout may still take, by when nodes have arrived so far; nothing where that
 * would be a guess. Pure.
 */

export interface Arrivals {
  /** When each node arrived, in any order. */
  readonly at: readonly number[]
  /** When the upgrade was published. */
  readonly beganAt: number
  /** Nodes that are still to come, and can. */
  readonly toCome: number
}

/** Fewer say nothing of the next one. */
const arrivalsMin = 3
/** The pace of late is that of the last half, at most of so many. */
const paceOfMax = 50

export function remainingMs({ at, beganAt, toCome }: Arrivals, now: number): number | undefined {
  if (toCome === 0 || at.length < arrivalsMin) return undefined
  const sorted = at.toSorted((a, b) => a - b)
  const counted = Math.min(paceOfMax, Math.max(arrivalsMin, Math.ceil(sorted.length / 2)))
  const from = sorted[sorted.length - counted - 1] ?? Math.min(beganAt, sorted[0]!)
  // Until now, not until the last arrival: a rollout that has come to a standstill takes longer and longer.
  const tookMs = now - from
  return tookMs > 0 ? (tookMs / counted) * toCome : undefined
}

/** No more exact than it is known: `about 3m`. */
export function roundedDuration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 10) return 'less than 10s'
  if (seconds < 90) return `about ${Math.round(seconds / 10) * 10}s`
  const minutes = seconds / 60
  if (minutes < 90) return `about ${Math.round(minutes)}m`
  const hours = minutes / 60
  return hours < 48 ? `about ${Math.round(hours)}h` : `about ${Math.round(hours / 24)}d`
}
