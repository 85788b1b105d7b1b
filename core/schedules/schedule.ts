/**
 * Scheduling functions (§4): they run on the node, beside the current version's software, and tell the
 * node *when* to upgrade. An SF is an async function that resolves when the node should upgrade. Its view is
 * read-only and shows only what is committed.
 */

import type { Version } from '../base/ids.js'
import type { ReadonlyCollection } from '../model/collection.js'
import type { NodeRow } from '../model/nodeRow.js'
import type { RolloutPace } from './rolloutPace.js'
import type { RolloutPromise } from './rolloutPromise.js'
import type { ServiceLimit } from './serviceLimit.js'

/** A node this node has recently exchanged calls with, as its upgrade layer learned it (§4). */
export interface Contact {
  readonly nodeId: string
  readonly className: string
  readonly version: Version
  /** Milliseconds since it was last heard of. */
  readonly ageMs: number
}

/** The persistent state of a node's object, or of one of its simulation objects, frozen. */
export interface ObservedState {
  readonly state: Readonly<Record<string, unknown>>
  /** The names of its collections, in order: at most `observedCollectionsMax`. */
  collections(): readonly string[]
  collection(name: string): ReadonlyCollection<unknown>
}

/** That of a simulation object. */
export interface ObservedSimulation extends ObservedState {
  /** The version that it implements, or implemented first: an undo may have given it another. */
  readonly version: Version
  readonly className: string
}

/** Names of collections that an observer is told of one object. */
export const observedCollectionsMax = 1_024
/** Bytes of an object's memory that it tells an observer. */
export const observedBytesMax = 64 * 1024

/** The view of a scheduling function on its node and on the system. */
export interface SchedulingView extends ObservedState {
  readonly nodeId: string
  readonly service: string
  /** The class that the node runs now. */
  readonly className: string
  /** The version that the node would upgrade to. */
  readonly target: Version
  /**
   * The services that the node's class calls, before the upgrade or after it, but for those
   * that wait for this one in turn.
   */
  readonly servers: readonly string[]
  /**
   * "We provide SFs with read-only access to *all* of a node's state via privileged observers" (§4): the
   * object's persistent state is the view itself; here is that of its simulation objects, oldest first.
   */
  simulations(): readonly ObservedSimulation[]
  /**
   * The memory of the node's object, as far as its class offers it by `observe()`: a copy, frozen, taken
   * between two calls. Null where the class offers none.
   */
  memory(): Promise<Readonly<Record<string, unknown>> | null>
  /** Registered nodes by service, from the upgrade database. Waits while the database is away. */
  nodes(service?: string): Promise<readonly NodeRow[]>
  /**
   * A table of the upgrade database that the upgrader keeps (§4), by key; empty if there is none. Waits while
   * the database is away.
   */
  table(name: string): Promise<ReadonlyMap<string, string>>
  /** Recently contacted nodes, newest first. */
  contacts(): readonly Contact[]
  /** Calls this node has answered since it started, and how many of them failed. */
  calls(): { readonly answered: number; readonly failed: number }
  /**
   * The orders of operators about the pace of this version, as they were read last: within about a second of
   * their being given. A schedule of one's own may heed them; `gradually` and `steps` do.
   */
  pace(): RolloutPace
  /** Milliseconds since 1970. */
  now(): number
  /** A number in [0, 1). */
  random(): number
  /** Resolves when `condition` holds; looks now and again about twice a second. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>
  /** Resolves after `ms`; rejects when the schedule is no longer wanted. */
  sleep(ms: number): Promise<void>
  /** Aborted when the schedule is no longer wanted. */
  readonly signal: AbortSignal
}

export interface Schedule {
  /** How people read it: `gradually({ every: 10s, probability: 0.2 })`. Kept in the manifest. */
  readonly describe: string
  readonly run: (view: SchedulingView) => Promise<void>
  /** How many nodes of the service may be away at once, beside what the host's settings say: both hold. */
  readonly limit?: ServiceLimit
  /** The host's settings hold nothing back: `atMost('all')`. Its manifest says so too. */
  readonly takesAll?: true
  /** The services whose upgrade it waits for; `*` stands for those that the node's class calls. */
  readonly awaits?: readonly string[]
  /** Its promises for the time while nodes go. They stand in the manifest. */
  readonly promises?: readonly RolloutPromise[]
}

/** The schedule as it runs: a promise, whatever its function returns or throws. */
export function runSchedule({ run }: Schedule, view: SchedulingView): Promise<void> {
  return new Promise((resolve) => resolve(run(view)))
}

/**
 * A schedule of one's own. `run` resolves when the node should upgrade; what it throws stalls
 * the upgrade with that reason.
 */
export function schedule(describe: string, run: (view: SchedulingView) => Promise<void>): Schedule {
  return { describe, run }
}
