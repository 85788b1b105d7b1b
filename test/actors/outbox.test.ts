/** How envelopes of one turn share messages, and when they do not. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { Outbox, writePacked } from '../../actors/calls/outbox.js'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Transport } from '../../core/ports/transport.js'
import type { WireWriter } from '../../core/wire/wireWriter.js'
import { ManualClock } from './manualClock.js'

function open(change: Partial<HostSettings> = {}) {
  const sent: string[] = []
  const transport = {
    payloadBytesMax: 20,
    publish(subject: string, payload: Uint8Array) {
      if (payload.length > transport.payloadBytesMax) throw new Fault('protocol.too-large', 'too large')
      sent.push(`${subject} ${Buffer.from(payload).toString()}`)
    },
  }
  const settings = { ...defaultSettings, system: 's', hostId: 'h', ...change }
  const clock = new ManualClock()
  const outbox = new Outbox(transport as unknown as Transport, clock, settings)
  const write = (subject: string, text: string) => outbox.write(outbox.destination(subject), writePacked, Buffer.from(text))
  return { outbox, clock, sent, write, transport }
}

test('envelopes to one subject share a message, in their order, until it is full', (t) => {
  const { outbox, sent, write } = open({ envelopesPerMessageMax: 3 })
  for (const text of ['1', '2', '3', '4']) write('a', text)
  write('b', 'other')
  t.deepEqual(sent, [])
  outbox.flush()
  t.deepEqual(sent, ['a 123', 'a 4', 'b other'])
  write('a', 'next turn')
  outbox.flush()
  t.is(sent.at(-1), 'a next turn')
})

test('H4: a message that its process was stopped with does not leave, by either clock', (t) => {
  const { outbox, clock, sent, write } = open({ shardGuardMs: 400 })
  const unsent: string[] = []
  outbox.unsent.on(({ fault }) => unsent.push(fault.code))
  write('a', 'a moment')
  clock.stop(200)
  clock.endTurn()
  t.deepEqual(sent, ['a a moment'])
  write('a', 'stopped')
  clock.stop(201)
  clock.endTurn()
  write('a', 'suspended')
  clock.setBy(201)
  clock.endTurn()
  t.deepEqual(sent, ['a a moment'])
  t.deepEqual(unsent, ['unavailable.disconnected', 'unavailable.disconnected'])
})

test('a message that has become too long leaves at once, after all that were begun before it', (t) => {
  const { outbox, sent, write } = open({ messageBytesMax: 12 })
  write('b', 'earlier')
  for (const text of ['1', '2', '3 is long', '4 is long']) write('a', text)
  t.deepEqual(sent, ['b earlier', 'a 123 is long'])
  write('b', 'later')
  outbox.flush()
  t.deepEqual(sent, ['b earlier', 'a 123 is long', 'a 4 is long', 'b later'])
})

test('messages to a service are small, so that its nodes share what is sent in one turn', (t) => {
  const { outbox, sent, write } = open({ envelopesPerServiceMessageMax: 2 })
  for (const text of ['1', '2', '3']) write('theseus.s.service.pages', text)
  for (const text of ['1', '2', '3']) write('theseus.s.node.pages', text)
  outbox.flush()
  t.deepEqual(sent, ['theseus.s.service.pages 12', 'theseus.s.service.pages 3', 'theseus.s.node.pages 123'])
})

test('an envelope that can’t be written, or is too large for the transport, leaves nothing in its message', (t) => {
  const { outbox, sent, write } = open()
  write('a', 'before ')
  const fails = (writer: WireWriter) => {
    writer.text('half')
    throw new Error('not plain')
  }
  t.throws(() => outbox.write(outbox.destination('a'), fails, undefined), { message: 'not plain' })
  const thrown = t.throws(() => write('a', 'x'.repeat(21)), { any: true })
  t.true(isFault(thrown) && thrown.code === 'protocol.too-large')
  t.throws(() => outbox.write(outbox.destination('b'), fails, undefined), { message: 'not plain' })
  write('a', 'after')
  outbox.flush()
  t.deepEqual(sent, ['a before after'])
})

test('an envelope that is sent while another is being written does not get into the middle of it', (t) => {
  const { outbox, sent, write } = open()
  const outer = (writer: WireWriter) => {
    writer.packed(Buffer.from('<'))
    write('a', 'inner')
    writer.packed(Buffer.from('>'))
  }
  outbox.write(outbox.destination('a'), outer, undefined)
  outbox.flush()
  t.deepEqual([...sent].sort(), ['a <>', 'a inner'])
})

test('nothing leaves while an envelope is half written, however long a message becomes meanwhile', (t) => {
  const { outbox, sent, write } = open({ messageBytesMax: 12 })
  const outer = (writer: WireWriter) => {
    writer.packed(Buffer.from('<'))
    for (const text of ['1 is long', '2 is long', '3 is long']) write('b', text)
    t.deepEqual(sent, [])
    writer.packed(Buffer.from('>'))
  }
  outbox.write(outbox.destination('a'), outer, undefined)
  outbox.flush()
  t.deepEqual(sent, ['a <>', 'b 1 is long', 'b 2 is long', 'b 3 is long'])
})

test('a destination that was forgotten sends what it was given before what is written later', (t) => {
  const { outbox, sent, write } = open({ destinationsMax: 1 })
  write('a', 'first')
  write('b', 'between')
  write('a', 'second')
  outbox.flush()
  t.deepEqual(sent, ['a first', 'b between', 'a second'])
})

test('messages are as long as the transport takes now, which may be less than before', (t) => {
  const { outbox, sent, write, transport } = open()
  write('a', 'as long as before')
  outbox.flush()
  transport.payloadBytesMax = 8
  for (const text of ['1234', '5678', '9']) write('a', text)
  outbox.flush()
  t.deepEqual(sent, ['a as long as before', 'a 12345678', 'a 9'])
  const thrown = t.throws(() => write('a', 'too long!'), { any: true })
  t.true(isFault(thrown) && thrown.code === 'protocol.too-large')
})

test('a message that the transport has ceased to take since it was begun is sent apart', (t) => {
  const { outbox, sent, write, transport } = open()
  const unsent: string[] = []
  outbox.unsent.on(({ outgoing, fault }) => unsent.push(`${outgoing.subject} ${fault.code}`))
  // Each byte of these is an envelope.
  for (const text of ['123', '456']) write('a', text)
  const address = { replyTo: 'r' }
  const call = (text: string) => outbox.write(outbox.destination('b'), writePacked, Buffer.from(text), () => address)
  for (const text of ['123', '456']) call(text)
  transport.payloadBytesMax = 4
  outbox.flush()
  t.deepEqual(
    sent,
    [...'123456'].map((text) => `a ${text}`),
  )
  // Calls: their caller sends them again, for they have surely not left.
  t.deepEqual(unsent, ['b unavailable.disconnected'])
})

test('what is written in a turn of the event loop leaves at its end, without being asked to', (t) => {
  const { clock, sent, write, outbox } = open()
  for (const turn of ['first', 'second']) {
    write('a', turn)
    outbox.add('b', Buffer.from('packed'))
    t.is(sent.length, turn === 'first' ? 0 : 2)
    clock.endTurn()
  }
  t.deepEqual(sent, ['a first', 'b packed', 'a second', 'b packed'])
})

test('a call that follows sends to the same subject begins a message of its own, with its reply address', (t) => {
  const { outbox, write, transport } = open()
  const published: string[] = []
  transport.publish = (subject: string, payload: Uint8Array, replyTo?: string) =>
    void published.push(`${subject} ${Buffer.from(payload)} ${replyTo}`)
  write('a', 'send')
  const call = (text: string) => outbox.write(outbox.destination('a'), writePacked, Buffer.from(text), () => ({ replyTo: 'r' }))
  call('1')
  call('2')
  write('a', '3')
  outbox.flush()
  t.deepEqual(published, ['a send undefined', 'a 123 r'])
})

test('a destination is looked at once; where a caller chose the subject, each message is looked at', (t) => {
  const { outbox, write, transport } = open()
  const published: string[] = []
  transport.publish = (subject: string, _payload: Uint8Array, _replyTo?: string, areChecked?: boolean) =>
    void published.push(`${subject} ${areChecked}`)
  write('a.b', '1')
  write('a b', '2')
  const answer = (subject: string) => outbox.write(outbox.inbox('_INBOX.c'), writePacked, Buffer.from('3'), undefined, subject)
  answer('_INBOX.c.1')
  outbox.flush()
  answer('_INBOX.c.1\r\nPUB x 0')
  write('a.b', '4')
  outbox.flush()
  const looked = ['a.b true', 'a b false', '_INBOX.c.1 false', '_INBOX.c.1\r\nPUB x 0 false', 'a.b true']
  t.deepEqual(published, looked)
})

test('an envelope that is as large as the transport takes is sent, alone', (t) => {
  const { outbox, sent, write } = open()
  write('a', 'short')
  write('a', 'x'.repeat(20))
  outbox.flush()
  t.deepEqual(sent, ['a short', `a ${'x'.repeat(20)}`])
})

test('an envelope that is longer than a message should be waits alone for the end of its turn', (t) => {
  const { outbox, sent, write } = open({ messageBytesMax: 4 })
  write('b', 'b')
  write('a', 'too long')
  t.deepEqual(sent, [])
  outbox.flush()
  t.deepEqual(sent, ['b b', 'a too long'])
})

test('a message that the transport refuses is told with the reason, and the others leave', (t) => {
  const { outbox, sent, write, transport } = open()
  const unsent: string[] = []
  outbox.unsent.on(({ outgoing, fault }) => unsent.push(`${outgoing.subject} ${isFault(fault) ? fault.code : String(fault)}`))
  const { publish } = transport
  transport.publish = (subject, payload) => {
    if (subject === 'gone') throw new Fault('unavailable.disconnected', 'away')
    if (subject === 'broken') throw new Error('closed')
    publish(subject, payload)
  }
  for (const subject of ['gone', 'broken', 'a', 'call']) for (const text of ['12', '34']) write(subject, text)
  outbox.flush()
  t.deepEqual(unsent, ['gone unavailable.disconnected', 'broken Error: closed'])
  t.deepEqual(sent, ['a 1234', 'call 1234'])
})

test('a call that is alone in a message which the transport has ceased to take is told so: sent again it would be as large', (t) => {
  const { outbox, sent, transport, write } = open()
  const unsent: string[] = []
  outbox.unsent.on(({ outgoing, fault }) => unsent.push(`${outgoing.subject} ${fault.code}`))
  outbox.write(outbox.destination('call'), writePacked, Buffer.from('1234'), () => ({ replyTo: 'r' }))
  write('send', '1234')
  transport.payloadBytesMax = 3
  outbox.flush()
  t.deepEqual(unsent, ['call protocol.too-large', 'send protocol.too-large'])
  t.deepEqual(sent, [])
})

test('of envelopes that are sent apart, those that are still too large are told, and the others leave', (t) => {
  const { outbox, sent, transport } = open()
  const unsent: string[] = []
  outbox.unsent.on(({ outgoing, fault }) => unsent.push(`${outgoing.subject} ${fault.code}`))
  const text = (length: number) => (writer: WireWriter) => writer.text('x'.repeat(length))
  for (const length of [1, 9, 2]) outbox.write(outbox.destination('a'), text(length), undefined)
  transport.payloadBytesMax = 4
  outbox.flush()
  t.deepEqual(
    sent.map((message) => message.length - 'a '.length),
    [2, 3],
  )
  t.deepEqual(unsent, ['a protocol.too-large'])
})

test('buffers of messages are used again: so many, and none that has become larger than idleWriterBytesMax', (t) => {
  const { outbox, write, transport } = open({ idleWritersMax: 2, idleWriterBytesMax: 4_096 })
  transport.payloadBytesMax = 100_000
  const buffersOf = (subjects: string, text = '1') => [...subjects].map((subject) => write(subject, text).writer)
  const first = buffersOf('abc')
  outbox.flush()
  const second = buffersOf('abc')
  t.is(new Set(second).size, 3)
  t.is(second.filter((buffer) => first.includes(buffer)).length, 2)
  outbox.flush()
  const large = buffersOf('ab', 'x'.repeat(5_000))
  outbox.flush()
  const third = buffersOf('ab')
  t.deepEqual(
    third.filter((buffer) => large.includes(buffer)),
    [],
  )
})
