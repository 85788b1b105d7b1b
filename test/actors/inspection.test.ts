/** The reports of hosts to those who look: everything, in order, while they look; and nothing otherwise. */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { seededRandom } from 'theseus-actors/memory'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { CallRecorder } from '../../actors/inspection/callRecorder.js'
import { Inspection } from '../../actors/inspection/inspection.js'
import type { InspectionBatch } from '../../actors/inspection/inspectionClient.js'
import { InspectionQueue } from '../../actors/inspection/inspectionQueue.js'
import type { Seen, StatechartSeen } from '../../core/inspection/inspection.js'
import type { Message, Transport } from '../../core/ports/transport.js'
import { upgradeStatechartDescription } from '../../core/upgrade/statechartDescription.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { schedule } from '../../index.js'
import type { MemoryTransport } from '../../transports/memory/index.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { gate, type TestSystem } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'
import { NotesV1, toV2 } from './notesClasses.js'
import { oneNode } from './oneNode.js'

const quick = { seenBatchMs: 5 }
const untilTold = schedule('never', (view) => view.sleep(3_600_000))

/** The upgrade manager's own: its children's have no context. */
function isLastSnapshot({ type, event }: Seen & { event?: StatechartSeen['event'] }): boolean {
  return (
    type === 'statechart' && event?.type === '@xstate.snapshot' && event.snapshot.status === 'done' && 'context' in event.snapshot
  )
}

/** A viewer, and all that it is told. */
function look(t: ExecutionContext, system: TestSystem) {
  const seen: Seen[] = []
  const batches: InspectionBatch[] = []
  const stop = system.desk.running.operator.look((batch) => {
    batches.push(batch)
    seen.push(...batch.seen)
  })
  t.teardown(stop)
  return { seen, batches, stop }
}

/** One who looks by hand: asks once, and counts the messages. */
function looker(system: TestSystem, name: string) {
  const transport: MemoryTransport = memoryTransport(system.broker, { name })
  const subjects = subjectsOf(system.name)
  const batches: any[] = []
  transport.subscribe(subjects.looker(name), ({ payload }) => {
    for (const envelope of decode(payload)) batches.push((envelope as CallEnvelope).args[0])
  })
  const ask = (leaseMs: number, afresh: readonly string[] = []) =>
    transport.publish(subjects.look, encodeCall({ ...question, caller: name, args: [{ looker: name, leaseMs, afresh }] }))
  return { transport, batches, ask, ofHost: (hostId: string) => batches.filter((batch) => batch.hostId === hostId) }
}

const question: CallEnvelope = {
  kind: kinds.send,
  label: 0,
  seq: 1,
  method: 'look',
  args: [],
  deadlineMs: 1000,
  caller: 'x',
  incarnation: 1,
  callerClass: 'Looker',
  callerVersion: 0,
  expects: null,
  path: null,
  trace: null,
  together: false,
}

function messagesTo(system: TestSystem, part: string): { count: number } {
  const counted = { count: 0 }
  system.broker.filter = ({ message }) => {
    if (message.subject.includes(part)) counted.count++
    return 'deliver'
  }
  return counted
}

test('nobody is told anything who does not look: a whole upgrade sends nothing and watches no statechart', async (t) => {
  const { system, host, node } = await oneNode(t, quick)
  const told = messagesTo(system, '.looker.')
  await system.publish(toV2())
  await node.reached(1)
  await host.untilPhase('n1', 'current')
  t.is(told.count, 0)
})

