/**
 * The limit of nodes that do not serve (DESIGN §5, "Limits"): enforced outside the SF, claimed before
 * draining, freed after.
 */

import test from 'ava'
import { notServing } from '../../core/base/phases.js'
import { defaultServiceLimit } from '../../core/schedules/serviceLimit.js'
import { atMost, schedule } from '../../index.js'
import { upgradingNode } from '../contracts/databaseContract.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notesClasses.js'
import { isSlotHolder, slotHolders } from './slots.js'

test('of eight nodes on two hosts, never more than a quarter do not serve at once, whatever the SFs say', async (t) => {
  const system = await TestSystem.start(t, { limit: defaultServiceLimit })
  const hosts = [await system.host('h1'), await system.host('h2')]
  const away = new Set<string>()
  let most = 0
  for (const host of hosts) {
    host.running.observe((event) => {
      if (event.type !== 'phase') return
      if (notServing.has(event.phase)) away.add(event.nodeId)
      else away.delete(event.nodeId)
      most = Math.max(most, away.size)
    })
  }
  const nodes = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((i) => hosts[i % 2]!.node(NotesV1, `n${i}`)))
  let forms = 0
  await system.publish(
    toV2({
      beforeTransform: async () => {
        // Long enough for others to come in between, if they could.
        for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
        forms++
      },
    }),
  )
  await until(() => nodes.every((node) => node.version === 1), 'all nodes are upgraded')
  t.is(forms, 8)
  t.is(most, 2)
  await until(async () => (await slotHolders(system, 'notes')).length === 0, 'all slots are free')
})

test('an upgrade that says atMost(all) takes all nodes at once, whatever their hosts’ limit; so does its undo', async (t) => {
  const system = await TestSystem.start(t, { limit: { nodes: 1 } })
  const host = await system.host('h1')
  const ids = ['n1', 'n2', 'n3', 'n4']
  const nodes = await Promise.all(ids.map((id) => host.node(NotesV1, id)))
  const [there, back] = [gate(), gate()]
  t.teardown(() => [there, back].forEach((each) => void each.open()))
  await system.publish(toV2({ schedule: atMost('all'), beforeTransform: () => there.pass(), beforeInverse: () => back.pass() }))
  await until(() => there.waiting === 4, 'all of them transform')
  t.deepEqual(await slotHolders(system, 'notes'), ids)
  there.open()
  await Promise.all(nodes.map((node) => node.reached(1)))
  await system.desk.running.operator.undo()
  await until(() => back.waiting === 4, 'all of them go back')
  back.open()
  await Promise.all(nodes.map((node) => node.reached(2)))
})

test('the permit is claimed before draining begins and freed when the node serves again', async (t) => {
  const system = await TestSystem.start(t, { limit: { nodes: 1 } })
  const host = await system.host('h1')
  const form = gate()
  const node = await host.node(NotesV1, 'n1')
  t.teardown(() => form.open())
  const held: boolean[] = []
  host.running.observe((event) => {
    if (event.type === 'phase' && event.phase === 'draining')
      void isSlotHolder(system, 'notes', 'n1').then((holds) => held.push(holds))
  })
  await system.publish(toV2({ beforeTransform: () => form.pass() }))
  await until(() => form.waiting === 1, 'the transform waits')
  t.deepEqual(held, [true])
  form.open()
  await until(() => node.version === 1, 'the upgrade ends')
  await until(async () => !(await isSlotHolder(system, 'notes', 'n1')), 'the slot is free')
})

test('a node that waits for a permit says so and serves meanwhile', async (t) => {
  const system = await TestSystem.start(t, { limit: { nodes: 1 } })
  await system.database.claimPermit('notes', upgradingNode('somebody'), { nodes: 1 })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  const row = await until(
    async () => (await system.database.nodes('notes')).find(({ reason }) => reason !== null),
    'the database knows what it waits for',
  )
  t.is(row!.phase, 'scheduled')
  t.regex(row!.reason!, /somebody/)
  t.is(await system.desk.ref(NotesV1, 'n1', { version: 0 }).add('x'), 1)
  t.is(await system.desk.ref(NotesV2, 'n1', { version: 1 }).add('y'), 2)
  await system.database.releasePermit('notes', 'somebody')
  t.true(await until(() => node.version === 1, 'the upgrade ends'))
})

test('while the upgrade database is away no draining begins; when it is back the upgrade goes on', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const start = gate()
  await system.publish(toV2({ schedule: schedule('when the gate opens', () => start.pass()) }))
  await host.untilPhase('n1', 'scheduled')
  system.udb.away(true)
  start.open()
  await until(() => host.last('n1')?.reason?.includes('does not answer'), 'the node waits for the database')
  t.is(await system.desk.ref(NotesV1, 'n1', { version: 0 }).add('x'), 1)
  t.false(host.phases('n1').includes('draining'))
  system.udb.away(false)
  t.true(await until(() => node.version === 1, 'the upgrade ends'))
})

test('a draining that has begun is finished without the upgrade database, which hears of it when it is back', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const form = gate()
  await system.publish(toV2({ beforeTransform: () => form.pass() }))
  await until(() => form.waiting === 1, 'the transform waits')
  system.udb.away(true)
  form.open()
  await until(() => node.version === 1, 'the upgrade ends')
  t.is(await system.desk.ref(NotesV2, 'n1', { version: 1 }).add('x'), 1)
  system.udb.away(false)
  const isFree = await until(async () => {
    const [row] = await system.database.nodes('notes')
    return row?.version === 1 && row.phase === 'current' && !(await isSlotHolder(system, 'notes', 'n1'))
  }, 'the database knows, and the slot is free')
  t.true(isFree)
})

test('a permit whose release came late is not taken from the node’s next try', async (t) => {
  const system = await TestSystem.start(t, { limit: { nodes: 1 }, backoffMs: 60, backoffMsMax: 60, slotPauseMs: 1, leaseMs: 300 })
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  const forms = [gate(), gate()]
  let tries = 0
  t.teardown(() => forms[1]!.open())
  await system.publish(toV2({ beforeTransform: () => forms[tries++]!.pass() }))
  await until(() => forms[0]!.waiting === 1, 'the transform waits')
  system.udb.away(true)
  forms[0]!.fail(new Error('no form'))
  await host.untilPhase('n1', 'stalled')
  system.udb.away(false)
  const { nodes } = host
  nodes.get('n1')!.retry()
  await until(() => forms[1]!.waiting === 1, 'the second transform waits')
  t.true(await isSlotHolder(system, 'notes', 'n1'))
  // The late release would have come before the second of these.
  let renewals = 0
  host.changeDatabase({
    renew: (...args) => {
      renewals++
      return system.database.renew(...args)
    },
  })
  await until(() => renewals === 2, 'the lease is renewed twice')
  t.true(await isSlotHolder(system, 'notes', 'n1'))
})

class Stuck extends NotesV1 {
  static broken = false
  protected override start(): void {
    if (Stuck.broken) throw new Error('broken')
  }
}

test('a node whose old object does not start again keeps its permit: it does not serve', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Stuck, 'n1')
  await system.publish(
    toV2({
      oldClass: Stuck,
      beforeTransform: () => {
        Stuck.broken = true
        throw new Error('no form')
      },
    }),
  )
  await host.untilPhase('n1', 'failed')
  await new Promise((resolve) => setImmediate(resolve))
  const holds = await isSlotHolder(system, 'notes', 'n1')
  Stuck.broken = false
  t.true(holds)
})
