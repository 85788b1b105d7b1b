/** A queue with a bound: what there is no place for pushes out the oldest, and is counted. */
export class InspectionQueue<T> {
  #items: T[] = []
  /** Where the oldest is: taking from the front of a long list one by one would copy it each time. */
  #from = 0
  #dropped = 0

  constructor(private readonly itemsMax: number) {}

  get length(): number {
    return this.#items.length - this.#from
  }

  add(item: T): void {
    this.#items.push(item)
    if (this.length <= this.itemsMax) return
    this.#dropped++
    this.#from++
    this.#compact()
  }

  /** The oldest, at most so many. */
  take(countMax: number): T[] {
    const taken = this.#items.slice(this.#from, this.#from + countMax)
    this.#from += taken.length
    this.#compact()
    return taken
  }

  all(): readonly T[] {
    return this.#items.slice(this.#from)
  }

  /** How many were pushed out since this was asked last. */
  takeDropped(): number {
    const dropped = this.#dropped
    this.#dropped = 0
    return dropped
  }

  clear(): void {
    this.#items = []
    this.#from = 0
    this.#dropped = 0
  }

  #compact(): void {
    if (this.#from < 1024 || this.#from * 2 < this.#items.length) return
    this.#items = this.#items.slice(this.#from)
    this.#from = 0
  }
}
