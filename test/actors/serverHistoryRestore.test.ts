/**
 * An upgrade server gets a lost history back: L1–L3 of actors/server/serverHistoryRestore.ts, over a
 * database in memory.
 */
import test from 'ava'
import { ServerHistoryRestore } from '../../actors/server/serverHistoryRestore.js'
import { digestOf } from '../../core/base/digest.js'
import type { Head, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { forksTable, wantedTable } from '../../core/model/reservedTables.js'
import type { Trust } from '../../core/trust/trust.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { bundleChunkBytes, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { alice, mallory, signedAfter, system } from '../support/signedManifests.js'
import { codeOf, gate } from '../support/testSystem.js'
import { identifiedAfter, rootOf } from '../support/trustRoots.js'
import { ManualClock } from './manualClock.js'
import { toV2 } from './notesClasses.js'

const now = Date.parse('2026-06-01T00:00:00.000Z')

async function open(
  change: (database: UpgradeDatabase) => Partial<UpgradeDatabase> = () => ({}),
  trust: Trust = [alice.publicKey],
) {
  const stored = await memoryDatabase().open(system, new ManualClock())
  const changed = change(stored)
  const database = new Proxy(stored, {
    get(target, key) {
      const found: unknown = Reflect.get(changed, key) ?? Reflect.get(target, key)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
  let known = new VerifiedHistory(system, trust, nkeySignatures)
  let reads = 0
  const verified = async ({ version }: Head) => {
    if (known.head.version === version) return known
    reads++
    known = new VerifiedHistory(system, trust, nkeySignatures)
    for (const signed of await stored.manifests(1, version)) known.append(known.check(signed))
    return known
  }
  const restore = new ServerHistoryRestore(database, verified, (history) => {
    known = history
  })
  return { database: stored, restore, known: () => known, reads: () => reads }
}

const bundleOf = (bytes: number) => {
  const whole = new Uint8Array(bytes).map((_, i) => i >> 16)
  return { whole, bundle: { digest: digestOf(whole), bytes } satisfies Manifest['bundle'] }
}
const chunkOf = (whole: Uint8Array, index: number) => whole.slice(index * bundleChunkBytes, (index + 1) * bundleChunkBytes)

test('manifests that were lost come back one after the other, and the history need not be read for each (L1)', async (t) => {
  const { restore, database, known, reads } = await open()
  const first = signedAfter(undefined, alice)
  const second = signedAfter(first, alice, { tables: { allowed: { n1: 'yes' } } })
  t.is(await codeOf(restore.restoreManifest(second, now)), 'upgrade.predecessor')
  t.deepEqual(await restore.restoreManifest(first, now), { added: { version: 1, digest: digestOf(first.bytes) } })
  t.deepEqual(await restore.restoreManifest(second, now), { added: { version: 2, digest: digestOf(second.bytes) } })
  t.deepEqual(await database.manifests(1, 2), [first, second])
  t.deepEqual([...(await database.table('allowed'))], [['n1', 'yes']])
  t.is(known().head.version, 2)
  t.is(reads(), 0)
  t.deepEqual(await restore.restoreManifest(first, now), { added: undefined }, 'it is here already')
  t.is((await database.head()).version, 2)
})

test('a manifest that another server was taught meanwhile is a conflict, and not believed to be the newest', async (t) => {
  const { restore, known } = await open(() => ({ install: async () => false }))
  t.is(await codeOf(restore.restoreManifest(signedAfter(undefined, alice), now)), 'upgrade.conflict')
  t.is(known().head.version, 0)
})

test('the bundle of a lost version is asked for, unless it is here whole or nobody has any', async (t) => {
  const { restore, database } = await open()
  const { whole, bundle } = bundleOf(bundleChunkBytes + 5)
  const kept = bundleOf(bundleChunkBytes + 9)
  for (const index of [0, 1]) await database.putChunk(kept.bundle.digest, index, chunkOf(kept.whole, index))
  let before: SignedManifest | undefined
  for (const each of [bundle, kept.bundle, { digest: digestOf(new Uint8Array(0)), bytes: 0 }]) {
    before = signedAfter(before, alice, { bundle: each })
    await restore.restoreManifest(before, now)
  }
  t.deepEqual([...(await database.table(wantedTable))], [[bundle.digest, String(whole.length)]])
  t.deepEqual(await restore.wanted(), [bundle.digest])
  t.deepEqual(await database.getChunk(digestOf(new Uint8Array(0)), 0), new Uint8Array(0))
})

test('a bundle that is written over between the look at it and its version’s return comes back with neither (L2)', async (t) => {
  for (const bytes of [0, bundleChunkBytes + 5]) {
    let isBusy = true
    const { restore, database } = await open((stored) => ({
      async install(...args) {
        if (isBusy) await stored.putChunk(bundle.digest, 0, new Uint8Array(9))
        return await stored.install(...args)
      },
    }))
    const { whole, bundle } = bundleOf(bytes)
    const put = async () => {
      for (let index = 0; index * bundleChunkBytes < bytes; index++)
        await database.putChunk(bundle.digest, index, chunkOf(whole, index))
    }
    await put()
    const first = signedAfter(undefined, alice, { bundle })
    t.is(await codeOf(restore.restoreManifest(first, now)), 'upgrade.conflict')
    t.is((await database.head()).version, 0)
    isBusy = false
    t.deepEqual((await restore.restoreManifest(first, now)).added?.version, 1)
    t.deepEqual(await restore.wanted(), bytes === 0 ? [] : [bundle.digest], 'hosts are asked for what is not whole')
    if (bytes === 0) t.deepEqual(await database.getChunk(bundle.digest, 0), new Uint8Array(0))
  }
})

test('the parts of a wanted bundle that others bring do not keep its version from coming back', async (t) => {
  const { restore, database } = await open((stored) => ({
    async install(...args) {
      await stored.putChunk(bundle.digest, 0, chunkOf(whole, 0), 'kept')
      return await stored.install(...args)
    },
  }))
  const { whole, bundle } = bundleOf(bundleChunkBytes + 5)
  t.is((await restore.restoreManifest(signedAfter(undefined, alice, { bundle }), now)).added?.version, 1)
  t.deepEqual(await restore.wanted(), [bundle.digest])
  t.is((await database.head()).version, 1)
})

test('a wanted bundle may be written over until all of it is here with its digest (L2)', async (t) => {
  const { restore, database } = await open()
  const { whole, bundle } = bundleOf(2 * bundleChunkBytes)
  const { digest } = bundle
  await database.setInTable(wantedTable, digest, String(whole.length))
  const isWanted = async () => (await restore.wanted()).length === 1
  await restore.restoreChunk(digest, 0, chunkOf(whole, 0))
  t.true(await isWanted(), 'a chunk is missing')
  await restore.restoreChunk(digest, 1, new Uint8Array(bundleChunkBytes))
  t.true(await isWanted(), 'it has another digest')
  await restore.restoreChunk(digest, 1, new Uint8Array(bundleChunkBytes + 1))
  t.true(await isWanted(), 'it is too long')
  await restore.restoreChunk(digest, 2, new Uint8Array(1))
  t.is(await database.getChunk(digest, 2), undefined, 'a bundle of this length has no such chunk')
  await restore.restoreChunk(digest, 1, chunkOf(whole, 1))
  t.false(await isWanted())
  await restore.restoreChunk(digest, 1, new Uint8Array(9))
  t.deepEqual(await database.getChunk(digest, 1), chunkOf(whole, 1))
})

test('chunks of what nobody misses, or of a length that can’t be read, are not kept', async (t) => {
  const { restore, database } = await open()
  const { digest } = bundleOf(7).bundle
  await restore.restoreChunk(digest, 0, new Uint8Array(7))
  await database.setInTable(wantedTable, digest, 'seven')
  await restore.restoreChunk(digest, 0, new Uint8Array(7))
  t.is(await database.getChunk(digest, 0), undefined)
})

test('many parts at once cost few looks at the bundle, one after the other (L4)', async (t) => {
  const counts = { now: 0, most: 0, all: 0 }
  const { restore, database } = await open((stored) => ({
    async getChunk(digest: string, index: number) {
      counts.all++
      counts.most = Math.max(counts.most, ++counts.now)
      await new Promise((resolve) => setImmediate(resolve))
      counts.now--
      return await stored.getChunk(digest, index)
    },
  }))
  const bundles = [bundleOf(3 * bundleChunkBytes), bundleOf(2 * bundleChunkBytes + 7)]
  for (const { bundle } of bundles) await database.setInTable(wantedTable, bundle.digest, String(bundle.bytes))
  const parts = bundles.flatMap(({ whole, bundle }) =>
    Array.from({ length: 60 }, (_, i) => restore.restoreChunk(bundle.digest, i % 3, chunkOf(whole, i % 3))),
  )
  await Promise.all(parts)
  t.is(counts.most, 1)
  t.true(counts.all <= 30, `${counts.all} reads`)
  t.is((await database.table(wantedTable)).size, 0, 'both are here')
})

test('a bundle that is written over in the moment in which it is whole is wanted again (L2)', async (t) => {
  const slow = gate()
  const forged = new Uint8Array(5).fill(66)
  const { restore, database } = await open((stored) => ({
    async putChunk(digest: string, index: number, bytes: Uint8Array, use?: 'kept' | 'staged') {
      if (bytes[0] === forged[0]) await slow.pass()
      return await stored.putChunk(digest, index, bytes, use)
    },
  }))
  const { whole, bundle } = bundleOf(5)
  const isWanted = async () => (await database.table(wantedTable)).has(bundle.digest)
  await database.setInTable(wantedTable, bundle.digest, '5')
  const late = restore.restoreChunk(bundle.digest, 0, forged)
  await restore.restoreChunk(bundle.digest, 0, whole)
  t.false(await isWanted())
  slow.open()
  await late
  t.true(await isWanted())
  await restore.restoreChunk(bundle.digest, 0, whole)
  t.false(await isWanted())
  t.deepEqual(await database.getChunk(bundle.digest, 0), whole)
})

test('a look that fails is the answer of those who waited for it, and the next one is made (L4)', async (t) => {
  let isAway = true
  const { restore, database } = await open((stored) => ({
    async getChunk(digest: string, index: number) {
      if (isAway) throw new Error('away')
      return await stored.getChunk(digest, index)
    },
  }))
  const { whole, bundle } = bundleOf(5)
  await database.setInTable(wantedTable, bundle.digest, '5')
  await t.throwsAsync(restore.restoreChunk(bundle.digest, 0, whole), { message: 'away' })
  isAway = false
  await restore.restoreChunk(bundle.digest, 0, whole)
  t.is((await database.table(wantedTable)).size, 0)
})

test('hosts are asked for a few bundles at once, whatever is missing', async (t) => {
  const { restore, database } = await open()
  for (let i = 0; i < 20; i++) await database.setInTable(wantedTable, digestOf(new Uint8Array(i)), '1')
  t.deepEqual(await restore.wanted(), [...(await database.table(wantedTable)).keys()].slice(0, 16))
})

test('two manifests for one version stop what is installed and taught; what is here already is answered as before (L3)', async (t) => {
  const { restore, database } = await open()
  const first = signedAfter(undefined, alice)
  const second = signedAfter(first, alice)
  const other = signedAfter(undefined, alice, { title: 'Another one' })
  for (const signed of [first, second]) await restore.restoreManifest(signed, now)
  await t.notThrowsAsync(restore.checkForks())
  t.is(await codeOf(restore.restoreManifest(other, now)), 'upgrade.forked')
  t.deepEqual(
    [...(await database.table(forksTable))],
    [['1', `${digestOf(first.bytes)} here and ${digestOf(other.bytes)} on a host`]],
  )
  t.is(await codeOf(restore.checkForks()), 'upgrade.forked')
  t.is(await codeOf(restore.restoreManifest(signedAfter(second, alice), now)), 'upgrade.forked')
  t.deepEqual(await restore.restoreManifest(second, now), { added: undefined })
  await database.removeFromTable(forksTable, '1')
  t.deepEqual((await restore.restoreManifest(signedAfter(second, alice), now)).added?.version, 3)
})

test('a rival of a manifest that is here counts only if it is signed: anybody can make one up (L3)', async (t) => {
  const { restore, database } = await open()
  await restore.restoreManifest(signedAfter(undefined, alice), now)
  const madeUp = signedAfter(undefined, mallory, { title: 'Another one' })
  t.is(await codeOf(restore.restoreManifest(madeUp, now)), 'upgrade.signature')
  t.deepEqual([...(await database.table(forksTable))], [])
  await t.notThrowsAsync(restore.checkForks())
})

test('a manifest that is dated far ahead, or does not fit the classes, does not come back (L1)', async (t) => {
  const { restore, database } = await open(undefined, rootOf())
  const ahead = identifiedAfter(undefined, [alice], { createdAt: '2027-01-01T00:00:00.000Z' })
  t.is(await codeOf(restore.restoreManifest(ahead, now)), 'upgrade.invalid')
  t.is((await database.head()).version, 0)
  const listed = await open()
  const bundle = new Uint8Array([1, 2, 3])
  const draft = draftManifest(toV2(), bundle) as Parameters<typeof signedAfter>[2]
  const first = signedAfter(undefined, alice, draft)
  await listed.restore.restoreManifest(first, now)
  t.is(await codeOf(listed.restore.restoreManifest(signedAfter(first, alice, draft), now)), 'upgrade.invalid')
  t.is((await listed.database.head()).version, 1)
})

test('an undo comes back though what it undid has become final since (L1)', async (t) => {
  const { restore, database } = await open()
  const first = signedAfter(undefined, alice)
  await restore.restoreManifest(first, now)
  await database.finalize(1)
  const undo = signedAfter(first, alice, { undoes: 1 })
  t.deepEqual((await restore.restoreManifest(undo, now)).added?.version, 2)
})

test('a conflict says whether the manifest comes again or follows no more', async (t) => {
  const first = signedAfter(undefined, alice)
  const other = signedAfter(undefined, alice, { title: 'Another one' })
  for (const isFollowing of [true, false]) {
    const { restore } = await open((stored) => ({
      async install(expected) {
        if (!isFollowing) await stored.install(expected, digestOf(other.bytes), other)
        return false
      },
    }))
    await t.throwsAsync(restore.restoreManifest(first, now), {
      code: 'upgrade.conflict',
      message: `version 1 ${isFollowing ? 'comes again: others write its bundle' : 'does not follow the newest version any more'}`,
    })
  }
})

test('a database that is away is the answer, whatever it was asked', async (t) => {
  const away: (keyof UpgradeDatabase)[] = [
    'head',
    'table',
    'install',
    'putChunk',
    'bundleWrites',
    'getChunk',
    'setInTable',
    'removeFromTable',
  ]
  const failed: string[] = []
  for (const question of away) {
    const failing = () => ({ [question]: () => Promise.reject(new Error(`away for ${question}`)) })
    const { restore, database } = await open(failing)
    const first = signedAfter(undefined, alice)
    const { whole, bundle } = bundleOf(5)
    const second = signedAfter(first, alice, { bundle })
    const steps = [
      () => restore.restoreManifest(first, now),
      () => restore.restoreManifest(second, now),
      () => restore.restoreChunk(bundle.digest, 0, whole),
      () => restore.restoreManifest(signedAfter(undefined, alice, { title: 'Another one' }), now),
    ]
    // As if another server had been taught the step that failed.
    const others = [
      () => database.install({ version: 0, digest: null }, digestOf(first.bytes), first),
      async () => {
        await database.install({ version: 1, digest: digestOf(first.bytes) }, digestOf(second.bytes), second)
        await database.setInTable(wantedTable, bundle.digest, '5')
      },
    ]
    for (const [i, step] of steps.entries()) {
      const error: unknown = await step().then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      if (!(error instanceof Error) || error.message !== `away for ${question}`) continue
      failed.push(`${question} ${i}`)
      await others[i]?.()
    }
  }
  t.deepEqual(failed, [
    ...['head 0', 'head 1', 'head 3'],
    ...['table 0', 'table 1', 'table 2', 'table 3'],
    ...['install 0', 'install 1'],
    ...['putChunk 0', 'putChunk 2'],
    ...['bundleWrites 0', 'bundleWrites 1'],
    ...['getChunk 0', 'getChunk 1', 'getChunk 2'],
    ...['setInTable 1', 'setInTable 3'],
    'removeFromTable 2',
  ])
})
