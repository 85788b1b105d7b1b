/** Versions die when no registered node runs them or an older one (C8), and nodes that come back too late. */
import test from 'ava'
import { unpack } from '../../core/wire/codec.js'
import { defineUpgrade, type Schedule, schedule } from '../../index.js'
import { type MemoryState, memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'

const deaths = { deathDelay: 20, deathRound: 5 }
// A held call is answered a quarter of its deadline before that.
const asking = { askServerMs: 10, firstAnswerMs: 2_000, heldAnswerMs: 500 }

/** The answer to a call of this version, asked by nobody who would keep the version alive. */
function at(system: TestSystem, version: number, nodeId = 'n1', method = 'all', deadlineMs = 5_000): Promise<string> {
  return codeOf(system.desk.running.operator.call({ node: nodeId }, method, [], { version, kind: 'query', deadlineMs }))
}

function untilDead(system: TestSystem, version: number, nodeId = 'n1'): Promise<unknown> {
  return until(async () => (await at(system, version, nodeId)) === 'version.dead', `version ${version} is dead at ${nodeId}`)
}

test('a version that nobody runs any more dies: its past-SO is discarded, its calls get version.dead, its state stays', async (t) => {
  const system = await TestSystem.start(t, asking, deaths)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2({ pastInitial: () => ({ mood: 'kept' }) }))
  await node.reached(1)
  await untilDead(system, 0)
  t.is(await at(system, 1), 'answered []')
  t.deepEqual(node.chain, [{ version: 1, className: 'Notes.v2', role: 'object' }])
  // The state may still be wanted by whoever goes back.
  await host.stop()
  const store = await host.state.open()
  t.deepEqual(unpack(store.get('s/n1/1.0/r')!), { mood: 'kept' })
})

test('one version after the other dies, however many are behind', async (t) => {
  const system = await TestSystem.start(t, asking, deaths)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await system.publish(toV3())
  await node.reached(2)
  await untilDead(system, 1)
  t.is(await at(system, 0), 'version.dead')
  t.deepEqual(
    node.chain.map(({ role }) => role),
    ['object'],
  )
  t.is((await system.database.dead()).inForce, 2)
})

test('a node that is down keeps its version alive, until it is forgotten', async (t) => {
  const system = await TestSystem.start(t, asking, deaths)
  const [here, away] = [await system.host('a'), await system.host('b')]
  const node = await here.node(NotesV1, 'n1')
  await away.node(NotesV1, 'n2')
  away.kill()
  await system.publish(toV2())
  await node.reached(1)
  t.is((await system.database.declareDead(1, 0)).below, 0)
  t.is(await at(system, 0), 'answered []')
  await system.database.forget('n2')
  await untilDead(system, 0)
})

test('a reference that is pinned to a version keeps it alive as long as its host lives', async (t) => {
  const system = await TestSystem.start(t, { ...asking, leaseMs: 60 }, deaths)
  const node = await (await system.host('a')).node(NotesV1, 'n1')
  const client = await system.host('client')
  t.deepEqual(await client.ref(NotesV1, 'n1').all(), [])
  await system.publish(toV2())
  await node.reached(1)
  await until(async () => (await system.database.nodes()).some(({ version }) => version === 1), 'the node has reported')
  t.is((await system.database.declareDead(1, 0)).below, 0)
  t.deepEqual(await client.ref(NotesV1, 'n1').all(), [])
  await client.stop()
  await untilDead(system, 0)
})

/** Signals nowhere but on n1. */
const notElsewhere: Schedule = schedule('only n1 is ever told', async (view) => {
  while (view.nodeId !== 'n1') await view.sleep(60_000)
})

/**
 * n1 at version 1; n2 was killed at version 0, forgotten, and version 0 is dead. The TF of n2
 * waits at the gate.
 */
async function leftBehind(t: Parameters<typeof TestSystem.start>[0]) {
  const system = await TestSystem.start(t, asking, deaths)
  const [here, away] = [await system.host('a'), await system.host('b')]
  const node = await here.node(NotesV1, 'n1')
  await away.node(NotesV1, 'n2')
  await away.ref(NotesV1, 'n2', { version: 0 }).add('written at version 0')
  const state = away.kill()
  const passing = gate()
  let transforms = 0
  await system.publish(toV2({ schedule: notElsewhere, beforeTransform: () => (transforms++ > 0 ? passing.pass() : undefined) }))
  await node.reached(1)
  for (const row of await system.database.nodes()) if (row.nodeId !== 'n1') await system.database.forget(row.nodeId)
  await untilDead(system, 0)
  return { system, state, passing }
}

