/**
 * The birth of a node where an upgrade of its line can't be had or fails: as far as it can, and from there
 * like any node (C10).
 */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { schedule, type Upgrade } from '../../index.js'
import { memoryRepository } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'
import { isThere } from './oneNode.js'

// The version is complete, for the nodes that there are are of another service; the first of
// this one could never be born.
test('a node is born before an upgrade that is rejected, says why, and takes it when it can be had', async (t) => {
  const system = await TestSystem.start(t)
  const broken = memoryRepository()
  const host = await system.host('h1', { repository: broken })
  const upgrade: Upgrade = toV2()
  await system.publish(upgrade)
  const node = await host.node(NotesV1, 'n1')
  const rejected = await host.untilPhase('n1', 'rejected')
  t.regex(rejected.reason!, /no upgrade with digest/)
  t.is(node.version, 0)
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('x')), 'answered 1')
  broken.load = (digest, bundle) => system.repository.load(digest, bundle)
  node.retry()
  await until(() => node.version === 1, 'the upgrade ends')
})

test('a node is born before an upgrade whose transform fails, and is stalled there', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  let isWell = false
  const form = () => (isWell ? undefined : Promise.reject(new Error('no form')))
  await system.publish(toV2({ beforeTransform: form, schedule: schedule('at once', async () => {}) }))
  const node = await host.node(NotesV1, 'n1')
  const stalled = await host.untilPhase('n1', 'stalled')
  t.regex(stalled.reason!, /no form/)
  t.is(await codeOf(system.desk.ref(NotesV2, 'n1', { version: 1 }).add('x')), 'answered 1')
  isWell = true
  node.retry()
  await until(async () => (await system.database.nodes('notes'))[0]?.version === 1, 'the upgrade ends')
  t.is(node.version, 1)
})

test('a birth that gets no further than before an upgrade serves when it is registered there', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 }, fenceAnswerMs: 60_000 })
  await system.publish({ ...toV2({ beforeTransform: () => Promise.reject(new Error('no form')) }), gate: null })
  const host = await system.host('h1')
  const second = gate()
  let registered = 0
  const register: UpgradeDatabase['register'] = async (status, ...more) => {
    if (status.nodeId === 'n1' && ++registered === 2) await second.pass()
    return await system.database.register(status, ...more)
  }
  host.changeDatabase({ register })
  const node = host.node(NotesV1, 'n1')
  await until(() => second.waiting === 1, 'it registers again')
  await host.node(NotesV1, 'n2')
  t.false(await isThere(system, 'n1'))
  second.open()
  t.is((await node).version, 0)
  for (const row of await system.database.nodes('notes')) t.like(row, { version: 0, className: 'Notes.v1' })
})

test('a node of a system without upgrades is born though nobody can say who runs what', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  host.changeDatabase({ nodes: () => Promise.reject(new Error('away')) })
  t.is((await host.node(NotesV1, 'n1')).version, 0)
})

test('while the rows can’t be believed a node is born at the oldest version that lives, and goes on from there', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  await system.publish(toV2())
  const host = await system.host('h1')
  const registered: number[] = []
  const register: UpgradeDatabase['register'] = (status, ...more) => {
    registered.push(status.version)
    return system.database.register(status, ...more)
  }
  const doubt = new Fault('unavailable.disconnected', 'the upgrade database is on probation', { doubt: 'lost' })
  host.changeDatabase({ register, nodes: () => Promise.reject(doubt) })
  const node = await host.node(NotesV1, 'n1')
  t.deepEqual(registered, [0])
  host.changeDatabase({ nodes: (service) => system.database.nodes(service) })
  await node.reached(1)
  t.is(node.className, 'Notes.v2')
})

test('a birth fails where the bundle of the oldest version that lives can’t be had now, and can be tried again', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } }, { deathRound: 10, deathDelay: 10 })
  await system.publish(toV2())
  await system.publish(toV3())
  await (await system.host('h1')).node(NotesV1, 'n1')
  await until(async () => (await system.database.dead()).inForce === 2, 'what nobody runs is dead')
  const away = memoryRepository()
  let asked = 0
  away.load = (...bundle) =>
    ++asked === 1 ? Promise.reject(new Fault('upgrade.fetch', 'not now')) : system.repository.load(...bundle)
  const host = await system.host('h2', { repository: away })
  t.is(await codeOf(host.node(NotesV1, 'n2')), 'upgrade.fetch')
  t.false(await isThere(system, 'n2'))
  t.is((await host.node(NotesV1, 'n2')).version, 2)
})

test('a node is born before the oldest version that lives where that one is rejected, and says why', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } }, { deathRound: 10, deathDelay: 10 })
  await system.publish(toV2())
  await system.publish(toV3())
  await (await system.host('h1')).node(NotesV1, 'n1')
  await until(async () => (await system.database.dead()).inForce === 2, 'what nobody runs is dead')
  const host = await system.host('h2', { repository: memoryRepository() })
  t.is((await host.node(NotesV1, 'n2')).version, 0)
  t.regex((await host.untilPhase('n2', 'rejected', 1)).reason!, /no upgrade with digest/)
})

test('a node that is born when the version before is dead goes back to it with an undo', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } }, { deathRound: 10, deathDelay: 10 })
  await system.publish(toV2())
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  await until(async () => (await system.database.dead()).inForce === 1, 'what nobody runs is dead')
  const born = await host.node(NotesV1, 'n2')
  t.is(await codeOf(system.desk.ref(NotesV2, 'n2', { version: 1 }).add('x')), 'answered 1')
  await system.desk.running.operator.undo()
  await born.reached(2)
  t.is(born.className, 'Notes.v1')
  t.is(await codeOf(system.desk.ref(NotesV1, 'n2', { version: 2 }).all()), 'answered ["x"]')
})

test('a node is born past an upgrade that can’t be loaded and is undone, and past those that rest on it', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const { operator } = system.desk.running
  const unread = system.build(toV2())
  await system.desk.publish(unread)
  const third = toV3()
  const transform = () => t.fail('there is no state of that class')
  await system.publish({ ...third, classUpgrades: third.classUpgrades.map((each) => ({ ...each, transform })) })
  t.is(await operator.undo({ version: 2 }), 3)
  t.is(await operator.undo({ version: 1 }), 4)
  const broken = memoryRepository()
  broken.load = async (digest, bundle) => {
    if (digest === unread.manifest.bundle.digest) throw new Fault('upgrade.invalid', 'not to be read')
    return await system.repository.load(digest, bundle)
  }
  const host = await system.host('h1', { repository: broken })
  const node = await host.node(NotesV1, 'n1')
  t.deepEqual([node.version, node.className], [4, 'Notes.v1'])
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 4 }).add('x')), 'answered 1')
})
