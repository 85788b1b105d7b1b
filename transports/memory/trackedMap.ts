/** A map that knows which of its keys have changed since somebody asked. */
export class TrackedMap<K, V> extends Map<K, V> {
  #changed = new Set<K>()

  constructor(entries: Iterable<readonly [K, V]>) {
    super()
    for (const [key, value] of entries) super.set(key, value)
  }

  override set(key: K, value: V): this {
    this.#changed.add(key)
    return super.set(key, value)
  }

  override delete(key: K): boolean {
    this.#changed.add(key)
    return super.delete(key)
  }

  override clear(): void {
    for (const key of this.keys()) this.#changed.add(key)
    super.clear()
  }

  /** The keys that were set or deleted since the last time. */
  takeChanged(): Iterable<K> {
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  /** It is among those that have changed again. */
  touch(key: K): void {
    this.#changed.add(key)
  }
}