test('a node back at a dead version upgrades before it serves, without being told to by its SF', async (t) => {
  const { system, state, passing } = await leftBehind(t)
  const host = await system.host('b2', { state })
  const node = await host.node(NotesV1, 'n2')
  await until(() => passing.waiting === 1, 'the transform begins')
  t.is(await at(system, 1, 'n2', 'all', 1_000), 'unavailable.upgrading')
  t.is(await at(system, 0, 'n2', 'all', 1_000), 'unavailable.upgrading')
  t.is(node.version, 0)
  passing.open()
  await node.reached(1)
  t.is(await at(system, 1, 'n2'), 'answered ["written at version 0"]')
  t.is(await at(system, 0, 'n2'), 'version.dead')
})

test('a node back at a dead version that the upgrade leaves alone serves again as soon as it has advanced', async (t) => {
  const system = await TestSystem.start(t, asking, deaths)
  const [here, away] = [await system.host('a'), await system.host('b')]
  const node = await here.node(NotesV1, 'n1')
  await away.node(NotesV1, 'n2')
  const state = away.kill()
  await system.database.forget('n2')
  await system.publish(defineUpgrade({ title: 'Nothing of this service', classUpgrades: [] }))
  await node.reached(1)
  await untilDead(system, 0)
  // It is up before it has advanced.
  const up = gate()
  let records = 0
  state.beforeCommit = (writes) => (writes.some(([key]) => key === 'n/n2') && ++records > 1 ? up.pass() : undefined)
  const back = await (await system.host('b2', { state })).node(NotesV1, 'n2')
  up.open()
  await back.reached(1)
  await untilDead(system, 0, 'n2')
  await here.stop()
  const { operator } = system.desk.running
  t.deepEqual(await operator.call({ service: 'notes' }, 'all', [], { version: 1, kind: 'query' }), [])
})

test('without the upgrade server a node serves the dead version it has; it leaves off when it is told', async (t) => {
  const { system, state, passing } = await leftBehind(t)
  await system.stopServer()
  const host = await system.host('b2', { state, settings: { firstAnswerMs: 20 } })
  const node = await host.node(NotesV1, 'n2')
  t.is(await at(system, 0, 'n2'), 'answered ["written at version 0"]')
  await system.startServer()
  await until(async () => (await at(system, 0, 'n2', 'all', 1_000)) === 'unavailable.upgrading', 'the node leaves off')
  passing.open()
  await node.reached(1)
  t.is(await at(system, 0, 'n2'), 'version.dead')
})

test('a host that comes back needs the class of the oldest version alone, however old the upgrade that brought it', async (t) => {
  const system = await TestSystem.start(t, asking, deaths)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  await host.ref(NotesV1, 'n1', { version: 0 }).add('kept')
  await system.publish(toV2())
  await system.publish(toV3())
  await node.reached(2)
  for (const row of await system.database.nodes()) if (row.nodeId !== 'n1') await system.database.forget(row.nodeId)
  await untilDead(system, 1)
  const again = await system.host('a2', { state: host.kill() })
  t.is((await again.node(NotesV1, 'n1')).className, 'Notes.v3')
  t.is(await at(system, 2), 'answered ["kept"]')
  t.is((await again.node(NotesV1, 'n2')).className, 'Notes.v3')
})

test('a node is born at the oldest version that lives, and answers from there on', async (t) => {
  const system = await TestSystem.start(t, asking, deaths)
  const host = await system.host('a')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)
  await untilDead(system, 0)
  await system.publish(toV3())
  await node.reached(2)
  const born = await (await system.host('c')).node(NotesV2, 'n3')
  await born.reached(2)
  t.is(await at(system, 0, 'n3'), 'version.dead')
  t.is(born.chain.at(-1)?.role, 'object')
})

/** The state as it is now, as a backup keeps it. */
async function backupOf(state: MemoryState): Promise<MemoryState> {
  const store = await state.open()
  const copy = memoryStore({ directoryId: store.directoryId })
  const written = await copy.open()
  await written.commit([...store.range('', '\u{10ffff}')])
  await written.close()
  await store.close()
  return copy
}

test('a node from an old backup, whose version is dead, upgrades before it serves, and its directory is still its own', async (t) => {
  const system = await TestSystem.start(t, asking, deaths)
  const host = await system.host('a')
  await host.node(NotesV1, 'n1')
  await host.ref(NotesV1, 'n1', { version: 0 }).add('in the backup')
  await host.stop()
  const backup = await backupOf(host.state)
  const again = await system.host('a2', { state: host.state })
  await again.node(NotesV1, 'n1')
  await again.ref(NotesV1, 'n1', { version: 0 }).add('later')
  await system.publish(toV2())
  await again.nodes.get('n1')!.reached(1)
  for (const row of await system.database.nodes()) if (row.nodeId !== 'n1') await system.database.forget(row.nodeId)
  await untilDead(system, 0)
  await again.stop()
  const restored = await system.host('a3', { state: backup })
  const node = await restored.node(NotesV1, 'n1')
  await node.reached(1)
  t.is(await at(system, 1), 'answered ["in the backup"]')
  t.is(await at(system, 0), 'version.dead')
})
