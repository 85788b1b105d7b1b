/**
 * How a node comes to life: born at the newest complete version, or revived from its state; and as what it is
 * registered before it serves.
 */
import test, { type ExecutionContext } from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import type { NodeStatus } from '../../core/model/nodeRow.js'
import { unpack } from '../../core/wire/codec.js'
import { defineUpgrade, eagerly, notNeeded, schedule, upgradeClass } from '../../index.js'
import { memoryDatabase, memoryRepository, memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { processMsOf } from '../support/processTime.js'
import { alice, bob } from '../support/signedManifests.js'
import { codeOf, gate, type Settings, TestSystem } from '../support/testSystem.js'
import { ClockV1, NotesV1, NotesV2, tickerUpgrade, toV2, toV3 } from './notesClasses.js'
import { ShelfV1, ShelfV2, toShelfV2 } from './shelfClasses.js'

/** Nodes of these ids go forward, others stay where they are. */
const only = (...ids: readonly string[]) =>
  schedule('these alone', async (view) => {
    if (!ids.includes(view.nodeId)) await new Promise(() => {})
  })

async function open(t: ExecutionContext, settings: Settings = {}) {
  return await TestSystem.start(t, { limit: { percent: 100 }, ...settings })
}

/** A host that tells as what its nodes are registered. */
async function registering(system: TestSystem, name: string, state = memoryStore()) {
  const host = await system.host(name, { state })
  const registered: NodeStatus[] = []
  const register: UpgradeDatabase['register'] = (status, ...more) => {
    registered.push(status)
    return system.database.register(status, ...more)
  }
  host.changeDatabase({ register })
  return { host, registered, of: (nodeId: string) => registered.filter((row) => row.nodeId === nodeId) }
}

test('a name that can’t be a node’s starts none', async (t) => {
  const system = await open(t)
  const { host, registered } = await registering(system, 'h1')
  for (const id of ['', 'a.b', 'a b']) t.is(await codeOf(host.node(NotesV1, id)), 'config.invalid', id)
  t.deepEqual(registered, [])
})

test('a node is registered as what it is before it serves, with its host and its directory', async (t) => {
  const system = await open(t)
  const { host, registered } = await registering(system, 'h1')
  await host.node(NotesV1, 'n1')
  const [row] = registered
  t.is(registered.length, 1)
  t.like(row, {
    ...{ nodeId: 'n1', service: 'notes', className: 'Notes.v1', version: 0, phase: 'current', target: null, reason: null },
    ...{ hostId: 'h1', directoryId: (await system.database.nodes('notes'))[0]!.directoryId },
  })
  t.true(Math.abs(row!.since - Date.now()) < 60_000)
})

test('state of another service starts no node, and the fault says what to do', async (t) => {
  const system = await open(t)
  const first = await system.host('h1')
  await first.node(NotesV1, 'n1')
  await first.stop()
  const again = await system.host('h2', { state: first.state })
  await t.throwsAsync(again.node(ClockV1, 'n1'), {
    code: 'config.invalid',
    message: 'node n1 is of service notes, not ticker: give the node another id',
  })
  t.is((await again.node(NotesV1, 'n1')).version, 0)
})

test('a node that comes back counts its starts, and is registered in the phase in which it was', async (t) => {
  const system = await open(t)
  const first = await system.host('h1')
  await first.node(NotesV1, 'n1')
  await system.publish({ ...toV2({ beforeTransform: () => Promise.reject(new Error('no form')) }), gate: null })
  const { reason } = await first.untilPhase('n1', 'stalled', 1)
  await first.stop()
  const { host, of } = await registering(system, 'h2', first.state)
  await host.node(NotesV1, 'n1')
  t.like(of('n1')[0], { version: 0, className: 'Notes.v1', phase: 'stalled', target: 1, reason, hostId: 'h2' })
  await host.stop()
  const store = await first.state.open()
  t.is((unpack(store.get(keys.record('n1'))!) as NodeRecord).incarnation, 2)
  await store.close()
})

test('a node that comes back in the middle of its recovery is registered so, and starts its new object', async (t) => {
  const system = await open(t)
  const first = await system.host('h1')
  const stuck = gate()
  const newClass = class extends NotesV2 {
    protected override async start(): Promise<void> {
      if (stuck.waiting === 0) await stuck.pass()
    }
  }
  await first.node(NotesV1, 'n1')
  await system.publish(toV2({ newClass }))
  await until(() => stuck.waiting === 1, 'the new object starts')
  const { host, of } = await registering(system, 'h2', first.kill())
  const node = await host.node(NotesV1, 'n1')
  t.like(of('n1')[0], { version: 1, className: 'Notes.v2', phase: 'recovering', target: 1, reason: null })
  await until(() => node.version === 1 && node.phase === 'current', 'it serves')
})

test('a node is born at the newest version that all others are at; from there it goes on as any node does', async (t) => {
  const system = await open(t)
  const host = await system.host('h1')
  const behind = await host.node(NotesV1, 'n1')
  await system.publish(toV2({ schedule: only('n1') }))
  await behind.reached(1)
  await system.publish(toV3({ schedule: only('n9') }))
  await until(() => host.last('n1')?.target === 2, 'it waits')
  const { host: other, of } = await registering(system, 'h2')
  const born = await other.node(NotesV1, 'n2')
  t.is(born.version, 1)
  t.like(of('n2'), [{ version: 1, className: 'Notes.v2', phase: 'current' }])
  await other.untilPhase('n2', 'scheduled', 2)
  t.is(await codeOf(system.desk.ref(NotesV1, 'n2', { version: 0 }).setMood('merry')), 'answered undefined')
  t.is(await codeOf(system.desk.ref(NotesV1, 'n2', { version: 0 }).mood()), 'answered "merry"')
})

test('between an upgrade and its undo a node is born before both: no other is there for good', async (t) => {
  const system = await open(t)
  const host = await system.host('h1')
  const held = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await held.reached(1)
  const { operator } = system.desk.running
  await operator.hold('n1', 'while another is born')
  await operator.undo()
  const { host: other, of } = await registering(system, 'h2')
  const born = await other.node(NotesV1, 'n2')
  t.like(of('n2'), [{ version: 0, className: 'Notes.v1' }])
  await born.reached(2)
  t.is(born.className, 'Notes.v1')
  t.is(held.version, 1)
})

test('beside an upgrade server that has lost versions a node is born at the oldest that lives, and goes on from there', async (t) => {
  const system = await open(t, { askServerMs: 60_000 })
  const { host, of } = await registering(system, 'h1')
  const first = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await first.reached(1)
  await system.stopServer()
  // The hosts' database knows the rows; the server's does not know the version, and is taught
  // it after the birth.
  await system.startServer({ udb: memoryDatabase() })
  const born = await host.node(NotesV1, 'n2')
  t.like(of('n2'), [{ version: 0, className: 'Notes.v1' }])
  await born.reached(1)
  t.is(born.className, 'Notes.v2')
})

test('where no node is registered a node is born at the newest version, whatever its schedule says; clients do not count', async (t) => {
  const system = await open(t)
  t.is(await codeOf(system.desk.ref(NotesV1, 'n0', { version: 0, deadline: 1_000 }).all()), 'unavailable.no-responders')
  await until(async () => (await system.database.nodes('client')).length > 0, 'the client is registered')
  await system.publish(toV2({ schedule: only() }))
  await system.publish(tickerUpgrade())
  await system.publish(toV3({ schedule: only() }))
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  t.is(node.version, 3)
  t.is(node.className, 'Notes.v3')
  t.deepEqual(host.phases('n1'), ['current'])
  t.is((await host.node(ClockV1, 'c1')).className, 'Ticker.v2')
})

test('what a birth writes is as if the node had gone through all upgrades that live', async (t) => {
  const system = await open(t)
  await system.publish(toV2())
  await system.publish(toV3())
  const host = await system.host('h1', { facts: { zone: 'b' } })
  await host.node(NotesV1, 'n1')
  await host.stop()
  const store = await host.state.open()
  const record = unpack(store.get(keys.record('n1'))!) as NodeRecord
  t.like(record, {
    ...{
      nodeId: 'n1',
      service: 'notes',
      facts: { zone: 'b' },
      incarnation: 1,
      oldest: 0,
      newest: 2,
      previous: null,
      upgrade: null,
    },
    generation: { version: 2, className: 'Notes.v3' },
  })
  // The states of its object and its past-SOs, and nothing of the generations between.
  const slots = new Set([...store.range('s/n1/', 's/n10')].map(([key]) => key.split('/')[2]))
  t.deepEqual([...slots].sort(), [record.generation.object, ...Object.values(record.generation.simulations)].sort())
  await store.close()
})

test('a birth whose transform fails is registered again where it could get to', async (t) => {
  const system = await open(t)
  await system.publish(toV2())
  await system.publish(tickerUpgrade())
  const { host, of } = await registering(system, 'h1')
  let fails = true
  const failing = { ...toV3(), title: 'Fails' }
  const [third] = failing.classUpgrades
  const transform = (...args: readonly unknown[]) => {
    if (fails) throw new Error('no pins')
    return (third as unknown as { transform: (...args: readonly unknown[]) => unknown }).transform(...args)
  }
  await system.publish({ ...failing, classUpgrades: [{ ...third!, transform } as never], gate: null })
  const node = await host.node(NotesV1, 'n1')
  t.deepEqual(
    of('n1').map(({ version, className }) => `${version} ${className}`),
    ['3 Notes.v3', '2 Notes.v2'],
  )
  t.true(host.warnings().includes('n1 is born before version 3'))
  t.regex((await host.untilPhase('n1', 'stalled', 3)).reason!, /no pins/)
  fails = false
  node.retry()
  await until(() => node.version === 3, 'it gets there')
})

test('nodes that come back at the same time ask the upgrade server once, and not for long', async (t) => {
  const system = await open(t, { askServerMs: 600_000 })
  const first = await system.host('h1')
  const ids = ['n1', 'n2', 'n3']
  for (const id of ids) await first.node(NotesV1, id)
  await first.stop()
  await system.stopServer()
  let heads = 0
  system.broker.filter = ({ message }) => {
    if (/\.server$/.test(message.subject)) heads++
    return 'deliver'
  }
  const again = await system.host('h2', { state: first.state, settings: { firstAnswerMs: 30, serverDeadlineMs: 60_000 } })
  const starting = Promise.all(ids.map((id) => again.node(NotesV1, id)))
  t.true((await processMsOf(() => starting)) < 30_000)
  const nodes = await starting
  t.deepEqual(
    nodes.map(({ version }) => version),
    [0, 0, 0],
  )
  t.is(await codeOf(again.ref(NotesV1, 'n1', { version: 0 }).add('x')), 'answered 1')
  t.true(heads <= 2, `${heads} questions`)
})

test('a node that comes back beside an upgrade server that trusts others does not start', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  const first = await system.host('h1')
  await first.node(NotesV1, 'n1')
  await first.stop()
  const other = await system.host('h2', { state: first.state, trust: [bob.publicKey] })
  t.is(await codeOf(other.node(NotesV1, 'n1')), 'config.other-trust')
})

