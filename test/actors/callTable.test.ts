/** The open calls of a host: when they leave, when they leave again, and how they end (C4). */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { type Caller, CallingNode } from '../../actors/calls/caller.js'
import { CallTable } from '../../actors/calls/callTable.js'
import { Contacts } from '../../actors/calls/contacts.js'
import { Outbox } from '../../actors/calls/outbox.js'
import { asItIsNow, type OutgoingCall } from '../../actors/calls/outgoingCall.js'
import { TimerWheel } from '../../actors/timerWheel.js'
import { Fault, isFault } from '../../core/base/fault.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { CallMade, Telemetry } from '../../core/inspection/telemetry.js'
import type { Message, Transport, TransportStatus } from '../../core/ports/transport.js'
import { decode, encodeAnnouncement, encodeCall, encodeFault, encodeReply } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { ManualClock } from './manualClock.js'

const inbox = '_INBOX.host.calls'
const serversInbox = '_INBOX.host.servers'
const replier = { node: 'n1', className: 'Notes.v1', version: 3 }
const caller: Caller = { nodeId: 'desk', incarnation: 7, className: 'Client', version: 2 }

interface Sent extends CallEnvelope {
  readonly subject: string
  readonly replyTo: string | undefined
}

type Options = Partial<OutgoingCall> & { readonly deadlineMs?: number }

function open(change: Partial<HostSettings> = {}, telemetry?: Telemetry) {
  const clock = new ManualClock()
  const left: Sent[] = []
  const inboxes = [inbox, serversInbox]
  const events: HostEvent[] = []
  const hearers = new Map<string, (message: Message) => void>()
  const transport = {
    payloadBytesMax: 10_000,
    status: 'connected' as TransportStatus,
    refusal: undefined as Fault | undefined,
    newInbox: () => inboxes.shift()!,
    subscribe: (subject: string, handler: (message: Message) => void) => void hearers.set(subject, handler),
    publish(subject: string, payload: Uint8Array, replyTo?: string) {
      if (transport.refusal !== undefined) throw transport.refusal
      for (const envelope of decode(payload)) left.push({ ...(envelope as CallEnvelope), subject, replyTo })
    },
  }
  const settings: HostSettings = {
    ...defaultSettings,
    system: 's',
    hostId: 'h',
    retryPauseMs: 100,
    retryPauseMsMax: 350,
    queryResendMs: 1_000,
    heldAnswerMs: 200,
    ...change,
  }
  const port = transport as unknown as Transport
  const outbox = new Outbox(port, clock, settings)
  const contacts = new Contacts(clock, settings)
  const observe = (event: HostEvent) => void events.push(event)
  const random = { next: () => 0.5 }
  const table = new CallTable(port, clock, random, settings, observe, outbox, contacts, new TimerWheel(clock), telemetry)
  const callOf = ({ deadlineMs = 10_000, ...of }: Options = {}): OutgoingCall => ({
    subject: 'n1',
    label: 2,
    method: 'add',
    kind: 'command',
    args: ['text'],
    deadline: clock.monotonicMs() + deadlineMs,
    expects: null,
    path: null,
    service: 'notes',
    trace: null,
    ...of,
  })
  return {
    clock,
    transport,
    table,
    contacts,
    events,
    callOf,
    /** Makes a call; `end` tells how it has ended, once it has. */
    call(of: Options = {}, by = caller) {
      const made: { end: string | undefined; fault: Fault | undefined } = { end: undefined, fault: undefined }
      table.call(by, callOf(of)).then(
        (value) => {
          made.end = `answered ${JSON.stringify(value)}`
        },
        (fault: Fault) => {
          made.end = isFault(fault) ? `${fault.code}${fault.retryable ? ', not executed' : ''}` : String(fault)
          made.fault = fault
        },
      )
      return made
    },
    /** The messages that leave at the end of this turn, or have left since this was asked last. */
    leaving(): readonly Sent[] {
      clock.endTurn()
      return left.splice(0)
    },
    /** Time passes, in steps in which calls may leave. */
    pass(ms: number): readonly Sent[] {
      for (let at = 0; at < ms; at += 10) {
        clock.advance(10)
        clock.endTurn()
      }
      return left.splice(0)
    },
    async answer(to: Sent, value: unknown, hops = 0): Promise<void> {
      await this.hear(to, encodeReply(to.label, to.seq, value, replier, hops))
    },
    async refuse(to: Sent, fault: Fault, seq = to.seq): Promise<void> {
      await this.hear(to, encodeFault(to.label, seq, fault, replier))
    },
    async nobody(to: Sent): Promise<void> {
      await this.hear(to, new Uint8Array(0), true)
    },
    async hear(to: Pick<Sent, 'replyTo'>, payload: Uint8Array, noResponders = false): Promise<void> {
      hearers.get(to.replyTo!.replace(/\.\w+$/, '.*'))!({ subject: to.replyTo!, payload, noResponders, replyTo: undefined })
      await settled()
    },
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))
const busy = new Fault('unavailable.overloaded', 'too many wait')

