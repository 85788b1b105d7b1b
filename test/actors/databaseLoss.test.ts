/**
 * The upgrade database is emptied, restored, fails over or is away while hosts run
 * (core/control/standing.ts).
 */
import test, { type ExecutionContext } from 'ava'
import type { Signer } from '../../core/ports/signatures.js'
import { signed } from '../../core/trust/signed.js'
import { encodeManifest } from '../../core/upgrade/manifest.js'
import { defineUpgrade, schedule } from '../../index.js'
import { askServer } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { alice, mallory, manifestAfter } from '../support/signedManifests.js'
import { codeOf, type Deaths, type Settings, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

const leaseMs = 300
const quick: Settings = { leaseMs, askServerMs: 20, limit: { percent: 100 }, populationMs: 5 }
const deaths: Deaths = { deathRound: 5, deathDelay: 20 }

const started = (t: ExecutionContext, settings: Settings = {}, more: Deaths = deaths) =>
  TestSystem.start(t, { ...quick, ...settings }, more)

/** Node id → version. */
async function rows({ database }: TestSystem): Promise<Record<string, number>> {
  return Object.fromEntries((await database.nodes()).map(({ nodeId, version }) => [nodeId, version]))
}

const at = ({ desk }: TestSystem, nodeId: string, version: number) =>
  codeOf(desk.running.operator.call({ node: nodeId }, 'all', [], { version, kind: 'query', deadlineMs: 2_000 }))

async function untilTrusted(system: TestSystem): Promise<void> {
  await until(async () => (await system.database.standing())?.probation === null, 'the probation ends')
}

test('after the database was emptied hosts bring back their nodes, the history and what was dead and final', async (t) => {
  const system = await started(t)
  const [here, there] = [await system.host('a'), await system.host('b')]
  const nodes = [await here.node(NotesV1, 'n1'), await there.node(NotesV1, 'n2')]
  await system.publish(toV2())
  for (const node of nodes) await node.reached(1)
  await until(async () => (await system.database.dead()).inForce === 1, 'version 0 is dead')
  t.is(await system.desk.running.operator.finalize(1), 1)
  await until(async () => (await at(system, 'n1', 0)) === 'version.dead', 'the hosts know')
  await system.publish(defineUpgrade({ title: 'nothing', classUpgrades: [] }))
  for (const node of nodes) await node.reached(2)
  system.udb.empty()
  await until(async () => (await system.database.head()).version === 2, 'the history is taught')
  await until(async () => JSON.stringify(await rows(system)) === '{"n1":2,"n2":2}', 'the nodes are registered')
  await until(async () => (await system.database.dead()).inForce >= 1, 'the death is given back')
  await until(async () => (await system.database.finalized()) === 1, 'the finality is given back')
  await untilTrusted(system)
  for (const nodeId of ['n1', 'n2']) t.is(await at(system, nodeId, 2), 'answered []')
})

test('what is published after a loss waits until the hosts have taught what was lost, and follows it', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  const backup = system.udb.backup()
  await system.publish(toV2())
  await node.reached(1)
  // The upgrade server does not remember it, and the hosts can't teach before the next is published.
  await system.stopServer()
  system.udb.restore(backup)
  system.udb.restart()
  const again = system.publish(defineUpgrade({ title: 'the next', classUpgrades: [] }))
  await system.startServer()
  t.is(await again, 2)
  t.deepEqual(
    (await system.desk.running.operator.history()).map(({ title }) => title),
    [toV2().title, 'the next'],
  )
})

test('nothing is installed while a database that has restarted is on probation; who is not trusted is not kept waiting for that', async (t) => {
  const trust = [alice.publicKey]
  const system = await TestSystem.start(t, { ...quick, leaseMs: 60_000 }, deaths, { trust, upgrader: alice })
  const host = await system.host('a')
  await host.node(NotesV1, 'n1')
  const { manifest, bundle } = system.build(toV2())
  await system.database.putChunk(manifest.bundle.digest, 0, bundle)
  const next = { ...manifestAfter(undefined), ...manifest, system: system.name }
  const install = (by: Signer) => {
    const { bytes, signature } = signed('manifest', encodeManifest({ ...next, upgrader: by.publicKey }), by)
    return askServer(system, 'install', 'install', bytes, signature)
  }
  system.udb.restart()
  t.is(await install(alice), 'upgrade.probation')
  t.is(await install(mallory), 'upgrade.signature')
  t.is((await system.database.head()).version, 0)
})

