/** The installs of an upgrade server, and all that it refuses, over a database in memory. */
import test from 'ava'
import type { Change } from '../../actors/server/audit.js'
import { InstalledHistory } from '../../actors/server/installedHistory.js'
import { Installer, type InstallerParts } from '../../actors/server/installer.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { release } from '../../core/base/formats.js'
import { newestLevel } from '../../core/base/level.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { signed } from '../../core/trust/signed.js'
import { encodeManifest, type Manifest } from '../../core/upgrade/manifest.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { changedDatabase } from '../support/changedDatabase.js'
import { ManualClock } from '../support/manualClock.js'
import { alice, manifestAfter, signedAfter, system } from '../support/signedManifests.js'

async function open(given: Partial<InstallerParts> = {}, changed: Partial<UpgradeDatabase> = {}) {
  const clock = new ManualClock()
  const stored = await memoryDatabase().open(system, clock)
  await stored.putChunk(digestOf(new Uint8Array(0)), 0, new Uint8Array(0))
  let reads = 0
  const database = changedDatabase(stored, {
    async manifests(...range) {
      reads++
      return await stored.manifests(...range)
    },
    ...changed,
  })
  const history = new InstalledHistory({ system, database, signatures: nkeySignatures, trust: [alice.publicKey] })
  const announced: number[] = []
  const parts: InstallerParts = {
    history,
    checkForks: async () => {},
    checkInstallable: async () => {},
    prepareNeighbours: async () => {},
    announce: (version) => void announced.push(version),
    ...given,
  }
  const installer = new Installer({ system, database, clock }, parts)
  const change: Change = { by: [], isDone: false }
  const install = (bytes: unknown, signature: unknown) => installer.install(bytes, signature, change)
  return { stored, history, install, announced, change, reads: () => reads }
}

const first = signedAfter(undefined, alice)

test('what is installed is announced, and the history goes on from it without being read again', async (t) => {
  const { stored, history, install, announced, change, reads } = await open()
  t.deepEqual(await install(first.bytes, first.signature), { version: 1 })
  t.deepEqual(announced, [1])
  t.deepEqual(change, { by: [alice.publicKey], isDone: true })
  const before = reads()
  t.is((await history.at(await stored.head())).head.version, 1)
  t.is(reads(), before)
})

test('what is no manifest, or one of another system, is refused in words that say so', async (t) => {
  const { install } = await open()
  await t.throwsAsync(install('text', first.signature), {
    code: 'protocol.bad-arguments',
    message: 'expected install(manifest, signature)',
  })
  const shoe = signedAfter(undefined, alice, { system: 'shoe' })
  await t.throwsAsync(install(shoe.bytes, shoe.signature), {
    code: 'upgrade.invalid',
    message: `the upgrade is for system shoe, this is ${system}`,
  })
})

for (const check of ['checkForks', 'checkInstallable'] as const) {
  test(`nothing is installed while ${check} refuses`, async (t) => {
    const no = new Fault('upgrade.forked', 'not now')
    const { stored, install, announced, change } = await open({ [check]: () => Promise.reject(no) })
    t.is(await t.throwsAsync(install(first.bytes, first.signature)), no)
    t.deepEqual([(await stored.head()).version, announced, change.isDone], [0, [], false])
  })
}

test('an install that the database refuses although nothing has changed is a conflict', async (t) => {
  const { install, announced } = await open({}, { install: async () => false })
  await t.throwsAsync(install(first.bytes, first.signature), { code: 'upgrade.conflict' })
  t.deepEqual(announced, [])
})

test('a level that a row which nobody can read keeps from being raised is refused in words that say so', async (t) => {
  const { install } = await open({}, { install: async () => false })
  const manifest = {
    ...manifestAfter(undefined, { upgrader: alice.publicKey }),
    ...{ format: 3, identity: null, until: {}, need: null, release, level: newestLevel },
  }
  const { bytes, signature } = signed('manifest', encodeManifest(manifest as unknown as Manifest), alice)
  await t.throwsAsync(install(bytes, signature), {
    code: 'upgrade.level',
    message: /^version 1 is not installed: a row of somebody registered can't be read: /,
  })
  // One that asks nobody does not follow.
  await t.throwsAsync(install(first.bytes, first.signature), { code: 'upgrade.conflict' })
})

test('an upgrade that needs more than the level is refused before anything is pinned at a neighbour', async (t) => {
  const prepared: number[] = []
  const { install } = await open({ prepareNeighbours: async ({ version }) => void prepared.push(version) })
  const { bytes, signature } = signedAfter(undefined, alice, { runtime: 2 })
  await t.throwsAsync(install(bytes, signature), { code: 'upgrade.level' })
  t.deepEqual(prepared, [])
  await install(first.bytes, first.signature)
  t.deepEqual(prepared, [1])
})
