/** The writes that a cache does not hold yet, by key and in the order of the keys. */
import { compareKeys } from '../ports/stateStore.js'

/** A new value, or null where the key is deleted. `chunk` is the newest that writes the key. */
interface Overlaid {
  value: Uint8Array | null
  chunk: number
}

/**
 * Keys with one beginning. They are put in order when somebody asks for a range, and a key that was dropped
 * is taken out then.
 */
interface Bucket {
  sorted: string[]
  fresh: string[]
  dropped: number
}

export class Overlay {
  readonly #values = new Map<string, Overlaid>()
  readonly #buckets = new Map<string, Bucket>()

  get size(): number {
    return this.#values.size
  }

  /** Undefined for a key that the cache has. */
  get(key: string): Uint8Array | null | undefined {
    return this.#values.get(key)?.value
  }

  put(key: string, value: Uint8Array | null, chunk: number): void {
    const found = this.#values.get(key)
    if (found !== undefined) {
      found.value = value
      found.chunk = chunk
      return
    }
    this.#values.set(key, { value, chunk })
    const name = bucketOf(key)
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) this.#buckets.set(name, { sorted: [], fresh: [key], dropped: 0 })
    else bucket.fresh.push(key)
  }

  /** The cache has this chunk: a key that no later one writes is read from there. */
  drop(keys: Iterable<string>, chunk: number): void {
    for (const key of keys) {
      if (this.#values.get(key)?.chunk !== chunk) continue
      this.#values.delete(key)
      const name = bucketOf(key)
      const bucket = this.#buckets.get(name)!
      if (++bucket.dropped === bucket.sorted.length + bucket.fresh.length) this.#buckets.delete(name)
    }
  }

  /** The first entries with from ≤ key < to, at most `limit`. */
  first(from: string, to: string, limit: number): (readonly [string, Uint8Array | null])[] {
    const name = bucketOf(from)
    // '0' is the character after '/'.
    const isWithin = name !== '' && from.startsWith(`${name}/`) && compareKeys(to, `${name}0`) <= 0
    if (isWithin) return this.#firstOf(this.#inOrder(name), from, to, limit)
    const all: (readonly [string, Uint8Array | null])[] = []
    for (const each of [...this.#buckets.keys()]) all.push(...this.#firstOf(this.#inOrder(each), from, to, limit))
    return all.sort(([a], [b]) => compareKeys(a, b)).slice(0, limit)
  }

  #firstOf(keys: readonly string[], from: string, to: string, limit: number): (readonly [string, Uint8Array | null])[] {
    const found: (readonly [string, Uint8Array | null])[] = []
    for (let i = positionOf(keys, from); i < keys.length && found.length < limit; i++) {
      const key = keys[i]!
      if (compareKeys(key, to) >= 0) break
      const value = this.#values.get(key)?.value
      if (value !== undefined) found.push([key, value])
    }
    return found
  }

  #inOrder(name: string): readonly string[] {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) return []
    if (bucket.fresh.length > 0 || bucket.dropped > bucket.sorted.length / 2) {
      // A key that was dropped and put again is there twice.
      const live = new Set(bucket.sorted.concat(bucket.fresh).filter((key) => this.#values.has(key)))
      bucket.sorted = [...live].sort(compareKeys)
      bucket.fresh = []
      bucket.dropped = 0
    }
    return bucket.sorted
  }
}

/** `s/<node>/<slot>` of a key of a node's state. A transform reads one slot while it writes another. */
function bucketOf(key: string): string {
  let at = -1
  for (let slashes = 0; slashes < 3; slashes++) {
    at = key.indexOf('/', at + 1)
    if (at === -1) return ''
  }
  return key.slice(0, at)
}

/** Where `key` is, or would be. */
function positionOf(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keys[middle]!, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
