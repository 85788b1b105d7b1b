import { compareKeys } from '../../core/ports/stateStore.js'

/** So many new or deleted keys at once are moved one by one; beyond, the list of keys is sorted anew. */
const singlyMax = 16

/** A map that can be read in the order of its keys' UTF-8 bytes. */
export class OrderedMap<Value> {
  readonly #values = new Map<string, Value>()
  #keys: string[] = []

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  /** Puts values, or deletes keys where the value is null, in order. */
  apply(writes: readonly (readonly [key: string, value: Value | null])[]): void {
    const touched = new Map<string, boolean>()
    for (const [key, value] of writes) {
      if (!touched.has(key)) touched.set(key, this.#values.has(key))
      if (value === null) this.#values.delete(key)
      else this.#values.set(key, value)
    }
    const added: string[] = []
    const deleted: string[] = []
    for (const [key, was] of touched) {
      const is = this.#values.has(key)
      if (is && !was) added.push(key)
      if (was && !is) deleted.push(key)
    }
    if (added.length + deleted.length > singlyMax) {
      const kept = deleted.length === 0 ? this.#keys : this.#keys.filter((key) => this.#values.has(key))
      this.#keys = kept.concat(added).sort(compareKeys)
      return
    }
    for (const key of deleted) this.#keys.splice(this.#position(key), 1)
    for (const key of added) this.#keys.splice(this.#position(key), 0, key)
  }

  /** Entries with from ≤ key < to. Don't change the map before the iteration ends. */
  *range(from: string, to: string): Generator<readonly [key: string, value: Value]> {
    for (let i = this.#position(from); i < this.#keys.length; i++) {
      const key = this.#keys[i]!
      if (compareKeys(key, to) >= 0) return
      yield [key, this.#values.get(key)!]
    }
  }

  /** Where `key` is, or would be. */
  #position(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareKeys(this.#keys[middle]!, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