test('a call leaves with its label, its arguments and the time that it has, and ends with its answer', async (t) => {
  const s = open()
  const call = s.call({ path: ['a/1/1'], trace: 'trace', expects: 'Notes.v1', deadlineMs: 1_234.5 })
  t.is(s.table.openCalls, 1)
  const [sent, ...more] = s.leaving()
  t.deepEqual(more, [])
  t.like(sent, {
    kind: kinds.call,
    subject: 'n1',
    label: 2,
    method: 'add',
    args: ['text'],
    deadlineMs: 1_235,
    caller: 'desk',
    incarnation: 7,
    callerClass: 'Client',
    callerVersion: 2,
    expects: 'Notes.v1',
    path: ['a/1/1'],
    trace: 'trace',
    together: true,
  })
  await s.answer(sent!, { n: 1 })
  t.is(call.end, 'answered {"n":1}')
  t.is(s.table.openCalls, 0)
  t.deepEqual(s.contacts.list(), [{ nodeId: 'n1', className: 'Notes.v1', version: 3, ageMs: 0 }])
  // A second answer is nobody's.
  await s.answer(sent!, 'again')
  t.deepEqual(s.pass(20_000), [])
  t.is(call.end, 'answered {"n":1}')
  t.deepEqual(s.events, [])
  t.is(s.clock.timers, 0)
})

test('each answer ends its own call, whatever order they come in and whichever message they answer', async (t) => {
  const s = open()
  const calls = ['a', 'b', 'c'].map((text) => s.call({ args: [text] }))
  const sent = s.leaving()
  t.is(new Set(sent.map(({ replyTo }) => replyTo)).size, 1, 'they travel together')
  await s.answer(sent[2]!, 'c')
  await s.answer(sent[0]!, 'a')
  t.deepEqual(
    calls.map(({ end }) => end),
    ['answered "a"', undefined, 'answered "c"'],
  )
  t.is(s.table.openCalls, 1)
  const later = s.call()
  const [other] = s.leaving()
  t.not(other!.replyTo, sent[0]!.replyTo)
  // One inbox for all: an answer may come on another message's reply subject.
  await s.hear(other!, encodeReply(2, sent[1]!.seq, 'b', replier, 0))
  t.is(calls[1]!.end, 'answered "b"')
  t.is(later.end, undefined)
})

test('a fault that may mean anything ends the call; one that says it was not executed has it made again', async (t) => {
  const s = open()
  const [failed, again] = [s.call(), s.call()]
  const [first, second] = s.leaving()
  await s.refuse(first!, new Fault('application.error', 'no'))
  await s.refuse(second!, busy)
  t.is(failed.end, 'application.error')
  t.is(again.end, undefined)
  t.is(s.table.openCalls, 1)
  const [copy, ...more] = s.pass(200)
  t.deepEqual(more, [])
  t.not(copy!.seq, second!.seq)
  await s.answer(copy!, 'done')
  t.is(again.end, 'answered "done"')
  t.deepEqual(s.contacts.list()[0]?.version, 3)
})

test('a call that nobody takes is made again after pauses that double up to a bound, while there is time for an answer', async (t) => {
  const s = open()
  const call = s.call({ deadlineMs: 2_000 })
  const begin = s.clock.monotonicMs()
  const at: number[] = []
  for (let copies = s.leaving(); call.end === undefined; copies = s.pass(10)) {
    for (const copy of copies) {
      at.push(s.clock.monotonicMs() - begin)
      t.is(copy.deadlineMs, 2_000 - at.at(-1)!)
      await s.nobody(copy)
    }
    await settled()
  }
  const pauses = at.slice(1).map((ms, i) => ms - at[i]!)
  t.deepEqual(
    pauses.map((ms) => Math.round(ms / 50) * 50),
    [100, 200, 350, 350, 350, 350],
  )
  t.is(call.end, 'unavailable.no-responders, not executed')
  t.regex(call.fault!.message, /nobody listens on n1/)
  t.is(s.table.openCalls, 0)
  t.deepEqual(s.pass(5_000), [])
})

