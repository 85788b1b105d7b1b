/**
 * Finds what waits for an answer by a number that goes out with the question. The number's last bits are its
 * place in an array. A Map would meet a new key with every question and forget it with every answer, at
 * several times the cost.
 *
 * The rest of the bits are random, so only the callee knows the number: another who guessed it
 * could answer in its place.
 */
import type { Random } from '../../core/ports/random.js'

export interface Numbered {
  readonly number: number
}

const firstPlaces = 1024
/** Numbers are exact in a float 64, which is how MessagePack has those beyond 32 bits. */
const numbers = 2 ** 53

export class CorrelationTable<T extends Numbered> {
  #places: (T | undefined)[] = new Array(firstPlaces).fill(undefined)
  #mask = firstPlaces - 1
  #newestPlace = 0
  #size = 0
  /** The values that the bits above a place may have, without 0. */
  #chances = numbers / firstPlaces - 1

  constructor(private readonly random: Random) {}

  get size(): number {
    return this.#size
  }

  /**
   * A number that has a free place; never 0, which is nobody's. A holder of a number that needs
   * no place may keep it.
   */
  next(): number {
    // Half of the places at least are free, so that one is found soon.
    if (this.#size * 2 > this.#mask) this.#grow()
    do this.#newestPlace = (this.#newestPlace + 1) & this.#mask
    while (this.#places[this.#newestPlace] !== undefined)
    return (1 + Math.floor(this.random.next() * this.#chances)) * (this.#mask + 1) + this.#newestPlace
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
    this.#chances = numbers / (this.#mask + 1) - 1
    this.#places = new Array(this.#mask + 1).fill(undefined)
    for (const item of items) this.#places[item.number & this.#mask] = item
  }
}