test('one who looks is told every phase, the chains, and the statechart’s events, transitions and context as they happen', async (t) => {
  const { system, node } = await oneNode(t, quick)
  const { seen } = look(t, system)
  await until(() => seen.some(({ type }) => type === 'node'), 'the node is told of')
  await system.publish(toV2())
  await node.reached(1)
  const end = (one: Seen) => one.type === 'node' && one.version === 1 && one.chain.at(-1)?.role === 'object'
  await until(
    () =>
      seen.some(end) &&
      seen.some(isLastSnapshot) &&
      seen.some((one) => one.type === 'phase' && one.phase === 'current' && one.n > 1),
    'the end',
  )

  t.deepEqual(
    seen.flatMap((one) => (one.type === 'phase' ? [one.phase] : [])),
    [
      'current',
      'fetching',
      'verifying',
      'scheduled',
      'draining',
      'transforming',
      'checking',
      'flipping',
      'recovering',
      'current',
    ],
  )
  t.deepEqual(
    seen.flatMap((one) => (one.type === 'node' ? [one.chain.map(({ version, role }) => `${version} ${role}`)] : [])).at(-1),
    ['0 pastSO', '1 object'],
  )
  const events = seen.filter((one): one is StatechartSeen => one.type === 'statechart')
  const kindsSeen = new Set(events.map(({ event }) => event.type))
  t.deepEqual([...kindsSeen].sort(), [
    '@xstate.action',
    '@xstate.actor',
    '@xstate.event',
    '@xstate.microstep',
    '@xstate.snapshot',
  ])

  // Each transition that is taken is one of the statechart's own description.
  const known = new Set(upgradeStatechartDescription.transitions.map(({ id }) => id))
  const taken = events.flatMap(({ event }) => (event.type === '@xstate.microstep' ? event.transitions : []))
  t.deepEqual(
    taken.filter((id) => !known.has(id)),
    [],
  )
  t.true(taken.includes('upgrade.transforming xstate.done.actor.0.upgrade.transforming 0'), taken.join('\n'))
  const contexts = events.flatMap(({ event }) =>
    event.type === '@xstate.snapshot' && event.snapshot.context !== undefined ? [event.snapshot.context as any] : [],
  )
  t.like(contexts.at(-1), { target: 1, phase: 'current', reason: null })
  const bytes = JSON.stringify(events).length
  t.log(`${events.length} inspection events of one upgrade, ${bytes} bytes as JSON`)
  t.true(events.length < 150 && bytes < 64 * 1024)
})

test('one who comes while an upgrade is under way is told where it stands, and then what happens', async (t) => {
  const { system, host, node } = await oneNode(t, quick)
  const start = gate()
  await system.publish(toV2({ schedule: schedule('when the gate opens', () => start.pass()) }))
  await host.untilPhase('n1', 'scheduled')
  const { seen } = look(t, system)
  const standing = (one: Seen) => one.type === 'statechart' && one.event.type === '@xstate.actor' && one.event.parent === null
  await until(() => seen.some(standing), 'the upgrade manager is told of')
  const { event } = seen.find(standing) as StatechartSeen
  t.like((event as { snapshot: object }).snapshot, { status: 'active', value: { scheduled: 'deciding' } })
  start.open()
  await node.reached(1)
  const ended = (one: Seen) => isLastSnapshot(one)
  await until(() => seen.some(ended), 'the statechart ends')
})

test('one who comes afterwards is told the phases of the upgrades that are over', async (t) => {
  const { system, node } = await oneNode(t, quick)
  await system.publish(toV2())
  await node.reached(1)
  const { seen } = look(t, system)
  await until(() => seen.some(({ type }) => type === 'phase'), 'the phases are told')
  t.deepEqual(
    seen.flatMap((one) => (one.type === 'phase' && one.target === 1 ? [one.phase] : [])),
    ['fetching', 'verifying', 'scheduled', 'draining', 'transforming', 'checking', 'flipping', 'recovering'],
  )
  t.false(seen.some(({ type }) => type === 'statechart'))
})

test('a host remembers a bounded number of phases', async (t) => {
  const { system, node } = await oneNode(t, { ...quick, phasesKeptMax: 4 })
  await system.publish(toV2())
  await node.reached(1)
  const { seen } = look(t, system)
  await until(() => seen.some(({ type }) => type === 'phase'), 'the phases are told')
  t.deepEqual(
    seen.flatMap((one) => (one.type === 'phase' ? [one.phase] : [])),
    ['checking', 'flipping', 'recovering', 'current'],
  )
})

