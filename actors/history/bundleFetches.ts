/**
 * Bundles on their way from the upgrade server to a host, chunk by chunk, one after the other.
 *
 * F1. Those who need the same bundle at the same time share one fetch.
 * F2. Chunks that have come are kept when the next one can't be had: another try goes on there.
 * F3. A bundle that was put together from several tries, and is wrong, is fetched anew: only a bundle that
 *     came in one go is judged.
 */

import { Fault } from '../../core/base/fault.js'
import { SharedWork } from '../../core/base/sharedWork.js'
import { BundleParts } from '../../core/upgrade/bundleParts.js'
import type { Manifest } from '../../core/upgrade/manifest.js'

/** Bundles kept that have come in part; one more, and the oldest is begun anew when it is needed. */
const partsMax = 4

interface Part {
  readonly parts: BundleParts
  tries: number
}

export class BundleFetches {
  readonly #parts = new Map<string, Part>()
  readonly #underWay = new SharedWork<string, Uint8Array>()

  /** `ask` answers a chunk; `length` is how long it should be. */
  constructor(private readonly ask: (digest: string, index: number, length: number) => Promise<unknown>) {}

  /**
   * Throws `upgrade.fetch`, or whatever asking throws, where it can't be had now, and
   * `upgrade.digest` where it is another one.
   */
  fetch(bundle: Manifest['bundle']): Promise<Uint8Array> {
    // A manifest may tell a wrong length of the same bundle.
    const key = `${bundle.digest}/${bundle.bytes}`
    return this.#underWay.run(key, () => this.#fetch(bundle, key))
  }

  async #fetch({ digest, bytes }: Manifest['bundle'], key: string): Promise<Uint8Array> {
    const part = this.#partOf(key, bytes)
    part.tries++
    const { parts } = part
    for (let index = parts.next; index !== undefined; index = parts.next) {
      const length = parts.nextLength
      const chunk = await this.ask(digest, index, length)
      // A server that is being taught the bundle may have a part of it.
      if (!(chunk instanceof Uint8Array) || !parts.add(chunk))
        throw new Fault('upgrade.fetch', `chunk ${index} of bundle ${digest} is missing or has another length than ${length}`)
    }
    this.#parts.delete(key)
    const whole = parts.bundle(digest)
    if (whole !== undefined) return whole
    const what = `bundle ${digest}: the bytes have another digest`
    throw part.tries === 1 ? new Fault('upgrade.digest', what) : new Fault('upgrade.fetch', `${what}; they came in several tries`)
  }

  #partOf(key: string, bytes: number): Part {
    const part = this.#parts.get(key) ?? { parts: new BundleParts(bytes), tries: 0 }
    this.#parts.set(key, part)
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= partsMax) break
      if (!this.#underWay.isUnderWay(oldest)) this.#parts.delete(oldest)
    }
    return part
  }
}
