/** Writes that go to a cache together, and are shown over it until it holds them. */
import { compareKeys } from '../ports/stateStore.js'
import type { LogMark } from './logCache.js'

/** No key begins with it: it is no text. */
const noPrefix = '\udc00'

export class Chunk {
  /** A new value, or null where the key is deleted. */
  readonly writes = new Map<string, Uint8Array | null>()
  /** Of keys and values. */
  bytes = 0
  readonly #groups = new Set<string>()
  #lastGroup = noPrefix
  #sorted: string[] | undefined

  /** @param mark the last entry whose writes it has */
  constructor(public mark: LogMark) {}

  put(key: string, value: Uint8Array | null): void {
    const { writes } = this
    const before = writes.size
    const old = writes.get(key)
    writes.set(key, value)
    if (writes.size === before) this.bytes += lengthOf(value) - lengthOf(old)
    else {
      this.bytes += key.length + lengthOf(value)
      this.#sorted = undefined
      // Most follow one of their own group.
      if (!key.startsWith(this.#lastGroup)) this.#note(key)
    }
  }

  /** The first keys with from ≤ key < to, at most `limit`, in order. */
  keysIn(from: string, to: string, limit: number): readonly string[] {
    const group = groupOf(from)
    // '0' is the character after '/'.
    const isWithin = group !== '' && compareKeys(to, `${group.slice(0, -1)}0`) <= 0
    if (isWithin && !this.#groups.has(group)) return []
    this.#sorted ??= [...this.writes.keys()].sort(compareKeys)
    const first = positionOf(this.#sorted, from)
    let end = first
    while (end < this.#sorted.length && end - first < limit && compareKeys(this.#sorted[end]!, to) < 0) end++
    return this.#sorted.slice(first, end)
  }

  #note(key: string): void {
    const group = groupOf(key)
    this.#groups.add(group)
    this.#lastGroup = group === '' ? noPrefix : group
  }
}

/** The newest value of a key; undefined where no chunk has it. The last chunk is the newest. */
export function newestIn(chunks: readonly Chunk[], key: string): Uint8Array | null | undefined {
  for (let i = chunks.length - 1; i >= 0; i--) {
    const value = chunks[i]!.writes.get(key)
    if (value !== undefined) return value
  }
  return undefined
}

/** The first entries of all chunks with from ≤ key < to, at most `limit`, in order. */
export function firstIn(
  chunks: readonly Chunk[],
  from: string,
  to: string,
  limit: number,
): (readonly [string, Uint8Array | null])[] {
  const found = new Map<string, Uint8Array | null>()
  for (const chunk of chunks) for (const key of chunk.keysIn(from, to, limit)) found.set(key, chunk.writes.get(key)!)
  return [...found].sort(([a], [b]) => compareKeys(a, b)).slice(0, limit)
}

function lengthOf(value: Uint8Array | null | undefined): number {
  return value?.length ?? 0
}

/** `s/<node>/<slot>/` of a key of a node's state. A transform reads one slot while it writes another. */
function groupOf(key: string): string {
  let at = -1
  for (let slashes = 0; slashes < 3; slashes++) {
    at = key.indexOf('/', at + 1)
    if (at === -1) return ''
  }
  return key.slice(0, at + 1)
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