test('while a database that lost nodes is on probation no version dies that they need', async (t) => {
  const system = await started(t)
  const [here, there] = [await system.host('a'), await system.host('b')]
  const ahead = await here.node(NotesV1, 'n1')
  await there.node(NotesV1, 'n2')
  await system.desk.running.operator.hold('n2', 'later')
  await system.publish(toV2())
  await ahead.reached(1)
  const backup = system.udb.backup()
  await until(async () => (await rows(system)).n1 === 1, 'the database knows')
  // Everybody of version 0 is lost, and only the one who has left it speaks at first.
  there.changeDatabase({ renew: () => new Promise(() => {}) })
  system.udb.restore(backup)
  await system.database.forget('n2')
  system.udb.restart()
  t.is((await system.database.declareDead(1, 0)).below, 0)
  t.is((await system.database.standing())?.probation?.doubt, 'restarted')
  t.is(await at(system, 'n2', 0), 'answered []')
})

test('a node that was forgotten before the loss is not registered again by a host that was told so', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  await host.node(NotesV1, 'n1')
  await host.node(NotesV1, 'n2')
  let renewals = 0
  host.changeDatabase({
    renew: (...args) => {
      renewals++
      return system.database.renew(...args)
    },
  })
  await system.database.forget('n1')
  await until(() => renewals >= 2, 'the host has been told')
  system.udb.empty()
  await until(async () => (await rows(system)).n2 === 0, 'n2 is registered again')
  await untilTrusted(system)
  const before = renewals
  await until(() => renewals >= before + 2, 'the host has renewed its lease')
  t.deepEqual(Object.keys(await rows(system)), ['n2'])
})

test('a node that was forgotten and has started anew is registered again, when the database goes back to a moment between', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  const handle = await host.node(NotesV1, 'n1')
  await handle.stop()
  await system.database.forget('n1')
  const backup = system.udb.backup()
  const again = await host.node(NotesV1, 'n1')
  system.udb.restore(backup)
  await until(async () => (await rows(system)).n1 === 0, 'it is registered again')
  // An order that is newer than that holds.
  await system.database.forget('n1')
  let renewals = 0
  host.changeDatabase({
    renew: (...args) => {
      renewals++
      return system.database.renew(...args)
    },
  })
  await until(() => renewals >= 3, 'the host has been told')
  t.deepEqual(await rows(system), {})
  await again.stop()
})

test('a fail-over that lost its last second: rows, clients and a permit that was given back are as they should be', async (t) => {
  let mayOthersGo = false
  const system = await started(t, { limit: { nodes: 1 } }, { deathRound: 5, deathDelay: 400 })
  const host = await system.host('a')
  const [first, second] = [await host.node(NotesV1, 'n1'), await host.node(NotesV1, 'n2')]
  const inTurn = schedule('n1 first', async (view) => {
    while (view.nodeId !== 'n1' && !mayOthersGo) await view.sleep(5)
  })
  let failOver = () => {}
  const upgrade = toV2({
    schedule: inTurn,
    // Now n1 holds the slot: what comes later is lost.
    beforeTransform: () => {
      if (!mayOthersGo) failOver = system.udb.losingReplica()
    },
  })
  await system.publish(upgrade)
  await first.reached(1)
  await host.node(NotesV1, 'n3')
  const client = await system.host('client')
  const pinned = client.ref(NotesV1, 'n2', { version: 0 })
  t.deepEqual(await pinned.all(), [])
  await until(async () => 'client-v0' in (await rows(system)), 'the client is registered')
  failOver()
  t.false('client-v0' in (await rows(system)))
  mayOthersGo = true
  await second.reached(1)
  const all = await rows(system)
  t.deepEqual(Object.keys(all).sort(), ['client-v0', 'n1', 'n2', 'n3'])
  t.deepEqual(await pinned.all(), [])
})

