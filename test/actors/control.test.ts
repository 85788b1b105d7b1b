/** The orders of an operator to nodes while an upgrade is under way: pause, hold, now, retry. */
import test, { type ExecutionContext } from 'ava'
import { eagerly, gradually, schedule, steps } from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

const never = schedule('never', (view) => view.sleep(3_600_000))

async function open(t: ExecutionContext) {
  const system = await TestSystem.start(t, { controlsMs: 5, limit: { percent: 100 } })
  const host = await system.host('h1')
  const nodes = [await host.node(NotesV1, 'n1'), await host.node(NotesV1, 'n2')] as const
  const { operator } = system.desk.running
  const untilReason = (nodeId: string, reason: RegExp) =>
    until(() => reason.test(host.last(nodeId)?.reason ?? ''), `${nodeId} says ${reason}`)
  return { system, host, nodes, operator, untilReason }
}

test('a pause holds every node before it drains, says why, and ends with resume', async (t) => {
  const { system, host, nodes, operator, untilReason } = await open(t)
  await operator.pause(1, 'let us look first')
  await system.publish(toV2())
  for (const id of ['n1', 'n2']) await untilReason(id, /waits for the end of the pause of version 1: let us look first/)
  t.false(host.phases('n1').includes('draining'))
  // Both versions are answered meanwhile.
  t.deepEqual(await host.ref(NotesV1, 'n1', { version: 1 }).all(), [])
  t.true(await operator.resume(1))
  await Promise.all(nodes.map((node) => node.reached(1)))
  t.false(await operator.resume(1))
})

test('a pause never holds an undo', async (t) => {
  const { system, nodes, operator } = await open(t)
  await system.publish(toV2())
  await Promise.all(nodes.map((node) => node.reached(1)))
  await operator.pause(2, 'too late')
  await operator.undo()
  await Promise.all(nodes.map((node) => node.reached(2)))
  t.is(nodes[0].className, 'Notes.v1')
})

test('a held node stays while the others go, until it is released', async (t) => {
  const { system, nodes, operator, untilReason } = await open(t)
  await operator.hold('n2', 'its user is busy')
  await system.publish(toV2())
  await nodes[0].reached(1)
  await untilReason('n2', /waits for the end of its hold: its user is busy/)
  t.is(nodes[1].version, 0)
  t.true(await operator.release('n2'))
  await nodes[1].reached(1)
})

test('a node that is told to upgrade does so now, whatever its SF says and though the version is paused', async (t) => {
  const { system, host, nodes, operator } = await open(t)
  let ended = 0
  const slow = schedule('slow', (view) => view.sleep(3_600_000).finally(() => ended++))
  await operator.pause(1, '')
  await system.publish(toV2({ schedule: slow }))
  await host.untilPhase('n1', 'scheduled')
  await operator.upgradeNow('n1')
  await nodes[0].reached(1)
  t.is(nodes[1].version, 0)
  t.is(ended, 1)
})

test('retry reaches stalled nodes through the upgrade database, each time it is asked for', async (t) => {
  const { system, host, nodes, operator } = await open(t)
  let tries = 0
  const failing = () => (++tries <= 4 ? Promise.reject(new Error('not yet')) : undefined)
  await system.publish(toV2({ schedule: eagerly(), beforeTransform: failing }))
  await host.untilPhase('n1', 'stalled')
  await host.untilPhase('n2', 'stalled')
  await operator.retry(1)
  await until(() => tries === 4, 'both try again')
  await host.untilPhase('n1', 'stalled')
  await host.untilPhase('n2', 'stalled')
  await operator.retry(1)
  await Promise.all(nodes.map((node) => until(() => node.version === 1, 'the node is there')))
  t.is(tries, 6)
})

test('retry lets a rejected upgrade be verified once more', async (t) => {
  const { system, host, operator } = await open(t)
  await system.publish(toV2(), (draft) => ({ ...draft, runtime: 99 }))
  await host.untilPhase('n1', 'rejected')
  const verified = () => host.phases('n1').filter((phase) => phase === 'verifying').length
  t.is(verified(), 1)
  await operator.retry(1)
  await until(() => verified() === 2, 'it is verified again')
  await host.untilPhase('n1', 'rejected')
})

