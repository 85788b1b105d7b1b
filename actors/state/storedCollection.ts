/**
 * One collection of one slot: the call's own writes over the journal's over the store's, and below them what
 * is still to be made.
 */
import { Fault } from '../../core/base/fault.js'
import { type Collection, collectionKeyBytesMax, type KeyRange } from '../../core/model/collection.js'
import type { StateSlot } from '../../core/model/nodeRecord.js'
import { compareKeys } from '../../core/ports/stateStore.js'
import { overlaid } from '../../core/store/overlaid.js'
import { pack, unpackState } from '../../core/wire/codec.js'
import type { Journal } from './journal.js'
import { afterPrefix, type LazyRecords, tombstone } from './lazyRecords.js'

/** The parts of its node's state that a collection needs. */
export interface CollectionState {
  /** The writes of the running call to collections. */
  readonly staged: ReadonlyMap<string, StagedWrite>
  stage(key: string, write: StagedWrite): void
  /** Whether records of this collection are still to be made. */
  isLazy(slot: StateSlot, name: string): boolean
  readonly lazy: LazyRecords
}

/** A packed record; null deletes it, and `deletedBelow` where it would otherwise be made again (Z2). */
export type StagedWrite = Uint8Array | null | typeof deletedBelow
const deletedBelow = Symbol('deletedBelow')

export const nothingStaged: ReadonlyMap<string, StagedWrite> = new Map()

export function packedOf(write: StagedWrite): Uint8Array | null {
  return write === deletedBelow ? tombstone : write
}

/** In the hands of user code: what it stands on is `#private`, or a method could write past its node. */
export class StoredCollection implements Collection<unknown> {
  readonly #prefix: string
  readonly #slot: StateSlot
  readonly #name: string
  readonly #journal: Journal
  readonly #state: CollectionState
  readonly #mayWrite: () => void

  constructor(prefix: string, slot: StateSlot, name: string, journal: Journal, state: CollectionState, mayWrite: () => void) {
    this.#prefix = prefix
    this.#slot = slot
    this.#name = name
    this.#journal = journal
    this.#state = state
    this.#mayWrite = mayWrite
  }

  get(key: string): unknown {
    const full = this.#prefix + checkKey(key)
    const own = this.#state.staged.get(full)
    if (own === undefined) {
      if (this.#isLazy) return this.#state.lazy.get(this.#slot, this.#name, key)
      const packed = this.#journal.get(full)
      return packed === undefined ? undefined : unpackState(packed)
    }
    return own === null || own === deletedBelow ? undefined : unpackState(own)
  }

  has(key: string): boolean {
    const full = this.#prefix + checkKey(key)
    const own = this.#state.staged.get(full)
    if (own !== undefined) return own !== null && own !== deletedBelow
    return this.#isLazy ? this.#state.lazy.get(this.#slot, this.#name, key) !== undefined : this.#journal.get(full) !== undefined
  }

  put(key: string, value: unknown): void {
    this.#mayWrite()
    this.#state.stage(this.#prefix + checkKey(key), pack(value, `record ${key}`))
  }

  delete(key: string): void {
    this.#mayWrite()
    const full = this.#prefix + checkKey(key)
    this.#state.stage(full, this.#isLazy && this.#state.lazy.needsTombstone(this.#slot, this.#name, key) ? deletedBelow : null)
  }

  *entries(range: KeyRange = {}): Iterable<readonly [string, unknown]> {
    const from = this.#prefix + (range.from ?? '')
    const to = range.to === undefined ? afterPrefix(this.#prefix) : this.#prefix + range.to
    const own = [...this.#state.staged]
      .filter(([key]) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0)
      .map(([key, write]) => [key, write === deletedBelow ? null : write] as const)
      .sort(([a], [b]) => compareKeys(a, b))
    let left = range.limit ?? Number.POSITIVE_INFINITY
    const kept: Iterable<readonly [string, Uint8Array | Made]> = this.#isLazy ? this.#made(range) : this.#journal.range(from, to)
    for (const [key, value] of overlaid(kept, own)) {
      if (left-- <= 0) return
      yield [key.slice(this.#prefix.length), typeof value === 'function' ? value() : unpackState(value)]
    }
  }

  *#made({ from = '', to }: KeyRange): Iterable<readonly [string, Made]> {
    // A call that has put a record in the place of one that can't be made does not ask for that.
    const isHidden = (key: string) => this.#state.staged.has(this.#prefix + key)
    for (const [key, record] of this.#state.lazy.entries(this.#slot, this.#name, from, to, isHidden))
      yield [this.#prefix + key, () => record]
  }

  get #isLazy(): boolean {
    return this.#state.isLazy(this.#slot, this.#name)
  }
}

/** A record that is unpacked already, or when it is asked for. */
type Made = () => unknown

export function checkKey(key: string): string {
  if (typeof key === 'string' && key.length > 0 && !key.includes('\0') && Buffer.byteLength(key) <= collectionKeyBytesMax)
    return key
  throw new Fault(
    'protocol.bad-arguments',
    `collection key ${JSON.stringify(key)}: use a string of 1 to ${collectionKeyBytesMax} bytes without NUL`,
  )
}
