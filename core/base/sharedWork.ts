/**
 * Work that is asked for by many at once and done once. All who ask while it is under way get its one
 * promise; the next one to ask begins it anew.
 */

export class SharedWork<K, V> {
  readonly #underWay = new Map<K, Promise<V>>()

  /** Resolves as the work of `key` that is under way does, or the one that `begin` begins. */
  run(key: K, begin: () => Promise<V>): Promise<V> {
    const found = this.#underWay.get(key)
    if (found !== undefined) return found
    const work = begin().finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, work)
    return work
  }

  isUnderWay(key: K): boolean {
    return this.#underWay.has(key)
  }
}

/** The same for one piece of work. */
export class SharedTask<V> {
  #underWay: Promise<V> | undefined

  get isUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  run(begin: () => Promise<V>): Promise<V> {
    this.#underWay ??= begin().finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }
}