test('a call is made again for the last time when more than heldAnswerMs of its time are left', async (t) => {
  for (const [leftMs, isMadeAgain] of [
    [200, false],
    [201, true],
  ] as const) {
    const s = open()
    const call = s.call({ deadlineMs: 1_000 + leftMs })
    const [sent] = s.leaving()
    s.clock.advance(1_000)
    await s.refuse(sent!, busy)
    t.is(call.end, isMadeAgain ? undefined : 'unavailable.overloaded, not executed')
    t.is(s.table.openCalls, isMadeAgain ? 1 : 0)
    t.is(s.pass(150).length, isMadeAgain ? 1 : 0)
  }
})

test('a call that waits to be made again ends at its deadline, as what it was refused as', async (t) => {
  const s = open({ retryPauseMs: 5_000 })
  const call = s.call({ deadlineMs: 1_000 })
  await s.refuse(s.leaving()[0]!, busy)
  t.deepEqual(s.pass(990), [])
  t.is(call.end, undefined)
  s.pass(30)
  await settled()
  t.is(call.end, 'unavailable.overloaded, not executed')
})

test('a command without an answer is not made again; at its deadline its outcome is unknown', async (t) => {
  const s = open()
  const call = s.call({ deadlineMs: 5_000 })
  t.is(s.leaving().length, 1)
  t.deepEqual(s.pass(4_990), [])
  await settled()
  t.is(call.end, undefined)
  s.pass(30)
  await settled()
  t.is(call.end, 'timeout.deadline')
  t.regex(call.fault!.message, /^add: no answer/)
  t.deepEqual(call.fault!.details, { method: 'add' })
  t.is(s.table.openCalls, 0)
})

test('a query without an answer is asked again now and then; whichever copy is answered ends it', async (t) => {
  const s = open()
  const query = s.call({ kind: 'query', deadlineMs: 3_500 })
  const [first] = s.leaving()
  t.deepEqual(s.pass(980), [])
  const copies = s.pass(2_100)
  t.is(copies.length, 3)
  t.true(copies.every(({ seq }) => seq === first!.seq))
  await s.answer(first!, 'late')
  t.is(query.end, 'answered "late"')
  t.deepEqual(s.pass(5_000), [])
})

test('a query is not asked again when its time would be over by then', async (t) => {
  for (const deadlineMs of [400, 1_000]) {
    const s = open()
    const query = s.call({ kind: 'query', deadlineMs })
    t.is(s.leaving().length, 1)
    t.deepEqual(s.pass(deadlineMs + 20), [])
    await settled()
    t.is(query.end, 'timeout.deadline')
  }
})

test('a query one of whose copies is refused shortly before its deadline is not asked again: an answer would be late', async (t) => {
  const s = open()
  const query = s.call({ kind: 'query', deadlineMs: 2_100 })
  s.leaving()
  const [second] = s.pass(1_950)
  await s.refuse(second!, busy)
  t.deepEqual(s.pass(500), [])
  await settled()
  t.is(query.end, 'timeout.deadline')
})

test('a refusal that comes twice counts once: the copy that is under way then may be carried out', async (t) => {
  const s = open()
  const call = s.call()
  const [first] = s.leaving()
  await s.refuse(first!, busy)
  await s.refuse(first!, busy)
  t.is(s.pass(500).length, 1)
  s.table.close()
  await settled()
  t.is(call.end, 'timeout.unknown')
})

test('what is late about a refused copy of a command is not taken for its next copy’s', async (t) => {
  const s = open()
  const call = s.call()
  const [first] = s.leaving()
  await s.refuse(first!, busy)
  const [second, ...more] = s.pass(500)
  t.deepEqual(more, [])
  t.not(second!.seq, first!.seq)
  await s.refuse(first!, busy)
  t.deepEqual(s.pass(1_000), [])
  await s.answer(second!, 'done')
  t.is(call.end, 'answered "done"')
})

