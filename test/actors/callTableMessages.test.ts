/** Messages of open calls: several calls in one, faults about a whole one, sends, and those that stay. */
import 'reflect-metadata'
import test from 'ava'
import { CallingNode } from '../../actors/calls/caller.js'
import { asItIsNow } from '../../actors/calls/outgoingCall.js'
import { Fault } from '../../core/base/fault.js'
import type { CallMade, Telemetry } from '../../core/inspection/telemetry.js'
import { encodeAnnouncement, encodeCall, encodeFault, encodeReply } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { busy, caller, inbox, open, replier, serversInbox, settled } from './callTableFixture.js'

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

test('H4: a call is not sent again while its node may say nothing', async (t) => {
  const s = open()
  const voice = { isSilent: false }
  const call = s.call({}, new CallingNode(caller, s.contacts, voice))
  const [first] = s.leaving()
  voice.isSilent = true
  await s.refuse(first!, new Fault('unavailable.upgrading', 'not now'))
  t.deepEqual(s.pass(500), [])
  voice.isSilent = false
  t.is(s.pass(500).length, 1)
  t.is(call.end, undefined)
})

test('a fault that reaches the code of a node says which node made the call', async (t) => {
  const s = open({ openCallsMax: 2 })
  const node = new CallingNode(caller, s.contacts, { isSilent: false })
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