test('calls are counted for each version at which they came', async (t) => {
  const { system, v0, v1, host } = await oneNode(t, quick)
  await v0.add('a')
  await v0.add('b')
  const { seen } = look(t, system)
  await until(() => seen.some((one) => one.type === 'node'), 'the node is told of')
  t.deepEqual((seen.find((one) => one.type === 'node') as any).calls, [[0, 2]])
  await system.publish(toV2({ schedule: untilTold }))
  await host.untilPhase('n1', 'scheduled')
  await v1.add('c')
  // Also a chain that is told comes with the calls.
  const hasCalls = (one: Seen) => (one.type === 'calls' || one.type === 'node') && one.calls.some(([version]) => version === 1)
  const counted = await until(() => seen.find(hasCalls), 'the call at version 1 is counted')
  t.deepEqual((counted as any).calls, [
    [0, 2],
    [1, 1],
  ])
})

test('a lease that is not renewed ends, and with it the telling', async (t) => {
  const { system, host, node } = await oneNode(t, quick)
  const [one, two] = [looker(system, 'one'), looker(system, 'two')]
  one.ask(40)
  two.ask(60_000)
  const hasHeardOf = ({ ofHost }: typeof one, nodeId: string) =>
    ofHost('h1').some(({ seen }) => seen.some((each: Seen) => each.nodeId === nodeId))
  await until(() => hasHeardOf(one, 'n1'), 'it is told')
  let nodes = 0
  await until(async () => {
    const nodeId = `m${++nodes}`
    await host.node(NotesV1, nodeId)
    await until(() => hasHeardOf(two, nodeId), 'the other one is told')
    return !hasHeardOf(one, nodeId)
  }, 'it is not told any more')
  const before = one.batches.length
  await system.publish(toV2())
  await node.reached(1)
  await until(() => two.ofHost('h1').some(({ seen }) => seen.some(isLastSnapshot)), 'the other one is told to the end')
  t.is(one.batches.length, before)
})

test('at most so many look at once; one more is not told anything and is a dead letter', async (t) => {
  const { system, host } = await oneNode(t, { ...quick, lookersMax: 2 })
  const all = ['one', 'two', 'three'].map((name) => looker(system, name))
  for (const one of all) one.ask(10_000)
  await until(() => all[1]!.ofHost('h1').length > 0, 'two are told')
  t.is(all[2]!.ofHost('h1').length, 0)
  t.true(host.events.some((event) => event.type === 'deadLetter' && event.fault.code === 'unavailable.overloaded'))
})

test('everything is told only so often, whoever asks; who was told before goes on being told', async (t) => {
  const { system, host } = await oneNode(t, { ...quick, tellingsMax: 3, tellingsMs: 60_000 })
  const one = looker(system, 'one')
  one.ask(60_000)
  const told = messagesTo(system, '.looker.')
  for (let n = 0; n < 20; n++) {
    one.ask(60_000, ['h1'])
    const other = looker(system, `other-${n}`)
    other.ask(60_000)
    other.ask(1)
  }
  const refused = () =>
    host.events.filter((event) => event.type === 'deadLetter' && event.fault.code === 'unavailable.overloaded')
  await until(() => refused().length >= 36, 'the rest is refused')
  t.true(told.count <= 10, `${told.count}`)
  await host.node(NotesV1, 'n2')
  const isTold = () => one.batches.some(({ seen }) => seen.some((each: { nodeId: string }) => each.nodeId === 'n2'))
  await until(isTold, 'it is told of a new node')
})

