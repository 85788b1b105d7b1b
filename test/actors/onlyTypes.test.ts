/**
 * A filter between classes of different types (§2): nodes that it is not for keep their class and answer the
 * new version by their future-SO, for as long as no later upgrade takes them along.
 */
import test, { type ExecutionContext } from 'ava'
import type { Upgrade } from '../../index.js'
import { until } from '../support/eventually.js'
import { type Deaths, type Settings, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'

function forSome(upgrade: Upgrade, nodes: readonly string[]): Upgrade {
  return { ...upgrade, classUpgrades: upgrade.classUpgrades.map((each) => ({ ...each, only: { nodes } })) }
}

const quick: Settings = { controlsMs: 20, askServerMs: 20 }

async function open(t: ExecutionContext, settings: Settings = {}, deaths: Deaths = {}) {
  const system = await TestSystem.start(t, { ...quick, ...settings }, deaths)
  const host = await system.host('h1')
  const [inside, outside] = [await host.node(NotesV1, 'in1'), await host.node(NotesV1, 'out1')]
  /** Asked by nobody who would keep a version alive. */
  const at = <T>(node: string, version: number, method: string, ...args: unknown[]) =>
    system.desk.running.operator.call({ node }, method, args, { version, kind: 'command', deadlineMs: 5_000 }) as Promise<T>
  const query = <T>(node: string, version: number, method: string, ...args: unknown[]) =>
    system.desk.running.operator.call({ node }, method, args, { version, kind: 'query', deadlineMs: 5_000 }) as Promise<T>
  for (const node of ['in1', 'out1']) await at(node, 0, 'add', 'first')
  await at('out1', 0, 'setMood', 'merry')
  await system.publish(forSome(toV2(), ['in*']))
  await inside.reached(1)
  const rowOf = async (id: string) => (await system.database.nodes()).find(({ nodeId }) => nodeId === id)
  await until(async () => (await rowOf('out1'))?.settled === 1, 'the other node is settled')
  return { system, host, inside, outside, at, query, rowOf }
}

test('nodes inside answer the old version by the past-SO, those outside the new one by the future-SO', async (t) => {
  const { inside, outside, at, query, rowOf } = await open(t)
  t.deepEqual([inside.className, outside.className, outside.version], ['Notes.v2', 'Notes.v1', 0])
  for (const node of ['in1', 'out1']) {
    t.is(await at(node, 1, 'add', 'second'), 2)
    t.is(await at(node, 1, 'star', 0), 1)
    t.is(await query(node, 1, 'stars', 0), 1)
    t.is(await at(node, 0, 'add', 'third'), 3)
    t.deepEqual(await query(node, 1, 'all'), ['first', 'second', 'third'])
  }
  t.deepEqual([await query('in1', 0, 'mood'), await query('out1', 0, 'mood')], ['calm', 'merry'])
  t.like(await rowOf('out1'), { version: 0, phase: 'scheduled', target: 1, settled: 1 })
  t.regex((await rowOf('out1'))!.reason!, /is none of the nodes that the upgrade is for/)
})

test('a later upgrade takes those outside along, through both, with what their future-SO has', async (t) => {
  const { system, inside, outside, at, query } = await open(t)
  await at('out1', 1, 'star', 0)
  await system.publish(toV3())
  await Promise.all([inside.reached(2), outside.reached(2)])
  t.deepEqual([inside.className, outside.className], ['Notes.v3', 'Notes.v3'])
  t.deepEqual(await query('out1', 2, 'stars', 0), { stars: 1, pinned: false })
  t.is(await query('out1', 0, 'mood'), 'merry')
  t.deepEqual(await query('out1', 1, 'all'), ['first'])
})

test('a later upgrade for the same nodes leaves the others outside, and they answer its version too', async (t) => {
  const { system, inside, outside, at, query, rowOf } = await open(t)
  await system.publish(forSome(toV3(), ['in*']))
  await inside.reached(2)
  await until(async () => (await rowOf('out1'))?.settled === 2, 'the other node is settled for both')
  t.deepEqual([outside.version, outside.className], [0, 'Notes.v1'])
  await at('out1', 2, 'pin', 0)
  await at('out1', 1, 'star', 0)
  t.deepEqual(await query('out1', 2, 'stars', 0), { stars: 1, pinned: true })
})

test('a node outside stays there over a restart, and goes nowhere at an operator’s word', async (t) => {
  const { system, host, at, query } = await open(t)
  await at('out1', 1, 'star', 0)
  t.is(await system.desk.running.operator.upgradeNow('out1'), 1)
  await system.clock.passes(3_000)
  const again = await system.host('h2', { state: host.kill() })
  const node = await again.node(NotesV1, 'out1')
  await system.clock.passes(3_000)
  t.deepEqual([node.version, node.className], [0, 'Notes.v1'])
  t.is(await query('out1', 1, 'stars', 0), 1)
})

test('a new node is born outside where the filter leaves it there, also when nobody else is there any more (C8)', async (t) => {
  const { system, host, outside, query } = await open(
    t,
    { firstAnswerMs: 2_000, heldAnswerMs: 500 },
    { deathDelay: 20, deathRound: 5 },
  )
  const [born, other] = [await host.node(NotesV1, 'in2'), await host.node(NotesV1, 'out2')]
  t.deepEqual([born.version, born.className], [1, 'Notes.v2'])
  t.deepEqual([other.version, other.className], [0, 'Notes.v1'])
  await Promise.all([outside.stop(), other.stop()])
  for (const id of ['out1', 'out2']) await system.database.forget(id)
  await system.clock.passes(2_000)
  t.is((await system.database.dead()).below, 0)
  const third = await host.node(NotesV1, 'out3')
  t.deepEqual([third.version, third.className], [0, 'Notes.v1'])
  t.is(await query('out3', 1, 'stars', 0), 0)
})

test('an undo takes those inside back; those outside pass it with what their SO has', async (t) => {
  const { system, inside, outside, at, query } = await open(t)
  for (const node of ['in1', 'out1']) await at(node, 1, 'star', 0)
  await system.desk.running.operator.undo()
  await Promise.all([inside.reached(2), outside.reached(2)])
  t.deepEqual([inside.className, outside.className], ['Notes.v1', 'Notes.v1'])
  for (const node of ['in1', 'out1']) {
    t.is(await query(node, 1, 'stars', 0), 1)
    t.deepEqual(await query(node, 2, 'all'), ['first'])
  }
  t.is(await query('out1', 2, 'mood'), 'merry')
})

test('code of either version calls either node', async (t) => {
  const { system } = await open(t)
  for (const id of ['in1', 'out1']) {
    t.deepEqual(await system.desk.ref(NotesV1, id).all(), ['first'])
    t.deepEqual(await system.desk.ref(NotesV2, id).all(), ['first'])
  }
})
