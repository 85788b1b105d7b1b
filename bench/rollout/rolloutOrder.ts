/** The orders of the rollout bench to its processes. */

export interface RolloutHostOrder {
  readonly system: string
  readonly hostId: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
  readonly nodeIds: readonly string[]
  readonly readings: number
}

export interface RolloutOrder {
  readonly system: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
  readonly nodeIds: readonly string[]
  readonly schedule: 'gradually' | 'quickly'
  readonly warmUpMs: number
  readonly beforeMs: number
  readonly afterMs: number
  readonly timeoutMs: number
}

export const spans = ['before', 'during', 'after'] as const
export type Span = (typeof spans)[number]

export interface SpanFigures {
  readonly tookMs: number
  readonly calls: number
  readonly failed: number
  readonly callsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly longestMs: number
}

export interface RolloutResult {
  readonly spans: Readonly<Record<Span, SpanFigures>>
  /** Nodes that were not at the new version when the time was up. */
  readonly left: number
  readonly failures: Readonly<Record<string, number>>
}
