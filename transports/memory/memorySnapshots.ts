/** Snapshots in memory, beside a memory log. They outlive those who write them. */
import { Fault } from '../../core/base/fault.js'
import type { Snapshots } from '../../core/ports/log.js'

export interface MemorySnapshotsOptions {
  /** Slices are written and read in its turns. */
  readonly turn: (action: () => void) => void
  /** 128 KiB by default. */
  readonly sliceBytesMax?: number
}

const sliceBytesMaxDefault = 2 ** 17

export class MemorySnapshots implements Snapshots {
  readonly sliceBytesMax: number
  /** The next snapshot fails behind so many slices, and is not there. */
  failAfterSlices: number | undefined
  readonly #turn: (action: () => void) => void
  readonly #whole = new Map<string, readonly Uint8Array[]>()

  constructor(options: MemorySnapshotsOptions) {
    this.#turn = options.turn
    this.sliceBytesMax = options.sliceBytesMax ?? sliceBytesMaxDefault
  }

  async write(name: string, slices: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const kept: Uint8Array[] = []
    for await (const slice of slices) {
      if (slice.length > this.sliceBytesMax)
        throw new Fault('unavailable.storage', `a slice of ${slice.length} bytes is larger than ${this.sliceBytesMax}`)
      await this.#next()
      if (this.failAfterSlices === kept.length) {
        this.failAfterSlices = undefined
        throw new Fault('unavailable.storage', `snapshot ${name} was not written`)
      }
      kept.push(new Uint8Array(slice))
    }
    await this.#next()
    if (this.#whole.has(name)) throw new Fault('config.invalid', `snapshot ${name} is there: use another name`)
    this.#whole.set(name, kept)
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    await this.#next()
    const slices = this.#whole.get(name)
    if (slices === undefined) throw new Fault('config.log-lost', `snapshot ${name} is not there, or not whole`)
    for (const slice of slices) {
      yield new Uint8Array(slice)
      await this.#next()
    }
  }

  async names(): Promise<readonly string[]> {
    await this.#next()
    return [...this.#whole.keys()]
  }

  async delete(name: string): Promise<void> {
    await this.#next()
    this.#whole.delete(name)
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#turn(resolve))
  }
}
