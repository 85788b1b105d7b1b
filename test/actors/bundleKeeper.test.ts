/** An upgrade server keeps the bundles of all versions, also of those that another server installs. */
import test from 'ava'
import { BundleKeeper } from '../../actors/server/bundleKeeper.js'
import { digestOf } from '../../core/base/digest.js'
import { encodeManifest, type Manifest } from '../../core/upgrade/manifest.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { stagedMs } from '../../transports/udbFactory.js'
import { ManualClock } from '../support/manualClock.js'
import { manifestAfter } from '../support/signedManifests.js'

const digestNamed = (name: string) => digestOf(new TextEncoder().encode(name))

test('bundles that another server has installed and not kept are kept, of all versions and of new ones', async (t) => {
  const clock = new ManualClock(0)
  const udb = memoryDatabase()
  const database = await udb.open('kept', clock)
  const kept = new BundleKeeper(database)
  await kept.keep()
  let last: Manifest | undefined
  const install = async () => {
    const name = `bundle ${last?.version ?? 0}`
    const bundle = { digest: digestNamed(name), bytes: 1 }
    await database.putChunk(bundle.digest, 0, new Uint8Array([1]))
    const before = last === undefined ? undefined : { bytes: encodeManifest(last), signature: null }
    const manifest = manifestAfter(before, { bundle })
    last = manifest
    const bytes = encodeManifest(manifest)
    t.true(await database.install(await database.head(), digestOf(bytes), { bytes, signature: null }))
    return bundle.digest
  }
  const first: string[] = []
  for (let i = 0; i < 40; i++) first.push(await install())
  await kept.keep()
  const later = await install()
  await kept.keep()
  const notKept = await install()
  await clock.runUntil(2 * stagedMs)
  const isThere = async (digest: string) => (await database.getChunk(digest, 0)) !== undefined
  t.deepEqual([...new Set(await Promise.all(first.map(isThere)))], [true])
  t.deepEqual([await isThere(later), await isThere(notKept)], [true, false])
  udb.empty()
  last = undefined
  const anew = await install()
  await kept.keep()
  await clock.runUntil(4 * stagedMs)
  t.true(await isThere(anew))
})

test('of a version whose manifest is not there nothing is kept yet', async (t) => {
  const kept = new BundleKeeper({
    head: async () => ({ version: 1, digest: digestNamed('lost') }),
    manifests: async () => [],
    keepBundle: () => Promise.reject(new Error('nothing to keep')),
  })
  await t.notThrowsAsync(kept.keep())
})

test('manifests are read a few at a time, once each, and all of them again when a bundle could not be kept', async (t) => {
  const bytes = encodeManifest(manifestAfter(undefined))
  const asked: (readonly [number, number])[] = []
  let version = 33
  let isAway = true
  const kept = new BundleKeeper({
    head: async () => ({ version, digest: null }),
    async manifests(from, to) {
      asked.push([from, to])
      return Array.from({ length: to - from + 1 }, () => ({ bytes, signature: null }))
    },
    keepBundle: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve()),
  })
  await t.throwsAsync(kept.keep(), { message: 'away' })
  isAway = false
  for (version of [33, 33, 34]) await kept.keep()
  t.deepEqual(asked.splice(0), [
    [1, 32],
    [1, 32],
    [33, 33],
    [34, 34],
  ])
  // The history was lost, and is another one.
  version = 2
  await kept.keep()
  t.deepEqual(asked, [[1, 2]])
})
