/**
 * The bundles that an upgrade server hands out, kept in memory: many hosts ask for the same one
 * at the same time.
 *
 * B1. Only what has its digest is kept: it can't change any more. Anything else may still be written, and is
 *     read anew each time.
 * B2. Those who ask at once share one read of the bundle.
 * B3. At most `bytesMax` are kept; the bundle that was asked for the longest ago goes first.
 */

import { SharedWork } from '../../core/base/sharedWork.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { chunkOf, storedBundle } from '../../core/upgrade/bundleParts.js'
import { bundleBytesMax } from '../../core/upgrade/manifest.js'

/** Four bundles of the largest size, or hundreds as they are. */
export const servedBytesMax = 4 * bundleBytesMax

export class ServedBundles {
  /** By digest, the one that was asked for last at the end. */
  readonly #kept = new Map<string, Uint8Array>()
  readonly #reading = new SharedWork<string, Uint8Array | undefined>()
  #bytes = 0

  constructor(
    private readonly database: Pick<UpgradeDatabase, 'getChunk'>,
    private readonly bytesMax = servedBytesMax,
  ) {}

  /** Undefined if it is not stored. */
  async chunk(digest: string, index: number): Promise<Uint8Array | undefined> {
    const whole = this.#used(digest) ?? (await this.#shared(digest))
    if (whole === undefined) return await this.database.getChunk(digest, index) // B1
    return chunkOf(whole, index)
  }

  /** Whether it is stored whole, with its digest. */
  async isWhole(digest: string): Promise<boolean> {
    return (this.#used(digest) ?? (await this.#shared(digest))) !== undefined
  }

  get bytes(): number {
    return this.#bytes
  }

  #used(digest: string): Uint8Array | undefined {
    const whole = this.#kept.get(digest)
    if (whole === undefined) return undefined
    this.#kept.delete(digest)
    this.#kept.set(digest, whole)
    return whole
  }

  #shared(digest: string): Promise<Uint8Array | undefined> {
    return this.#reading.run(digest, () => this.#read(digest))
  }

  /** The whole bundle; undefined if it is not stored whole, or is another one than its digest says. */
  async #read(digest: string): Promise<Uint8Array | undefined> {
    const stored = await storedBundle(this.database, digest)
    if (stored.state !== 'whole') return undefined
    this.#keep(digest, stored.bytes)
    return stored.bytes
  }

  #keep(digest: string, whole: Uint8Array): void {
    if (whole.length > this.bytesMax) return
    this.#kept.set(digest, whole)
    this.#bytes += whole.length
    for (const [oldest, { length }] of this.#kept) {
      if (this.#bytes <= this.bytesMax) return // B3
      this.#kept.delete(oldest)
      this.#bytes -= length
    }
  }
}
