/**
 * What waits for an answer, by a number that goes out with the question: an array with the number's last bits as the place. Numbers only
 * grow, so a Map would meet a new key with every question and forget it with every answer, which costs several times as much.
 */
export interface Numbered {
  readonly number: number
}

const firstPlaces = 1024
/** Numbers stay 32-bit integers in MessagePack. 0 is nobody's. */
const numberMax = 2 ** 32 - 1

export class SlotTable<T extends Numbered> {
  #places: (T | undefined)[] = new Array(firstPlaces).fill(undefined)
  #mask = firstPlaces - 1
  #newest: number
  #size = 0

  /** `newest`: the last number that was given before. */
  constructor(newest = 0) {
    this.#newest = newest
  }

  get size(): number {
    return this.#size
  }

  /** The next number that has a free place. Whoever has a number but needs no place may keep it. */
  next(): number {
    // Half of the places at least are free, so that one is found soon.
    if (this.#size * 2 > this.#mask) this.#grow()
    do this.#newest = this.#newest === numberMax ? 1 : this.#newest + 1
    while (this.#places[this.#newest & this.#mask] !== undefined)
    return this.#newest
  }

  /** `item.number` must be the newest one from `next`. */
  add(item: T): void {
    this.#places[item.number & this.#mask] = item
    this.#size++
  }

  get(number: number): T | undefined {
    const item = this.#places[number & this.#mask]
    return item !== undefined && item.number === number ? item : undefined
  }

  delete(item: T): void {
    if (this.get(item.number) !== item) return
    this.#places[item.number & this.#mask] = undefined
    this.#size--
  }

  all(): readonly T[] {
    return this.#places.filter((item) => item !== undefined)
  }

  /** Twice the places: items that did not share one then do not share one now. */
  #grow(): void {
    const items = this.all()
    this.#mask = this.#mask * 2 + 1
    this.#places = new Array(this.#mask + 1).fill(undefined)
    for (const item of items) this.#places[item.number & this.#mask] = item
  }
}
