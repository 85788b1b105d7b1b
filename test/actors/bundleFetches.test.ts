/**
 * Bundles on their way to a host and in the memory of an upgrade server: F1–F3 of
 * actors/history/bundleFetches.ts, B1–B3 of actors/server/servedBundles.ts.
 */
import test from 'ava'
import { BundleFetches } from '../../actors/history/bundleFetches.js'
import { ServedBundles } from '../../actors/server/servedBundles.js'
import { digestOf } from '../../core/base/digest.js'
import { bundleChunkBytes } from '../../core/upgrade/manifest.js'
import { codeOf } from '../support/testSystem.js'

/** Of three chunks, the last one shorter. */
function bundleOf(seed: number, bytes = 2 * bundleChunkBytes + 10) {
  const whole = new Uint8Array(bytes).fill(seed)
  return { whole, bundle: { digest: digestOf(whole), bytes } }
}

const chunkOf = (whole: Uint8Array, index: number) => whole.slice(index * bundleChunkBytes, (index + 1) * bundleChunkBytes)

test('those who need a bundle at the same time share one fetch, and chunks are asked for one after the other (F1)', async (t) => {
  const { whole, bundle } = bundleOf(1)
  const asked: number[] = []
  let open = 0
  const fetches = new BundleFetches(async (_, index) => {
    asked.push(index)
    t.is(++open, 1)
    await new Promise((resolve) => setImmediate(resolve))
    open--
    return chunkOf(whole, index)
  })
  const [one, other] = await Promise.all([fetches.fetch(bundle), fetches.fetch(bundle)])
  t.is(one, other)
  t.is(digestOf(one), bundle.digest)
  t.deepEqual(asked, [0, 1, 2])
})

test('a fetch that fails goes on at the chunk that is missing when it is tried again (F2)', async (t) => {
  const { whole, bundle } = bundleOf(2)
  const asked: number[] = []
  let failures = 2
  const fetches = new BundleFetches(async (_, index) => {
    asked.push(index)
    if (index === 1 && failures-- > 0) throw new Error('away')
    return chunkOf(whole, index)
  })
  await t.throwsAsync(fetches.fetch(bundle), { message: 'away' })
  await t.throwsAsync(fetches.fetch(bundle), { message: 'away' })
  t.is(digestOf(await fetches.fetch(bundle)), bundle.digest)
  t.deepEqual(asked, [0, 1, 1, 1, 2])
})

test('a wrong bundle that came in several tries is fetched anew before it is judged (F3)', async (t) => {
  const { whole, bundle } = bundleOf(3)
  const wrong = bundleOf(4).whole
  const asked: number[] = []
  let isWrong = true
  const fetches = new BundleFetches(async (_, index) => {
    asked.push(index)
    if (!isWrong || index === 0) return chunkOf(isWrong ? wrong : whole, index)
    isWrong = false
    throw new Error('away')
  })
  await t.throwsAsync(fetches.fetch(bundle), { message: 'away' })
  t.is(await codeOf(fetches.fetch(bundle)), 'upgrade.fetch')
  t.is(digestOf(await fetches.fetch(bundle)), bundle.digest)
  t.deepEqual(asked, [0, 1, 1, 2, 0, 1, 2])
  const other = new BundleFetches(async (_, index) => chunkOf(wrong, index))
  t.is(await codeOf(other.fetch(bundle)), 'upgrade.digest')
})

test('a chunk of another length than its bundle asks for is asked for again, and condemns no bundle', async (t) => {
  const { whole, bundle } = bundleOf(6, 1_000)
  const answers: unknown[] = [whole.subarray(0, 400), new Uint8Array(1_001), new Uint8Array(0), 'text', undefined, whole]
  const fetches = new BundleFetches(async () => answers.shift())
  for (let i = 0; i < 5; i++) t.is(await codeOf(fetches.fetch(bundle)), 'upgrade.fetch')
  t.deepEqual(await fetches.fetch(bundle), whole)
  const long = bundleOf(7)
  const parts = new BundleFetches(async (_, index) => chunkOf(long.whole, index).subarray(index === 1 ? 1 : 0))
  t.is(await codeOf(parts.fetch(long.bundle)), 'upgrade.fetch', 'one in the middle too')
})

test('only so many bundles are kept that have come in part', async (t) => {
  const asked: string[] = []
  let isAway = true
  const bundles = [1, 2, 3, 4, 5].map((seed) => bundleOf(seed, bundleChunkBytes + 1))
  const fetches = new BundleFetches(async (digest, index) => {
    const seed = bundles.findIndex(({ bundle }) => bundle.digest === digest)
    asked.push(`${seed} ${index}`)
    if (isAway && index === 1) throw new Error('away')
    return chunkOf(bundles[seed]!.whole, index)
  })
  for (const { bundle } of bundles) await t.throwsAsync(fetches.fetch(bundle))
  isAway = false
  asked.length = 0
  for (const { bundle } of bundles.toReversed()) await fetches.fetch(bundle)
  t.deepEqual(asked, ['4 1', '3 1', '2 1', '1 1', '0 0', '0 1'])
})

