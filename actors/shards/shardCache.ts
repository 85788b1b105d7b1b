/**
 * The local copy of a shard, in a part of its host's store. It may be lost or thrown away: the log has
 * everything. It notes how far it has come, in the same commit as the values (H2).
 */
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { decodeMark, type LogCache, type LogMark } from '../../core/store/logCache.js'
import { storeUnder } from '../../core/store/storeUnder.js'

const markKey = 'mark'
const prefix = 'v/'
const endOfKeys = '\u{10ffff}'

/** Keys that are deleted in one commit, of a copy that is of no use. */
const deletedPerCommit = 1_000

export class ShardCache implements LogCache {
  readonly #values: StateStore

  /** @param directoryId the identity of the shard's state, the same on every host */
  constructor(
    readonly directoryId: string,
    private readonly store: StateStore,
  ) {
    this.#values = storeUnder(store, prefix)
  }

  get durability(): StateStore['durability'] {
    return this.store.durability
  }

  get mark(): Uint8Array | undefined {
    return this.store.get(markKey)
  }

  /** The last entry that it holds; undefined where nobody knows how much it holds. */
  get held(): LogMark | undefined {
    const { mark } = this
    return mark === undefined ? undefined : decodeMark(mark)
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)
  }

  range(from: string, to: string, limit?: number): Iterable<readonly [string, Uint8Array]> {
    return this.#values.range(from, to, limit)
  }

  commit(writes: readonly Write[]): Promise<void> {
    return this.#values.commit(writes)
  }

  commitUpTo(writes: readonly Write[], mark: Uint8Array): Promise<void> {
    return this.store.commit([...writes.map(([key, value]): Write => [prefix + key, value]), [markKey, mark]])
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.store.commit([[markKey, null]])
    for (;;) {
      const found = [...this.#values.range('', endOfKeys, deletedPerCommit)]
      if (found.length === 0) return
      await this.#values.commit(found.map(([key]): Write => [key, null]))
    }
  }

  /** The store is its host's. */
  async close(): Promise<void> {}
}
