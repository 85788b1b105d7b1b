/** A host's knowledge of the system's upgrades: what it asks for, keeps, believes, and remembers as unfit. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Signal } from '../../actors/base/signal.js'
import type { Contacts } from '../../actors/calls/contacts.js'
import type { HostHistoryRestore } from '../../actors/history/hostHistoryRestore.js'
import { readVerified, UpgradeHistory } from '../../actors/history/upgradeHistory.js'
import type { UpgradeServerClient } from '../../actors/history/upgradeServerClient.js'
import { Journal } from '../../actors/state/journal.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import { nobodysMark } from '../../core/trust/trustMark.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { encodeManifest, type FirstManifest, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'
import { pack } from '../../core/wire/codec.js'
import { memoryRepository, memoryStore } from '../../transports/memory/index.js'
import { manifestAfter, system } from '../support/signedManifests.js'
import { type Gate, gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { ManualClock } from './manualClock.js'
import { NotesV1, tickerUpgrade, toV2, toV3 } from './notesClasses.js'

const anybody = { isUpgraderKey: () => true, verify: () => true }

/** The history of an upgrade server, which hosts ask for it. */
class Server {
  readonly manifests: SignedManifest[] = []
  readonly bundles = new Map<string, Uint8Array>()
  dead = 0
  final = 0
  wanted: string[] = []
  /** Of its answer, where it tells of more than it gives. */
  version: number | undefined
  nonsense: string | null = null
  /** Of each question by its first word: why it is not answered. */
  readonly refusals = new Map<string, Fault>()

  install(more: Partial<FirstManifest> = {}): Manifest {
    const manifest = manifestAfter(this.manifests.at(-1), more)
    this.manifests.push({ bytes: encodeManifest(manifest), signature: null })
    return manifest
  }

  /** Its bundle is its title. */
  installUpgrade(upgrade: Upgrade, more: Partial<FirstManifest> = {}): string {
    const bundle = new TextEncoder().encode(upgrade.title)
    const draft = draftManifest(upgrade, bundle)
    this.bundles.set(draft.bundle.digest, bundle)
    this.install({ ...draft, ...more })
    return draft.bundle.digest
  }
}

async function open(server = new Server(), memory = memoryStore()) {
  const clock = new ManualClock()
  const store = await memory.open()
  const journal = new Journal(store, clock)
  const repository = memoryRepository()
  const events: HostEvent[] = []
  const asked: string[] = []
  const waits = new Map<string, Gate>()
  const ask = async <T>(what: string, answer: () => T): Promise<T> => {
    asked.push(what)
    const refusal = server.refusals.get(what.split(' ')[0]!)
    if (refusal !== undefined) throw refusal
    const found = answer()
    await waits.get(what.split(' ')[0]!)?.pass()
    return found
  }
  const client = {
    head: () =>
      ask('head', () => ({
        version: server.version ?? server.manifests.length,
        digest: null,
        dead: server.dead,
        final: server.final,
        directives: 0,
        log: null,
        wanted: server.wanted,
        nonsense: server.nonsense,
      })),
    manifests: (from: number, to: number) => ask(`manifests ${from}-${to}`, () => server.manifests.slice(from - 1, to)),
    bundle: ({ digest }: Manifest['bundle']) =>
      ask('bundle', () => {
        const found = server.bundles.get(digest)
        if (found === undefined) throw new Fault('upgrade.fetch', 'no such bundle')
        return found
      }),
  }
  const teaching = {
    heard: async (...args: unknown[]) => void asked.push(`teach ${JSON.stringify(args)}`),
    doesNotFollow: async (newest: number) => void asked.push(`does not follow ${newest}`),
  }
  const verified = readVerified(store, new VerifiedHistory(system, undefined, anybody))
  const heard: number[] = []
  const contacts = { know: (newest: number) => void heard.push(newest), newer: new Signal<number>() }
  const history = new UpgradeHistory(
    store,
    repository,
    clock,
    { ...defaultSettings, system, hostId: 'h1', unknownVersionMs: 100 },
    (event) => void events.push(event),
    journal,
    client as unknown as UpgradeServerClient,
    verified,
    teaching as unknown as HostHistoryRestore,
    { mark: nobodysMark, isSaid: true },
    contacts as unknown as Contacts,
  )
  const newer: number[] = []
  let ended = 0
  history.newer.on((version) => newer.push(version))
  history.ended.on(() => ended++)
  /** Waits for what commits meanwhile. */
  const through = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    const watched = work.finally(() => {
      isOver = true
    })
    watched.catch(() => {})
    for (let i = 0; i < 200 && !isOver; i++) {
      clock.endTurn()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return await watched
  }
  const adopt = (...upgrades: readonly Upgrade[]) => {
    for (const upgrade of upgrades) repository.add(digestOf(new TextEncoder().encode(upgrade.title)), upgrade)
  }
  const count = (what: string) => asked.filter((each) => each.startsWith(what)).length
  return {
    ...{
      clock,
      memory,
      store,
      journal,
      repository,
      events,
      asked,
      waits,
      contacts,
      history,
      newer,
      heard,
      through,
      adopt,
      count,
    },
    ended: () => ended,
    server,
  }
}

