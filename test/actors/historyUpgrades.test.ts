/** The upgrades of a history: their bundles, undos, and the events that they bring. */
import 'reflect-metadata'
import test from 'ava'
import { readVerified } from '../../actors/history/upgradeHistory.js'
import { digestOf } from '../../core/base/digest.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { keys } from '../../core/model/nodeRecord.js'
import { atMost } from '../../core/schedules/combine.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import type { FirstManifest } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'
import { pack } from '../../core/wire/codec.js'
import { system } from '../support/signedManifests.js'
import { NotesV1, tickerUpgrade, toV2, toV3 } from './notesClasses.js'
import { anybody, message, open } from './upgradeHistoryFixture.js'

// --- Bundles

test('an upgrade is fetched and loaded once for all nodes of the host, and its bundle is kept with the state', async (t) => {
  const { history, through, server, adopt, count, store } = await open()
  adopt(toV2())
  const digest = server.installUpgrade(toV2())
  await through(history.fetch(1))
  const [one, two] = await through(Promise.all([history.load(1), history.load(1)]))
  t.is(one, two)
  t.is(await history.load(1), one)
  t.is(count('bundle'), 1)
  t.is(digestOf(store.get(keys.bundle(digest))!), digest)
})

test('a bundle that is kept is not fetched again, but one that has been damaged is', async (t) => {
  const first = await open()
  const digest = first.server.installUpgrade(toV2())
  first.adopt(toV2())
  await first.through(first.history.fetch(1))
  await first.through(first.history.load(1))
  await first.store.close()
  const again = await open(first.server, first.memory)
  again.adopt(toV2())
  await again.through(again.history.load(1))
  t.is(again.count('bundle'), 0)
  await again.through(again.journal.commit([[keys.bundle(digest), new Uint8Array(3)]]))
  await again.store.close()
  const damaged = await open(first.server, first.memory)
  damaged.adopt(toV2())
  await damaged.through(damaged.history.load(1))
  t.is(damaged.count('bundle'), 1)
})

test('a bundle is kept before its upgrade is loaded', async (t) => {
  const { history, through, server, adopt, memory } = await open()
  adopt(toV2())
  server.installUpgrade(toV2())
  await through(history.fetch(1))
  memory.failNextCommit(new Error('disk full'))
  await t.throwsAsync(through(history.load(1)), message('disk full'))
  // It is no fault of the upgrade: the next try may load it.
  t.is((await through(history.load(1))).title, toV2().title)
})

test('a bundle that could not be had is fetched again; one that does not fit is remembered as unfit', async (t) => {
  const { history, through, server, adopt, count } = await open()
  const digest = server.installUpgrade(toV2())
  const bundle = server.bundles.get(digest)!
  server.bundles.delete(digest)
  await through(history.fetch(1))
  await t.throwsAsync(through(history.load(1)), { code: 'upgrade.fetch' })
  server.bundles.set(digest, bundle)
  await t.throwsAsync(through(history.load(1)), { code: 'upgrade.invalid' })
  t.is(count('bundle'), 2)
  adopt(toV2())
  await t.throwsAsync(through(history.load(1)), { code: 'upgrade.invalid' })
  history.reconsider(1)
  t.is((await through(history.load(1))).title, toV2().title)
})

test('an upgrade that was built for another runtime is unfit', async (t) => {
  const { history, through, server, adopt } = await open()
  adopt(toV2())
  server.installUpgrade(toV2(), { runtime: 9 })
  await through(history.fetch(1))
  await t.throwsAsync(through(history.load(1)), message(/^built for runtime interface 9; this host has /))
})

test('a bundle that upgrades other classes, others too, or other nodes than its manifest says is unfit', async (t) => {
  const both = { ...toV2(), title: 'both', classUpgrades: [...toV2().classUpgrades, ...tickerUpgrade().classUpgrades] }
  const entries = (upgrade: Upgrade) => draftManifest(upgrade, new Uint8Array(1)).classUpgrades
  const only = { key: 'zone', oneOf: ['a'] } as never
  const cases: [Upgrade, Partial<FirstManifest>][] = [
    [toV2(), { classUpgrades: entries(tickerUpgrade()) }],
    [both, { classUpgrades: entries(toV2()) }],
    [toV2(), { classUpgrades: entries(both) }],
    [both, { classUpgrades: [...entries(both)].reverse() }],
    [both, { classUpgrades: [entries(both)[0]!, { ...entries(both)[1]!, newClass: 'Ticker.v9' }] }],
    [{ ...toV2(), classUpgrades: [{ ...toV2().classUpgrades[0]!, only }] }, { classUpgrades: entries(toV2()) }],
    [toV2({ schedule: atMost('all') }), { classUpgrades: entries(toV2()) }],
    [toV2(), { classUpgrades: entries(toV2({ schedule: atMost('all') })) }],
  ]
  for (const [upgrade, more] of cases) {
    const { history, through, server, adopt } = await open()
    adopt(upgrade)
    server.installUpgrade(upgrade, more)
    await through(history.fetch(1))
    await t.throwsAsync(through(history.load(1)), message(/the bundle upgrades .* → .*; its manifest says/))
  }
})

// --- Undos

async function undone(...undos: readonly number[]) {
  const opened = await open()
  const { server, adopt, history, through } = opened
  adopt(toV2(), toV3())
  server.installUpgrade(toV2())
  for (const undoes of undos) {
    const { classUpgrades } = draftManifest(toV2(), new Uint8Array(1))
    const back = undoes % 2 === 1
    server.install({
      undoes,
      classUpgrades: classUpgrades.map((entry) =>
        back ? { ...entry, oldClass: entry.newClass, newClass: entry.oldClass } : entry,
      ),
    })
  }
  await through(history.fetch(1 + undos.length))
  return opened
}

