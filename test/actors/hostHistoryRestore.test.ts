/**
 * DESIGN §5, "Install": nodes teach a lost history back, and two manifests for one version stop
 * installs and raise an alarm.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { HostHistoryRestore } from '../../actors/history/hostHistoryRestore.js'
import type { UpgradeServerClient } from '../../actors/history/upgradeServerClient.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import { forksTable, wantedTable } from '../../core/model/reservedTables.js'
import { signed } from '../../core/trust/signed.js'
import { encodeManifest, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { memoryDatabase, memoryStore } from '../../transports/memory/index.js'
import { askServer } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { alice, bob, mallory, manifestAfter, system } from '../support/signedManifests.js'
import { codeOf, type Gate, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'

/**
 * A node at version 2, and an upgrade server that begins again with another database, which has
 * the first `kept` versions.
 */
async function afterLoss(t: ExecutionContext, kept: number) {
  const system = await TestSystem.start(t, { askServerMs: 20 }, {}, { trust: [alice.publicKey], upgrader: alice })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await until(() => node.version === 1, 'the node at version 1')
  await system.desk.running.operator.setUpgraders([alice.publicKey, bob.publicKey])
  await until(() => node.version === 2, 'the node at version 2')
  const history = await system.database.manifests(1, 2)
  await system.stopServer()
  const udb = memoryDatabase()
  const database = await udb.open(system.name, system.clock)
  await add(database, history.slice(0, kept))
  return { system, host, node, history, udb, database }
}

async function add(database: UpgradeDatabase, manifests: readonly SignedManifest[]): Promise<void> {
  for (const manifest of manifests) await database.install(await database.head(), digestOf(manifest.bytes), manifest)
}

/** Another manifest that one who is trusted has signed, for a version that there is. */
function another({ name }: TestSystem, before: SignedManifest | undefined, by = alice): SignedManifest {
  const manifest = { ...manifestAfter(before, { title: 'Another one', upgrader: by.publicKey }), system: name }
  return signed('manifest', encodeManifest(manifest), by)
}

for (const kept of [0, 1]) {
  test(`an upgrade server that has only ${kept} of 2 versions left gets the others back from the hosts, byte by byte`, async (t) => {
    const { system, node, history, udb, database } = await afterLoss(t, kept)
    await system.startServer({ udb })
    await until(async () => (await database.head()).version === 2, 'both versions are back')
    t.deepEqual(await database.manifests(1, 2), history)
    t.is(node.version, 2)
    t.is(await system.desk.ref(NotesV2, 'n1', { version: 1 }).add('still here'), 1)
  })
}

test('a bundle that was lost with its version comes back from a host that has it, and a new host upgrades with it', async (t) => {
  const { system, history, udb, database } = await afterLoss(t, 0)
  await system.startServer({ udb })
  const { bundle } = JSON.parse(new TextDecoder().decode(history[0]!.bytes)) as Manifest
  await until(async () => (await database.getChunk(bundle.digest, 0)) !== undefined, 'the bundle is back')
  t.is(digestOf((await database.getChunk(bundle.digest, 0))!), bundle.digest)
  await until(async () => (await database.head()).version === 2 && (await database.tables()).length === 0, 'nothing is wanted')
  const late = await system.host('h2')
  t.is((await late.node(NotesV1, 'n2')).className, 'Notes.v2')
})

test('what is taught is verified: nothing unsigned, nothing by one who is not trusted, and no bundle that nobody misses', async (t) => {
  const { system, host, history, udb, database } = await afterLoss(t, 1)
  await host.stop()
  await system.desk.stop()
  await system.startServer({ udb })
  const ask = (method: string, ...args: readonly unknown[]) => askServer(system, 'teach', method, ...args)
  t.is(await ask('teach', history[1]!.bytes, null), 'upgrade.signature')
  const mallorys = another(system, history[0], mallory)
  t.is(await ask('teach', mallorys.bytes, mallorys.signature), 'upgrade.signature')
  const forged = another(system, undefined, mallory)
  t.is(await ask('teach', forged.bytes, forged.signature), 'upgrade.signature')
  t.deepEqual(await database.tables(), [])
  const digest = digestOf(new Uint8Array(7))
  t.is(await ask('teachChunk', digest, 0, new Uint8Array(7)), 'answered null')
  t.is(await database.getChunk(digest, 0), undefined)
  t.is((await database.head()).version, 1)
})