const message = (text: string | RegExp) => ({ message: text })

// --- Questions

test('a host that has asked says so, tells of newer versions once, and of what the server misses', async (t) => {
  const { history, through, server, newer, asked } = await open()
  t.false(history.hasAsked)
  server.wanted = ['d1']
  t.is(await through(history.ask()), 0)
  t.true(history.hasAsked)
  t.deepEqual([history.dead, history.final, history.heard], [0, 0, 0])
  t.deepEqual(newer, [])
  t.deepEqual(asked, ['head', 'teach [{"version":0,"digest":null},["d1"]]'])
  server.install()
  t.is(await through(history.ask()), 1)
  t.deepEqual(newer, [1])
  t.is(history.heard, 1)
  t.is(history.newest, 0)
  await through(history.fetch(1))
  await through(history.ask())
  t.deepEqual(newer, [1])
  t.is(history.newest, 1)
})

test('those who ask at once share one question, and the next ones ask another', async (t) => {
  const { history, through, count, waits } = await open()
  const held = gate()
  waits.set('head', held)
  const both = Promise.all([history.ask(), history.ask()])
  held.open()
  await through(both)
  t.is(count('head'), 1)
  await through(history.ask())
  t.is(count('head'), 2)
})

test('a manifest that could not be had is told of with each answer; one that is unfit is not', async (t) => {
  const { history, through, server, newer } = await open()
  server.install()
  server.install({ system: 'another' })
  await through(history.ask())
  await through(history.ask())
  t.deepEqual(newer, [2, 2])
  await through(history.fetch(2))
  t.is(history.newest, 1)
  await through(history.ask())
  t.deepEqual(newer, [2, 2])
  server.install()
  await through(history.ask())
  await through(history.ask())
  t.deepEqual(newer, [2, 2, 3])
})

test('the newest answer counts: a server that tells of fewer versions is believed', async (t) => {
  const { history, through, server, heard } = await open()
  server.version = 9
  await through(history.ask())
  t.is(history.heard, 9)
  server.version = 2
  await through(history.ask())
  t.is(history.heard, 2)
  t.deepEqual(heard, [0, 9, 2])
})

test('a contact that runs a newer version has the server asked for it', async (t) => {
  const { contacts, history, through, server, heard, count } = await open()
  server.version = 3
  contacts.newer.emit(2)
  t.is(count('head'), 1)
  await through(history.ask())
  t.deepEqual(heard, [0, 3])
  contacts.newer.emit(3)
  t.is(count('head'), 1, 'it is known')
})

test('a version whose manifest the server does not have was never there; a server that is away says nothing of it', async (t) => {
  const { history, through, server, heard } = await open()
  server.install()
  await through(history.fetch(1))
  server.version = 9
  await through(history.ask())
  server.refusals.set('manifests', new Fault('unavailable.no-responders', 'away'))
  await t.throwsAsync(through(history.fetch(9)), { code: 'unavailable.no-responders' })
  server.refusals.set('manifests', Object.assign(new Error('odd'), { code: 'upgrade.fetch' }) as Fault)
  await t.throwsAsync(through(history.fetch(9)), message('odd'))
  t.is(history.heard, 9)
  server.refusals.set('manifests', new Fault('upgrade.fetch', 'no such version'))
  await t.throwsAsync(through(history.fetch(9)), { code: 'upgrade.fetch' })
  t.is(history.heard, 1)
  t.deepEqual(heard, [0, 9, 1])
})

