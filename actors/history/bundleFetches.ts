/**
 * Bundles on their way from the upgrade server to a host, chunk by chunk, one after the other.
 *
 * F1. Those who need the same bundle at the same time share one fetch.
 * F2. Chunks that have come are kept when the next one can't be had: another try goes on there.
 * F3. A bundle that was put together from several tries, and is wrong, is fetched anew: only a bundle that
 *     came in one go is judged.
 */

import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { bundleChunkBytes, chunkCount, type Manifest } from '../../core/upgrade/manifest.js'

/** Bundles kept that have come in part; one more, and the oldest is begun anew when it is needed. */
const partsMax = 4

interface Part {
  readonly whole: Uint8Array
  /** How many chunks have come. */
  chunks: number
  tries: number
}

export class BundleFetches {
  readonly #parts = new Map<string, Part>()
  readonly #underWay = new Map<string, Promise<Uint8Array>>()

  /** `ask` answers a chunk; `length` is how long it should be. */
  constructor(private readonly ask: (digest: string, index: number, length: number) => Promise<unknown>) {}

  /**
   * Throws `upgrade.fetch`, or whatever asking throws, where it can't be had now, and
   * `upgrade.digest` where it is another one.
   */
  fetch(bundle: Manifest['bundle']): Promise<Uint8Array> {
    // A manifest may tell a wrong length of the same bundle.
    const key = `${bundle.digest}/${bundle.bytes}`
    let fetching = this.#underWay.get(key)
    if (fetching === undefined) {
      fetching = this.#fetch(bundle, key).finally(() => this.#underWay.delete(key))
      this.#underWay.set(key, fetching)
    }
    return fetching
  }

  async #fetch({ digest, bytes }: Manifest['bundle'], key: string): Promise<Uint8Array> {
    const part = this.#partOf(key, bytes)
    part.tries++
    for (; part.chunks < chunkCount(bytes); part.chunks++) {
      const index = part.chunks
      const at = index * bundleChunkBytes
      const length = Math.min(bundleChunkBytes, bytes - at)
      const chunk = await this.ask(digest, index, length)
      // A server that is being taught the bundle may have a part of it.
      if (!(chunk instanceof Uint8Array) || chunk.length !== length)
        throw new Fault('upgrade.fetch', `chunk ${index} of bundle ${digest} is missing or has another length than ${length}`)
      part.whole.set(chunk, at)
    }
    this.#parts.delete(key)
    if (digestOf(part.whole) === digest) return part.whole
    const what = `bundle ${digest}: the bytes have another digest`
    throw part.tries === 1 ? new Fault('upgrade.digest', what) : new Fault('upgrade.fetch', `${what}; they came in several tries`)
  }

  #partOf(key: string, bytes: number): Part {
    const part = this.#parts.get(key) ?? { whole: new Uint8Array(bytes), chunks: 0, tries: 0 }
    this.#parts.set(key, part)
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= partsMax) break
      if (!this.#underWay.has(oldest)) this.#parts.delete(oldest)
    }
    return part
  }
}
