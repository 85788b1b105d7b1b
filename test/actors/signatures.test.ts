/**
 * C9 at work: an upgrade server, and every node for itself, take only what a trusted upgrader signed, and
 * serve on with what they have.
 */
import test, { type ExecutionContext } from 'ava'
import { digestOf } from '../../core/base/digest.js'
import type { Signer } from '../../core/ports/signatures.js'
import { signed } from '../../core/trust/signed.js'
import { encodeManifest, type FirstManifest, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { createHost, defineUpgrade, type Upgrade } from '../../index.js'
import { memoryRepository, memoryStore } from '../../transports/memory/index.js'
import { newKey } from '../../transports/nkeys/index.js'
import { askServer } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { alice, bob, forged, forgeries, mallory, manifestAfter } from '../support/signedManifests.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'

const trust = [alice.publicKey, bob.publicKey]

/** A system that trusts Alice and Bob, with a node that has a note; Alice publishes. */
async function trusting(t: ExecutionContext) {
  const system = await TestSystem.start(t, {}, {}, { trust, upgrader: alice })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  await v0.add('first')
  return { system, host, node, v0 }
}
type Trusting = Awaited<ReturnType<typeof trusting>>

/** An upgrade as it would be published now, its bundle stored, and not installed yet. */
async function prepared({ system }: Trusting, upgrade: Upgrade, by: Signer | null = alice, more: Partial<FirstManifest> = {}) {
  const { manifest, bundle } = system.build(upgrade)
  await system.database.putChunk(manifest.bundle.digest, 0, bundle)
  const head = await system.database.head()
  const [before] = await system.database.manifests(head.version, head.version)
  const whole = { ...manifestAfter(before), ...manifest, system: system.name, upgrader: by?.publicKey ?? null, ...more }
  return signed('manifest', encodeManifest(whole), by ?? undefined)
}

/** The code of the upgrade server's fault, or its answer. */
function install({ system }: Trusting, { bytes, signature }: SignedManifest): Promise<string> {
  return askServer(system, 'install', 'install', bytes, signature)
}

/**
 * An upgrade server that lies: a writer of its database puts anything into it, and
 * it is told to all.
 */
async function lie({ system }: Trusting, ...manifests: readonly SignedManifest[]): Promise<void> {
  for (const manifest of manifests)
    await system.database.install(await system.database.head(), digestOf(manifest.bytes), manifest)
  await system.stopServer()
  await system.startServer({ trust: null })
}

/** The node has refused the next version, the database has the reason, and the node serves as before. */
async function refusedBy(t: ExecutionContext, { system, host, node, v0 }: Trusting, reason: RegExp, version = 0): Promise<void> {
  await host.untilPhase('n1', 'rejected', version + 1)
  const row = await until(
    async () => (await system.database.nodes('notes')).find(({ phase }) => phase === 'rejected'),
    'the reason in the database',
  )
  t.like(row, { nodeId: 'n1', version, target: version + 1, className: version === 0 ? 'Notes.v1' : 'Notes.v2' })
  t.regex(row?.reason ?? '', reason)
  t.is(node.version, version)
  const before = (await v0.all()).length
  t.is(await v0.add('more'), before + 1)
  const beyond = system.desk.ref(NotesV2, 'n1', { version: version + 1 })
  t.is(await codeOf(beyond.all()), 'version.rejected')
}

test('what a trusted upgrader has signed is installed, and run by nodes that check it for themselves', async (t) => {
  const { system, host } = await trusting(t)
  t.is(await system.publish(toV2()), 1)
  await host.untilPhase('n1', 'current')
  const [manifest] = await system.desk.running.operator.history()
  t.is(manifest!.upgrader, alice.publicKey)
  t.is((await system.database.manifests(1, 1))[0]!.signature!.length, 64)
})

test('an upgrade server refuses an upgrade that nobody signed, or one who is not trusted', async (t) => {
  const one = await trusting(t)
  t.is(await install(one, await prepared(one, toV2(), null)), 'upgrade.signature')
  t.is(await install(one, await prepared(one, toV2(), mallory)), 'upgrade.signature')
  const stranger = await one.system.host('stranger', { upgrader: mallory })
  t.is(await codeOf(stranger.publish(one.system.build(toV2()))), 'upgrade.signature')
  t.like(await one.system.database.head(), { version: 0, digest: null })
  t.is(await install(one, await prepared(one, toV2(), bob)), 'answered {"version":1}')
})

for (const field of Object.keys(forgeries) as (keyof Manifest)[]) {
  const why = /was rejected: (the manifest of version \d+ |manifest: )/

  test(`an upgrade whose ${field} was changed on its way is refused by the upgrade server`, async (t) => {
    const one = await trusting(t)
    const original = await prepared(one, toV2())
    const code = await install(one, forged(original, field))
    t.true(['upgrade.signature', 'upgrade.invalid', 'upgrade.conflict'].includes(code), code)
    t.is((await one.system.database.head()).version, 0)
    t.is(await install(one, original), 'answered {"version":1}')
  })

  test(`an upgrade whose ${field} was changed in the database is refused by the node`, async (t) => {
    const one = await trusting(t)
    await lie(one, forged(await prepared(one, toV2()), field))
    await refusedBy(t, one, why)
  })
}

/** The manifest, or its signature, with one bit changed, in regions that together are all of both. */
function changedBits({ bytes, signature }: SignedManifest, regions: number): readonly SignedManifest[] {
  const whole = bytes.length + signature!.length
  return Array.from({ length: regions }, (_, i) => {
    const at = Math.floor(((i + 0.5) * whole) / regions)
    const changed = new Uint8Array([...bytes, ...signature!])
    changed[at]! ^= 1 << (i % 8)
    return { bytes: changed.slice(0, bytes.length), signature: changed.slice(bytes.length) }
  })
}

test('an upgrade server refuses an upgrade of which one bit was changed, in whatever region, and then takes the true one', async (t) => {
  const one = await trusting(t)
  const original = await prepared(one, toV2())
  for (const [i, changed] of changedBits(original, 60).entries())
    t.regex(await install(one, changed), /^upgrade\./, `region ${i}`)
  t.like(await one.system.database.head(), { version: 0, digest: null })
  t.is(await install(one, original), 'answered {"version":1}')
})

test('a node refuses an upgrade of which one bit was changed, in whatever region', async (t) => {
  for (let i = 0; i < 12; i++) {
    const one = await trusting(t)
    await lie(one, changedBits(await prepared(one, toV2()), 12)[i]!)
    await refusedBy(t, one, /was rejected: (the manifest|manifest:)/)
  }
})

test('a node refuses what nobody signed, what one who is not trusted signed, and a signature that was changed', async (t) => {
  const cases: readonly [(one: Trusting) => Promise<SignedManifest>, RegExp][] = [
    [(one) => prepared(one, toV2(), null), /is not signed/],
    [(one) => prepared(one, toV2(), mallory), /is not a trusted upgrader/],
    [(one) => prepared(one, toV2(), mallory, { upgrader: alice.publicKey }), /was not signed like this/],
    [async (one) => ({ ...(await prepared(one, toV2())), signature: null }), /is not signed/],
    [async (one) => ({ ...(await prepared(one, toV2())), signature: new Uint8Array(64) }), /was not signed like this/],
  ]
  for (const [manifest, reason] of cases) {
    const one = await trusting(t)
    await lie(one, await manifest(one))
    await refusedBy(t, one, reason)
  }
})

test('a node refuses an older manifest again, manifests in another order, a missing one, and one of another system', async (t) => {
  const follow = async (one: Trusting) => {
    await one.system.publish(toV2())
    await one.host.untilPhase('n1', 'current')
    await until(() => one.node.version === 1, 'the node at version 1')
    return (await one.system.database.manifests(1, 1))[0]!
  }
  const replayed = await trusting(t)
  await lie(replayed, await follow(replayed))
  await refusedBy(t, replayed, /version 2 comes next/, 1)

  const reordered = await trusting(t)
  await follow(reordered)
  const third = await prepared(reordered, defineUpgrade({ title: 'third', classUpgrades: [] }), alice, { version: 3 })
  await lie(reordered, third, await prepared(reordered, toV3()))
  await refusedBy(t, reordered, /version 2 comes next/, 1)

  const missing = await trusting(t)
  await follow(missing)
  const second = await prepared(missing, toV3(), alice, { previous: digestOf(new Uint8Array(3)) })
  await lie(missing, second)
  await refusedBy(t, missing, /follows another manifest/, 1)

  const other = await trusting(t)
  await lie(other, await prepared(other, toV2(), alice, { system: 'another' }))
  await refusedBy(t, other, /it is for system another/)
})

test('a node takes the versions before one that it refuses', async (t) => {
  const one = await trusting(t)
  const good = await prepared(one, toV2())
  await one.system.database.install({ version: 0, digest: null }, digestOf(good.bytes), good)
  await lie(one, await prepared(one, toV3(), mallory))
  await refusedBy(t, one, /is not a trusted upgrader/, 1)
  t.deepEqual(await one.v0.all(), ['first', 'more'])
})

test('nodes serve on when a false upgrade server says that what they run is dead, for the sake of versions that nobody signed', async (t) => {
  const one = await trusting(t)
  await one.system.stopServer()
  const forgery = await prepared(one, toV2(), mallory)
  await one.system.database.install({ version: 0, digest: null }, digestOf(forgery.bytes), forgery)
  const status = (await one.system.database.nodes()).map((row) => ({ ...row, version: 1 }))
  await one.system.database.report(status, 60_000)
  t.is((await one.system.database.declareDead(1, 0)).inForce, 1)
  await one.system.startServer({ trust: null })
  await one.host.untilPhase('n1', 'rejected', 1)
  t.is(await one.v0.add('second'), 2)
  t.is(await one.system.desk.ref(NotesV1, undefined, { version: 0 }).add('by service'), 3)
})

test('a bundle that was exchanged is refused by the upgrade server, and by the node when it was exchanged later', async (t) => {
  const atInstall = await trusting(t)
  const manifest = await prepared(atInstall, toV2())
  const { digest, bytes } = (JSON.parse(new TextDecoder().decode(manifest.bytes)) as Manifest).bundle
  await atInstall.system.database.putChunk(digest, 0, new Uint8Array(bytes))
  t.is(await install(atInstall, manifest), 'upgrade.digest')

  const later = await trusting(t)
  const published = await prepared(later, toV2())
  const { bundle } = JSON.parse(new TextDecoder().decode(published.bytes)) as Manifest
  await later.system.database.putChunk(bundle.digest, 0, new Uint8Array(bundle.bytes))
  await lie(later, published)
  await refusedBy(t, later, /the bytes have another digest/)
})

test('an upgrade server installs nothing after a history that was tampered with, and says so', async (t) => {
  const one = await trusting(t)
  await one.system.publish(toV2())
  await one.system.stopServer()
  // An attacker that writes to the database puts its own key on the list.
  const forgedList = await prepared(one, defineUpgrade({ title: 'me', classUpgrades: [] }), mallory, {
    upgraders: [mallory.publicKey],
  })
  await one.system.database.install(await one.system.database.head(), digestOf(forgedList.bytes), forgedList)
  await one.system.startServer()
  t.is(await install(one, await prepared(one, toV3(), mallory)), 'upgrade.signature')
  const error = await t.throwsAsync(one.system.publish(toV3()), { code: 'upgrade.signature' })
  t.regex(error!.message, /nothing is installed after a history that can't be verified: the manifest of version 2 is by/)
})

test('keys are exchanged by a signed upgrade; the removed key is refused by the server and by every node, old ones and new ones', async (t) => {
  const one = await trusting(t)
  const { system, host } = one
  t.is(await system.desk.running.operator.setUpgraders([bob.publicKey], { reason: 'Alice leaves' }), 1)
  await until(() => one.node.version === 1, 'the node at version 1')
  t.is(await codeOf(system.publish(toV2())), 'upgrade.signature')
  const bobs = await system.host('bobs-desk', { upgrader: bob })
  t.is(await bobs.publish(system.build(toV2())), 2)
  await until(() => one.node.version === 2, 'the node at version 2')
  await lie(one, await prepared(one, toV3(), alice))
  await host.untilPhase('n1', 'rejected', 3)
  t.regex(host.last('n1')!.reason!, /is not a trusted upgrader/)
  // A host that comes later knows only the first list, and finds the same.
  const late = await system.host('h2')
  const handle = await late.node(NotesV1, 'n2')
  t.is(handle.version, 2)
  await late.untilPhase('n2', 'rejected', 3)
})

test('the last key can’t remove itself, nor leave a key that is none', async (t) => {
  const { system } = await trusting(t)
  const { operator } = system.desk.running
  t.is(await codeOf(operator.setUpgraders([])), 'upgrade.invalid')
  t.is(
    await codeOf(operator.setUpgraders([newKey().publicKey.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))])),
    'upgrade.invalid',
  )
  t.is((await system.database.head()).version, 0)
})

