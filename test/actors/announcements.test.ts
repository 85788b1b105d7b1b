/**
 * All hosts hear an announcement at once, and come back to NATS at once: each asks the upgrade server at a
 * moment of its own, but for a call that needs the version now.
 */
import test, { type ExecutionContext } from 'ava'
import { createHost } from '../../index.js'
import { type MemoryTransport, memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'

const announcedWithinMs = 54_321

/** A host with a node, whose moment to ask comes when the test says so. */
async function patient(t: ExecutionContext, chance: number) {
  const system = await TestSystem.start(t)
  const moments: { readonly ms: number; readonly come: () => void }[] = []
  const clock = system.clock.with({
    after: (ms, action) => {
      if (ms !== announcedWithinMs * chance) return system.clock.after(ms, action)
      moments.push({ ms, come: action })
      return () => {}
    },
  })
  let questions = 0
  system.broker.filter = ({ from, message }) => {
    if (from === 'patient' && message.subject.endsWith('.server')) questions++
    return 'deliver'
  }
  let transport!: MemoryTransport
  const host = await createHost({
    ...system.ways(),
    hostId: 'patient',
    transport: { connect: async (options) => (transport = memoryTransport(system.broker, options)) },
    state: memoryStore(),
    bundles: system.repository,
    clock,
    random: { next: () => chance },
    settings: { announcedWithinMs, limit: { percent: 100 } },
  })
  t.teardown(() => host.stop())
  const node = await host.node(NotesV1, 'n1')
  questions = 0
  return { system, node, moments, transport, questions: () => questions }
}

for (const chance of [0.25, 0.75]) {
  test(`who hears of a version asks for it after ${chance * 100} % of the time that it has, if chance says so`, async (t) => {
    const { system, node, moments, questions } = await patient(t, chance)
    await system.publish(toV2())
    await until(() => moments.length === 1, 'the announcement is heard')
    t.is(questions(), 0)
    moments[0]!.come()
    await until(() => node.version === 1, 'the node upgrades')
  })
}

test('who hears of a second version meanwhile asks once for both', async (t) => {
  const { system, node, moments, questions } = await patient(t, 0.5)
  await system.publish(toV2())
  await system.publish(toV3())
  await until(() => moments.length === 1, 'the announcements are heard')
  moments[0]!.come()
  await until(() => node.version === 2, 'the node upgrades twice')
  t.is(moments.length, 1)
  // For the newest version, its manifests, and two bundles.
  t.is(questions(), 4)
})

test('who comes back to NATS asks at a moment of its own too: all hosts come back at once', async (t) => {
  const { system, node, moments, transport, questions } = await patient(t, 0.5)
  transport.disconnect()
  await system.publish(toV2())
  transport.reconnect()
  t.is(moments.length, 1)
  await system.desk.running.flush()
  t.is(questions(), 0)
  moments[0]!.come()
  await until(() => node.version === 1, 'the node upgrades')
})

test('a call that needs the version does not wait for that moment, which then asks for nothing', async (t) => {
  const { system, node, moments, questions } = await patient(t, 0.5)
  await system.publish(toV2())
  await until(() => moments.length === 1, 'the announcement is heard')
  t.is(await system.desk.ref(NotesV2, 'n1', { version: 1 }).add('now'), 1)
  await until(() => node.version === 1, 'the node upgrades')
  const asked = questions()
  moments[0]!.come()
  await system.desk.running.flush()
  t.is(questions(), asked)
})