test('what the server says that can not be is warned of once, until it says something else', async (t) => {
  const { history, through, server, events } = await open()
  for (const nonsense of [null, 'a', 'a', 'b', null, null, 'b']) {
    server.nonsense = nonsense
    await through(history.ask())
  }
  const warning = (text: string) => ({ type: 'warning' as const, message: text, error: undefined })
  t.deepEqual(events, [warning('a'), warning('b'), warning('b')])
})

test('a host that the server refuses for its trust warns once, says why, and forgets it once it is answered', async (t) => {
  const { history, through, server, events } = await open()
  const fails = async (error: Error) => {
    server.refusals.set('head', error as Fault)
    t.is(await t.throwsAsync(through(history.ask())), error)
  }
  await fails(new Fault('unavailable.no-responders', 'away'))
  await fails(Object.assign(new Error('odd'), { code: 'config.other-trust' }))
  t.is(history.refusal, undefined)
  const [refused, again] = [new Fault('config.other-trust', 'others'), new Fault('config.other-trust', 'others again')]
  await fails(refused)
  t.is(history.refusal, refused)
  await fails(again)
  t.is(history.refusal, again)
  await fails(new Fault('unavailable.no-responders', 'away'))
  const warning = (error: Fault) => ({ type: 'warning' as const, message: 'the upgrade server refuses this host', error })
  t.deepEqual(events, [warning(refused)])
  server.refusals.delete('head')
  await through(history.ask())
  t.is(history.refusal, undefined)
  await fails(refused)
  t.deepEqual(events, [warning(refused), warning(refused)])
})

test('a host believes no version dead or final that it has not verified, and takes neither back', async (t) => {
  const { history, through, server, ended } = await open()
  for (let i = 0; i < 3; i++) server.install()
  server.dead = 2
  server.final = 1
  await through(history.ask())
  t.deepEqual([history.dead, history.final, ended()], [2, 1, 1])
  await through(history.ask())
  t.is(ended(), 1)
  server.dead = 1
  server.final = 3
  await through(history.ask())
  t.deepEqual([history.dead, history.final, ended()], [2, 3, 2])
  server.dead = 3
  server.final = 0
  await through(history.ask())
  t.deepEqual([history.dead, history.final, ended()], [3, 3, 3])
  const forged = await open()
  forged.server.install()
  forged.server.install({ system: 'another' })
  forged.server.dead = 2
  forged.server.final = 2
  await forged.through(forged.history.ask())
  t.deepEqual([forged.history.dead, forged.history.final, forged.ended()], [1, 1, 1])
  await forged.through(forged.history.ask())
  t.is(forged.ended(), 1)
})

test('an answer that tells of deaths counts when they are believed', async (t) => {
  const { history, server, clock, waits, through } = await open()
  server.install()
  server.dead = 1
  const held = gate()
  waits.set('manifests', held)
  let isOver = false
  const asking = history.ask().then(() => (isOver = true))
  await turns(clock)
  t.false(isOver)
  held.open()
  await through(asking)
  t.is(history.dead, 1)
})

// --- Versions that nobody has installed

test('a version that the server does not have is remembered as unknown for a while', async (t) => {
  const { history, through, server, count, clock } = await open()
  t.true(await history.knows(0))
  t.is(count('head'), 0)
  t.false(history.isUnknown(1))
  t.false(await through(history.knows(1)))
  t.is(count('head'), 1)
  t.true(history.isUnknown(1))
  t.false(history.isUnknown(2))
  server.install()
  clock.advance(99)
  t.false(await history.knows(1))
  t.is(count('head'), 1)
  clock.advance(1)
  t.false(history.isUnknown(1))
  t.true(await through(history.knows(1)))
  t.is(count('head'), 2)
  t.true(await history.knows(1))
  t.is(count('head'), 2)
})

