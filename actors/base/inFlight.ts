/**
 * The calls of one kind that an upgrade server has in hand, bounded in number and in bytes. A flood of one
 * kind leaves room for the others.
 */
import { Fault } from '../../core/base/fault.js'

export interface InFlightMax {
  readonly count: number
  /** Of the messages that they came in, and what is made of them. */
  readonly bytes: number
}

export class InFlight {
  #count = 0
  #bytes = 0

  constructor(
    private readonly what: string,
    private readonly max: InFlightMax,
  ) {}

  /** Throws `unavailable.overloaded`, before any work is done. */
  async with<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#count >= this.max.count || this.#bytes + bytes > this.max.bytes)
      throw new Fault('unavailable.overloaded', `${this.#count} ${this.what}, of ${this.#bytes} bytes, are in hand already`)
    this.#count++
    this.#bytes += bytes
    try {
      return await work()
    } finally {
      this.#count--
      this.#bytes -= bytes
    }
  }
}
