/**
 * A call that does not end, begun before an upgrade is published: the node is seen on its way, and says why
 * it does not get there (C10).
 */
import test, { type ExecutionContext } from 'ava'
import { keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import { unpack } from '../../core/wire/codec.js'
import { schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate } from '../support/testSystem.js'
import { gates, NotesV1, NotesV2, tickerUpgrade, toV2, toV3 } from './notesClasses.js'
import { oneNode } from './oneNode.js'

const never = schedule('never', () => new Promise(() => {}))

/** One node whose running call waits until the gate opens. */
async function busy(t: ExecutionContext) {
  const made = await oneNode(t, { controlsMs: 20, advanceTimeoutMs: 40, limit: { percent: 100 } })
  const ends = gate()
  gates.set(t.title, ends)
  t.teardown(() => ends.open())
  const running = codeOf(made.v0.addSlowly('slow', t.title))
  await until(() => ends.waiting === 1, 'the call runs')
  return { ...made, ends, running }
}

test('its upgrade is scheduled, and stalls with the running call as the reason', async (t) => {
  const { system, host, node } = await busy(t)
  await system.publish(toV2({ drainTimeout: 10 }))
  const stalled = await host.untilPhase('n1', 'stalled', 1)
  t.regex(stalled.reason!, /the running call did not finish in 10 ms/)
  t.true(host.phases('n1').includes('scheduled'))
  t.is(node.chain.length, 2, 'the future-SO is in the chain')
  // While it tries again, it says what went wrong before.
  const again = host.events.find((event) => event.type === 'phase' && event.phase === 'scheduled' && event.reason !== null)
  t.regex((again as { reason: string }).reason, /the running call did not finish/)
})

test('it goes forward at a retry once the call has ended', async (t) => {
  const { system, host, node, ends, running, v1 } = await busy(t)
  await system.publish(toV2({ drainTimeout: 10 }))
  await host.untilPhase('n1', 'stalled', 1)
  ends.open()
  t.is(await running, 'answered 2')
  await system.desk.running.operator.retry(1)
  await until(() => node.version === 1, 'it goes forward')
  t.deepEqual(await v1.all(), ['slow…', 'slow'])
})

test('an upgrade that leaves the node alone stalls too, and is taken as soon as the call has ended', async (t) => {
  const { system, host, node, ends } = await busy(t)
  await system.publish(tickerUpgrade())
  const stalled = await host.untilPhase('n1', 'stalled', 1)
  t.regex(stalled.reason!, /the running call did not finish in 40 ms/)
  t.is(node.version, 0)
  ends.open()
  await until(() => node.version === 1, 'it advances')
  await host.untilPhase('n1', 'current')
  t.is(node.version, 1)
})

test('such a node that restarts advances, for the call has ended with its host', async (t) => {
  const { system, host } = await busy(t)
  let isOnDisk = false
  host.state.afterCommit = (writes) => {
    for (const [key, value] of writes)
      if (key === keys.record('n1') && value !== null) isOnDisk = (unpack(value) as NodeRecord).upgrade?.phase === 'stalled'
  }
  await system.publish(tickerUpgrade())
  await until(() => isOnDisk, 'it is stalled, and that is on disk')
  const again = await system.host('h2', { state: host.kill() })
  const node = await again.node(NotesV1, 'n1')
  await until(() => node.version === 1, 'it advances')
  t.is((await again.untilPhase('n1', 'current')).reason, null)
})

test('a version that is published while the node drains keeps no drain from ending: it stalls with the call as the reason', async (t) => {
  const { system, host, node } = await busy(t)
  await system.publish(toV2({ drainTimeout: 200 }))
  await host.untilPhase('n1', 'draining', 1)
  await system.publish(tickerUpgrade())
  await until(() => host.running.status().newestVersion === 2, 'its host knows of it')
  t.is(host.last('n1')!.phase, 'draining')
  const stalled = await host.untilPhase('n1', 'stalled', 1)
  t.regex(stalled.reason!, /the running call did not finish in 200 ms/)
  t.is(node.chain.length, 3, 'both versions are learned')
})

for (const phase of ['scheduled', 'stalled'] as const)
  test(`an upgrade that is undone while ${phase} stalls as well, and is passed when the call has ended`, async (t) => {
    const { system, host, node, ends } = await busy(t)
    await system.publish(toV2(phase === 'stalled' ? { drainTimeout: 10 } : { schedule: never }))
    await host.untilPhase('n1', phase, 1)
    await system.desk.running.operator.undo()
    const stalled = await until(() => {
      const last = host.last('n1')
      return last?.phase === 'stalled' && last.reason!.includes('40 ms') ? last : undefined
    }, 'it says why it does not go on')
    t.regex(stalled!.reason!, /the running call did not finish in 40 ms/)
    ends.open()
    await until(() => node.version === 2, 'it passes the upgrade and its undo')
    await host.untilPhase('n1', 'current')
  })

test('a rejected upgrade is told of while the call runs', async (t) => {
  const { system, host } = await busy(t)
  await system.publish(toV2(), (draft) => ({ ...draft, runtime: 99 }))
  const rejected = await host.untilPhase('n1', 'rejected', 1)
  t.regex(rejected.reason!, /runtime interface 99/)
})

test('the running call goes on through its own link while the chain gets more', async (t) => {
  const { system, node, ends, v0 } = await busy(t)
  await system.publish(toV2({ drainTimeout: 1_000 }))
  ends.open()
  await node.reached(1)
  // Now through the past-SO of version 0, while two more versions come.
  const later = gate()
  gates.set(`${t.title} later`, later)
  const simulated = codeOf(v0.addSlowly('through the past-SO', `${t.title} later`))
  await until(() => later.waiting === 1, 'it runs')
  await system.publish(toV3({ schedule: never }))
  await system.publish(tickerUpgrade())
  await until(() => node.chain.length === 4, 'both are learned')
  later.open()
  t.is(await simulated, 'answered 4')
  t.is(await system.desk.ref(NotesV2, 'n1', { version: 1 }).add('x'), 5)
  t.is(await v0.mood(), 'calm')
})
