/** A bundle in its chunks: cut, put together, and read from a store that has it, a part, or another one. */
import test, { type ExecutionContext } from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { BundleParts, chunkOf, type StoredBundle, storedBundle } from '../../core/upgrade/bundleParts.js'
import { bundleBytesMax, bundleChunkBytes, chunkCount } from '../../core/upgrade/manifest.js'

const bundleOf = (bytes: number) => new Uint8Array(bytes).map((_, i) => i % 251)
const lengths = [0, 1, bundleChunkBytes - 1, bundleChunkBytes, bundleChunkBytes + 1, 3 * bundleChunkBytes]

function chunksOf(bundle: Uint8Array): Uint8Array[] {
  return Array.from({ length: chunkCount(bundle.length) }, (_, i) => chunkOf(bundle, i)!)
}

function storeOf(chunks: readonly (Uint8Array | undefined)[]) {
  const asked: number[] = []
  const getChunk = async (_digest: string, index: number) => {
    asked.push(index)
    return chunks[index]
  }
  return { asked, getChunk }
}

/** Bytes as such: ava goes through each of a megabyte as a property. */
function isWhole(t: ExecutionContext, found: StoredBundle, bundle: Uint8Array): void {
  t.is(found.state, 'whole')
  t.true(found.state === 'whole' && Buffer.from(found.bytes).equals(bundle), `${bundle.length} bytes`)
}

test('a bundle that was cut is put together again, whether its length is known or not', async (t) => {
  for (const length of lengths) {
    const bundle = bundleOf(length)
    const chunks = chunksOf(bundle)
    t.is(chunkOf(bundle, chunks.length), undefined)
    for (const known of [length, undefined]) isWhole(t, await storedBundle(storeOf(chunks), digestOf(bundle), known), bundle)
  }
})

test('no chunk is asked for after the last one; of an unknown length only where that may be a full one', async (t) => {
  for (const length of lengths) {
    const bundle = bundleOf(length)
    const asked = async (known: number | undefined) => {
      const store = storeOf(chunksOf(bundle))
      await storedBundle(store, digestOf(bundle), known)
      return store.asked.length
    }
    t.is(await asked(length), chunkCount(length))
    t.is(await asked(undefined), Math.floor(length / bundleChunkBytes) + 1)
  }
  const endless = storeOf(new Array(chunkCount(bundleBytesMax) + 5).fill(new Uint8Array(bundleChunkBytes)))
  t.deepEqual(await storedBundle(endless, 'x'), { state: 'otherDigest' })
  t.is(endless.asked.length, chunkCount(bundleBytesMax))
})

test('a bundle with a chunk missing, or too long, is incomplete there; one of other bytes has another digest', async (t) => {
  const bundle = bundleOf(2 * bundleChunkBytes + 10)
  const read = (change: (chunks: (Uint8Array | undefined)[]) => void, bytes: number | undefined = bundle.length) => {
    const chunks: (Uint8Array | undefined)[] = chunksOf(bundle)
    change(chunks)
    return storedBundle(storeOf(chunks), digestOf(bundle), bytes)
  }
  t.deepEqual(await read((chunks) => chunks.splice(0)), { state: 'incomplete', chunk: 0 })
  for (const index of [0, 1, 2])
    for (const wrong of [undefined, new Uint8Array(bundleChunkBytes + 1)])
      t.deepEqual(
        await read((chunks) => {
          chunks[index] = wrong
        }),
        { state: 'incomplete', chunk: index },
      )
  const shorter = (index: number) => read((chunks) => chunks.fill(chunkOf(bundle, index)!.subarray(1), index, index + 1))
  for (const index of [0, 1]) t.deepEqual(await shorter(index), { state: 'incomplete', chunk: index })
  t.deepEqual(await shorter(2), { state: 'otherDigest' })
  t.deepEqual(await read(() => {}, bundle.length - 1), { state: 'incomplete', chunk: 2 })
  t.deepEqual(await storedBundle(storeOf([]), digestOf(bundle)), { state: 'incomplete', chunk: 0 })
})

test('chunks come in order: the next one, and how long it is, is known before it comes', (t) => {
  const bundle = bundleOf(bundleChunkBytes + 10)
  const parts = new BundleParts(bundle.length)
  t.deepEqual([parts.next, parts.nextLength], [0, bundleChunkBytes])
  t.false(parts.add(new Uint8Array(10)))
  t.true(parts.add(chunkOf(bundle, 0)!))
  t.deepEqual([parts.next, parts.nextLength], [1, 10])
  t.is(parts.bundle(digestOf(bundle)), undefined)
  t.true(parts.add(chunkOf(bundle, 1)!))
  t.is(parts.next, undefined)
  t.true(Buffer.from(parts.bundle(digestOf(bundle))!).equals(bundle))
})
