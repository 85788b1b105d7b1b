/**
 * Where the nodes of one host keep their persistent state: an ordered map from keys to bytes
 * with atomic commits.
 */
import { unitAt } from '../base/text.js'

/** A value, or null to delete the key. */
export type Write = readonly [key: string, value: Uint8Array | null]

export interface StateStore {
  /**
   * The identity of this store, made once when it is new. A node id is registered with it
   * (DESIGN §5, "One node, one place").
   */
  readonly directoryId: string
  /**
   * Where it lies: another one in a copy, which has the same `directoryId`. Left out where that
   * can't be told.
   */
  readonly place?: string
  /**
   * Whether a reply after `commit` survives kill -9 of the host (`process`), a power cut as
   * well (`disk`), the loss of a machine (`replicated`), or none of them (`none`).
   */
  readonly durability: 'none' | 'process' | 'disk' | 'replicated'
  /** Sees committed values only. */
  get(key: string): Uint8Array | undefined
  /** Committed entries with from ≤ key < to, in the order of the keys' UTF-8 bytes. */
  range(from: string, to: string, limit?: number): Iterable<readonly [key: string, value: Uint8Array]>
  /**
   * All writes or none, in order; resolves when they survive what `durability` says. Rejects
   * when nothing was written.
   */
  commit(writes: readonly Write[]): Promise<void>
  /**
   * The system's level of format `store` is 2: a store that can keep a log before its data does so from now
   * on, until it is told otherwise by its own options. Left out by a store that has no log, or always one.
   */
  keepLog?(): Promise<void>
  /**
   * The same store without the log before it, for keys that are written there alone: copies of data that is
   * kept elsewhere. Left out by a store that has no log.
   */
  readonly withoutLog?: Omit<StateStore, 'close' | 'keepLog'>
  /** Waits for running commits, then releases the store. */
  close(): Promise<void>
}

/** Bytes of a key's UTF-8 form, beyond which `commit` throws `protocol.bad-arguments`. */
export const storeKeyBytesMax = 1900

/** The order of UTF-8 bytes, which is the order of code points and not of JavaScript's UTF-16 units. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = unitAt(a, i)
    const y = unitAt(b, i)
    if (x === y) continue
    // A surrogate stands for a code point above every other unit's.
    const xHigh = x >= 0xd800 && x <= 0xdfff
    const yHigh = y >= 0xd800 && y <= 0xdfff
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1
  }
  return a.length - b.length
}