test('a node that was asked something can’t answer for the upgrade server, nor the server for a node', async (t) => {
  const s = open()
  const [ofServer, ofNode] = [s.call({ asksServer: true, kind: 'query', subject: 'server' }), s.call()]
  const [toServer, toNode] = s.leaving()
  t.true(toServer!.replyTo!.startsWith(`${serversInbox}.`))
  t.true(toNode!.replyTo!.startsWith(`${inbox}.`))
  // By number, and by the last token of the reply subject.
  const elsewhere = (to: Sent) => (to === toServer ? inbox : serversInbox) + to.replyTo!.slice(to.replyTo!.lastIndexOf('.'))
  for (const to of [toServer!, toNode!]) {
    await s.answer({ ...to, replyTo: elsewhere(to) }, 'forged')
    await s.refuse({ ...to, replyTo: elsewhere(to) }, new Fault('application.error', 'forged'))
    await s.refuse({ ...to, replyTo: elsewhere(to) }, new Fault('application.error', 'forged'), 0)
    await s.nobody({ ...to, replyTo: elsewhere(to) })
  }
  t.deepEqual([ofServer.end, ofNode.end], [undefined, undefined])
  t.deepEqual(s.pass(500), [])
  t.deepEqual(
    s.events.map((event) => event.type === 'deadLetter' && event.fault.code),
    Array(4).fill('protocol.bad-envelope'),
  )
  const told = [...new Set(s.events.map((event) => event.type === 'deadLetter' && event.fault.message))]
  t.deepEqual(told, [
    `an answer to call ${toServer!.seq} where a node answers`,
    `an answer to call ${toNode!.seq} where an upgrade server answers`,
  ])
  await s.answer(toServer!, 'head')
  await s.answer(toNode!, 'done')
  t.deepEqual([ofServer.end, ofNode.end], ['answered "head"', 'answered "done"'])
})

test('messages are remembered until each of their calls is answered, refused, or carried by a newer one', async (t) => {
  const s = open()
  for (let i = 0; i < 3; i++) s.call()
  const sent = s.leaving()
  t.is(s.table.openMessages, 1)
  await s.answer(sent[0]!, 1)
  await s.refuse(sent[1]!, busy)
  t.is(s.table.openMessages, 1)
  await s.refuse(sent[2]!, new Fault('application.error', 'no'))
  t.is(s.table.openMessages, 0)
  const [again] = s.pass(200)
  t.is(s.table.openMessages, 1)
  await s.answer(again!, 1)
  t.is(s.table.openMessages, 0)
  s.call({ kind: 'query', deadlineMs: 3_500 })
  t.is(s.leaving().length, 1)
  for (let copies = 1; copies < 4; copies++) {
    t.is(s.table.openMessages, 1)
    t.is(s.pass(1_010).length, 1)
  }
  s.pass(1_000)
  t.is(s.table.openMessages, 0)
})

test('a query whose copies were refused but for one may have been carried out: it ends at its deadline', async (t) => {
  const s = open()
  const query = s.call({ kind: 'query', deadlineMs: 1_500 })
  s.leaving()
  const [second] = s.pass(1_350)
  await s.refuse(second!, busy)
  t.is(query.end, undefined, 'the first copy may still be answered')
  t.deepEqual(s.pass(140), [])
  s.pass(30)
  await settled()
  t.is(query.end, 'timeout.deadline')
  t.false(query.fault!.retryable)
})

test('a query all of whose copies were refused was not carried out', async (t) => {
  const s = open()
  const query = s.call({ kind: 'query', deadlineMs: 1_500 })
  const [first] = s.leaving()
  const [second] = s.pass(1_350)
  await s.refuse(first!, busy)
  await s.refuse(second!, busy)
  t.is(query.end, 'unavailable.overloaded, not executed')
})

test('its pace says how a call is made again where many hosts make it at the same time', async (t) => {
  const s = open()
  const pace = { resendMs: 300, pauseMs: 1_000, pauseMsMax: 1_500 }
  const query = s.call({ kind: 'query', deadlineMs: 20_000, pace })
  const [first] = s.leaving()
  t.is(s.pass(320).length, 1)
  await s.refuse(first!, busy)
  // As long again by chance: here, half of it.
  t.deepEqual(s.pass(1_480), [])
  const [second] = s.pass(50)
  await s.refuse(second!, busy)
  t.deepEqual(s.pass(2_220), [])
  const [third] = s.pass(60)
  await s.refuse(third!, busy)
  t.deepEqual(s.pass(2_220), [])
  const [fourth] = s.pass(60)
  await s.answer(fourth!, 1)
  t.is(query.end, 'answered 1')
})

