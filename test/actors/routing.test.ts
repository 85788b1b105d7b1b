/**
 * The fate of a message that arrives for a node: whether it is taken, held, refused or nothing, before
 * anything runs. The node is written here.
 */
import type { Departure } from '../../actors/state/departures.js'
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { Contacts } from '../../actors/calls/contacts.js'
import { Outbox } from '../../actors/calls/outbox.js'
import { HostFence } from '../../actors/registration/hostFence.js'
import { Backlog } from '../../actors/serving/backlog.js'
import type { IncomingCall } from '../../actors/serving/incomingCall.js'
import { type RoutedNode, route, type SubjectPurpose, timerCall } from '../../actors/serving/router.js'
import { UnansweredCalls } from '../../actors/serving/unansweredCalls.js'
import { WatchedCall } from '../../actors/serving/watchedCall.js'
import { Fault } from '../../core/base/fault.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { Transport } from '../../core/ports/transport.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, type FaultEnvelope, kinds } from '../../core/wire/envelope.js'
import { gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const inbox = '_INBOX.desk.calls.1'
const envelopeOf = (of: Partial<CallEnvelope> = {}): CallEnvelope => ({
  kind: kinds.call,
  label: 0,
  seq: 1,
  method: 'get',
  args: [],
  deadlineMs: 10_000,
  caller: 'desk',
  incarnation: 1,
  callerClass: 'Client',
  callerVersion: 4,
  expects: null,
  path: null,
  trace: null,
  together: true,
  ...of,
})

function open(change: Partial<HostSettings> = {}) {
  const clock = new ManualClock()
  const events: HostEvent[] = []
  const answers: FaultEnvelope[] = []
  const subjects: string[] = []
  const observe = (event: HostEvent) => void events.push(event)
  const settings = {
    ...defaultSettings,
    system: 's',
    hostId: 'h',
    leaseMs: 10_000,
    stallMs: 1_000,
    fencedMessagesMax: 2,
    ...change,
  }
  const flush = gate()
  const transport = {
    payloadBytesMax: 10_000,
    flush: () => flush.pass(),
    publish: (subject: string, payload: Uint8Array) => {
      subjects.push(subject)
      answers.push(...(decode(payload) as FaultEnvelope[]))
    },
  } as unknown as Transport
  const fence = new HostFence(clock, settings, observe, transport)
  const database = gate()
  fence.start(() => database.pass())
  const contacts = new Contacts(clock, settings)
  const told: string[] = []
  const taken: IncomingCall[] = []
  const unanswered = new UnansweredCalls<IncomingCall>()
  const node = {
    id: 'n1',
    service: 'notes',
    contacts,
    replier: { node: 'n1', className: 'Notes.v1', version: 3 },
    replyBytesMax: 10_000,
    departures: { add: (departure: Departure) => departure.leave() },
    denials: { tell: () => void told.push('denies') },
    isElsewhere: false,
    newest: 0,
    repeated: '',
    denied: undefined as Fault | undefined,
    acceptThrows: undefined as Fault | undefined,
    services: {
      admission: { refuses: () => node.denied },
      backlog: new Backlog(settings),
      clock,
      fence,
      observe,
      settings,
      outbox: new Outbox(transport, clock, settings),
      callRecorder: { received: undefined as Telemetry | undefined },
    },
    monotonicMs: () => clock.monotonicMs(),
    knows: (version: number) => version <= node.newest,
    firstCopyOf: (copy: CallEnvelope) => unanswered.find(copy),
    noteUnanswered: (call: IncomingCall) => void call.becomeFindable(unanswered),
    isRepeated: (call: IncomingCall) => call.envelope.method === node.repeated,
    accept(call: IncomingCall) {
      if (node.acceptThrows !== undefined) throw node.acceptThrows
      taken.push(call)
      told.push(`takes ${call.envelope.method}`)
    },
    hold: (call: IncomingCall) => void told.push(`holds ${call.envelope.method}`),
    reply: () => void told.push('says that it can’t be read'),
    count() {},
    countFailure() {},
    undelivered() {},
  }
  const receiver = node as unknown as RoutedNode
  return {
    clock,
    node,
    receiver,
    fence,
    database,
    flush,
    contacts,
    backlog: node.services.backlog,
    events,
    taken,
    arrives(of: Partial<CallEnvelope> = {}, carries: SubjectPurpose = 'calls', to: string | null = inbox) {
      const message = { subject: 'n1', payload: encodeCall(envelopeOf(of)), replyTo: to ?? undefined, noResponders: false }
      route(receiver, message, carries)
    },
    told: () => told.splice(0),
    unanswered,
    /** Where they went. */
    replySubjects: () => {
      clock.endTurn()
      return subjects.splice(0)
    },
    answers() {
      clock.endTurn()
      return answers.splice(0).map(({ seq, fault }) => `${seq} ${fault.code}`)
    },
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('a call is taken where its version is known, held where it is not, and its caller is a contact', (t) => {
  const s = open()
  s.arrives()
  s.arrives({ method: 'put', label: 1, kind: kinds.send })
  t.deepEqual(s.told(), ['takes get', 'holds put'])
  t.is(s.taken[0]!.deadline, s.clock.monotonicMs() + 10_000)
  t.false(s.taken[0]! instanceof WatchedCall)
  t.deepEqual(s.contacts.list(), [{ nodeId: 'desk', className: 'Client', version: 4, ageMs: 0 }])
  t.deepEqual(s.answers(), [])
})

test('what a node does not take is answered with the reason', (t) => {
  const s = open()
  s.node.acceptThrows = new Fault('unavailable.overloaded', 'too many wait')
  s.arrives()
  s.arrives({ kind: kinds.send })
  t.deepEqual(s.answers(), ['1 unavailable.overloaded'])
  s.node.acceptThrows = undefined
  s.node.denied = new Fault('protocol.no-such-method', 'not for you')
  s.arrives({ seq: 2 })
  t.deepEqual(s.answers(), ['2 protocol.no-such-method'])
  t.deepEqual(s.told(), ['denies'])
})

test('events and calls each have subjects of their own', (t) => {
  const s = open()
  s.arrives({ kind: kinds.event }, 'events', null)
  t.deepEqual(s.told(), ['takes get'])
  s.arrives({ kind: kinds.event }, 'calls', null)
  s.arrives({ kind: kinds.call }, 'events', null)
  s.arrives({ kind: kinds.send }, 'events', null)
  t.deepEqual(s.told(), [])
  t.deepEqual(
    s.events.map((event) => event.type === 'deadLetter' && event.fault.code),
    ['protocol.bad-envelope', 'protocol.bad-envelope', 'protocol.bad-envelope'],
  )
  s.arrives({ kind: kinds.event }, 'calls')
  t.deepEqual(s.told(), ['says that it can’t be read'])
})

test('an event that the node has received before is nothing; a call of its name is one', (t) => {
  const s = open()
  s.node.repeated = 'moved'
  s.arrives({ kind: kinds.event, method: 'moved' }, 'events', null)
  s.arrives({ kind: kinds.event, method: 'sold' }, 'events', null)
  s.arrives({ method: 'moved' })
  t.deepEqual(s.told(), ['takes sold', 'takes moved'])
})

test('an answer goes to an inbox alone: a message with another address is a dead letter', (t) => {
  const s = open()
  s.arrives({}, 'calls', 'theseus.s.node.n2')
  t.deepEqual(s.told(), [])
  t.is(s.events[0]?.type, 'deadLetter')
})

test('F1: while a host does not know whether its nodes are its own, what arrives waits, in its order', async (t) => {
  const s = open()
  s.clock.stop(20_000)
  s.arrives({ method: 'first', deadlineMs: 60_000 })
  s.arrives({ method: 'second', deadlineMs: 60_000 })
  t.deepEqual(s.told(), [])
  // More than may wait is refused as not carried out: it would have come too late.
  s.arrives({ method: 'third', seq: 3, deadlineMs: 60_000 })
  s.arrives({ method: 'fourth', seq: 4, kind: kinds.send })
  t.deepEqual(s.answers(), ['3 unavailable.overloaded'])
  t.deepEqual(s.told(), ['takes fourth'])
  t.true(s.taken[0]!.deadline <= s.clock.monotonicMs(), 'its time is over')
  s.clock.advance(500)
  s.database.open()
  await settled()
  t.deepEqual(s.told(), ['takes first', 'takes second'])
  // Of its time is gone what it may have waited before it arrived, and since.
  t.is(s.taken.at(-1)!.deadline, s.clock.monotonicMs() - 500 - 20_000 + 60_000)
})

test('what waited for a node that is elsewhere now is nobody’s', async (t) => {
  const s = open()
  s.clock.stop(20_000)
  s.arrives({ deadlineMs: 60_000 })
  s.node.isElsewhere = true
  s.database.open()
  await settled()
  t.deepEqual([s.told(), s.answers()], [[], []])
})

test('F2: a call that may have waited for as long as it had time is refused as not carried out', (t) => {
  const s = open()
  s.clock.stop(5_000)
  s.arrives({ seq: 1, deadlineMs: 5_000 })
  s.arrives({ seq: 2, deadlineMs: 5_001 })
  t.deepEqual(s.told(), ['takes get'])
  t.is(s.taken[0]!.deadline, s.clock.monotonicMs() + 1)
  t.deepEqual(s.answers(), ['1 unavailable.overloaded'])
  s.arrives({ method: 'put', kind: kinds.send, deadlineMs: 100 })
  t.deepEqual(s.told(), ['takes put'], 'nobody hears of a send: its turn says that it is too late')
  t.true(s.taken[1]!.deadline <= s.clock.monotonicMs(), 'its time is over')
})

test('a call that has no time left from the beginning is taken: its turn says so', (t) => {
  const s = open()
  s.arrives({ deadlineMs: 0 })
  t.deepEqual(s.told(), ['takes get'])
  t.deepEqual(s.answers(), [])
})

test('a timer’s call is one of the object itself, at the node’s version, without an end of its time', (t) => {
  const s = open()
  const timer = { begin: () => true }
  const calls = ['ring', 'ring'].map((method) => timerCall(s.receiver, 7, timer, null, method, [1]))
  t.like(calls[0]!.envelope, {
    kind: kinds.send,
    label: 3,
    method: 'ring',
    args: [1],
    caller: 'n1',
    incarnation: 7,
    callerClass: 'Notes.v1',
    callerVersion: 3,
    expects: null,
    path: null,
    together: false,
  })
  t.true(
    calls.every(({ envelope }) => envelope.seq < 0),
    'calls that travel count upwards',
  )
  t.not(calls[0]!.id, calls[1]!.id)
  t.true(calls[0]!.isOfTimer)
  t.false(calls[0]!.isFromOutside)
  t.true(calls[0]!.deadline > s.clock.monotonicMs() + 400 * 24 * 3_600_000)
})

test('a host with telemetry watches what it receives, timers too', (t) => {
  const s = open()
  s.node.services.callRecorder.received = {}
  s.arrives()
  t.true(s.taken[0] instanceof WatchedCall)
  t.true(timerCall(s.receiver, 7, { begin: () => true }, null, 'ring', []) instanceof WatchedCall)
  s.node.services.callRecorder.received = undefined
  t.false(timerCall(s.receiver, 7, { begin: () => true }, null, 'ring', []) instanceof WatchedCall)
})

test('a message for which there is no room is refused, and does not wait for a host that asks', async (t) => {
  const s = open({ waitingBytesMax: 1_000 })
  const large = { args: ['x'.repeat(2_000)], deadlineMs: 60_000 }
  s.arrives(large)
  t.deepEqual(s.told(), ['says that it can’t be read'])
  s.clock.stop(20_000)
  s.arrives(large)
  t.is(s.fence.waiting, 0)
  t.deepEqual(s.told(), ['says that it can’t be read'])
  s.arrives({ deadlineMs: 60_000 })
  t.is(s.fence.waiting, 1)
  s.database.open()
  await settled()
  t.deepEqual(s.told(), ['takes get'])
})

test('what waits never weighs more than there is room for, whatever a message holds', (t) => {
  const waitingBytesMax = 1_000_000
  const s = open({ waitingBytesMax })
  let seq = 0
  const many = () => ({ seq: ++seq, args: [new Array(5_000).fill(0)] })
  s.arrives(many())
  t.true(s.backlog.bytes > waitingBytesMax / 2, 'by its values, not by its bytes')
  s.arrives(many())
  t.deepEqual(s.told(), ['takes get', 'says that it can’t be read'])
  // Calls without arguments take room too.
  const one = () => encodeCall(envelopeOf({ seq: ++seq }))
  for (let i = 0; i < 50; i++) {
    const payload = Buffer.concat(Array.from({ length: 20 }, one))
    route(s.receiver, { subject: 'n1', payload, replyTo: inbox, noResponders: false }, 'calls')
  }
  t.true(s.backlog.bytes <= waitingBytesMax, `${s.backlog.bytes} bytes`)
  t.true(s.taken.length < 1_000)
  t.deepEqual(s.told().at(-1), 'says that it can’t be read')
  for (const call of s.taken.splice(0)) call.take()
  s.arrives(many())
  t.deepEqual(s.told(), ['takes get'])
})

test('calls that come in one message share its weight', (t) => {
  const s = open()
  s.arrives({ args: ['x'.repeat(500)] })
  const alone = s.backlog.bytes
  s.taken[0]!.take()
  const one = (seq: number) => encodeCall(envelopeOf({ seq, args: ['x'.repeat(500)] }))
  const payload = Buffer.concat([2, 3, 4].map(one))
  route(s.receiver, { subject: 'n1', payload, replyTo: inbox, noResponders: false }, 'calls')
  t.true(Math.abs(s.backlog.bytes - 3 * alone) < alone)
  for (const call of s.taken.slice(1)) call.take()
  t.true(Math.abs(s.backlog.bytes) < 1)
})

test('what waits has its bytes counted until its turn, also while its host asks whether its nodes are its own', async (t) => {
  const s = open()
  s.arrives()
  t.true(s.backlog.bytes > 0)
  s.taken[0]!.take()
  t.is(s.backlog.bytes, 0)
  s.clock.stop(20_000)
  s.arrives({ seq: 2, deadlineMs: 60_000 })
  t.true(s.backlog.bytes > 0)
  s.database.open()
  await settled()
  t.true(s.backlog.bytes > 0)
  s.taken[1]!.take()
  t.is(s.backlog.bytes, 0)
})

const later = (number: number) => `_INBOX.desk.calls.${number}`
const busy = () => new Fault('unavailable.upgrading', 'busy')

test('a copy of a call that waits joins it, and is answered where it asks for that', (t) => {
  const s = open()
  s.arrives({ together: false })
  s.arrives({ together: false, deadlineMs: 12_000 }, 'calls', later(2))
  t.deepEqual(s.told(), ['takes get'])
  t.is(s.taken.length, 1)
  t.is(s.taken[0]!.deadline, s.clock.monotonicMs() + 12_000)
  s.taken[0]!.refuse(new Fault('protocol.no-such-method', 'no'))
  t.deepEqual(s.replySubjects(), [later(2)])
  t.is(s.unanswered.size, 0)
  s.arrives({ together: false }, 'calls', later(3))
  t.is(s.taken.length, 2, 'it had its answer')
})

test('a refusal that says that a call was not executed goes to each of its copies, up to a bound', (t) => {
  const s = open()
  for (let i = 1; i <= 20; i++) s.arrives({ together: false }, 'calls', later(i))
  t.is(s.taken.length, 1)
  s.taken[0]!.refuse(busy())
  t.deepEqual(
    s.replySubjects(),
    Array.from({ length: 17 }, (_, i) => later(i + 4)),
  )
})

test('a call joins no other: not of another inbox, caller, incarnation, method or label, with other arguments, nor with a number of its own', (t) => {
  const s = open()
  s.arrives()
  for (const other of [{ caller: 'till' }, { incarnation: 2 }, { method: 'put' }, { args: [1] }, { seq: 2 }, { seq: 2 ** 40 }])
    s.arrives(other)
  s.arrives({ seq: 2 ** 40, caller: 'till' })
  s.arrives({ label: 1 })
  s.arrives({}, 'calls', '_INBOX.desk.others.1')
  s.arrives({}, 'calls', '_INBOX.desk2')
  s.arrives({ kind: kinds.send })
  t.is(s.told().length, 12)
})

test('a call with arguments that can’t travel is refused alone', (t) => {
  const s = open()
  const bad = encodeCall(envelopeOf({ seq: 2, args: [2 ** 40] }))
  const at = Buffer.from(bad).indexOf(Buffer.from('cb4270000000000000', 'hex'))
  Buffer.from(bad.buffer, bad.byteOffset).write('cf0100000000000000', at, 'hex')
  const payload = Buffer.concat([encodeCall(envelopeOf()), bad, encodeCall(envelopeOf({ seq: 3, method: 'put' }))])
  route(s.receiver, { subject: 'n1', payload, replyTo: inbox, noResponders: false }, 'calls')
  t.deepEqual(s.told(), ['takes get', 'takes put'])
  t.deepEqual(s.answers(), ['2 protocol.bad-arguments'])
})