test('what waits is bounded: the oldest is dropped, and how much was is told', async (t) => {
  const { system, node } = await oneNode(t, { seenBatchMs: 5_000, seenQueueMax: 10 })
  const one = looker(system, 'one')
  one.ask(10_000)
  await until(() => one.ofHost('h1').length > 0, 'it is told')
  await system.publish(toV2())
  await node.reached(1)
  const first = await until(() => one.ofHost('h1').find(({ number }) => number > 0), 'the next batch')
  t.true(first.dropped > 10, String(first.dropped))
  const isEvent = ({ type }: Seen) => type === 'statechart'
  t.is(first.seen.filter(isEvent).length, 10)
  // However much a statechart says, the phases are told.
  t.is(first.seen.filter(({ type }: Seen) => type === 'phase').length, 9)
})

test('however much waits to be told, no more than seenPerTickMax of it is told at once, and all of it in the end', async (t) => {
  const { system, node } = await oneNode(t, { seenBatchMs: 5, seenPerTickMax: 3 })
  const one = looker(system, 'one')
  one.ask(60_000)
  await until(() => one.ofHost('h1').length > 0, 'it is told')
  await system.publish(toV2())
  await node.reached(1)
  const told = () => one.ofHost('h1').filter(({ number }) => number > 0)
  await until(() => told().some(({ seen }) => seen.some(isLastSnapshot)), 'it is told to the end')
  t.deepEqual(
    told().map(({ number }) => number),
    told().map((_, i) => i + 1),
  )
  t.true(told().every(({ seen, dropped }) => seen.length <= 3 && dropped === 0))
  t.true(told().some(({ seen }) => seen.length === 3))
  t.is(
    told()
      .flatMap(({ seen }) => seen)
      .filter(({ type }: Seen) => type === 'phase').length,
    9,
  )
})

test('a queue keeps the newest, in order, however much is put into it', (t) => {
  const queue = new InspectionQueue<number>(1000)
  for (let i = 0; i < 10_000; i++) queue.add(i)
  t.is(queue.length, 1000)
  t.is(queue.takeDropped(), 9000)
  t.is(queue.takeDropped(), 0)
  t.deepEqual(queue.take(3), [9000, 9001, 9002])
  t.is(queue.all().length, 997)
  t.is(queue.take(5000).at(-1), 9999)
  t.is(queue.length, 0)
})

test('what is lost on the way is noticed by its number, and told again once', async (t) => {
  const { system, host, node } = await oneNode(t, quick)
  const { seen, batches } = look(t, system)
  await until(() => seen.some(({ type }) => type === 'phase'), 'the first phase is told')
  const start = gate()
  let isLosing = false
  let lost = 0
  system.broker.filter = ({ message }) => {
    if (!isLosing || !message.subject.includes('.looker.')) return 'deliver'
    lost++
    return 'drop'
  }
  await system.publish(toV2({ schedule: schedule('when the gate opens', () => start.pass()) }))
  await host.untilPhase('n1', 'scheduled')
  await until(() => seen.some((one) => one.type === 'phase' && one.phase === 'scheduled'), 'scheduled is told')
  isLosing = true
  start.open()
  await node.reached(1)
  await until(() => lost > 0, 'something is lost')
  isLosing = false
  await host.node(NotesV1, 'n2')
  await until(() => batches.some(({ lostMessages }) => lostMessages > 0), 'the gap is noticed')
  const phases = () => seen.flatMap((one) => (one.type === 'phase' && one.nodeId === 'n1' ? [one.n] : []))
  await until(() => phases().length === 10, 'the phases are told again')
  t.is(new Set(phases()).size, 10)
})

