/**
 * A log: the commits of one store, in one order. A writer names the entry behind which it writes, so of two
 * writers one is refused. The local store has one (a file), and each shard has one (a stream that several
 * servers replicate).
 *
 * H1. An entry is appended only if it comes right behind the position that its writer names. Nothing decides
 *     that but the log itself: no lease, no clock, no reader.
 */
import type { Fault } from '../base/fault.js'

/** Of an entry in its log: 1 and up, without gaps. 0: before the first. */
export type Position = number

export interface LogEntry {
  readonly position: Position
  readonly bytes: Uint8Array
}

/**
 * The end of an append.
 *
 * - `appended`: it counts, as far as `durability` says.
 * - `conflict`: it was not appended now, because the log does not end where its writer said. An earlier copy
 *   of the same entry may have been: the entry behind `after` tells (H3).
 * - `unknown`: nobody can tell yet. To be appended again, unchanged and with the same `after`.
 * - `refused`: it was not appended and, as it is, will not be: too large, or the log is full or gone. Of an
 *   earlier copy that ended with `unknown` this tells nothing: that one may still arrive.
 */
export type Appended =
  | { readonly kind: 'appended' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unknown'; readonly fault: Fault }
  | { readonly kind: 'refused'; readonly fault: Fault }

export interface Log {
  /**
   * The failure that an appended entry survives: of the process, of the power, or of a machine as well
   * (`replicated`).
   */
  readonly durability: 'none' | 'process' | 'disk' | 'replicated'
  /** Bytes of one entry at most. */
  readonly entryBytesMax: number
  /**
   * Appends at `after` + 1, if the log ends at `after`. Never rejects. The bytes are read until it resolves.
   */
  append(bytes: Uint8Array, after: Position): Promise<Appended>
  /**
   * Entries behind `after`, in order, up to the end as the one who answers knows it: that end may be old.
   * Throws `unavailable.storage` when nobody answers, and `config.log-lost` when entries behind `after` were
   * trimmed, or a gap is found.
   */
  read(after: Position): AsyncIterable<LogEntry>
  /** The last position, as old as `read` may be; and the first that was not trimmed. */
  ends(): Promise<{ readonly first: Position; readonly last: Position }>
  /** Entries up to this one are needed no more. The last entry always stays. */
  trim(upTo: Position): Promise<void>
  /** Waits for running appends, then releases the log. */
  close(): Promise<void>
}

/**
 * Copies of a whole store at some moment, beside a log. A name is written once. One that is not whole is not
 * there.
 */
export interface Snapshots {
  /** Bytes of one slice at most. */
  readonly sliceBytesMax: number
  /** Resolves when all of it is as safe as the log's entries. */
  write(name: string, slices: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>
  /** The slices in their order. Throws `config.log-lost` for one that is not there, or not whole. */
  read(name: string): AsyncIterable<Uint8Array>
  names(): Promise<readonly string[]>
  delete(name: string): Promise<void>
}

/** A shard's log with its snapshots. */
export interface ShardLog extends Log {
  readonly snapshots: Snapshots
}

/** Where the logs of a system's shards are. */
export interface ShardLogs {
  /**
   * Opens the log of one shard, and makes it if it is new. Throws `config.*` for one that is not as it must
   * be.
   */
  open(service: string, shard: number): Promise<ShardLog>
  /** The shards of this service whose logs have been made, in order. Throws as `open` does. */
  shardsOf(service: string): Promise<readonly number[]>
  /** Closes all that are open. */
  close(): Promise<void>
}
