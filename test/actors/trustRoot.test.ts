/**
 * The trust root at work: an upgrade server, and every node for itself, take only what was signed for this
 * system by as many as have to.
 */
import test, { type ExecutionContext } from 'ava'
import type { ToSign } from '../../actors/base/tokens.js'
import { digestOf } from '../../core/base/digest.js'
import type { Signer } from '../../core/ports/signatures.js'
import { signed } from '../../core/trust/signed.js'
import type { TrustRoot } from '../../core/trust/trustRoot.js'
import { undoDraft } from '../../core/upgrade/draftManifest.js'
import { encodeManifest, type IdentifiedManifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../index.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { newKey, signer } from '../../transports/nkeys/index.js'
import { askServer } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { alice, bob, mallory, manifestAfter } from '../support/signedManifests.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { production, rootOf, staging } from '../support/trustRoots.js'
import { NotesV1, toV2, toV3 } from './notesClasses.js'

const carol = signer(newKey().seed)
const keys = [alice, bob, carol].map(({ publicKey }) => ({ key: publicKey }))
const twoOfThree = { keys, need: { upgrade: 2, undo: 2, final: 2 } }

/** A system with this trust root, and three hosts with a node each. */
async function rooted(t: ExecutionContext, more: Partial<TrustRoot> = {}, upgrader: readonly Signer[] = [alice, bob]) {
  // A node that refuses a version is a trouble for which the gate would pause the others.
  const system = await TestSystem.start(
    t,
    { askServerMs: 20 },
    { gate: 'off' },
    { trust: (name) => rootOf({ system: name, ...more }), upgrader },
  )
  const hosts = await Promise.all(['h1', 'h2', 'h3'].map((name) => system.host(name)))
  const nodes = await Promise.all(hosts.map((host, i) => host.node(NotesV1, `n${i + 1}`)))
  const atVersion = (version: number) =>
    until(() => nodes.every((node) => node.version === version), `the nodes at version ${version}`)
  return { system, hosts, nodes, atVersion }
}
type Rooted = Awaited<ReturnType<typeof rooted>>

/** An upgrade as it would be published now, its bundle stored, and not installed yet. */
async function prepared({ system }: Rooted, upgrade: Upgrade, by: readonly Signer[], more: Partial<IdentifiedManifest> = {}) {
  const { manifest, bundle } = system.build(upgrade)
  await system.database.putChunk(manifest.bundle.digest, 0, bundle)
  const { version } = await system.database.head()
  const [before] = await system.database.manifests(version, version)
  const whole: IdentifiedManifest = {
    ...{ ...manifestAfter(before), ...manifest, system: system.name, createdAt: new Date().toISOString() },
    ...{ format: 2, identity: production, until: {}, need: null, upgrader: by[0]!.publicKey, ...more },
  }
  return signed('manifest', encodeManifest(whole), ...by)
}

function send({ system }: Pick<Rooted, 'system'>, method: 'install' | 'direct' | 'teach', { bytes, signature }: SignedManifest) {
  return askServer(system, method === 'teach' ? 'teach' : 'install', method, bytes, signature)
}

/** A writer of the database puts anything into it, and a false upgrade server tells it to all. */
async function lie({ system }: Rooted, manifest: SignedManifest): Promise<void> {
  await system.database.install(await system.database.head(), digestOf(manifest.bytes), manifest)
  await system.stopServer()
  await system.startServer({ trust: null })
}

async function refusedByAll(t: ExecutionContext, { hosts, nodes }: Rooted, version: number, reason: RegExp): Promise<void> {
  for (const [i, host] of hosts.entries()) {
    const { reason: why } = await host.untilPhase(`n${i + 1}`, 'rejected', version)
    t.regex(why ?? '', reason)
    t.is(nodes[i]!.version, version - 1)
  }
}

test('what two of three signed is installed, and run by hosts that check it for themselves, also after they start again', async (t) => {
  const one = await rooted(t, twoOfThree)
  t.is(await one.system.publish(toV2()), 1)
  await one.atVersion(1)
  const [manifest] = await one.system.database.manifests(1, 1)
  t.is(manifest!.signature!.length, 1 + 2 * 120)
  const { state } = one.hosts[0]!
  await one.hosts[0]!.stop()
  await one.system.stopServer()
  const again = await one.system.host('h1', { state })
  t.is((await again.node(NotesV1, 'n1')).version, 1)
})

test('what one of two has signed is refused by the upgrade server, and by every node', async (t) => {
  const one = await rooted(t, twoOfThree)
  for (const by of [[alice], [alice, alice], [alice, mallory]])
    t.is(await send(one, 'install', await prepared(one, toV2(), by)), 'upgrade.signature')
  const alices = await one.system.host('alices-desk', { upgrader: alice })
  const error = await t.throwsAsync(alices.publish(one.system.build(toV2())), { code: 'upgrade.signature' })
  t.regex(error!.message, /is signed by 1 of those who are trusted, A[A-Z2-7]{55}, and 2 have to sign$/)
  t.is((await one.system.database.head()).version, 0)
  await lie(one, await prepared(one, toV2(), [alice, mallory]))
  await refusedByAll(t, one, 1, /was rejected: the manifest of version 1 is signed by 1 of those/)
})

test('a key that was taken away by two counts no more, on the server and on every node', async (t) => {
  const one = await rooted(t, twoOfThree)
  const { operator } = one.system.desk.running
  const left = [alice, bob].map(({ publicKey }) => publicKey)
  const alices = await one.system.host('alices-desk', { upgrader: alice })
  t.is(await codeOf(alices.running.operator.setUpgraders(left)), 'upgrade.signature')
  // Fewer than have to sign are not left.
  t.is(await codeOf(operator.setUpgraders([alice.publicKey])), 'upgrade.invalid')
  t.is(await operator.setUpgraders(left, { reason: 'Carol leaves' }), 1)
  await one.atVersion(1)
  const carols = await prepared(one, toV2(), [alice, carol])
  t.is(await send(one, 'install', carols), 'upgrade.signature')
  await lie(one, carols)
  await refusedByAll(t, one, 2, /is signed by 1 of those/)
})

test('an upgrade may say how many have to sign, and when keys end', async (t) => {
  const one = await rooted(t, { keys })
  const { operator } = one.system.desk.running
  const ended = { key: carol.publicKey, until: '2026-01-01T00:00:00Z' }
  await operator.setUpgraders([alice.publicKey, bob.publicKey, ended], { need: { upgrade: 2 } })
  t.is(await send(one, 'install', await prepared(one, toV2(), [alice])), 'upgrade.signature')
  t.is(await send(one, 'install', await prepared(one, toV2(), [alice, carol])), 'upgrade.signature')
  t.is(await send(one, 'install', await prepared(one, toV2(), [bob, alice])), 'answered {"version":2}')
  await one.atVersion(2)
  // The root is as it was: who begins with it finds in the history what counts now.
  const late = await one.system.host('h4')
  t.is((await late.node(NotesV1, 'n4')).version, 2)
  t.is(await send(one, 'install', await prepared(one, toV3(), [alice])), 'upgrade.signature')
})

test('where all keys have ended a root with later ends is given to host after host while no upgrade server runs, and nodes serve', async (t) => {
  const at = (until: string) => ({ keys: keys.map(({ key }) => ({ key, until })) })
  const one = await rooted(t, at('2026-01-01T00:00:00Z'))
  t.is(await codeOf(one.system.publish(toV2())), 'upgrade.signature')
  await one.system.stopServer()
  const later = { trust: rootOf({ system: one.system.name, ...at('2999-01-01T00:00:00Z') }), upgrader: alice }
  const hosts = [...one.hosts]
  for (const [i, { state }] of one.hosts.entries()) {
    await hosts[i]!.stop()
    hosts[i] = await one.system.host(`h${i + 1}`, { ...later, state })
    await hosts[i]!.node(NotesV1, `n${i + 1}`)
    for (const id of ['n1', 'n2', 'n3'])
      t.regex(await codeOf(one.system.desk.ref(NotesV1, id, { version: 0 }).add('serves')), /^answered/)
  }
  await one.system.startServer({ trust: later.trust })
  const desk = await one.system.host('newDesk', later)
  t.is(await desk.publish(one.system.build(toV2())), 1)
  await until(
    async () =>
      (await one.system.database.nodes()).filter(({ version, service }) => service === 'notes' && version === 1).length === 3,
    'the nodes at version 1',
  )
})

test('what staging has signed is valid in production neither as an upgrade nor as an order, whoever brings it', async (t) => {
  const name = 'shop'
  const start = (identity: string) =>
    TestSystem.start(t, {}, {}, { name, trust: (system) => rootOf({ system, identity }), upgrader: alice })
  const [here, there] = [await start(production), await start(staging)]
  const host = await here.host('h1')
  await host.node(NotesV1, 'n1')
  // The first order of each, at a head of nothing; and an upgrade.
  await there.desk.running.operator.pause(1, 'lunch')
  await there.publish(toV2())
  await there.desk.running.operator.hold('n1', 'lunch')
  const orders = await there.database.recentDirectives()
  t.is(orders.length, 2)
  for (const order of orders) t.is(await send({ system: here }, 'direct', order), 'upgrade.signature')
  const [upgrade] = await there.database.manifests(1, 1)
  const { manifest, bundle } = here.build(toV2())
  await here.database.putChunk(manifest.bundle.digest, 0, bundle)
  for (const method of ['install', 'teach'] as const) t.is(await send({ system: here }, method, upgrade!), 'upgrade.signature')
  t.deepEqual(await here.database.controls(), [])
  t.is((await here.database.head()).version, 0)
  // A false upgrade server tells the nodes of it.
  await here.database.install({ version: 0, digest: null }, digestOf(upgrade!.bytes), upgrade!)
  await here.stopServer()
  await here.startServer({ trust: null })
  const { reason } = await host.untilPhase('n1', 'rejected', 1)
  t.regex(reason ?? '', /is signed for another system with the same name: it names the identity staging-/)
})

test('a host with a list of keys beside servers with a trust root goes to no version, and says what it lacks', async (t) => {
  const one = await rooted(t)
  const host = await one.system.host('h4', { trust: [alice.publicKey, bob.publicKey], upgrader: alice })
  await host.node(NotesV1, 'n4')
  t.is(await codeOf(host.running.operator.pause(7, 'lunch')), 'upgrade.signature')
  t.is(await codeOf(host.publish(one.system.build(toV2()))), 'upgrade.signature')
  await one.system.publish(toV2())
  const { reason } = await host.untilPhase('n4', 'rejected', 1)
  t.regex(reason ?? '', /system test-\d+ has none here: give its trust root in place of a list of keys/)
  await one.atVersion(1)
})

test('a system that runs with a list gets a trust root: a host that has still the list refuses the first version of it, and takes it with the root', async (t) => {
  const list = keys.map(({ key }) => key)
  const system = await TestSystem.start(t, { askServerMs: 20 }, { gate: 'off' }, { trust: list, upgrader: alice })
  const before = await system.host('h1')
  const node = await before.node(NotesV1, 'n1')
  await system.publish(toV2())
  await until(() => node.version === 1, 'the node at version 1')
  const root = rootOf({ system: system.name, keys, since: 2, need: { upgrade: 2 } })
  await system.stopServer()
  await system.startServer({ trust: root })
  const desk = await system.host('desk2', { trust: root, upgrader: [alice, bob] })
  await desk.running.operator.pause(7, 'lunch')
  t.is(await desk.publish(system.build(toV3())), 2)
  const { reason } = await before.untilPhase('n1', 'rejected', 2)
  t.regex(reason ?? '', /has none here: give its trust root/)
  const { state } = before
  await before.stop()
  const after = await system.host('h1', { state, trust: root })
  const again = await after.node(NotesV1, 'n1')
  await until(() => again.version === 2, 'the node at version 2')
})

test('with a list of the same keys two systems of one name are one: what is signed for one is valid in the other', async (t) => {
  const told = { name: 'twins', trust: [alice.publicKey], upgrader: alice }
  const [here, there] = [await TestSystem.start(t, {}, {}, told), await TestSystem.start(t, {}, {}, told)]
  // Two databases in memory number their logs alike: this one begins a second.
  await here.database.directiveLog()
  await here.database.directiveLog('lost')
  const { manifest, bundle } = there.build(toV2())
  await there.desk.publish({ manifest, bundle })
  const [upgrade] = await there.database.manifests(1, 1)
  await here.database.putChunk(manifest.bundle.digest, 0, bundle)
  t.is(await send({ system: here }, 'install', upgrade!), 'answered {"version":1}')
  // An order names the log that counts it.
  await there.desk.running.operator.pause(1, 'lunch')
  const [order] = await there.database.recentDirectives()
  t.is(await send({ system: here }, 'direct', order!), 'upgrade.conflict')
})

test('until something newer is installed, a host may bring what an ended key has dated back; then nobody may', async (t) => {
  const ended = { key: carol.publicKey, until: '2026-06-01T00:00:00Z' }
  const one = await rooted(t, { keys: [...keys.slice(0, 2), ended] })
  const dated = { createdAt: '2026-05-01T00:00:00.000Z' }
  const stolen = await prepared(one, toV2(), [carol], dated)
  t.is(await send(one, 'install', stolen), 'upgrade.signature')
  t.is(await send(one, 'teach', stolen), 'answered null')
  const { operator } = one.system.desk.running
  await operator.setUpgraders(keys.slice(0, 2).map(({ key }) => key))
  t.is(await send(one, 'teach', await prepared(one, toV3(), [carol], dated)), 'upgrade.signature')

  const two = await rooted(t, { keys: [...keys.slice(0, 2), ended] })
  await two.system.publish(toV2())
  t.is(await send(two, 'teach', await prepared(two, toV3(), [carol], dated)), 'upgrade.invalid')
})

test('who may sign undos alone keeps nobody from what comes after, neither with a runtime that no host has nor with a day that is far', async (t) => {
  const one = await rooted(t, { keys, need: { upgrade: 2 } })
  t.is(await one.system.publish(toV2()), 1)
  await one.atVersion(1)
  const [first] = await one.system.database.manifests(1, 1)
  const of = JSON.parse(new TextDecoder().decode(first!.bytes)) as IdentifiedManifest
  const undo = (more: Partial<IdentifiedManifest>) => {
    const whole: IdentifiedManifest = {
      ...{ ...of, ...undoDraft(of), format: 2, version: 2, previous: digestOf(first!.bytes), undoes: 1 },
      ...{ createdAt: new Date().toISOString(), upgrader: alice.publicKey, ...more },
    }
    return signed('manifest', encodeManifest(whole), alice)
  }
  for (const method of ['install', 'teach'] as const) {
    for (const more of [{ runtime: 99 }, { createdAt: '2099-01-01T00:00:00.000Z' }, { tables: { allowed: { n1: 'yes' } } }])
      t.is(await send(one, method, undo(more)), 'upgrade.invalid', `${method} ${JSON.stringify(more)}`)
  }
  t.is((await one.system.database.head()).version, 1)
  await send(one, 'install', undo({}))
  await one.atVersion(2)
})

test('a host or server with the trust root of another system does not start', async (t) => {
  const { system } = await rooted(t)
  t.is(await codeOf(system.host('h4', { trust: rootOf({ system: 'mall' }) })), 'config.invalid')
  t.is(await codeOf(system.startServer({ trust: rootOf({ system: 'mall' }) })), 'config.invalid')
})

test('orders of before a loss are refused in a system with an identity, and new ones are taken', async (t) => {
  const one = await rooted(t)
  const { operator } = one.system.desk.running
  await operator.pause(7, 'lunch')
  await operator.resume(7)
  const orders = await one.system.database.recentDirectives()
  one.system.udb.empty()
  // With the server that saw it go, and with one that never saw what was there.
  for (const isNew of [false, true]) {
    if (isNew) {
      await one.system.stopServer()
      one.system.udb.empty()
      await one.system.startServer()
    }
    for (const order of orders) t.is(await send(one, 'direct', order), 'upgrade.conflict')
    t.deepEqual(await one.system.database.controls(), [])
  }
  await operator.pause(7, 'dinner')
  t.is((await one.system.database.controls()).length, 1)
})

test('a history that two signed comes back from the hosts after it was lost, also what a key signed that has ended since', async (t) => {
  const until2026 = '2026-06-01T00:00:00Z'
  const one = await rooted(t, { keys: [...keys.slice(0, 2), { key: carol.publicKey, until: until2026 }], need: { upgrade: 2 } })
  const early = await prepared(one, toV2(), [carol, alice], { createdAt: '2026-05-01T00:00:00.000Z' })
  // By the server's clock it is too late to install it; it was in time once.
  t.is(await send(one, 'install', early), 'upgrade.signature')
  await one.system.database.install({ version: 0, digest: null }, digestOf(early.bytes), early)
  await one.system.stopServer()
  await one.system.startServer()
  await one.atVersion(1)
  await one.system.publish(toV3())
  await one.atVersion(2)
  await one.system.stopServer()
  const udb = memoryDatabase()
  const database = await udb.open(one.system.name, one.system.clock)
  await one.system.startServer({ udb })
  await until(async () => (await database.head()).version === 2, 'the history is back')
  t.is((await database.manifests(1, 1))[0]!.signature!.length, 1 + 2 * 120)
})

test('what was signed by two apart is gathered and sent: an upgrade of keys, an undo, finality', async (t) => {
  const one = await rooted(t, twoOfThree)
  const gathered: ToSign[] = []
  const gather = async (document: ToSign) => void gathered.push(document)
  const desk = await one.system.host('alices-desk', { upgrader: alice, gather })
  /** The second signature is made elsewhere, over the same bytes. */
  const byTwo = () => {
    const { purpose, bytes, signature } = gathered.at(-1)!
    t.is(signature!.length, 64)
    return signed(purpose, bytes, alice, bob)
  }
  const { operator } = desk.running
  await operator.finalize(0)
  t.is(await codeOf(operator.sendSigned(gathered.at(-1)!)), 'upgrade.signature')
  t.is(await operator.sendSigned(byTwo()), 0)
  // Once, whoever asks again.
  t.is(await operator.sendSigned(byTwo()), 0)
  t.is(await one.system.database.directives(), 1)
  await operator.setUpgraders(keys.map(({ key }) => key))
  t.is(await codeOf(operator.publishSigned(new Uint8Array(0), gathered.at(-1)!)), 'upgrade.signature')
  t.is(await operator.publishSigned(new Uint8Array(0), byTwo()), 1)
  await operator.undo()
  t.is(await operator.publishSigned(null, byTwo()), 2)
  await one.atVersion(2)
  const { manifest, bundle } = one.system.build(toV2())
  await desk.publish({ manifest, bundle })
  t.is(await one.system.database.getChunk(manifest.bundle.digest, 0), undefined)
  t.is(await operator.publishSigned(bundle, byTwo()), 3)
  await one.atVersion(3)
  t.is(gathered.length, 4)
})