test('rows of nodes that do nothing are told again to a database that was restored', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  const backup = system.udb.backup()
  await system.publish(toV2())
  await node.reached(1)
  await until(async () => (await rows(system)).n1 === 1, 'the database knows')
  system.udb.restore(backup)
  t.is((await rows(system)).n1, 0)
  await until(async () => (await rows(system)).n1 === 1, 'it is told again')
  await until(async () => (await system.database.head()).version === 1, 'the history too')
})

test('on probation a node is born at the oldest version that lives, and goes on from there', async (t) => {
  const system = await started(t, {}, { deathRound: 5, deathDelay: 60_000 })
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(
    toV2({ schedule: schedule('only n1', async (view) => (view.nodeId === 'n1' ? undefined : view.sleep(60_000))) }),
  )
  await node.reached(1)
  await until(async () => (await rows(system)).n1 === 1, 'the database knows')
  system.udb.restart()
  const born = await host.node(NotesV1, 'n2')
  t.is(born.version, 0)
  await untilTrusted(system)
  t.is((await host.node(NotesV1, 'n3')).version, 0, 'not all are at version 1 now')
})

test('a scheduling function that counts rows sees none while the database is on probation', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  const counted: number[] = []
  const backup = system.udb.backup()
  await host.node(NotesV1, 'n2')
  system.udb.restore(backup)
  const counts = schedule('counts', async (view) => {
    counted.push((await view.nodes()).filter(({ service }) => service === 'notes').length)
  })
  await system.publish(toV2({ schedule: counts }))
  await node.reached(1)
  t.true(counted.length > 0)
  t.true(
    counted.every((count) => count === 2),
    counted.join(),
  )
})

test('the version of a pinned client lives when the database is away for longer than a lease', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  const client = await system.host('client')
  const node = await host.node(NotesV1, 'n1')
  const old = client.ref(NotesV1, 'n1', { version: 0 })
  await old.all()
  await system.publish(toV2())
  await node.reached(1)
  await until(async () => (await rows(system)).n1 === 1 && 'client-v0' in (await rows(system)), 'the database knows both')
  system.udb.away(true)
  await system.clock.passes(2 * leaseMs)
  system.udb.away(false)
  await until(async () => (await rows(system))['client-v0'] === 0, 'the client is heard again')
  await untilTrusted(system)
  t.is((await system.database.dead()).below, 0)
  t.deepEqual(await old.all(), [])
})

test('a client that is pinned to a dead version does not keep the next alive', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  const client = await system.host('client')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)
  await until(async () => (await at(system, 'n1', 0)) === 'version.dead', 'version 0 is dead')
  t.is(await codeOf(client.ref(NotesV1, 'n1', { version: 0 }).all()), 'version.dead')
  await until(async () => 'client-v0' in (await rows(system)), 'the client is registered all the same')
  await system.publish(defineUpgrade({ title: 'nothing', classUpgrades: [] }))
  await node.reached(2)
  await until(async () => (await at(system, 'n1', 1)) === 'version.dead', 'version 1 is dead')
  t.true('client-v0' in (await rows(system)))
})

test('a host with nodes starts while the database is away, and registers them when it is back', async (t) => {
  const system = await started(t)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)
  await host.stop()
  await system.stopServer()
  system.udb.away(true)
  const again = await system.host('a2', { state: host.state, settings: { serverDeadlineMs: 300, firstAnswerMs: 300 } })
  const back = await again.node(NotesV1, 'n1')
  t.is(back.version, 1)
  t.is(await at(system, 'n1', 1), 'answered []')
  t.is(await codeOf(again.node(NotesV1, 'n2')), 'unavailable.no-responders', 'a new node has to ask first')
  t.true(again.warnings().some((message) => message.includes('the upgrade database does not answer')))
  await t.throwsAsync(system.host('new'), { code: 'unavailable.disconnected' })
  system.udb.away(false)
  await until(
    async () => (await system.database.nodes()).some(({ nodeId, hostId, alive }) => nodeId === 'n1' && hostId === 'a2' && alive),
    'it is registered',
  )
})