test('“nobody listens” is about the calls of its message, and of no other', async (t) => {
  const s = open()
  for (let i = 0; i < 40; i++) s.call({ subject: `other${i}` })
  s.leaving()
  const [a, b, c] = [s.call({ subject: 'a', args: ['first'] }), s.call({ subject: 'b' }), s.call({ subject: 'a' })]
  const sent = s.leaving()
  const toA = sent.filter(({ subject }) => subject === 'a')
  t.is(toA.length, 2)
  // One of them has been answered before.
  await s.answer(toA[1]!, 'c')
  await s.nobody(toA[0]!)
  await s.nobody(toA[0]!)
  t.deepEqual(
    s.pass(200).map(({ subject, args }) => ({ subject, args })),
    [{ subject: 'a', args: ['first'] }],
  )
  t.deepEqual([a.end, b.end, c.end], [undefined, undefined, 'answered "c"'])
  t.deepEqual(s.events, [])
})

test('what is said about a message is not about its calls that a newer message carries', async (t) => {
  const s = open()
  const query = s.call({ kind: 'query' })
  const [first] = s.leaving()
  const [second] = s.pass(1_020)
  await s.nobody(first!)
  t.deepEqual(s.pass(500), [], 'the newer copy is under way')
  await s.nobody(second!)
  t.is(s.pass(500).length, 1)
  t.is(query.end, undefined)
})

test('a fault about a message that could not be read is about all its calls', async (t) => {
  const s = open()
  const calls = [s.call(), s.call()]
  const other = s.call({ subject: 'other' })
  const [sent] = s.leaving()
  await s.refuse(sent!, busy, 0)
  t.is(s.pass(200).length, 2)
  t.deepEqual(
    calls.map(({ end }) => end),
    [undefined, undefined],
  )
  const third = s.call({ subject: 'third' })
  const [last] = s.leaving()
  await s.refuse(last!, new Fault('protocol.format', 'format 9'), 0)
  t.is(third.end, 'protocol.format')
  t.is(other.end, undefined)
  // Of a message that nobody knows, and of a call that nobody waits for: nothing.
  await s.hear({ replyTo: `${inbox}.zzz` }, encodeFault(0, 0, busy, replier))
  await s.hear(last!, encodeFault(0, 99, busy, replier))
  t.deepEqual(s.events, [])
})

test('an answer that can’t be read, or is no answer, is a dead letter; what came before it in its message counts', async (t) => {
  const s = open()
  const call = s.call()
  const [sent] = s.leaving()
  const { subject: _, replyTo: __, ...envelope } = sent!
  for (const payload of [
    new Uint8Array([0xc1]),
    encodeCall(envelope),
    encodeCall({ ...envelope, kind: kinds.send }),
    encodeCall({ ...envelope, kind: kinds.event }),
    encodeAnnouncement(5, null),
  ]) {
    await s.hear(sent!, payload)
  }
  t.is(call.end, undefined)
  t.is(s.events.length, 5)
  for (const event of s.events) {
    t.is(event.type, 'deadLetter')
    if (event.type === 'deadLetter') t.deepEqual([event.subject, event.fault.code], [sent!.replyTo, 'protocol.bad-envelope'])
  }
  const mixed = Buffer.concat([encodeReply(2, sent!.seq, 'read', replier, 0), encodeAnnouncement(5, null)])
  await s.hear(sent!, mixed)
  t.is(call.end, 'answered "read"')
})

test('each node that answers in a message becomes a contact', async (t) => {
  const s = open()
  s.call()
  s.call()
  const sent = s.leaving()
  const heard: number[] = []
  s.contacts.newer.on((version) => heard.push(version))
  const n2 = { node: 'n2', className: 'Notes.v2', version: 4 }
  await s.hear(
    sent[0]!,
    Buffer.concat([
      encodeReply(2, sent[0]!.seq, 1, replier, 0),
      encodeFault(2, sent[1]!.seq, new Fault('application.error', ''), n2),
    ]),
  )
  t.deepEqual(
    s.contacts.list().map(({ nodeId, version }) => `${nodeId} ${version}`),
    ['n1 3', 'n2 4'],
  )
  t.deepEqual(heard, [3, 4])
})