test('a system without a list begins to ask for signatures when an upgrade names the upgraders', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  t.is(await system.desk.running.operator.setUpgraders([alice.publicKey]), 1)
  await until(() => node.version === 1, 'the node at version 1')
  t.is(await codeOf(system.publish(toV2())), 'upgrade.signature')
  const desk = await system.host('alices-desk', { upgrader: alice })
  t.is(await desk.publish(system.build(toV2())), 2)
  await until(() => node.version === 2, 'the node at version 2')
})

test('a host starts again with what it verified, and not with a history on disk that it can’t verify', async (t) => {
  const { system } = await trusting(t)
  const state = memoryStore()
  const before = await system.host('h2', { state })
  await before.node(NotesV1, 'n2')
  await system.publish(toV2())
  await before.untilPhase('n2', 'current')
  await until(() => before.nodes.get('n2')!.version === 1, 'the node at version 1')
  await before.stop()
  await system.stopServer()
  const again = await system.host('h2', { state })
  t.is((await again.node(NotesV1, 'n2')).version, 1)
  await again.stop()
  t.is(await codeOf(system.host('h2', { state, trust: [mallory.publicKey] })), 'upgrade.signature')
})

test('an embedded system trusts whom its first host trusts', async (t) => {
  const options = { system: 'embedded-trust', state: memoryStore(), bundles: memoryRepository() }
  const host = await createHost({ ...options, trust: [alice.publicKey], upgrader: alice })
  t.teardown(() => host.stop())
  t.is(await host.operator.setUpgraders([alice.publicKey, bob.publicKey]), 1)
  const other = await createHost({ ...options, state: memoryStore(), upgrader: mallory })
  t.teardown(() => other.stop())
  t.is(await codeOf(other.operator.setUpgraders([mallory.publicKey])), 'upgrade.signature')
})

test('a list of upgraders that is empty, or no keys, is refused when a host or an upgrade server starts', async (t) => {
  const system = await TestSystem.start(t)
  for (const wrong of [[], ['alice'], [newKey().seed]]) {
    t.is(await codeOf(system.host('h1', { trust: wrong })), 'config.invalid')
    t.is(await codeOf(system.startServer({ trust: wrong })), 'config.invalid')
  }
})