test('a wanted bundle is written over until it has its digest, and not after that', async (t) => {
  const { system, host, udb, database } = await afterLoss(t, 2)
  await host.stop()
  await system.startServer({ udb })
  const bundle = new Uint8Array(9).fill(3)
  const digest = digestOf(bundle)
  await database.setInTable(wantedTable, digest, '9')
  const teach = (chunk: Uint8Array) => askServer(system, 'teach', 'teachChunk', digest, 0, chunk)
  for (const chunk of [new Uint8Array(9), bundle, new Uint8Array(9)]) t.is(await teach(chunk), 'answered null')
  t.deepEqual(await database.getChunk(digest, 0), bundle)
  t.deepEqual(await database.tables(), [])
})

test('what install refuses for its classes is not installed by being taught; what a host gives back is, though its nodes have gone on', async (t) => {
  const { system, host, history } = await afterLoss(t, 0)
  await system.startServer()
  await host.stop()
  const { database } = system
  const head = await database.head()
  const [newest] = await database.manifests(head.version, head.version)
  const { manifest, bundle } = system.build(toV3())
  await database.putChunk(manifest.bundle.digest, 0, bundle)
  const misfit = manifest.classUpgrades.map((entry) => ({ ...entry, oldClass: 'Notes.v9' }))
  const next = { ...manifestAfter(newest), ...manifest, classUpgrades: misfit, system: system.name, upgrader: alice.publicKey }
  const { bytes, signature } = signed('manifest', encodeManifest(next), alice)
  t.is(await askServer(system, 'install', 'install', bytes, signature), 'upgrade.invalid')
  t.is(await askServer(system, 'teach', 'teach', bytes, signature), 'upgrade.invalid')
  t.is((await database.head()).version, head.version)
  // An emptied database has the rows back before the history: they are of a version that it does not know.
  const rows = await database.nodes()
  const udb = memoryDatabase()
  const empty = await udb.open(system.name, system.clock)
  for (const row of rows) if (row.service !== 'client') await empty.register(row, 1_000)
  await system.stopServer()
  await system.startServer({ udb })
  for (const each of history) t.is(await askServer(system, 'teach', 'teach', each.bytes, each.signature), 'answered null')
  t.is((await empty.head()).version, 2)
})

test('who is only let ask can’t teach', async (t) => {
  const { system, history, udb, database } = await afterLoss(t, 1)
  await system.desk.stop()
  await system.startServer({ udb })
  const head = await database.head()
  for (const subject of ['server', 'install'] as const) {
    t.is(await askServer(system, subject, 'teach', history[1]!.bytes, history[1]!.signature), 'protocol.no-such-method')
    t.is(
      await askServer(system, subject, 'teachChunk', digestOf(new Uint8Array(1)), 0, new Uint8Array(1)),
      'protocol.no-such-method',
    )
  }
  t.true((await database.head()).version >= head.version)
})

test('another manifest stops installs only if its signer is trusted now: a removed key freezes nothing', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey, bob.publicKey], upgrader: alice })
  await system.publish(toV2())
  const [first] = await system.database.manifests(1, 1)
  const bobs = another(system, undefined, bob)
  const teach = () => askServer(system, 'teach', 'teach', bobs.bytes, bobs.signature)
  await system.desk.running.operator.setUpgraders([alice.publicKey])
  t.is(await teach(), 'upgrade.signature', 'it could have been signed yesterday')
  t.deepEqual(await system.database.tables(), [])
  t.is(await codeOf(system.publish(toV3())), 'answered 3')
  const alices = another(system, undefined)
  t.is(await askServer(system, 'teach', 'teach', alices.bytes, null), 'upgrade.signature')
  const elsewhere = another(system, first)
  t.is(await askServer(system, 'teach', 'teach', elsewhere.bytes, elsewhere.signature), 'upgrade.forked')
})

const forked = (event: HostEvent) => event.type === 'forked'

test('two manifests for one version stop installs and raise an alarm; the nodes serve on, and an operator ends it', async (t) => {
  const { system, host, node, history, udb, database } = await afterLoss(t, 0)
  const other = another(system, undefined)
  await add(database, [other])
  await system.startServer({ udb })
  await until(() => host.events.some(forked), 'the host raises the alarm')
  const ours = digestOf(history[0]!.bytes)
  t.deepEqual(host.events.find(forked), { type: 'forked', version: 1, ours, theirs: digestOf(other.bytes) })
  await until(async () => (await database.tables()).includes(forksTable), 'the server knows')
  const error = await t.throwsAsync(system.publish(toV3()), { code: 'upgrade.forked' })
  t.regex(
    error!.message,
    /version 1 has two manifests, [0-9a-f]{64} here and [0-9a-f]{64} on a host: .*natsctl table rm theseus-forks 1/,
  )
  t.is(await system.desk.ref(NotesV2, 'n1', { version: 1 }).add('on'), 1)
  t.is(node.version, 2)
  t.is(host.events.filter(forked).length, 1, 'once, however often the server is asked')

  // The operator puts the true history back.
  await system.stopServer()
  const mended = memoryDatabase()
  await add(await mended.open(system.name, system.clock), history)
  await system.startServer({ udb: mended })
  t.is(await codeOf(system.publish(toV3())), 'answered 3')
})