test('an answer that nobody waits for is no news of who answers, nor of a version', async (t) => {
  const s = open()
  const newer: number[] = []
  s.contacts.newer.on((version) => newer.push(version))
  const call = s.call()
  const [sent] = s.leaving()
  const liar = { node: 'n2', className: 'Notes.v9', version: 9 }
  for (const seq of [sent!.seq + 1, 1, 99]) {
    await s.hear(sent!, encodeReply(2, seq, 'x', liar, 0))
    await s.hear(sent!, encodeFault(2, seq, busy, liar))
  }
  await s.hear({ replyTo: `${inbox}.zzz` }, encodeFault(0, 0, busy, liar))
  t.deepEqual([s.contacts.list(), newer], [[], []])
  await s.answer(sent!, 'done')
  t.is(call.end, 'answered "done"')
  t.deepEqual(
    s.contacts.list().map(({ nodeId }) => nodeId),
    ['n1'],
  )
})

test('while the connection is away calls wait, and leave as they were made when it is back', async (t) => {
  const s = open()
  s.transport.status = 'disconnected'
  const changes = { n: 1 }
  const call = s.call({ args: [changes] })
  changes.n = 2
  t.deepEqual(s.pass(1_000), [])
  s.transport.status = 'connected'
  const [sent] = s.pass(400)
  t.deepEqual(sent!.args, [{ n: 1 }])
  await s.answer(sent!, 1)
  t.is(call.end, 'answered 1')
  s.transport.status = 'disconnected'
  const late = s.call({ deadlineMs: 1_000 })
  s.pass(1_100)
  await settled()
  t.is(late.end, 'unavailable.disconnected, not executed')
})

test('every copy has the arguments as they were when the call was made', async (t) => {
  const s = open()
  const changes = { n: 1 }
  s.call({ kind: 'query', args: [changes] })
  const [first] = s.leaving()
  changes.n = 2
  const [second] = s.pass(1_020)
  t.deepEqual([first!.args, second!.args], [[{ n: 1 }], [{ n: 1 }]])
})

test('a call that leaves later than it is made has its arguments as they were', (t) => {
  const s = open()
  const changes = { n: 1 }
  const scalars = s.callOf({ args: ['a', 1, null] })
  t.is(asItIsNow(scalars), scalars, 'nothing of it can change')
  const kept = asItIsNow(s.callOf({ args: ['a', changes] }))
  changes.n = 2
  for (const status of ['connected', 'disconnected'] as const) {
    s.transport.status = status
    void s.table.call(caller, kept).catch(() => {})
    s.transport.status = 'connected'
    t.deepEqual(s.pass(200)[0]!.args, ['a', { n: 1 }], status)
  }
  t.throws(() => asItIsNow(s.callOf({ args: [new Map()] })), { code: 'protocol.bad-arguments' })
})

test('a call whose arguments can’t travel fails, and the others of its message leave', async (t) => {
  const s = open()
  const before = s.call()
  const odd = s.call({ args: [() => {}] })
  const after = s.call()
  await settled()
  t.is(odd.end, 'protocol.bad-arguments')
  t.is(s.table.openCalls, 2)
  const sent = s.leaving()
  t.is(sent.length, 2)
  for (const each of sent) await s.answer(each, 'ok')
  t.deepEqual([before.end, after.end], ['answered "ok"', 'answered "ok"'])
  s.transport.status = 'disconnected'
  const away = s.call({ args: [new Map()] })
  await settled()
  t.is(away.end, 'protocol.bad-arguments')
  t.is(s.table.openCalls, 0)
  s.clock.advance(20)
  t.is(s.clock.timers, 0, 'nothing waits for a deadline')
})

test('one more call than may be open is refused before anything leaves', async (t) => {
  const s = open({ openCallsMax: 2 })
  const calls = [s.call(), s.call(), s.call()]
  await settled()
  t.deepEqual(
    calls.map(({ end }) => end),
    [undefined, undefined, 'unavailable.overloaded, not executed'],
  )
  const sent = s.leaving()
  t.is(sent.length, 2)
  await s.answer(sent[0]!, 1)
  s.call()
  t.is(s.leaving().length, 1)
})