test('a version that was heard of meanwhile is not unknown any more', async (t) => {
  const { history, through, server } = await open()
  await through(history.knows(1))
  await through(history.knows(2))
  server.install()
  await through(history.ask())
  t.false(history.isUnknown(1))
  t.true(history.isUnknown(2))
  t.true(await history.knows(1))
})

test('an answer to a question that left before does not make a version unknown: it is asked about once more', async (t) => {
  const { history, through, server, waits, count } = await open()
  const held = gate()
  waits.set('head', held)
  const before = history.ask()
  const known = [history.knows(1), history.knows(2)]
  server.install()
  held.open()
  await through(before)
  t.deepEqual(await through(Promise.all(known)), [true, false])
  t.is(count('head'), 2)
})

test('so many unknown versions are remembered that nobody can fill the memory with them', async (t) => {
  const { history, through } = await open()
  for (let version = 1; version <= 64; version++) await through(history.knows(version))
  t.true(history.isUnknown(1))
  t.true(history.isUnknown(64))
  await through(history.knows(65))
  t.false(history.isUnknown(1))
  t.true(history.isUnknown(65))
})

// --- Manifests

test('manifests are on disk before the host knows of them, and told of once they are here', async (t) => {
  const { history, through, server, memory, clock, events, store } = await open()
  server.install()
  server.install()
  const held = gate()
  memory.beforeCommit = () => held.pass()
  const fetching = history.fetch(2)
  for (let i = 0; i < 5; i++) {
    clock.endTurn()
    await turns(clock)
  }
  t.is(history.newest, 0)
  held.open()
  await through(fetching)
  t.is(history.newest, 2)
  t.is([...store.range(...keys.allManifests)].length, 2)
  t.deepEqual(events, [{ type: 'learned', version: 2 }])
  await through(history.fetch(2))
  t.is(events.length, 1)
})

test('manifests that are on disk are verified anew when the host starts', async (t) => {
  const first = await open()
  first.server.install()
  await first.through(first.history.fetch(1))
  await first.store.close()
  const again = await open(first.server, first.memory)
  t.is(again.history.newest, 1)
  t.is(again.history.manifests.length, 1)
})

test('one fetch at a time is enough for a whole host', async (t) => {
  const { history, through, server, count } = await open()
  server.install()
  server.install()
  await through(Promise.all([history.fetch(1), history.fetch(1), history.fetch(2)]))
  t.is(history.newest, 2)
  t.is(count('manifests'), 2)
})

test('a fetch ends before the first manifest that is unfit, whose load says why until an operator has looked', async (t) => {
  const { history, through, server, events, asked } = await open()
  server.install()
  server.install({ system: 'another' })
  server.install()
  await through(history.fetch(3))
  t.is(history.newest, 1)
  t.deepEqual(events, [{ type: 'learned', version: 1 }])
  t.deepEqual(asked.slice(1), ['does not follow 1'])
  await through(history.fetch(3))
  t.is(asked.length, 2)
  await t.throwsAsync(history.load(2), message(/it is for system another/))
  history.reconsider(2)
  await t.throwsAsync(history.load(2), message('no manifest of version 2 here'))
  server.manifests.splice(1)
  server.install()
  await through(history.fetch(2))
  t.is(history.newest, 2)
})

test('a manifest that follows and is unfit otherwise says nothing of the server’s history; what is no fault is thrown on', async (t) => {
  const broken = await open()
  broken.server.install()
  broken.server.manifests[0] = { bytes: new TextEncoder().encode('{}'), signature: null }
  await broken.through(broken.history.fetch(1))
  t.is(broken.history.newest, 0)
  t.is(broken.count('does not follow'), 0)
  await t.throwsAsync(broken.history.load(1), { code: 'upgrade.invalid' })
  t.deepEqual(broken.events, [])
  const odd = await open()
  odd.server.install()
  odd.server.manifests[0] = undefined as never
  await t.throwsAsync(odd.through(odd.history.fetch(1)), { instanceOf: TypeError })
})

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
    [0, 1, 2, 3, 4].map((version) => history.isUndo(version)),
    [false, false, true, true, false],
  )
  t.deepEqual(
    [0, 1, 2, 3].map((version) => history.isUndone(version)),
    [false, true, true, false],
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
