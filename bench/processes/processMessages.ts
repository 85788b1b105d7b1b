/** The messages of the bench's processes: a bench asks, callers and callees answer, one message for each. */
import type { Load } from '../match/load.js'

/** The command line of a caller or callee, as JSON. */
export interface Role {
  readonly system: string
  readonly natsUrl: string
  readonly redisUrl: string
  /** Node state and bundles go here; whoever started the process removes it. */
  readonly directory: string
  /** The contender's name for a caller, the callee's for a callee. */
  readonly name: string
  /** Where the callee listens, for callers that do not find it by way of nats-server. */
  readonly address: string | null
}

/** The first message of a caller or callee: it is ready for questions. */
export interface Ready {
  readonly address: string | null
}

export type Question =
  | { readonly ask: 'cpu' }
  | { readonly ask: 'drive'; readonly load: Load; readonly durationMs: number }
  | { readonly ask: 'stop' }

export type Answer<Told> = { readonly told: Told } | { readonly failed: string }

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
