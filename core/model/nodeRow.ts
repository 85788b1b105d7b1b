/** The rows of the UDB (§4): who runs what. */
import type { Version } from '../base/ids.js'
import { isInstantMs } from '../base/instant.js'
import type { Software } from '../base/level.js'
import type { Phase } from '../base/phases.js'

/** The software that a node runs: one row per registered node. */
export interface NodeStatus {
  readonly nodeId: string
  readonly service: string
  readonly className: string
  readonly version: Version
  readonly phase: Phase
  /** The upgrade under way, or null. */
  readonly target: Version | null
  /** Why a node is stalled, rejected or failed, or what it waits for. */
  readonly reason: string | null
  readonly hostId: string
  /**
   * The identity of the state directory, or null for a node without persistent state: it expires by lease.
   */
  readonly directoryId: string | null
  /** Milliseconds since 1970: when the phase began, by the node's host's clock. */
  readonly since: number
  /**
   * It waits before an upgrade that is for others, and answers all versions up to this one. Left out for a
   * node that does not; release 0.1.0 knows none.
   */
  readonly settled?: Version
  /** The group that it is a member of. Left out for a node of none; release 0.1.0 knows none. */
  readonly group?: string
  /**
   * The shard that it is of, of a sharded service. Left out for a node of a host; release 0.1.0 knows none.
   */
  readonly shard?: number
  /**
   * Its newest move between stores. Left out for a node that has not moved; release 0.1.0 knows none.
   */
  readonly moved?: MovedRow
  /**
   * The needs of its class: the classes that it calls, and the events it publishes or hears.
   * Left out where that is nothing.
   */
  readonly uses?: readonly string[]
  /**
   * How the node's calls have gone since its phase began. Renewed with the lease while an
   * upgrade is under way; else left out.
   */
  readonly figures?: NodeFigures
  /** T1. The release of its host and the formats that it reads. Release 0.1.0 leaves it out. */
  readonly software?: Software
  /** Whether it can be rewound to before its newest flip (§8). Left out where nothing was kept. */
  readonly rewind?: RewindRow
}

export interface MovedRow {
  /** The directory with which it was registered before. */
  readonly from: string
  /** M4 (nodeMove.ts). */
  readonly number: number
}

export function isMovedRow(value: unknown): value is MovedRow {
  const { from, number } = (value ?? {}) as Record<string, unknown>
  return typeof from === 'string' && typeof number === 'number' && Number.isSafeInteger(number)
}

/** Whether a node that is registered with another directory has moved from there to the one of `status`. */
export function hasMoved(status: NodeStatus, registered: NodeStatus): boolean {
  const { directoryId, moved } = status
  if (directoryId === registered.directoryId || moved === undefined || moved.from !== registered.directoryId) return false
  return moved.number > (registered.moved?.number ?? 0)
}

export type RewindRow =
  /** Milliseconds since 1970: until when, if its operations are not more than the upgrade says. */
  | { readonly untilMs: number }
  /** Why it can't any more. */
  | { readonly ended: string }

export function isRewindRow(value: unknown): value is RewindRow {
  const { untilMs, ended } = (value ?? {}) as Record<string, unknown>
  return isInstantMs(untilMs) || typeof ended === 'string'
}

export interface NodeFigures {
  /** Calls that a method has answered, or thrown in. */
  readonly ended: number
  readonly threw: number
  /** Some of those that were answered, and how long these took together, from when their methods began. */
  readonly timed: number
  readonly tookMs: number
  /** How far it has come with records that are made lazily (§8). Left out where all are made. */
  readonly records?: RecordsUnmade
}

export interface RecordsUnmade {
  /** How many it has gone past. */
  readonly passed: number
  /** The collections that have some left, of the object and its SOs, and in each the first key that is. */
  readonly left: Readonly<Record<string, string>>
}

/**
 * Whether a row that is not alive is that of a node which may be asleep: the owner of its shard renews leases
 * of nodes that are awake alone, and wakes this one when it is called, or when an upgrade comes.
 */
export function mayBeAsleep({ shard, alive, phase }: Pick<NodeRow, 'shard' | 'alive' | 'phase'>): boolean {
  return shard !== undefined && !alive && phase === 'current'
}

/** A row as it is read: `alive` is false when the node's lease has run out. */
export interface NodeRow extends NodeStatus {
  readonly alive: boolean
}

/**
 * The oldest version that a registered node can be found running without another upgrade: one that is still
 * `recovering` may flip back. No death passes it.
 */
export function oldestPossible({ version, phase }: Pick<NodeStatus, 'version' | 'phase'>): Version {
  return phase === 'recovering' ? Math.max(0, version - 1) : version
}

/**
 * Callers outside any object, which are pinned to a version, are rows of this service. They keep their
 * version alive and upgrade never.
 */
export const clientService = 'client'

/** The newest version that a node has come to, as far as anybody waits for it. */
export function settledVersion({ version, settled = 0 }: Pick<NodeStatus, 'version' | 'settled'>): Version {
  return Math.max(version, settled)
}