test('a birth fails with the failure of the database, and of a bundle that can’t be had now', async (t) => {
  const system = await open(t)
  await system.publish(toV2())
  const host = await system.host('h1')
  host.changeDatabase({ nodes: () => Promise.reject(new Error('away')) })
  t.is(await codeOf(host.node(NotesV1, 'n1')), 'Error: away')
  const gone = new Fault('upgrade.fetch', 'not now')
  const later = await system.host('h2', { repository: Object.assign(memoryRepository(), { load: () => Promise.reject(gone) }) })
  t.is(await codeOf(later.node(NotesV1, 'n2')), 'upgrade.fetch')
  t.deepEqual(await system.database.nodes('notes'), [], 'nothing is registered for it')
})

test('a node that is born after an undo takes the upgrade when it is brought again, though what was undone is dead', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } }, { deathRound: 10, deathDelay: 10 })
  const { operator } = system.desk.running
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)
  await operator.undo()
  await node.reached(2)
  await until(async () => (await system.database.dead()).inForce === 2, 'what was undone is dead')
  const other = await system.host('h2')
  const born = await other.node(NotesV1, 'n2')
  t.deepEqual([born.version, born.className], [2, 'Notes.v1'])
  t.is(await codeOf(system.desk.ref(NotesV1, 'n2', { version: 2 }).add('x')), 'answered 1')
  await operator.undo()
  await born.reached(3)
  t.is(born.className, 'Notes.v2')
  t.is(await codeOf(system.desk.ref(NotesV2, 'n2', { version: 3 }).all()), 'answered ["x"]')
})

