/**
 * How far back an upgrade can be rewound (§8, W1): what its class upgrade says, and what its manifest tells.
 */
import { type Duration, milliseconds } from '../base/duration.js'

/** As the upgrader writes it. */
export interface RewindOptions {
  /** How long after its flip a node can go back, as `'24h'`. */
  readonly for: Duration
  /** Operations that a node records at most: one more ends its recording. 1,000,000 where it is left out. */
  readonly operations?: number
  /** The same in bytes. 268,435,456 where it is left out. */
  readonly bytes?: number
  /** Whether queries are recorded, so that a wrong answer to one is found too. True where it is left out. */
  readonly queries?: boolean
}

export interface RewindLimits {
  readonly forMs: number
  readonly operations: number
  readonly bytes: number
  readonly queries: boolean
}

const operationsDefault = 1_000_000
const bytesDefault = 256 * 1024 * 1024

/** Undefined for what is none: the types hold back nobody who writes JavaScript. */
export function rewindLimits(options: RewindOptions): RewindLimits | undefined {
  if (typeof options !== 'object' || options === null) return undefined
  const { operations = operationsDefault, bytes = bytesDefault, queries = true } = options
  const limits = { forMs: millisecondsOr(options.for), operations, bytes, queries }
  return isRewindLimits(limits) ? limits : undefined
}

function millisecondsOr(duration: Duration): number | undefined {
  try {
    return milliseconds(duration)
  } catch {
    return undefined
  }
}

export function isRewindLimits(value: unknown): value is RewindLimits {
  if (typeof value !== 'object' || value === null) return false
  const { forMs, operations, bytes, queries } = value as Record<string, unknown>
  return (
    [forMs, operations, bytes].every((limit) => Number.isSafeInteger(limit) && (limit as number) > 0) &&
    typeof queries === 'boolean'
  )
}
