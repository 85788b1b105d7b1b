/**
 * The local copy of a shard, behind its log. It may be lost or thrown away: the log has everything. It notes
 * how far it has come, in the same commit as the values (H2).
 */
import type { ChainEnd } from '../../core/model/logChain.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'

/** The last entry that a cache contains. */
export interface CacheMark extends ChainEnd {
  /** Behind this position the log is read to go on. */
  readonly last: number
}

const markKey = 'mark'
const valuesFrom = 'v/'
/** '0' is the character after '/'. */
const valuesTo = 'v0'

/** Keys that are deleted in one commit, of a cache that is of no use. */
const deletedPerCommit = 1_000

export class ShardCache {
  /** A part of the host's store, of its own. */
  constructor(private readonly store: StateStore) {}

  /** Undefined where it contains nothing, or nobody knows how much. */
  get mark(): CacheMark | undefined {
    const bytes = this.store.get(markKey)
    return bytes === undefined ? undefined : (unpack(bytes) as CacheMark)
  }

  get(key: string): Uint8Array | undefined {
    return this.store.get(valuesFrom + key)
  }

  *range(from: string, to: string, limit?: number): Iterable<readonly [string, Uint8Array]> {
    const end = to === '' ? '' : valuesFrom + to
    for (const [key, value] of this.store.range(valuesFrom + from, end, limit)) yield [key.slice(valuesFrom.length), value]
  }

  /** Undefined: how far it has come is not known before the rest is there. */
  commit(writes: readonly Write[], mark: CacheMark | undefined): Promise<void> {
    const all = writes.map(([key, value]): Write => [valuesFrom + key, value])
    all.push([
      markKey,
      mark === undefined ? null : pack({ term: mark.term, number: mark.number, digest: mark.digest, last: mark.last }),
    ])
    return this.store.commit(all)
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.store.commit([[markKey, null]])
    for (;;) {
      const found = [...this.store.range(valuesFrom, valuesTo, deletedPerCommit)]
      if (found.length === 0) return
      await this.store.commit(found.map(([key]): Write => [key, null]))
    }
  }
}