test('a birth runs no transform of an upgrade that is final and whose version before is dead', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } }, { deathRound: 10, deathDelay: 10 })
  const { operator } = system.desk.running
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  let transforms = 0
  await system.publish(toV2({ beforeTransform: () => void transforms++ }))
  await node.reached(1)
  await operator.finalize(1)
  await until(async () => (await system.database.dead()).inForce === 1, 'the version before is dead')
  const held = gate()
  const { load } = system.repository
  const repository = Object.assign(memoryRepository(), {
    async load(...asked: Parameters<typeof load>) {
      await held.pass()
      return await load.apply(system.repository, asked)
    },
  })
  const other = await system.host('h2', { repository })
  const birth = other.node(NotesV1, 'n2')
  await until(() => held.waiting === 1, 'its class is loaded')
  held.open()
  const born = await birth
  t.deepEqual([born.version, born.className], [1, 'Notes.v2'])
  t.is(transforms, 1, 'of the first node')
  t.is(await codeOf(system.desk.ref(NotesV2, 'n2', { version: 1 }).all()), 'answered []')
})

test('a birth goes through an upgrade that makes records when they are asked for, and one after it that reads them all', async (t) => {
  const system = await open(t, { recordsPerPass: 0 })
  await system.publish(toShelfV2())
  class Full extends ShelfV2 {
    static override readonly className: string = 'Shelf.full'
  }
  const seen: string[] = []
  await system.publish(
    defineUpgrade({
      title: 'All at once',
      classUpgrades: [
        upgradeClass({
          oldClass: ShelfV2,
          newClass: Full,
          futureSO: notNeeded,
          pastSO: notNeeded,
          transform: async ({ puts }, _future, collections) => {
            for (const [key] of collections.old('books').entries()) seen.push(key)
            await collections.carry('books')
            return { puts }
          },
          inverse: {
            transform: async ({ puts }, _past, collections) => {
              await collections.carry('books')
              return { puts }
            },
          },
          schedule: eagerly(),
        }),
      ],
    }),
  )
  const host = await system.host('h1')
  const node = await host.node(ShelfV1, 's1')
  t.deepEqual([node.version, node.className], [2, 'Shelf.full'])
  t.deepEqual(seen, [])
  t.deepEqual(host.warnings(), [])
})
