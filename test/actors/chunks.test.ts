/** The chunks of bundles at an upgrade server, over a database in memory. */
import test from 'ava'
import { Chunks } from '../../actors/server/chunks.js'
import { InstalledHistory } from '../../actors/server/installedHistory.js'
import { ServedBundles } from '../../actors/server/servedBundles.js'
import { digestOf } from '../../core/base/digest.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { bundleBytesMax, chunkCount } from '../../core/upgrade/manifest.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { changedDatabase } from '../support/changedDatabase.js'
import { ManualClock } from '../support/manualClock.js'
import { alice, signedAfter, system } from '../support/signedManifests.js'

const bytes = new Uint8Array([1, 2, 3])
const digest = digestOf(bytes)

async function open(changed: (stored: UpgradeDatabase) => Partial<UpgradeDatabase> = () => ({})) {
  const stored = await memoryDatabase().open(system, new ManualClock())
  const database = changedDatabase(stored, changed(stored))
  const history = new InstalledHistory({ system, database, signatures: nkeySignatures, trust: [alice.publicKey] })
  const bundles = new ServedBundles(database)
  const historyRestore = { restoreChunk: async () => {} }
  const chunks = new Chunks({ database, transport: { payloadBytesMax: 1024 }, history, bundles, historyRestore })
  return { stored, chunks }
}

test('what is no chunk is asked of no database', async (t) => {
  const refuse = () => Promise.reject(new Error('asked'))
  const { chunks } = await open(() => ({ getChunk: refuse, bundleWrites: refuse, putChunk: refuse }))
  for (const args of [
    [],
    ['abc', 0],
    [digest],
    [digest, -1],
    [digest, chunkCount(bundleBytesMax)],
    [digest, 0, -1],
    [digest, 0, 'x'],
  ])
    await t.throwsAsync(chunks.get(args), { code: 'protocol.bad-arguments' }, JSON.stringify(args))
  for (const args of [[], ['abc', 0, bytes], [7, 0, bytes]])
    await t.throwsAsync(chunks.put(args), { code: 'protocol.bad-arguments' }, JSON.stringify(args))
})

test('a chunk is tried to be written eight times while others write the same bundle', async (t) => {
  let tries = 0
  let failing = 8
  const { chunks } = await open(() => ({
    async putChunk() {
      return ++tries > failing
    },
  }))
  await t.throwsAsync(chunks.put([digest, 0, bytes]), { code: 'unavailable.overloaded' })
  t.is(tries, 8)
  tries = 0
  failing = 7
  t.is(await chunks.put([digest, 0, bytes]), null)
})

test('chunks of installed bundles are kept, those of others are staged until they are installed', async (t) => {
  const written: unknown[] = []
  const { stored, chunks } = await open((of) => ({
    async putChunk(...args) {
      written.push(args[3])
      return await of.putChunk(...args)
    },
  }))
  const empty = new Uint8Array(0)
  const first = signedAfter(undefined, alice, { bundle: { digest, bytes: bytes.length } })
  const second = signedAfter(first, alice, { bundle: { digest: digestOf(empty), bytes: 0 } })
  for (const each of [first, second]) await stored.install(await stored.head(), digestOf(each.bytes), each)
  await chunks.put([digest, 0, bytes])
  t.deepEqual(written, ['kept'], 'it was missing')
  const other = new Uint8Array([4])
  for (let i = 0; i < 2; i++) await chunks.put([digestOf(other), 0, other])
  t.deepEqual(written, ['kept', 'staged', 'staged'])
})
