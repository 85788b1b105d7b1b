/** The open calls of a host: when they leave, when they leave again, and how they end (C4). */
import 'reflect-metadata'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { encodeReply } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { busy, inbox, open, replier, type Sent, serversInbox, settled } from './callTableFixture.js'

test('a transport whose inboxes are no subjects is refused: what begins with one is not looked at again', (t) => {
  for (const bad of [
    ['_INBOX.h *', serversInbox],
    [inbox, '_INBOX.s.'],
  ])
    t.throws(() => open({}, undefined, undefined, bad), { code: 'protocol.bad-arguments', message: /is not a subject/ })
})

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