test('of bundles that are on their way together those are kept in part that were begun first', async (t) => {
  const asked: string[] = []
  let isAway = true
  const bundles = [1, 2, 3, 4, 5, 6].map((seed) => bundleOf(seed, bundleChunkBytes + 1))
  const fetches = new BundleFetches(async (digest, index) => {
    const seed = bundles.findIndex(({ bundle }) => bundle.digest === digest)
    asked.push(`${seed} ${index}`)
    await new Promise((resolve) => setImmediate(resolve))
    if (isAway && index === 1) throw new Error('away')
    return chunkOf(bundles[seed]!.whole, index)
  })
  const all = () => Promise.allSettled(bundles.map(({ bundle }) => fetches.fetch(bundle)))
  await all()
  isAway = false
  asked.length = 0
  await all()
  t.deepEqual(asked.toSorted(), ['0 1', '1 1', '2 1', '3 1', '4 0', '4 1', '5 0', '5 1'])
})

/** A database of bundles that tells what is read. */
function stored(...bundles: readonly { readonly whole: Uint8Array; readonly bundle: { readonly digest: string } }[]) {
  const reads: string[] = []
  const chunks = new Map<string, Uint8Array>()
  bundles.forEach(({ whole, bundle: { digest } }) => {
    for (let index = 0; index * bundleChunkBytes < whole.length; index++) chunks.set(`${digest} ${index}`, chunkOf(whole, index))
  })
  const database = {
    getChunk: async (digest: string, index: number) => {
      reads.push(`${digest.slice(0, 4)} ${index}`)
      return chunks.get(`${digest} ${index}`)
    },
  }
  return { reads, chunks, database }
}

test('each chunk of a bundle is read once, whoever asks, at once and later (B2)', async (t) => {
  const one = bundleOf(1)
  const { reads, database } = stored(one)
  const served = new ServedBundles(database)
  const { digest } = one.bundle
  const all = await Promise.all([0, 1, 2, 0, 1, 2].map((index) => served.chunk(digest, index)))
  t.deepEqual(
    all,
    [0, 1, 2, 0, 1, 2].map((index) => chunkOf(one.whole, index)),
  )
  t.deepEqual(await served.chunk(digest, 2), chunkOf(one.whole, 2))
  t.is(await served.chunk(digest, 3), undefined)
  t.is(reads.length, 3)
})

test('a bundle whose last chunk is a full one is kept too', async (t) => {
  const one = bundleOf(1, 2 * bundleChunkBytes)
  const { reads, database } = stored(one)
  const served = new ServedBundles(database)
  for (const index of [0, 1]) t.deepEqual(await served.chunk(one.bundle.digest, index), chunkOf(one.whole, index))
  // That there is no third one had to be seen.
  t.is(reads.length, 3)
})

test('what is not whole, or has another digest, is read anew each time (B1)', async (t) => {
  const one = bundleOf(1)
  const { digest } = one.bundle
  const { chunks, database } = stored(one)
  const missing = `${digest} 1`
  const chunk = chunks.get(missing)!
  const served = new ServedBundles(database)
  chunks.delete(missing)
  t.deepEqual(await served.chunk(digest, 0), chunkOf(one.whole, 0))
  t.is(await served.chunk(digest, 1), undefined)
  chunks.set(missing, new Uint8Array(bundleChunkBytes))
  t.deepEqual(await served.chunk(digest, 1), new Uint8Array(bundleChunkBytes))
  t.is(served.bytes, 0)
  t.false(await served.isWhole(digest))
  chunks.set(missing, chunk)
  t.true(await served.isWhole(digest))
  t.deepEqual(await served.chunk(digest, 1), chunk)
  t.is(served.bytes, one.whole.length)
  t.is(await served.chunk('0'.repeat(64), 0), undefined)
})

test('no more bytes are kept than may be; the bundle asked for the longest ago goes first (B3)', async (t) => {
  const bundles = [1, 2, 3].map((seed) => bundleOf(seed, 1_000))
  const [a, b, c] = bundles.map(({ bundle }) => bundle.digest) as [string, string, string]
  const { reads, database } = stored(...bundles)
  const served = new ServedBundles(database, 2_500)
  t.false(await served.isWhole('0'.repeat(64)), 'one that is not there takes no place')
  reads.length = 0
  for (const digest of [a, b, a, c]) {
    await served.chunk(digest, 0)
    t.true(served.bytes <= 2_500)
  }
  t.is(reads.length, 3)
  await served.chunk(a, 0)
  await served.chunk(c, 0)
  t.is(reads.length, 3)
  await served.chunk(b, 0)
  t.is(reads.length, 4)
})

test('bundles are kept up to the very byte; one that is larger than all that may be kept pushes out nothing (B3)', async (t) => {
  const [a, b, large] = [bundleOf(1, 1_000), bundleOf(2, 1_500), bundleOf(3, 2_501)] as const
  const { reads, database } = stored(a, b, large)
  const served = new ServedBundles(database, 2_500)
  for (const { bundle } of [a, b]) await served.chunk(bundle.digest, 0)
  t.is(served.bytes, 2_500)
  t.deepEqual(await served.chunk(large.bundle.digest, 0), large.whole)
  t.is(served.bytes, 2_500)
  reads.length = 0
  for (const { bundle } of [a, b]) await served.chunk(bundle.digest, 0)
  t.deepEqual(reads, [])
  const whole = new ServedBundles(database, large.whole.length)
  await whole.chunk(large.bundle.digest, 0)
  t.is(whole.bytes, large.whole.length)
})