test('a fork that has gone further than this host is found when its next manifest does not follow', async (t) => {
  const { system, host, history, udb, database } = await afterLoss(t, 1)
  const other = another(system, history[0])
  await add(database, [other, another(system, other)])
  await system.startServer({ udb })
  await host.untilPhase('n1', 'rejected', 3)
  await until(() => host.events.some(forked), 'the host raises the alarm')
  t.like(host.events.find(forked), { version: 2, ours: digestOf(history[1]!.bytes), theirs: digestOf(other.bytes) })
  await until(async () => (await database.tables()).includes(forksTable), 'the server knows')
})

test('the bundle of an installed version is written over by nobody, and one that is being sent may be', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  await system.publish(toV2())
  const { bundle } = JSON.parse(new TextDecoder().decode((await system.database.manifests(1, 1))[0]!.bytes)) as Manifest
  const before = await system.database.getChunk(bundle.digest, 0)
  const put = (digest: string, chunk: Uint8Array) => askServer(system, 'install', 'putChunk', digest, 0, chunk)
  t.is(await put(bundle.digest, new Uint8Array([1, 2, 3])), 'answered null')
  t.deepEqual(await system.database.getChunk(bundle.digest, 0), before)
  const next = digestOf(new Uint8Array([4]))
  for (const byte of [3, 4]) t.is(await put(next, new Uint8Array([byte])), 'answered null')
  t.deepEqual(await system.database.getChunk(next, 0), new Uint8Array([4]))
})

test('what is published as a certain version is published as no other, whatever the upgrade server has lost', async (t) => {
  const system = await TestSystem.start(t)
  const { desk } = system
  for (const asVersion of [2, 0, 7])
    t.is(await codeOf(desk.running.publish(system.build(toV2()), { asVersion })), 'upgrade.conflict')
  t.is((await system.database.head()).version, 0)
  t.is(await desk.running.publish(system.build(toV2()), { asVersion: 1 }), 1)
  t.is(await codeOf(desk.running.publish(system.build(toV3()), { asVersion: 1 })), 'upgrade.conflict')
  t.is(await desk.running.publish(system.build(toV3()), { asVersion: 2 }), 2)
})

// --- One host, and what it says to a server

/** A host with versions 1 to 3, and a server that has these manifests. */
async function teacher(theirs: (ours: readonly SignedManifest[]) => readonly SignedManifest[]) {
  const history = new VerifiedHistory(system, undefined, { isUpgraderKey: () => true, verify: () => true })
  const ours: SignedManifest[] = []
  for (let version = 1; version <= 3; version++) {
    const bytes = encodeManifest(manifestAfter(ours.at(-1), { title: `Version ${version}` }))
    ours.push({ bytes, signature: null })
    history.append(history.check(ours.at(-1)!))
  }
  const store = await memoryStore().open()
  const asked: string[] = []
  const events: HostEvent[] = []
  const held: Gate[] = []
  const refusals: Error[] = []
  const say = async (what: string) => {
    asked.push(what)
    await held[0]?.pass()
    const refusal = refusals.shift()
    if (refusal !== undefined) throw refusal
  }
  const titleOf = ({ bytes }: SignedManifest) => (JSON.parse(new TextDecoder().decode(bytes)) as Manifest).title
  const server = {
    manifests: async (from: number, to: number) => {
      await say(`manifests ${from}-${to}`)
      return theirs(ours).slice(from - 1, to)
    },
    restoreManifest: (manifest: SignedManifest) => say(`teach ${titleOf(manifest)}`),
    restoreBundle: (digest: string) => say(`bundle ${digest.slice(0, 4)}`),
  }
  const observe = (event: HostEvent) => void events.push(event)
  const teaching = new HostHistoryRestore(store, observe, history, server as unknown as UpgradeServerClient)
  const headOf = (version: number, of = theirs(ours)) => ({
    version,
    digest: version === 0 ? null : digestOf(of[version - 1]!.bytes),
  })
  return { teaching, store, ours, events, held, refusals, headOf, take: () => asked.splice(0) }
}

const another3 = (ours: readonly SignedManifest[]) => [
  ...ours.slice(0, 2),
  { bytes: encodeManifest(manifestAfter(ours[1], { title: 'Another 3' })), signature: null },
]

test('a server that has what the host has, or more, is not taught', async (t) => {
  const { teaching, headOf, take, events } = await teacher((ours) => ours)
  await teaching.heard(headOf(3), [])
  await teaching.heard({ version: 4, digest: digestOf(new Uint8Array(4)) }, [])
  t.deepEqual(take(), [])
  t.deepEqual(events, [])
})

