/** Counts the fate of a service's shards on this host, for metrics. */
import type { ShardCounts } from '../../core/inspection/hostStatus.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import type { OwnedShard } from '../shards/ownedShard.js'

export class ShardCounter {
  readonly #counts = { claimed: 0, takenOver: 0, handedOver: 0, lost: 0, lapses: 0, commits: 0, bytes: 0 }

  get counts(): ShardCounts {
    return { ...this.#counts }
  }

  owns(owned: Pick<OwnedShard, 'lost' | 'lapses'>, isTakeOver: boolean): void {
    if (isTakeOver) this.#counts.takenOver++
    else this.#counts.claimed++
    owned.lost.on(() => this.#counts.lost++)
    owned.lapses.on(() => this.#counts.lapses++)
  }

  handsOver(): void {
    this.#counts.handedOver++
  }

  /** The same store, whose commits are counted. */
  counted(store: StateStore): StateStore {
    return {
      ...store,
      commit: (writes) => {
        this.#counts.commits++
        for (const [key, value] of writes) this.#counts.bytes += key.length + (value?.length ?? 0)
        return store.commit(writes)
      },
    }
  }
}