test('an undo takes back the version before it, and the undo of an undo brings it again', async (t) => {
  const { history } = await undone(1, 2)
  t.deepEqual(
    [0, 1, 2, 3, 4].map((version) => history.undoes(version)),
    [null, null, 1, 2, null],
  )
  t.deepEqual(
    [0, 1, 2, 3].map((version) => history.undoOf(version)),
    [null, 2, 3, null],
  )
  t.deepEqual(
    [1, 2, 3].map((version) => history.takesBack(version)),
    [false, true, false],
  )
})

test('an undo is the upgrade that it undoes turned round, and its undo is that upgrade again, without bundles', async (t) => {
  const { history, through, count } = await undone(1, 2)
  const names = ({ classUpgrades }: Upgrade) =>
    classUpgrades.map(({ oldClass, newClass }) => `${oldClass.className} → ${newClass.className}`)
  t.deepEqual(names(await through(history.load(3))), ['Notes.v1 → Notes.v2'])
  t.deepEqual(names(await through(history.load(2))), ['Notes.v2 → Notes.v1'])
  const [brought] = (await history.load(1)).classUpgrades
  t.is((await history.load(3)).classUpgrades[0], brought, 'with its own schedule')
  t.is(count('bundle'), 1)
})

test('an operator who has an undo looked at again has what it undoes looked at again too', async (t) => {
  const { history, through, server, repository } = await open()
  const digest = server.installUpgrade(toV2())
  server.install({
    undoes: 1,
    classUpgrades: draftManifest(toV2(), new Uint8Array(1)).classUpgrades.map((entry) => ({
      ...entry,
      oldClass: entry.newClass,
      newClass: entry.oldClass,
    })),
  })
  await through(history.fetch(2))
  await t.throwsAsync(through(history.load(2)), { code: 'upgrade.invalid' })
  repository.add(digest, toV2())
  await t.throwsAsync(through(history.load(2)), { code: 'upgrade.invalid' })
  history.reconsider(2)
  t.is((await through(history.load(2))).classUpgrades.length, 1)
})

test('the class upgrade of a class is known once its upgrade is loaded, and the copy of the class that it replaces', async (t) => {
  const { history, through, server, adopt } = await open()
  adopt(tickerUpgrade(), toV2(), toV3())
  server.installUpgrade(tickerUpgrade())
  server.installUpgrade(toV2())
  server.installUpgrade(toV3())
  await through(history.fetch(3))
  t.is(history.classUpgrade(2, 'Notes.v1'), undefined)
  t.is(history.replaced('Notes.v1'), undefined)
  for (const version of [1, 2, 3]) await through(history.load(version))
  t.is(history.classUpgrade(2, 'Notes.v1')?.newClass.className, 'Notes.v2')
  t.is(history.classUpgrade(1, 'Notes.v1'), undefined)
  t.is(history.classUpgrade(9, 'Notes.v1'), undefined)
  t.is(history.replaced('Notes.v1'), NotesV1)
  t.is(history.replaced('Notes.v2')?.className, 'Notes.v2')
  t.is(history.replaced('Notes.v3'), undefined)
})

test('the copy of a class is that of the upgrade which replaces it, not of an undo', async (t) => {
  const { history, through } = await undone(1)
  await through(history.load(2))
  t.is(history.classUpgrade(2, 'Notes.v2')?.oldClass.className, 'Notes.v2')
  t.is(history.replaced('Notes.v2'), undefined)
})

// --- Events that upgrades bring

test('an event is introduced by the upgrade that brings it, until that version is dead everywhere', async (t) => {
  const { history, through, server } = await open()
  const [entry] = draftManifest(toV2(), new Uint8Array(1)).classUpgrades
  t.false(history.wasIntroduced('noted', 9))
  server.install()
  server.install({ classUpgrades: [{ ...entry!, newUses: ['noted/1', 'Log.v1'] }] })
  await through(history.fetch(2))
  t.deepEqual(
    [1, 2, 3].map((label) => history.isIntroduced('noted', label)),
    [false, true, true],
  )
  t.deepEqual(
    [1, 2, 3].map((label) => history.wasIntroduced('noted', label)),
    [false, true, true],
  )
  t.false(history.isIntroduced('others', 3))
  server.install({ classUpgrades: [{ ...entry!, oldClass: 'B.v1', newClass: 'B.v2', newUses: ['noted/1'] }] })
  server.dead = 2
  await through(history.ask())
  await through(history.fetch(3))
  t.deepEqual(
    [2, 3].map((label) => history.isIntroduced('noted', label)),
    [false, true],
  )
  t.deepEqual(
    [1, 2, 3].map((label) => history.wasIntroduced('noted', label)),
    [false, true, true],
  )
})

test('an event that the first upgrade brings is introduced at once', async (t) => {
  const { history, through, server } = await open()
  const [entry] = draftManifest(toV2(), new Uint8Array(1)).classUpgrades
  server.install({ classUpgrades: [{ ...entry!, newUses: ['noted/1'] }] })
  await through(history.fetch(1))
  t.true(history.wasIntroduced('noted', 1))
})

test('what is on disk of manifests can not be read by a host that does not trust who signed it', async (t) => {
  const first = await open()
  first.server.install()
  await first.through(first.history.fetch(1))
  const strict = new VerifiedHistory(system, ['somebody'], { isUpgraderKey: () => true, verify: () => false })
  t.throws(() => readVerified(first.store, strict), { code: 'upgrade.signature' })
  await first.through(first.journal.commit([[keys.manifest(1), pack([new Uint8Array(1), null])]]))
  t.throws(() => readVerified(first.store, new VerifiedHistory(system, undefined, anybody)))
})
