/** Recordings of calls: with a signed order alone, masked, bounded, and over by themselves. */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { CallRecorder, recordedValueBytesMax } from '../../actors/inspection/callRecorder.js'
import type { CallSample, RecordedBatch } from '../../actors/operator/callRecordings.js'
import { describeOrder, encodeDirective, type NewDirective } from '../../core/control/directive.js'
import { Masks } from '../../core/inspection/maskedValues.js'
import type { CallSeen } from '../../core/inspection/recordedSeen.js'
import { signed } from '../../core/trust/signed.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { applicationFault, command, createHost, NodeObject, query } from '../../index.js'
import { memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { alice, mallory } from '../support/signedManifests.js'
import { type Settings, TestSystem } from '../support/testSystem.js'
import { cart, ids, offering } from './offeredCarts.js'

interface Guest {
  name: string
  email: string
}

class GuestsV1 extends NodeObject<{ all: Guest[] }> {
  static override readonly className = 'Guests.v1'
  static override initial() {
    return { all: [] as Guest[] }
  }
  @command async add(guest: Guest): Promise<number> {
    this.state.all.push(guest)
    const { length } = this.state.all
    guest.name = 'changed'
    return length
  }
  @command remove(name: string): void {
    throw applicationFault('absent', `${name} is not there`)
  }
  @query find(email: string): Guest | null {
    return this.state.all.find((guest) => guest.email === email) ?? null
  }
  @query large(size: number): string {
    return 'x'.repeat(size)
  }
}

const sample: CallSample = { services: null, forMs: 60_000, callsMax: 1_000, bytesMax: 1_000_000, oneIn: 1, masked: [] }
const quick = { seenBatchMs: 5 }

/** A system with one host, whose recorder the test sees. */
async function guests(
  t: ExecutionContext,
  settings: Settings = {},
  told: { trust?: readonly string[] } = { trust: [alice.publicKey] },
) {
  const system = await TestSystem.start(t, { ...quick, ...settings }, {}, { ...told, upgrader: alice } as never)
  let recorder!: CallRecorder
  const host = await createHost({
    ...{ ...system.ways(), trust: told.trust ?? 'nobody', hostId: 'h1', bundles: system.repository },
    ...{ state: memoryStore({ turn: (action) => system.clock.turn(action) }), settings: { ...quick, ...settings } },
    register: (scope) => {
      recorder = scope.resolve(CallRecorder)
    },
  })
  t.teardown(() => host.stop())
  await host.node(GuestsV1, 'g1')
  return { system, host, ref: system.desk.ref(GuestsV1, 'g1'), isOff: () => recorder.received === undefined }
}

/** The recording of one operator, and all that hosts tell. */
async function record(t: ExecutionContext, { desk }: TestSystem, more: Partial<CallSample> = {}) {
  const batches: RecordedBatch[] = []
  const end = await desk.running.operator.recordCalls({ ...sample, ...more }, (batch) => void batches.push(batch))
  t.teardown(end)
  const of = (hostId: string) => batches.filter((batch) => batch.hostId === hostId)
  await until(() => of('h1').length > 0 || of('a').length > 0, 'a host has answered')
  const calls = (): readonly CallSeen[] => batches.flatMap(({ recorded }) => recorded?.calls ?? [])
  const ends = () =>
    batches.flatMap(({ hostId, recorded }) => (recorded?.ended == null || hostId === 'desk' ? [] : [recorded.ended]))
  return { batches, calls, ends, end, lost: () => batches.reduce((sum, { recorded }) => sum + (recorded?.lost ?? 0), 0) }
}

test('calls are told with their arguments as they came, their answers or faults, and in the order of their node', async (t) => {
  const { system, ref } = await guests(t)
  await ref.find('before@the.recording')
  const { calls } = await record(t, system)
  t.is(await ref.add({ name: 'Ada', email: 'ada@x.org' }), 1)
  await t.throwsAsync(ref.remove('Bob'))
  t.like(await ref.find('ada@x.org'), { email: 'ada@x.org' })
  await until(() => calls().length === 3, 'all have been told')
  t.like(calls(), [
    { number: 1, nodeId: 'g1', service: 'guests', version: 0, className: 'Guests.v1', method: 'add', end: 'answer', value: 1 },
    { number: 2, method: 'remove', args: ['Bob'], end: 'fault', value: 'application.absent' },
    { number: 3, method: 'find', args: ['ada@x.org'], end: 'answer' },
  ])
  // The method has changed its argument since.
  t.deepEqual(calls()[0]!.args, [{ name: 'Ada', email: 'ada@x.org' }])
})

test('the order is in the audit, and says what is recorded, and for how long', async (t) => {
  const { system } = await guests(t)
  await record(t, system, { services: ['guests'], masked: ['email'] })
  const [directive] = await system.database.recentDirectives()
  const { what } = JSON.parse(Buffer.from(directive!.bytes).toString())
  t.regex(describeOrder(what), /^record calls of guests until 20\d\d-.*Z, at most 1000 of each host, email masked$/)
})

test('masked values leave the host in no form, and the same value gets the same one', async (t) => {
  const { system, ref } = await guests(t, { maskedFields: ['email'] })
  const { calls, batches } = await record(t, system, { masked: ['find/1'] })
  await ref.add({ name: 'Ada', email: 'ada@x.org' })
  await ref.find('ada@x.org')
  await until(() => calls().length === 2, 'both have been told')
  t.false(JSON.stringify(batches).includes('ada@x.org'))
  const [added, found] = calls()
  const { email } = added!.args[0] as Guest
  t.regex(email, /^masked-[0-9a-f]{12}@masked\.invalid$/)
  t.deepEqual(found!.args, [email])
  t.like(found!.value, { email })
})

test('masks keep the types of values, and what is not named', (t) => {
  const masks = new Masks(['secret', 'put/2', 'get/answer'], 'salt')
  const day = new Date(1)
  const secret = {
    text: 'x',
    none: '',
    count: 7,
    part: 0.5,
    flag: true,
    bytes: new Uint8Array(3),
    day,
    list: ['x'],
    nothing: null,
  }
  const { secret: hidden } = masks.value({ secret, open: secret }) as { secret: typeof secret; open: typeof secret }
  for (const [key, value] of Object.entries(secret)) t.is(typeof hidden[key as keyof typeof secret], typeof value, key)
  t.is(hidden.list[0], hidden.text)
  t.notDeepEqual(hidden, secret)
  t.true(hidden.day instanceof Date && hidden.bytes instanceof Uint8Array)
  const [key, value] = masks.arguments('put', ['k', 'v'])
  t.deepEqual([key, String(value).startsWith('masked-')], ['k', true])
  t.not(masks.answer('get', 'v'), 'v')
  t.is(masks.answer('put', 'v'), 'v')
  t.notDeepEqual(new Masks(['put/2'], 'other salt').arguments('put', ['k', 'v']), ['k', value])
})

test('a recording ends with its calls, its bytes, its time, and with the viewer; then the host pays nothing again', async (t) => {
  const { system, ref, isOff } = await guests(t)
  t.true(isOff())
  const byCalls = await record(t, system, { callsMax: 2 })
  t.false(isOff())
  for (let i = 0; i < 5; i++) await ref.find('x')
  await until(() => byCalls.ends().length > 0, 'it has ended')
  t.deepEqual([byCalls.ends(), byCalls.calls().length, isOff()], [['calls'], 2, true])
  byCalls.end()

  const byBytes = await record(t, system, { bytesMax: 500 })
  for (let i = 0; i < 30; i++) await ref.large(20)
  await until(() => byBytes.ends().length > 0, 'it has ended')
  t.deepEqual(byBytes.ends(), ['bytes'])
  byBytes.end()

  const byTime = await record(t, system, { forMs: 300 })
  await until(() => byTime.ends().length > 0, 'it has ended')
  t.deepEqual([byTime.ends(), isOff()], [['time'], true])
  byTime.end()

  const byViewer = await record(t, system)
  t.false(isOff())
  byViewer.end()
  await until(isOff, 'its lease is over')
})

test('an answer that is too large is untold, arguments that are too large are lost and counted', async (t) => {
  const { system, ref } = await guests(t)
  const recording = await record(t, system)
  await ref.large(recordedValueBytesMax)
  await ref.find('x'.repeat(recordedValueBytesMax))
  await ref.find('y')
  await until(() => recording.calls().length === 2, 'both have been told')
  t.like(recording.calls(), [
    { method: 'large', end: 'untold', value: null },
    { method: 'find', args: ['y'] },
  ])
  t.is(recording.lost(), 1)
})

test('of so many nodes one is recorded with all its calls, and of services those that are named', async (t) => {
  const { system, host } = await guests(t)
  const nodes = Array.from({ length: 12 }, (_, i) => `n${i}`)
  for (const id of nodes) await host.node(GuestsV1, id)
  const { calls } = await record(t, system, { oneIn: 3 })
  const callAll = async () => {
    for (const id of nodes) await system.desk.ref(GuestsV1, id).find('x')
  }
  await callAll()
  await callAll()
  await until(() => calls().length > 0, 'some have been told')
  await system.clock.passes(50)
  const recorded = new Set(calls().map(({ nodeId }) => nodeId))
  t.true(recorded.size > 0 && recorded.size < nodes.length, [...recorded].join())
  for (const id of recorded) t.is(calls().filter(({ nodeId }) => nodeId === id).length, 2)
})

test('nodes of sharded services are recorded as others are', async (t) => {
  const { system } = await offering(t, ['a'], { ...quick, recordedCalls: 'anyone' })
  const { calls } = await record(t, system, { services: ['cart'] })
  for (const id of ids) await cart(system.desk, id).add('tea')
  await until(() => calls().length === ids.length, 'all have been told')
  t.deepEqual(
    calls()
      .map(({ nodeId }) => nodeId)
      .sort(),
    [...ids].sort(),
  )
  t.like(calls()[0], { method: 'add', args: ['tea'], value: 1 })
})

test('where nobody signs, and where the host tells nothing, an order is not followed, and the viewer hears why', async (t) => {
  for (const [settings, reason] of [
    [{}, /nobody signs in this system: the setting recordedCalls has to be "anyone"/],
    [{ recordedCalls: 'nothing' }, /the setting recordedCalls of this host is "nothing"/],
  ] as const) {
    const { system, ref, isOff } = await guests(t, settings, {})
    const { batches, calls } = await record(t, system)
    const refused = batches.find(({ hostId }) => hostId === 'h1')!.recorded
    t.is(refused?.ended, 'refused')
    t.regex(refused?.reason ?? '', reason)
    await ref.find('x')
    await system.clock.passes(50)
    t.true(isOff())
    t.deepEqual(calls(), [])
  }
})

test('an order of somebody else, for somebody else, of another kind, or of another time is refused', async (t) => {
  const { system, ref, isOff } = await guests(t)
  const nowMs = system.clock.now()
  const recording = { viewer: 'me', services: null, untilMs: nowMs + 60_000, callsMax: 9, bytesMax: 9_999, oneIn: 1, masked: [] }
  const directive = (more: Partial<NewDirective> = {}): NewDirective => ({
    ...{ format: 2, system: system.name, number: 1, head: null, log: 'log', upgrader: alice.publicKey },
    ...{ createdAt: new Date(nowMs).toISOString(), what: { order: 'record', recording } },
    ...more,
  })
  const documents = {
    'by nobody': signed('directive', encodeDirective(directive({ upgrader: null }))),
    'by mallory': signed('directive', encodeDirective(directive({ upgrader: mallory.publicKey })), mallory),
    'signed by another': signed('directive', encodeDirective(directive()), mallory),
    'of another system': signed('directive', encodeDirective(directive({ system: 'other' })), alice),
    'for another viewer': signed(
      'directive',
      encodeDirective(directive({ what: { order: 'record', recording: { ...recording, viewer: 'you' } } })),
      alice,
    ),
    'another order': signed('directive', encodeDirective(directive({ what: { order: 'finalize', version: 0 } })), alice),
    'too long': signed(
      'directive',
      encodeDirective(directive({ what: { order: 'record', recording: { ...recording, untilMs: nowMs + 7_200_000 } } })),
      alice,
    ),
    over: signed(
      'directive',
      encodeDirective(directive({ what: { order: 'record', recording: { ...recording, untilMs: nowMs - 1 } } })),
      alice,
    ),
  }
  for (const [what, document] of Object.entries(documents)) {
    const told = await asks(t, system, 'me', document)
    t.is(told.recorded?.ended, 'refused', what)
    t.true(isOff(), what)
  }
  // Right once: and not a second time, when it has ended.
  const right = signed('directive', encodeDirective(directive()), alice)
  t.is((await asks(t, system, 'me', right)).recorded, undefined)
  const busy = { ...recording, viewer: 'you' }
  const other = signed('directive', encodeDirective(directive({ what: { order: 'record', recording: busy } })), alice)
  t.regex((await asks(t, system, 'you', other)).recorded!.reason!, /records calls for another viewer/)
  for (let i = 0; i < 9; i++) await ref.find('x')
  await until(isOff, 'it has ended')
  await system.clock.passes(70_000)
  t.regex((await asks(t, system, 'me', right)).recorded!.reason!, /over|has ended/)
})

/** Asks by hand, as one who has heard the order of another would; and the first answer of the host. */
async function asks(t: ExecutionContext, system: TestSystem, viewer: string, { bytes, signature }: ReturnType<typeof signed>) {
  const transport = memoryTransport(system.broker, { name: viewer })
  const subjects = subjectsOf(system.name)
  const told: any[] = []
  const heard = transport.subscribe(subjects.looker(viewer), ({ payload }) => {
    for (const envelope of decode(payload)) told.push((envelope as CallEnvelope).args[0])
  })
  t.teardown(() => heard.unsubscribe())
  const args = [{ looker: viewer, leaseMs: 5_000, types: [], order: bytes, signature }]
  const envelope = { kind: kinds.send, label: 0, seq: 1, method: 'look', args, deadlineMs: 1_000, caller: viewer, incarnation: 1 }
  const none = { callerClass: 'Looker', callerVersion: 0, expects: null, path: null, trace: null, together: false }
  transport.publish(subjects.look, encodeCall({ ...envelope, ...none } as CallEnvelope))
  await until(() => told.some(({ hostId }) => hostId === 'h1'), 'the host answers')
  heard.unsubscribe()
  return told.find(({ hostId }) => hostId === 'h1')
}
