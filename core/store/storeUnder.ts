/** A part of a state store, under a beginning of its keys. It is closed with the whole. */
import type { StateStore } from '../ports/stateStore.js'

export function storeUnder(store: Omit<StateStore, 'close' | 'keepLog'>, prefix: string): StateStore {
  return {
    directoryId: store.directoryId,
    ...(store.place === undefined ? {} : { place: store.place }),
    durability: store.durability,
    get: (key) => store.get(prefix + key),
    *range(from, to, limit) {
      for (const [key, value] of store.range(prefix + from, prefix + to, limit)) yield [key.slice(prefix.length), value]
    },
    commit: (writes) => store.commit(writes.map(([key, value]) => [prefix + key, value] as const)),
    close: async () => {},
  }
}