test('calls whose message the transport does not take are made again, or end with its reason', async (t) => {
  const s = open()
  const [a, b] = [s.call(), s.call()]
  s.transport.refusal = new Fault('unavailable.disconnected', 'just gone')
  t.deepEqual(s.leaving(), [])
  s.transport.refusal = undefined
  const again = s.pass(200)
  t.is(again.length, 2)
  for (const each of again) await s.answer(each, 'ok')
  t.deepEqual([a.end, b.end], ['answered "ok"', 'answered "ok"'])
  const c = s.call()
  s.transport.refusal = new Fault('protocol.bad-arguments', 'no subject')
  s.leaving()
  await settled()
  t.is(c.end, 'protocol.bad-arguments')
  t.is(s.table.openCalls, 0)
})

test('a command that the transport did not take was not executed, though its host stops', async (t) => {
  const s = open()
  const call = s.call()
  s.transport.refusal = new Fault('unavailable.disconnected', 'just gone')
  s.table.close()
  await settled()
  t.is(call.end, 'unavailable.stopped, not executed')
})

test('a host that stops ends its calls: those that may have been carried out as unknown, the others as not executed', async (t) => {
  const s = open()
  const underWay = s.call()
  s.leaving()
  const query = s.call({ kind: 'query' })
  const [first] = s.leaving()
  s.pass(1_020)
  await s.refuse(first!, busy)
  const refused = s.call()
  await s.refuse(s.leaving()[0]!, busy)
  const leaving = s.call()
  s.table.close()
  await settled()
  t.is(s.leaving().length, 1, 'what waited for the end of the turn has left')
  t.deepEqual(
    [underWay, refused, query, leaving].map(({ end }) => end),
    ['timeout.unknown', 'unavailable.stopped, not executed', 'timeout.unknown', 'timeout.unknown'],
  )
  t.deepEqual(underWay.fault!.details, { method: 'add' })
  const later = s.call()
  await settled()
  t.is(later.end, 'unavailable.stopped, not executed')
  t.is(s.table.openCalls, 0)
  t.deepEqual(s.pass(20_000), [])
})

test('a send leaves once, without a path or an address for answers, and nothing is waited for', (t) => {
  const s = open()
  s.table.send(caller, s.callOf({ path: ['a/1/1'], trace: 'trace', deadlineMs: 500 }))
  const [sent] = s.leaving()
  t.like(sent, { kind: kinds.send, path: null, trace: 'trace', deadlineMs: 500, together: false, method: 'add' })
  t.is(sent!.replyTo, undefined)
  t.is(s.table.openCalls, 0)
  t.deepEqual(s.pass(20_000), [])
  t.throws(() => s.table.send(caller, s.callOf({ args: [new Set()] })), { code: 'protocol.bad-arguments' })
  s.transport.refusal = new Fault('unavailable.disconnected', 'away')
  s.table.send(caller, s.callOf())
  s.leaving()
  t.like(s.events, [{ type: 'deadLetter', subject: 'n1' }])
})

test('a send that leaves later is packed when it is made, and may go to a second subject', (t) => {
  const s = open()
  const changes = { n: 1 }
  const leave = s.table.prepareSend(caller, s.callOf({ args: [changes], subject: 'event' }), kinds.event, 'introduced')
  const alone = s.table.prepareSend(caller, s.callOf())
  changes.n = 2
  t.deepEqual(s.leaving(), [])
  leave()
  alone()
  t.deepEqual(
    s.leaving().map(({ subject, kind, args }) => ({ subject, kind, args })),
    [
      { subject: 'event', kind: kinds.event, args: [{ n: 1 }] },
      { subject: 'introduced', kind: kinds.event, args: [{ n: 1 }] },
      { subject: 'n1', kind: kinds.send, args: ['text'] },
    ],
  )
})

test('a send that is larger than the transport takes is refused where it is made', (t) => {
  const s = open()
  const send = () => s.table.prepareSend(caller, s.callOf({ args: ['x'.repeat(9_000)] }))
  s.transport.payloadBytesMax = 9_000
  const { message } = t.throws(send, {
    code: 'protocol.too-large',
    message: /^a send of 9\d\d\d bytes; the transport takes 9000$/,
  })
  const bytes = Number(/\d+/.exec(message)![0])
  s.transport.payloadBytesMax = bytes - 1
  t.throws(send, { code: 'protocol.too-large' })
  s.transport.payloadBytesMax = bytes
  send()()
  t.is(s.leaving().length, 1)
})

