/**
 * A bundle in its chunks: cut, and put together. Every chunk but the last is of full length, so a shorter one
 * ends a bundle whose length is not known.
 */
import { digestOf } from '../base/digest.js'
import { bundleBytesMax, bundleChunkBytes, chunkCount } from './manifest.js'

/** A view: the last chunk is shorter, and there is none beyond it. */
export function chunkOf(bundle: Uint8Array, index: number): Uint8Array | undefined {
  if (index >= chunkCount(bundle.length)) return undefined
  return bundle.subarray(index * bundleChunkBytes, (index + 1) * bundleChunkBytes)
}

export class BundleParts {
  readonly #chunks: Uint8Array[] = []
  #isWhole = false

  /** @param bytes the length of the bundle, where a manifest tells it */
  constructor(private readonly bytes?: number) {}

  /** The index of the chunk that comes next; undefined when all have come. */
  get next(): number | undefined {
    return this.#isWhole ? undefined : this.#chunks.length
  }

  /** How long that chunk is, or may be at most where the length of the bundle is not known. */
  get nextLength(): number {
    const { length } = this.#chunks
    return this.bytes === undefined ? bundleChunkBytes : Math.min(bundleChunkBytes, this.bytes - length * bundleChunkBytes)
  }

  /** Takes the next chunk; false for one that can't be it. */
  add(chunk: Uint8Array): boolean {
    const isIt = this.bytes === undefined ? chunk.length <= this.nextLength : chunk.length === this.nextLength
    if (!isIt) return false
    this.#chunks.push(chunk)
    const { length } = this.#chunks
    this.#isWhole =
      this.bytes === undefined
        ? chunk.length < bundleChunkBytes || length === chunkCount(bundleBytesMax)
        : length === chunkCount(this.bytes)
    return true
  }

  /** The bundle, of the chunks that have come; undefined if it has another digest. */
  bundle(digest: string): Uint8Array | undefined {
    const whole = new Uint8Array(Buffer.concat(this.#chunks))
    return digestOf(whole) === digest ? whole : undefined
  }
}

export type StoredBundle =
  | { readonly state: 'whole'; readonly bytes: Uint8Array }
  /** The chunk of this index is missing, or has a length that it can't have. */
  | { readonly state: 'incomplete'; readonly chunk: number }
  | { readonly state: 'otherDigest' }

/** Reads a bundle of `bytes` bytes, or of a length that is not known. */
export async function storedBundle(
  store: { getChunk(digest: string, index: number): Promise<Uint8Array | undefined> },
  digest: string,
  bytes?: number,
): Promise<StoredBundle> {
  const parts = new BundleParts(bytes)
  for (let index = parts.next; index !== undefined; index = parts.next) {
    const chunk = await store.getChunk(digest, index)
    // The last chunk may be a full one.
    if (chunk === undefined && bytes === undefined && index > 0) break
    if (chunk === undefined) return { state: 'incomplete', chunk: index }
    if (parts.add(chunk)) continue
    // The last chunk, where it is too short, makes another bundle.
    const isShort = chunk.length < parts.nextLength && index + 1 === chunkCount(bytes ?? 0)
    return isShort ? { state: 'otherDigest' } : { state: 'incomplete', chunk: index }
  }
  const bundle = parts.bundle(digest)
  return bundle === undefined ? { state: 'otherDigest' } : { state: 'whole', bytes: bundle }
}