test('a server that has less is taught the rest in order, once it is seen that it has the same so far', async (t) => {
  const some = await teacher((ours) => ours)
  await some.teaching.heard(some.headOf(1), [])
  t.deepEqual(some.take(), ['manifests 1-1', 'teach Version 2', 'teach Version 3'])
  const none = await teacher(() => [])
  await none.teaching.heard(none.headOf(0), [])
  t.deepEqual(none.take(), ['teach Version 1', 'teach Version 2', 'teach Version 3'])
})

test('where histories differ, the first manifest that does is told of once and shown to the server each time', async (t) => {
  const { teaching, ours, headOf, take, events, refusals } = await teacher(another3)
  const forked = new Fault('upgrade.forked', 'two manifests')
  for (let i = 0; i < 2; i++) {
    refusals.push(undefined as never, forked)
    await teaching.heard(headOf(3), [])
    t.deepEqual(take(), ['manifests 1-3', 'teach Version 3'])
  }
  const theirs = digestOf(another3(ours)[2]!.bytes)
  t.deepEqual(
    events,
    [{ type: 'forked', version: 3, ours: digestOf(ours[2]!.bytes), theirs }],
    'the server’s fault is the answer',
  )
})

test('a server that is further on in another history is compared with as far as the host goes', async (t) => {
  const { teaching, take, events } = await teacher(another3)
  await teaching.doesNotFollow(9)
  t.deepEqual(take(), ['manifests 1-3', 'teach Version 3'])
  t.is(events.length, 1)
})

test('a comparison that fails is a warning after an answer, and says nothing after a rejection', async (t) => {
  const { teaching, headOf, take, events, refusals } = await teacher((ours) => ours)
  refusals.push(new Error('away'))
  await teaching.doesNotFollow(2)
  t.deepEqual(events, [])
  refusals.push(undefined as never, new Fault('upgrade.conflict', 'somebody was earlier'))
  await teaching.heard(headOf(2), [])
  t.like(events[0], { type: 'warning', message: 'the upgrade server was not taught what it has lost' })
  t.deepEqual(take(), ['manifests 1-2', 'manifests 1-2', 'teach Version 3'])
  await teaching.heard(headOf(2), [])
  t.deepEqual(take(), ['manifests 1-2', 'teach Version 3'], 'the next answer begins anew')
})

test('a server whose history is another one is taught nothing that follows', async (t) => {
  const { teaching, headOf, take, events } = await teacher(() => [
    { bytes: encodeManifest(manifestAfter(undefined, { title: 'Another 1' })), signature: null },
  ])
  await teaching.heard(headOf(1), [])
  t.deepEqual(take(), ['manifests 1-1', 'teach Version 1'])
  t.like(events[0], { type: 'forked', version: 1 })
})

test('a fork that can’t be shown to the server is a warning, and is not told of again', async (t) => {
  const { teaching, headOf, events, refusals } = await teacher(another3)
  for (const error of [new Error('away'), new Fault('upgrade.signature', 'not trusted any more')]) {
    refusals.push(undefined as never, error)
    await teaching.heard(headOf(3), [])
  }
  t.deepEqual(
    events.map(({ type }) => type),
    ['forked', 'warning', 'warning'],
  )
})

test('answers that come while the server is being taught are let go', async (t) => {
  const { teaching, headOf, take, held } = await teacher((ours) => ours)
  held.push(gate())
  const first = teaching.heard(headOf(1), [])
  await teaching.heard(headOf(1), [digestOf(new Uint8Array(1))])
  t.deepEqual(take(), ['manifests 1-1'])
  held.pop()!.open()
  await first
  t.deepEqual(take(), ['teach Version 2', 'teach Version 3'])
})

test('a bundle that the server misses is brought if the host has it whole', async (t) => {
  const { teaching, store, headOf, take, refusals, events } = await teacher((ours) => ours)
  const [whole, broken, missing] = [1, 2, 3].map((byte) => ({
    bytes: new Uint8Array([byte]),
    digest: digestOf(new Uint8Array([byte])),
  }))
  await store.commit([
    [keys.bundle(whole!.digest), whole!.bytes],
    [keys.bundle(broken!.digest), new Uint8Array(5)],
  ])
  await teaching.heard(headOf(3), [missing!.digest, broken!.digest, whole!.digest])
  t.deepEqual(take(), [`bundle ${whole!.digest.slice(0, 4)}`])
  refusals.push(new Error('away'))
  await teaching.heard(headOf(3), [whole!.digest, whole!.digest])
  t.is(take().length, 1)
  t.like(events[0], { type: 'warning' })
})