test('no two calls of a host have the same number, be they calls or sends', (t) => {
  const s = open()
  for (let i = 0; i < 3; i++) {
    s.call()
    s.table.send(caller, s.callOf())
    s.table.prepareSend(caller, s.callOf())()
  }
  t.is(new Set(s.leaving().map(({ seq }) => seq)).size, 9)
})

test('no call has longer than the longest deadline, and none less than no time', (t) => {
  const s = open()
  s.call({ deadlineMs: 3_600_000 })
  s.table.send(caller, s.callOf({ deadlineMs: -5 }))
  t.deepEqual(
    s.leaving().map(({ deadlineMs }) => deadlineMs),
    [600_000, 0],
  )
})

test('telemetry hears of each call, who answered it and how it ended, and its trace travels', async (t) => {
  const heard: unknown[] = []
  const telemetry: Telemetry = {
    made(call: CallMade) {
      if (call.method === 'unwatched') return undefined
      heard.push(call)
      return {
        trace: 'watched',
        answered: (by, hops) => void heard.push(['answered', by, hops]),
        failed: (fault, by) => void heard.push(['failed', fault.code, by]),
      }
    },
    sent(call) {
      heard.push(call)
      return 'sent'
    },
  }
  const s = open({}, telemetry)
  const made = {
    kind: kinds.call,
    subject: 'n1',
    service: 'notes',
    method: 'add',
    label: 2,
    caller: 'desk',
    callerClass: 'Client',
    callerVersion: 2,
    parent: 'parent',
  }
  const [answered, failed, late] = [s.call({ trace: 'parent' }), s.call({ trace: 'parent' }), s.call({ deadlineMs: 100 })]
  t.deepEqual(heard.splice(0).slice(0, 2), [made, made])
  const sent = s.leaving()
  t.deepEqual(
    sent.map(({ trace }) => trace),
    ['watched', 'watched', 'watched'],
  )
  await s.answer(sent[0]!, 'a', 2)
  await s.refuse(sent[1]!, new Fault('application.error', 'no'))
  s.pass(150)
  await settled()
  t.deepEqual([answered.end, failed.end, late.end], ['answered "a"', 'application.error', 'timeout.deadline'])
  t.deepEqual(heard.splice(0), [
    ['answered', replier, 2],
    ['failed', 'application.error', replier],
    ['failed', 'timeout.deadline', undefined],
  ])
  const unwatched = s.call({ method: 'unwatched', trace: 'own' })
  const [own] = s.leaving()
  t.is(own!.trace, 'own')
  await s.answer(own!, 'b')
  t.is(unwatched.end, 'answered "b"')
  s.table.send(caller, s.callOf({ trace: 'parent' }))
  s.table.prepareSend(caller, s.callOf({ trace: 'parent' }), kinds.event)()
  t.deepEqual(heard, [
    { ...made, kind: kinds.send },
    { ...made, kind: kinds.event },
  ])
  t.deepEqual(
    s.leaving().map(({ trace }) => trace),
    ['sent', 'sent'],
  )
  const ofNobody = open({}, {})
  ofNobody.call({ trace: 'own' })
  ofNobody.table.send(caller, ofNobody.callOf({ trace: 'own' }))
  t.deepEqual(
    ofNobody.leaving().map(({ trace }) => trace),
    ['own', 'own'],
  )
})

test('a fault that reaches the code of a node says which node made the call', async (t) => {
  const s = open({ openCallsMax: 2 })
  const node = new CallingNode(caller)
  const calls = [s.call({}, node), s.call({}, node), s.call({}, node)]
  await s.refuse(s.leaving()[0]!, new Fault('application.error', 'no', { why: 1 }))
  s.table.close()
  calls.push(s.call({}, node))
  await settled()
  t.deepEqual(
    calls.map(({ end, fault }) => [end, fault!.message.includes('(called by node desk)')]),
    [
      ['application.error', true],
      ['timeout.unknown', true],
      ['unavailable.overloaded, not executed', true],
      ['unavailable.stopped, not executed', true],
    ],
  )
  t.is(calls[0]!.fault!.message, 'no (called by node desk)')
  t.deepEqual(calls[0]!.fault!.details, { why: 1 })
})

test('the calls of a host that no node makes have an incarnation of its own', (t) => {
  t.is(open().table.incarnation, 2 ** 31)
  t.is(open().table.payloadBytesMax, 10_000)
  t.deepEqual(open().table.answersSubjects, [`${inbox}.*`, `${serversInbox}.*`])
})