test('what is asked for a node or version that can’t be is refused', async (t) => {
  const { operator } = await open(t)
  await t.throwsAsync(operator.hold('a b', ''), { code: 'config.invalid' })
  await t.throwsAsync(operator.pause(-1, ''), { code: 'config.invalid' })
  await t.throwsAsync(operator.upgradeNow('nobody'), { code: 'config.invalid', message: /no node nobody/ })
  // A control that is kept for a version that is yet to come would pass a pause then.
  await t.throwsAsync(operator.upgradeNow('n1'), { code: 'config.invalid', message: /at version 0, the newest there is/ })
})

test('an SF that never signals is not in the way of an undo', async (t) => {
  const { system, host, nodes, operator } = await open(t)
  await system.publish(toV2({ schedule: never }))
  await host.untilPhase('n1', 'scheduled')
  await operator.undo()
  await Promise.all(nodes.map((node) => node.reached(2)))
  t.true(nodes.every(({ className }) => className === 'Notes.v1'))
})

test('a promotion lets the first nodes go, past the pause that was there and no later one', async (t) => {
  const { system, nodes, operator, untilReason } = await open(t)
  await operator.pause(1, 'a few first')
  await system.publish(toV2({ schedule: eagerly() }))
  for (const id of ['n1', 'n2']) await untilReason(id, /a few first/)
  await operator.promote(1, 50, 'looks well')
  await nodes[0].reached(1)
  t.is(nodes[1].version, 0)
  await operator.pause(1, 'not that well')
  await untilReason('n2', /not that well/)
  await operator.promote(1, 100)
  await nodes[1].reached(1)
})

test('a promotion ends the schedule of the nodes that it is for, and a later share takes more of them along', async (t) => {
  const { system, host, nodes, operator } = await open(t)
  await system.publish(toV2({ schedule: never }))
  for (const id of ['n1', 'n2']) await host.untilPhase(id, 'scheduled')
  await operator.promote(1, 50)
  await nodes[0].reached(1)
  t.is(host.last('n2')?.phase, 'scheduled')
  await operator.promote(1, 100)
  await nodes[1].reached(1)
})

test('nodes that sleep between two coins hear of another pace', async (t) => {
  const { system, host, nodes, operator } = await open(t)
  await system.publish(toV2({ schedule: gradually({ every: '1h', probability: 0.01 }) }))
  for (const id of ['n1', 'n2']) await host.untilPhase(id, 'scheduled')
  await operator.changePace(1, { probability: 1, everyMs: 10, bakeMs: null }, 'no time')
  await Promise.all(nodes.map((node) => node.reached(1)))
  await operator.changePace(1, { probability: null, everyMs: null, bakeMs: null })
  t.deepEqual(await operator.database.controls(), [])
})

test('the bake under way ends when an operator promotes the next step', async (t) => {
  const { system, nodes, operator } = await open(t)
  await system.publish(toV2({ schedule: steps(['1 node', 'all'], { bake: '1h' }) }))
  await nodes[0].reached(1)
  t.is(nodes[1].version, 0)
  await operator.promote(1, null)
  await nodes[1].reached(1)
})

test('an abort undoes a version and pauses it in one order: no node goes there any more', async (t) => {
  const { system, host, nodes, operator } = await open(t)
  await system.publish(toV2({ schedule: never }))
  await host.untilPhase('n1', 'scheduled')
  await operator.upgradeNow('n2')
  await nodes[1].reached(1)
  t.is(await operator.undo({ version: 1, abort: true, reason: 'wrong sums' }), 2)
  t.like(await operator.database.controls(), [{ kind: 'now' }, { kind: 'pause', version: 1, reason: 'wrong sums' }])
  await Promise.all(nodes.map((node) => node.reached(2)))
  t.is((await operator.history()).at(-1)!.aborts, true)
  t.is(await operator.undo({ version: 1, abort: true }), 2)
})
