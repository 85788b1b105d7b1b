/** What the bench's processes agree on: calls.ts asks, callers and callees answer, one message for each. */
import type { Load } from './load.js'

export const system = 'bench'

/** The command line of a caller or callee, as JSON. */
export interface Role {
  readonly natsUrl: string
  readonly redisUrl: string
  /** Node state and bundles go here; calls.ts removes it. */
  readonly directory: string
  /** The contender's name for a caller, its side for a callee. */
  readonly name: string
}

export type Question =
  | { readonly ask: 'cpu' }
  | { readonly ask: 'drive'; readonly load: Load; readonly durationMs: number }
  | { readonly ask: 'stop' }

/** CPU time of the process so far. */
export interface CpuAnswer {
  readonly cpuUs: number
}

export interface DriveAnswer {
  readonly calls: number
  readonly tookMs: number
  /** Of one call; null where more than one was in flight. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}
