/** The installed history as an upgrade server has verified it, over a database in memory. */
import test from 'ava'
import { InstalledHistory } from '../../actors/server/installedHistory.js'
import { digestOf } from '../../core/base/digest.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { changedDatabase } from '../support/changedDatabase.js'
import { ManualClock } from '../support/manualClock.js'
import { alice, signedAfter, system } from '../support/signedManifests.js'

const anew = () => memoryDatabase().open(system, new ManualClock())

async function open() {
  let stored = await anew()
  const asked: (readonly [number, number])[] = []
  const database = changedDatabase(stored, {
    async manifests(...range) {
      asked.push(range)
      return await stored.manifests(...range)
    },
  })
  const history = new InstalledHistory({ system, database, signatures: nkeySignatures, trust: [alice.publicKey] })
  let last: SignedManifest | undefined
  const install = async (title: string) => {
    last = signedAfter(last, alice, { title })
    await stored.install(await stored.head(), digestOf(last.bytes), last)
  }
  /** Another history is there now. */
  const lose = async () => {
    stored = await anew()
    last = undefined
  }
  return { history, asked, install, lose, head: () => stored.head() }
}

test('a history is read whole, and again only when it has changed', async (t) => {
  const { history, asked, install, head } = await open()
  for (const title of ['first', 'second']) await install(title)
  const known = await history.at(await head())
  t.is(known.head.version, 2)
  t.is(await history.at(await head()), known)
  t.deepEqual(asked, [[1, 2]])
  await install('third')
  const [third] = (await history.at(await head())).manifests.slice(2)
  t.is(third!.title, 'third')
  t.deepEqual(asked.splice(0), [
    [1, 2],
    [1, 3],
  ])
  t.is((await history.at(await head())).head.version, 3)
  t.deepEqual(asked, [])
})

test('another history of the same length is read and verified anew', async (t) => {
  const { history, install, lose, head } = await open()
  await install('first')
  const [before] = (await history.at(await head())).manifests
  await lose()
  await install('another first')
  const [after] = (await history.at(await head())).manifests
  t.deepEqual([before!.title, after!.title], ['first', 'another first'])
})

test('the signers of a version are those who signed it; of one that is not there nobody', async (t) => {
  const { history, install, head } = await open()
  t.deepEqual(history.signersOf(1), [])
  await install('first')
  await history.at(await head())
  t.deepEqual(history.signersOf(1), [alice.publicKey])
  t.deepEqual(history.signersOf(2), [])
})
