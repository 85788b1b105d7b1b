/**
 * Where the answers to calls go, which of them travel together, and what becomes of a fault
 * that is too large.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Outbox } from '../../actors/calls/outbox.js'
import { type Answered, Answers } from '../../actors/serving/answers.js'
import { Fault } from '../../core/base/fault.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Transport } from '../../core/ports/transport.js'
import { decode, encodeReply } from '../../core/wire/codec.js'
import type { FaultEnvelope, ReplyEnvelope } from '../../core/wire/envelope.js'
import { ManualClock } from './manualClock.js'

const replier = { node: 'n1', className: 'Notes.v1', version: 3 }

function open() {
  const clock = new ManualClock()
  const sent: { subject: string; envelopes: (ReplyEnvelope | FaultEnvelope)[] }[] = []
  const events: HostEvent[] = []
  const transport = {
    payloadBytesMax: 100_000,
    publish(subject: string, payload: Uint8Array) {
      sent.push({ subject, envelopes: decode(payload) as (ReplyEnvelope | FaultEnvelope)[] })
    },
  }
  const port = transport as unknown as Transport
  const outbox = new Outbox(port, clock, { ...defaultSettings, system: 's', hostId: 'h' })
  return {
    transport,
    events,
    to: (replyTo: string) => new Answers(outbox, replyTo, (event) => void events.push(event)),
    leaving() {
      clock.endTurn()
      return sent.splice(0)
    },
    /** The subjects of the messages, and the calls that each of them answers. */
    messages: () => {
      clock.endTurn()
      return sent.splice(0).map(({ subject, envelopes }) => `${subject} ${envelopes.map(({ seq }) => seq)}`)
    },
  }
}

const call = (seq: number, together = true): Answered => ({ label: 2, seq, together })

test('answers of one turn to one caller travel in one message, whichever of its messages they answer', (t) => {
  const s = open()
  const [first, second] = [s.to('inbox.host.1'), s.to('inbox.host.2')]
  first.reply(call(1), 'a', replier, 0)
  second.packed(call(2), encodeReply(2, 2, 'b', replier, 0))
  second.fault(call(3), new Fault('application.error', 'no'), replier)
  first.reply(call(4), 'd', replier, 0)
  s.to('inbox.other.1').reply(call(5), 'e', replier, 0)
  t.deepEqual(s.messages(), ['inbox.host.1 1,2,3,4', 'inbox.other.1 5'])
  for (const [i, replyTo] of ['a.host.1', 'b.host.1'].entries()) s.to(replyTo).reply(call(i), i, replier, 0)
  t.deepEqual(s.messages(), ['a.host.1 0', 'b.host.1 1'])
})

test('answers to a caller that wants them apart go where its message says', (t) => {
  const s = open()
  const [first, second] = [s.to('inbox.host.1'), s.to('inbox.host.2')]
  first.reply(call(1, false), 'a', replier, 0)
  second.reply(call(2, false), 'b', replier, 0)
  first.reply(call(3, false), 'c', replier, 0)
  first.reply(call(4), 'd', replier, 0)
  t.deepEqual(s.messages(), ['inbox.host.1 1,3', 'inbox.host.2 2', 'inbox.host.1 4'])
})

test('an inbox of one token would be everybody’s: answers to it do not travel together', (t) => {
  const s = open()
  for (const [i, replyTo] of ['_INBOX.a', '_INBOX.b', 'alone', '.x'].entries()) s.to(replyTo).reply(call(i), i, replier, 0)
  t.deepEqual(s.messages(), ['_INBOX.a 0', '_INBOX.b 1', 'alone 2', '.x 3'])
})

test('an answer has the call’s number and label, the value, who answered and through how many SOs', (t) => {
  const s = open()
  s.to('inbox.host.1').reply(call(7), { n: 1 }, replier, 2)
  s.to('inbox.host.1').fault(call(8), new Fault('application.error', 'no', { why: 1 }), replier)
  const [reply, fault] = s.leaving()[0]!.envelopes
  t.like(reply, { label: 2, seq: 7, value: { n: 1 }, replier, hops: 2 })
  t.like(fault, { label: 2, seq: 8, replier, fault: { code: 'application.error', message: 'no', details: { why: 1 } } })
})

test('a result that can’t travel is refused, and leaves nothing in the message', (t) => {
  const s = open()
  const answers = s.to('inbox.host.1')
  answers.reply(call(1), 'a', replier, 0)
  t.throws(() => answers.reply(call(2), new Map(), replier, 0), { code: 'protocol.bad-arguments' })
  s.transport.payloadBytesMax = 200
  t.throws(() => answers.reply(call(3), 'x'.repeat(300), replier, 0), { code: 'protocol.too-large' })
  t.deepEqual(s.messages(), ['inbox.host.1 1'])
})

test('a fault that is too large is shortened as far as it has to be; its caller hears of its code at least', (t) => {
  const s = open()
  const fault = new Fault('application.error', `begins ${'x'.repeat(5_000)}`, { why: 'short', all: 'y'.repeat(5_000) })
  const heard = (payloadBytesMax: number) => {
    s.transport.payloadBytesMax = payloadBytesMax
    s.to('inbox.host.1').fault(call(1), fault, replier)
    const envelopes = s.leaving().flatMap((message) => message.envelopes) as FaultEnvelope[]
    t.is(envelopes.length, 1)
    return envelopes[0]!.fault
  }
  const whole = heard(20_000)
  t.is(whole.message, fault.message)
  t.deepEqual(whole.details, fault.details)
  const short = heard(5_000)
  t.regex(short.message, /^begins x/)
  t.true(short.message.length < 5_000)
  t.deepEqual(short.details, { why: 'short', shortened: true })
  const bare = heard(150)
  t.deepEqual([bare.code, bare.message, bare.details], ['application.error', '', { shortened: true }])
  t.deepEqual(s.events, [])
})

test('a fault that can’t be sent even so is told to the host’s observer', (t) => {
  const s = open()
  s.transport.payloadBytesMax = 10
  s.to('inbox.host.1').fault(call(1), new Fault('application.error', 'no'), replier)
  t.deepEqual(s.messages(), [])
  const [event, ...others] = s.events
  t.deepEqual(others, [])
  t.true(event?.type === 'warning' && event.message === "n1: a fault can't be sent")
  t.is(event?.type === 'warning' && (event.error as Fault).code, 'protocol.too-large')
})
