/** A host that is told to trust others than its upgrade server does not serve beside it unnoticed (C9). */
import test, { type ExecutionContext } from 'ava'
import { otherTrustMs, TrustMismatches } from '../../actors/server/trustMismatches.js'
import { nobodysMark, trustMark } from '../../core/trust/trustMark.js'
import { encodeManifest } from '../../core/upgrade/manifest.js'
import { createHost, type HostEvent, isFault, reasonsNotReady, startUpgradeServer } from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { askServer } from '../support/askServer.js'
import { until } from '../support/eventually.js'

import { alice, bob, mallory, manifestAfter } from '../support/signedManifests.js'
import { TestSystem } from '../support/testSystem.js'
import { rootOf } from '../support/trustRoots.js'
import { ManualClock } from './manualClock.js'
import { NotesV1 } from './notesClasses.js'

const trust = [alice.publicKey, bob.publicKey]

async function refused(t: ExecutionContext, start: Promise<unknown>): Promise<string> {
  const error = await t.throwsAsync(start)
  t.true(isFault(error) && error.code === 'config.other-trust', String(error))
  return error!.message
}

test('a host that trusts others than its upgrade server, or nobody, starts no node, and says why', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust })
  for (const other of ['nobody', [mallory.publicKey], [...trust, mallory.publicKey]] as const) {
    const host = await system.host(`h-${other.length}`, { trust: other })
    const message = await refused(t, host.node(NotesV1, `n-${other.length}`))
    t.regex(
      message,
      /^this host trusts .+; the upgrade server of system test-\d+ trusts the list \w+: give both the same "trust"$/,
    )
    t.deepEqual(reasonsNotReady(host.running.status()), [`the upgrade server refuses the host: ${message}`])
    t.is(host.events.filter((event) => event.type === 'warning' && event.message.includes('refuses this host')).length, 1)
  }
  const host = await system.host('same', { trust: trust.toReversed() })
  t.is((await host.node(NotesV1, 'n1')).version, 0)
  t.deepEqual(reasonsNotReady(host.running.status()), [])
})

test('a list of keys becomes a trust root of the same keys, host by host', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 20 }, {}, { trust })
  const listed = await system.host('a')
  await listed.node(NotesV1, 'n1')
  const root = rootOf({ system: system.name, since: 2 })
  const rooted = await system.host('b', { trust: root })
  await rooted.node(NotesV1, 'n2')
  await system.stopServer()
  await system.startServer({ trust: root })
  const other = await system.host('c', { trust: { ...root, need: { upgrade: 2 } } })
  t.regex(
    await refused(t, other.node(NotesV1, 'n3')),
    /the root \w{8}: the trust roots have the same keys and differ in identity, since, until or need: .* by "natsctl upgrader set"$/,
  )
  const late = await system.host('d')
  t.is((await late.node(NotesV1, 'n4')).version, 0)
  t.deepEqual(reasonsNotReady(listed.running.status()), [])
})

test('a host that runs when its upgrade server comes to trust others is not ready, and serves on', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 20 }, {}, { trust })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.stopServer()
  await system.startServer({ trust: [mallory.publicKey] })
  await until(() => reasonsNotReady(host.running.status()).length === 1, 'it is refused')
  t.is(await system.desk.ref(NotesV1, 'n1', { version: 0 }).add('still here'), 1)
  t.is(node.version, 0)
  await system.stopServer()
  await system.startServer()
  await until(() => reasonsNotReady(host.running.status()).length === 0, 'it is taken again')
})

test('an upgrade server that trusts nobody beside hosts that verify says so in its log, once, and installs', async (t) => {
  const told: HostEvent[] = []
  const system = await TestSystem.start(t, { askServerMs: 5 }, { observe: (event) => void told.push(event) }, { trust })
  await system.stopServer()
  await system.startServer({ trust: 'nobody' })
  const warnings = () => told.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  const host = await system.host('h1')
  t.is((await host.node(NotesV1, 'n1')).version, 0)
  await until(() => warnings().length > 0, 'the server says so')
  await (await system.host('h2')).node(NotesV1, 'n2')
  for (let asked = 0; asked < 10; asked++) await system.desk.running.operator.askServer()
  t.is(warnings().length, 1)
  t.regex(
    warnings()[0]!,
    /^a host trusts the list \w{8}, and this upgrade server trusts nobody: .* what hosts reject, .* give it the "trust" of the hosts$/,
  )
  t.is(
    await askServer(system, 'install', 'install', encodeManifest(manifestAfter(undefined, { system: system.name })), null),
    'upgrade.invalid',
  )
  await system.stopServer()
  await system.startServer({ trust: [mallory.publicKey] })
  await until(() => warnings().length > 1, 'another one says that it refuses a host')
  t.regex(warnings()[1]!, /^a host is refused: it trusts the list \w{8}; "natsctl doctor" names such hosts$/)
})

test('hosts that make up whom they trust cost an upgrade server one line in ten minutes, and keep it from nothing', (t) => {
  const clock = new ManualClock()
  const told: HostEvent[] = []
  const trusts = new TrustMismatches(nobodysMark, { system: 'shop', clock, observe: (event) => void told.push(event) })
  const madeUp = (i: number) => ({ trust: trustMark([`A${i}`]) })
  for (let i = 0; i < 10_000; i++) t.notThrows(() => trusts.check(madeUp(i)))
  t.is(told.length, 1)
  clock.advance(otherTrustMs)
  for (const other of [undefined, null, 1, {}, { trust: 'x' }, { trust: { keys: 'x', root: 1 } }, { trust: nobodysMark }])
    t.notThrows(() => trusts.check(other))
  t.is(told.length, 1)
  trusts.check(madeUp(1))
  t.is(told.length, 2)
  const strict = new TrustMismatches(trustMark(trust), { system: 'shop', clock, observe: (event) => void told.push(event) })
  for (let i = 0; i < 100; i++) t.throws(() => strict.check(madeUp(i)), { code: 'config.other-trust' })
  t.throws(() => strict.check({ trust: nobodysMark }), { code: 'config.other-trust' })
  t.is(told.length, 3)
})

test('where nothing is said of trust, hosts and servers say so; “nobody” is an answer, and an embedded system has nobody else', async (t) => {
  const system = await TestSystem.start(t)
  const said = async (how: object, options: object = system.ways()) => {
    const events: HostEvent[] = []
    const observe = (event: HostEvent) => void events.push(event)
    const host = await createHost({ ...(options as ReturnType<typeof system.ways>), ...how, observe, state: memoryStore() })
    t.teardown(() => host.stop())
    const { isSaid, mark } = host.status().trust!
    return [isSaid, mark.keys, events.filter((event) => event.type === 'warning').map(({ message }) => message)]
  }
  t.deepEqual(await said({}), [false, 'nobody', ['upgrades need no signature here']])
  t.deepEqual(await said({ trust: undefined }), [false, 'nobody', ['upgrades need no signature here']])
  t.deepEqual(await said({ trust: 'nobody' }), [true, 'nobody', []])
  t.deepEqual(await said({ trust }), [true, trustMark(trust).keys, []])
  t.deepEqual(await said({}, { system: `embedded-${system.name}` }), [true, 'nobody', []])
  const events: HostEvent[] = []
  const server = await startUpgradeServer({ ...system.ways(), observe: (event) => void events.push(event) })
  await server.stop()
  t.deepEqual(
    events.map((event) => event.type === 'warning' && event.message),
    ['upgrades need no signature here'],
  )
})
