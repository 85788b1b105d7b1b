/**
 * The contract of every upgrade database for chunks of bundles: what an installed manifest names stays, the
 * rest is bounded and goes.
 */
import test, { type ExecutionContext } from 'ava'
import { isFault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { bundleChunkBytes } from '../../core/upgrade/manifest.js'
import { stagedBundlesMax, stagedBytesMax, stagedMs } from '../../transports/udbFactory.js'
import { type DatabaseUnderTest, manifestOf, newSystem, nothingInstalled } from './databaseContract.js'

/** Beside the moments that a test takes. */
const soonMs = 60_000

const chunk = new Uint8Array([1, 2, 3])
const whole = new Uint8Array(bundleChunkBytes)

export function bundlesContract(adapter: string, shared: () => DatabaseUnderTest): void {
  type Body = (t: ExecutionContext, database: UpgradeDatabase, under: DatabaseUnderTest) => unknown
  const contract = (title: string, body: Body) =>
    test(`${adapter}: ${title}`, async (t) => {
      const under = shared()
      const database = await under.open(newSystem())
      t.teardown(() => database.close())
      await body(t, database, under)
    })
  const isThere = async (database: UpgradeDatabase, digest: string, index = 0) =>
    (await database.getChunk(digest, index)) !== undefined
  const refused = async (t: ExecutionContext, putting: Promise<boolean>) => {
    const thrown = await t.throwsAsync(putting)
    if (!isFault(thrown)) throw thrown
    t.is(thrown.code, 'unavailable.overloaded')
    t.regex(
      thrown.message,
      /^\d+ bundles of \d+ bytes wait for a manifest that names them, of \d+ and \d+ at most; each is removed 10 minutes/,
    )
  }

  contract('chunks that no manifest names go some time after the last of them', async (t, database, under) => {
    await database.putChunk('a', 0, chunk)
    await under.elapse(stagedMs - soonMs)
    await database.putChunk('b', 0, chunk)
    await database.putChunk('a', 1, chunk)
    await under.elapse(stagedMs - soonMs)
    t.deepEqual([await isThere(database, 'a'), await isThere(database, 'a', 1), await isThere(database, 'b')], [true, true, true])
    await under.elapse(2 * soonMs)
    t.deepEqual(
      [await isThere(database, 'a'), await isThere(database, 'a', 1), await isThere(database, 'b')],
      [false, false, false],
    )
    await database.putChunk('a', 1, chunk)
    t.deepEqual([await isThere(database, 'a'), await isThere(database, 'a', 1)], [false, true])
  })

  contract(
    'what an installed manifest names stays, and so do chunks that are put there afterwards',
    async (t, database, under) => {
      const { digest, manifest } = manifestOf('first')
      for (const bundle of ['a', 'b', 'c']) await database.putChunk(bundle, 0, chunk)
      t.true(await database.install(nothingInstalled, digest, manifest, { authorized: { n1: 'yes' } }, null, 'a'))
      t.deepEqual([...(await database.table('authorized'))], [['n1', 'yes']])
      await database.keepBundle('b')
      await database.putChunk('a', 1, chunk)
      await database.putChunk('d', 0, chunk, 'kept')
      await database.putChunk('d', 1, chunk)
      await under.elapse(2 * stagedMs)
      const found = ['a/0', 'a/1', 'b/0', 'c/0', 'd/0', 'd/1'].map(async (name) => {
        const [bundle, index] = name.split('/') as [string, string]
        return (await isThere(database, bundle, Number(index))) ? [name] : []
      })
      t.deepEqual((await Promise.all(found)).flat(), ['a/0', 'a/1', 'b/0', 'd/0', 'd/1'])
    },
  )

  contract('an install that fails keeps no bundle', async (t, database, under) => {
    const { digest, manifest } = manifestOf('first')
    await database.putChunk('a', 0, chunk)
    t.false(await database.install({ version: 7, digest: 'other' }, digest, manifest, {}, null, 'a'))
    await under.elapse(2 * stagedMs)
    t.false(await isThere(database, 'a'))
  })

  contract(
    'so many bundles are staged and no more; one that is there already goes on, and one that is kept',
    async (t, database, under) => {
      await database.putChunk('kept', 0, chunk, 'kept')
      await Promise.all(Array.from({ length: stagedBundlesMax }, (_, i) => database.putChunk(`b${i}`, 0, chunk)))
      await refused(t, database.putChunk('more', 0, chunk))
      t.false(await isThere(database, 'more'))
      await database.putChunk('b0', 1, chunk)
      await database.putChunk('kept', 1, chunk)
      await database.putChunk('too', 0, chunk, 'kept')
      await database.keepBundle('b0')
      await database.putChunk('more', 0, chunk)
      await refused(t, database.putChunk('evenMore', 0, chunk))
      await under.elapse(2 * stagedMs)
      await database.putChunk('evenMore', 0, chunk)
      t.deepEqual(
        [await isThere(database, 'b1'), await isThere(database, 'b0', 1), await isThere(database, 'evenMore')],
        [false, true, true],
      )
    },
  )

  contract('so many bytes are staged and no more; a chunk in the place of another counts once', async (t, database, under) => {
    const chunks = stagedBytesMax / bundleChunkBytes
    await database.putChunk('a', 0, chunk)
    await database.putChunk('a', 0, whole)
    await database.putChunk('a', 0, chunk)
    await database.putChunk('kept', 0, whole, 'kept')
    const put = (index: number) => database.putChunk(`b${index % 2}`, index, whole)
    for (let index = 0; index < chunks - 1; index++) await put(index)
    await refused(t, put(chunks - 1))
    t.false(await isThere(database, `b${(chunks - 1) % 2}`, chunks - 1))
    await put(0)
    await database.putChunk('a', 0, whole)
    await refused(t, database.putChunk('c', 0, new Uint8Array(1)))
    await database.putChunk('c', 0, new Uint8Array(0))
    await database.keepBundle('b0')
    await put(chunks - 1)
    await under.elapse(2 * stagedMs)
    await database.putChunk('d', 0, whole)
    t.deepEqual([await isThere(database, 'b0'), await isThere(database, 'b1', 1)], [true, false])
  })

  contract('a bundle is written and installed only if nobody has written it since it was looked at', async (t, database) => {
    const { digest, manifest } = manifestOf('first')
    t.is(await database.bundleWrites('a'), 0)
    t.true(await database.putChunk('a', 0, chunk, 'staged', 0))
    t.false(await database.putChunk('a', 0, whole, 'staged', 0))
    t.false(await database.putChunk('a', 0, whole, 'kept', 7))
    t.deepEqual(await database.getChunk('a', 0), chunk)
    const looked = await database.bundleWrites('a')
    t.true(looked > 0)
    t.true(await database.putChunk('a', 1, whole))
    t.false(await database.install(nothingInstalled, digest, manifest, { authorized: { n1: 'yes' } }, null, 'a', looked))
    t.deepEqual(await database.head(), nothingInstalled)
    t.is((await database.table('authorized')).size, 0)
    const before = await database.bundleWrites('a')
    t.true(before > looked)
    t.true(await database.install(nothingInstalled, digest, manifest, { authorized: { n1: 'yes' } }, null, 'a', before))
    t.deepEqual([...(await database.table('authorized'))], [['n1', 'yes']])
    // A reader that looked before it was installed did not know that it is.
    for (const then of [0, looked, before]) t.false(await database.putChunk('a', 0, whole, 'staged', then))
    t.true((await database.bundleWrites('a')) > before)
    t.deepEqual(await database.getChunk('a', 0), chunk)
    t.true(await database.putChunk('a', 0, whole, 'kept', await database.bundleWrites('a')))
    t.deepEqual(await database.getChunk('a', 0), whole)
  })

  contract('a bundle that is gone has been written by nobody, and is not installed as it was', async (t, database, under) => {
    const { digest, manifest } = manifestOf('first')
    await database.putChunk('a', 0, chunk)
    const looked = await database.bundleWrites('a')
    await under.elapse(2 * stagedMs)
    t.is(await database.bundleWrites('a'), 0)
    t.false(await database.install(nothingInstalled, digest, manifest, {}, null, 'a', looked))
    t.true(await database.install(nothingInstalled, digest, manifest, {}, null, 'a', 0))
    t.is(await database.bundleWrites('a'), 0, 'its bytes are still to come')
  })

  contract('the head says nothing of what is staged', async (t, database) => {
    await database.putChunk('a', 0, chunk)
    t.deepEqual(await database.head(), nothingInstalled)
    const { digest, manifest } = manifestOf('first')
    t.true(await database.install(nothingInstalled, digest, manifest))
    t.deepEqual(await database.head(), { version: 1, digest })
  })
}