test('while nobody looks no statechart is observed, no timer runs and nothing is packed; all of that ends with the last lease', (t) => {
  const clock = new ManualClock()
  const sent: string[] = []
  let ask!: (message: Message) => void
  const transport = {
    payloadBytesMax: 1024 * 1024,
    publish: (subject: string) => void sent.push(subject),
    subscribe: (_: string, handler: typeof ask) => {
      ask = handler
      return { unsubscribe: () => {} }
    },
  } as unknown as Transport
  const settings = { ...defaultSettings, system: 's', hostId: 'h1' } as HostSettings
  const recorder = new CallRecorder(clock, seededRandom(1), settings, { trusted: undefined, checkDirective: () => [] }, undefined)
  const inspection = new Inspection(transport, clock, settings, () => {}, recorder)
  inspection.start(new Map())
  let observers = 0
  const inspect = () => {
    observers++
    return { unsubscribe: () => observers-- }
  }
  const actor = {
    sessionId: 'x:0',
    id: 'x:0',
    system: { inspect },
    subscribe: () => {},
    getSnapshot: () => ({ status: 'active' }),
  }
  const node = { type: 'phase', nodeId: 'n1', service: 's', className: 'A', version: 0 } as const
  inspection.follow('n1', 1, actor as any)
  inspection.observe({ ...node, phase: 'fetching', target: 1, reason: null })
  clock.advance(60_000)
  t.deepEqual([observers, clock.timers, sent.length], [0, 0, 0])

  const payload = encodeCall({ ...question, args: [{ looker: 'one', leaseMs: 1_000 }] })
  ask({ payload, subject: 'theseus.s.look', replyTo: undefined, noResponders: false })
  t.deepEqual([observers, clock.timers, sent], [1, 1, ['theseus.s.looker.one']])
  clock.advance(60_000)
  inspection.observe({ ...node, phase: 'verifying', target: 1, reason: null })
  clock.advance(60_000)
  t.deepEqual([observers, clock.timers, sent.length], [0, 0, 1])
})

test('whatever a user’s error says or is, the upgrade goes on and the phases are told', async (t) => {
  const { system, host } = await oneNode(t, quick)
  const { seen } = look(t, system)
  await until(() => seen.some(({ type }) => type === 'node'), 'the node is told of')
  const broken = schedule('broken', async () => {
    throw new Error('half a pair: \ud83d '.repeat(50_000))
  })
  await system.publish(toV2({ schedule: broken }))
  await host.untilPhase('n1', 'stalled')
  const stalled = (one: Seen) => one.type === 'phase' && one.phase === 'stalled'
  const told = (await until(() => seen.find(stalled), 'it is told')) as { reason: string }
  t.true(told.reason.includes('half a pair: \ufffd'))
  t.true(told.reason.length <= 4096)
  await until(() => seen.some(({ type }) => type === 'statechart'), 'the statechart too')
})

test('what is no question is a dead letter, and nobody is told anything', async (t) => {
  const { system, host } = await oneNode(t, quick)
  const one = looker(system, 'one')
  const { look: subject } = subjectsOf(system.name)
  const args = [{}, { looker: 'a b', leaseMs: 5 }, { looker: 'one', leaseMs: 'x' }, { looker: 'one', leaseMs: 5, afresh: [1] }]
  for (const arg of args) one.transport.publish(subject, encodeCall({ ...question, args: [arg] }))
  one.transport.publish(subject, encodeCall({ ...question, method: 'frobnicate' }))
  one.transport.publish(subject, new Uint8Array([0xc1]))
  const dead = () => host.events.filter((event) => event.type === 'deadLetter').length
  await until(() => dead() === 6, 'six dead letters')
  t.is(one.batches.length, 0)
})

test('a node that starts or stops while somebody looks is told of', async (t) => {
  const { system, host, node } = await oneNode(t, quick)
  const { seen } = look(t, system)
  await until(() => seen.some(({ type }) => type === 'node'), 'the node is told of')
  await host.node(NotesV1, 'n2')
  await until(() => seen.some((one) => one.type === 'node' && one.nodeId === 'n2'), 'the new one too')
  await node.stop()
  await until(() => seen.some((one) => one.type === 'gone' && one.nodeId === 'n1'), 'its end too')
  t.false(seen.some((one) => one.type === 'gone' && one.nodeId === 'n2'))
})
