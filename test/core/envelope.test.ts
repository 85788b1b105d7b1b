/**
 * Each kind of envelope, field by field: what is written is read back, and what is wrong is
 * refused with the field.
 */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import {
  type CallEnvelope,
  callId,
  changeoverId,
  deadlineMsMax,
  type Envelope,
  envelopeFormat,
  isChangeover,
  kinds,
  methodBytesMax,
  pathCallsMax,
  traceLengthMax,
  tracestateLengthMax,
} from '../../core/wire/envelope.js'
import { formatOf, readEnvelope } from '../../core/wire/envelopeReader.js'
import {
  type CallToWrite,
  packCallerFields,
  writeAnnouncement,
  writeBounded,
  writeCall,
  writeFault,
  writeReply,
} from '../../core/wire/envelopeWriter.js'
import { FrequentReplier } from '../../core/wire/frequentReplier.js'
import { traceContext } from '../../core/wire/traceContext.js'
import { WireReader } from '../../core/wire/wireReader.js'
import { WireWriter } from '../../core/wire/wireWriter.js'

type Fields = readonly unknown[]

const callFields: Fields = [
  1,
  kinds.call,
  3,
  7,
  'put',
  ['a'],
  500,
  'n1',
  2,
  'Pages.v1',
  4,
  'Index.v1',
  ['x/1/1'],
  '00-trace',
  true,
]
const replyFields: Fields = [1, kinds.reply, 3, 7, 'answer', 'n2', 'Index.v1', 5, 2, false]
const faultFields: Fields = [1, kinds.fault, 3, 7, ['version.dead', 'too old', true, { dead: 3 }], 'n2', 'Index.v1', 5]
const announcementFields: Fields = [1, kinds.announcement, 3, 'ab']

function bytesOf(fields: unknown): Uint8Array {
  const writer = new WireWriter()
  writer.plain(fields)
  // Another envelope follows.
  writeAnnouncement(writer, 9, null)
  return writer.copy()
}

/** The values that the fields are read as; the envelope after them has to be read then. */
function read(fields: unknown): Envelope {
  const reader = new WireReader(bytesOf(fields))
  const envelope = readEnvelope(reader)
  const next = readEnvelope(reader)
  if (next.kind !== kinds.announcement || next.version !== 9 || !reader.isAtEnd) throw new Error('not read to its end')
  return envelope
}

const isRefused = (message: string | RegExp) => ({ code: 'protocol.bad-envelope', message })

const call: CallEnvelope = {
  ...{ kind: kinds.call, label: 3, seq: 7, method: 'put', args: ['a'], deadlineMs: 500, caller: 'n1', incarnation: 2 },
  ...{ callerClass: 'Pages.v1', callerVersion: 4, expects: 'Index.v1', path: ['x/1/1'], trace: '00-trace', together: true },
}
const replier = { node: 'n2', className: 'Index.v1', version: 5 }

test('a call, a send and an event are read with all their fields', (t) => {
  for (const kind of [kinds.call, kinds.send, kinds.event]) t.deepEqual(read(callFields.with(1, kind)), { ...call, kind })
})

test('a call of an older release has fewer fields, and the rest is read as nothing', (t) => {
  const lesser: Partial<CallEnvelope>[] = [{ together: false }, { trace: null }, { path: null }, { expects: null }]
  lesser.forEach((_, i) => {
    t.deepEqual(read(callFields.slice(0, 14 - i)), Object.assign({ ...call }, ...lesser.slice(0, i + 1)))
  })
  t.throws(() => read(callFields.slice(0, 10)), isRefused('a call of 10 fields'))
})

test('fields of a later release are passed over, in each kind of envelope', (t) => {
  for (const fields of [callFields, replyFields, faultFields, announcementFields]) {
    const later = [...fields, { a: [1] }, 'more']
    t.deepEqual(JSON.stringify(read(later)), JSON.stringify(read(fields)))
  }
})

test('a call with a field that is wrong is refused, and the field is named', (t) => {
  const wrong: readonly (readonly [field: number, values: readonly unknown[], about: string])[] = [
    [2, [-1, 0.5, 2 ** 32, '3', null], 'field 2 is not a version'],
    [3, [-1, 0.5, '7', null], 'field 3 is not an unsigned integer'],
    [4, [7, null], 'field 4 is not a string'],
    [4, ['m'.repeat(129)], 'field 4 (method) is longer than 128'],
    [5, [null, {}, 'a'], 'field 5 (arguments) is not an array'],
    [6, [-1, '500'], 'field 6 is not an unsigned integer'],
    [7, ['', 'a b', 7], 'field 7 is not a name'],
    [8, [-1, '2'], 'field 8 is not an unsigned integer'],
    [9, ['', 'a b', 7], 'field 9 is not a class name'],
    [10, [-1, '4'], 'field 10 is not a version'],
    [11, [7, []], 'field 11 is not a string'],
    [12, ['x/1/1', [7], Array(pathCallsMax + 1).fill('x/1/1')], 'field 12 (path) is not a list of at most 32 call ids'],
    [13, [7, []], 'field 13 is not a string'],
  ]
  for (const [field, values, about] of wrong)
    for (const value of values)
      t.throws(() => read(callFields.with(field, value)), isRefused(about), `${field}: ${JSON.stringify(value)}`)
})

test('fields that may be at their limits, or nothing, are read so', (t) => {
  const readCall = (field: number, value: unknown) => read(callFields.with(field, value)) as CallEnvelope
  t.is(readCall(6, 0).deadlineMs, 0)
  t.is(readCall(6, deadlineMsMax).deadlineMs, deadlineMsMax)
  t.is(readCall(6, deadlineMsMax + 1).deadlineMs, deadlineMsMax)
  t.is(readCall(4, 'm'.repeat(methodBytesMax)).method.length, methodBytesMax)
  for (const field of [11, 12, 13]) t.notThrows(() => readCall(field, null))
  t.is(readCall(12, Array(pathCallsMax).fill('x/1/1')).path?.length, pathCallsMax)
  t.is(readCall(13, 't'.repeat(traceLengthMax)).trace?.length, traceLengthMax)
  t.is(readCall(13, 't'.repeat(traceLengthMax + 1)).trace, null)
  for (const value of [false, 1, null]) t.false(readCall(14, value).together)
  const trace = (...fields: Fields) => (read([...callFields.slice(0, 13), ...fields]) as CallEnvelope).trace
  t.is(trace('00-trace', false, 'a=1'), traceContext('00-trace', 'a=1'))
  t.is(trace('00-trace', true, `a=${'s'.repeat(tracestateLengthMax - 2)}`)?.length, 8 + 1 + tracestateLengthMax)
  for (const none of ['', 'a', 'a=\n', 'ä=1', `a=${'s'.repeat(tracestateLengthMax - 1)}`, null, 7, ['a=1']])
    t.is(trace('00-trace', true, none), '00-trace')
  t.is(trace(null, true, 'a=1'), null)
  t.is(trace('00-trace\na=1', true), null)
})

test('a reply is read with its value, who answered, and how many simulation objects it went through', (t) => {
  const reply = { kind: kinds.reply, label: 3, seq: 7, value: 'answer', replier, hops: 2 }
  t.deepEqual(read(replyFields), reply)
  t.deepEqual(read(replyFields.slice(0, 9)), reply)
  t.deepEqual(read(replyFields.slice(0, 8)), { ...reply, hops: 0 })
  t.deepEqual(read(replyFields.with(8, 'two')), { ...reply, hops: 0 })
  t.deepEqual(read(replyFields.with(9, true)), { ...reply, value: undefined })
  t.throws(() => read(replyFields.slice(0, 7)), isRefused('a reply of 7 fields'))
})

test('a reply or a fault with a field that is wrong is refused, and the field is named', (t) => {
  const wrong: readonly (readonly [field: number, value: unknown, about: string])[] = [
    [2, -1, 'field 2 is not a version'],
    [3, -1, 'field 3 is not an unsigned integer'],
    [5, 'a b', 'field 5 is not a name'],
    [6, 'a b', 'field 6 is not a class name'],
    [7, -1, 'field 7 is not a version'],
  ]
  for (const fields of [replyFields, faultFields])
    for (const [field, value, about] of wrong) t.throws(() => read(fields.with(field, value)), isRefused(about))
})

test('a fault of a code that is not known here is read with its message, its details and whether to try again', (t) => {
  for (const again of [true, false]) {
    const found = read(faultFields.with(4, ['later.code', 'not yet', again, { dead: 3 }]))
    if (found.kind !== kinds.fault) throw new Error('no fault')
    t.deepEqual([found.label, found.seq, found.replier], [3, 7, replier])
    const { code, message, retryable, details } = found.fault
    t.deepEqual([code, message, retryable, details], ['later.code', 'not yet', again, { dead: 3 }])
  }
  t.throws(() => read(faultFields.slice(0, 7)), isRefused('a fault of 7 fields'))
})

test('a fault that is not four fields of a code and a message is refused', (t) => {
  for (const wrong of [null, 'a.b', {}, [], [7, 'm', true, {}], ['code', 'm', true, {}]])
    t.throws(() => read(faultFields.with(4, wrong)), isRefused('field 4 (fault) is not [code, message, retryable, details]'))
  t.throws(() => read(faultFields.with(4, ['a.b', 7, true, {}])), isRefused('field 4 (fault): the message is not text'))
  for (const details of [null, 'text', [1]]) {
    const found = read(faultFields.with(4, ['a.b', 'm', 1, details]))
    if (found.kind !== kinds.fault) throw new Error('no fault')
    t.deepEqual([found.fault.details, found.fault.retryable], [{}, false])
  }
})

test('a fault is read in every format, and nothing else is', (t) => {
  for (const format of [2, 3]) t.is(read(faultFields.with(0, format)).kind, kinds.fault)
  for (const fields of [callFields, replyFields, announcementFields])
    t.throws(() => readEnvelope(new WireReader(bytesOf(fields.with(0, 3)))), {
      code: 'protocol.format',
      message: 'envelope format 3; this host accepts 1 to 2',
    })
  for (const format of ['1', null, -1, 0.5])
    t.throws(() => readEnvelope(new WireReader(bytesOf(faultFields.with(0, format)))), {
      code: 'protocol.format',
      message: `envelope format ${typeof format === 'number' ? format : `of type ${typeof format}`}; this host accepts 1 to 2`,
    })
  for (const fields of [[], [3]]) t.throws(() => readEnvelope(new WireReader(bytesOf(fields))), { code: 'protocol.format' })
  // Nothing comes after it.
  for (const alone of [[0x90], [0x91, 3]])
    t.throws(() => readEnvelope(new WireReader(new Uint8Array(alone))), { code: 'protocol.format' })
})

test('an announcement is of a version, with a digest or none', (t) => {
  t.deepEqual(read(announcementFields), { kind: kinds.announcement, version: 3, digest: 'ab' })
  t.deepEqual(read(announcementFields.slice(0, 3)), { kind: kinds.announcement, version: 3, digest: null })
  t.deepEqual(read(announcementFields.with(3, 7)), { kind: kinds.announcement, version: 3, digest: null })
  t.throws(() => read([1, kinds.announcement]), isRefused('an announcement of no version'))
  t.throws(() => read(announcementFields.with(2, -1)), isRefused('field 2 is not a version'))
})

test('an envelope of an unknown kind, or that is no list, is refused, without the sender’s own text', (t) => {
  t.throws(() => read([1]), isRefused('unknown kind of type undefined'))
  t.throws(() => read([1, 9]), isRefused('unknown kind 9'))
  t.throws(() => read([1, 'secret']), isRefused('unknown kind of type string'))
  for (const value of [7, 'text', { a: 1 }, null]) {
    const reader = new WireReader(bytesOf(value))
    t.throws(() => readEnvelope(reader), isRefused('the envelope is not an array'))
    // The envelope after it can still be read.
    t.is(readEnvelope(reader).kind, kinds.announcement)
  }
})

test('a message has the format of its first envelope, and ours where that is no number', (t) => {
  const format = (bytes: Uint8Array) => formatOf(new WireReader(bytes))
  for (const number of [0, 1, 2, 77]) t.is(format(bytesOf([number, 5])), number)
  for (const fields of [[], ['2'], [-1], [0.5], [null], {}, 7]) t.is(format(bytesOf(fields)), 1)
  t.is(format(new Uint8Array()), 1)
  t.is(format(new Uint8Array([0x91])), 1)
})

function written(write: (writer: WireWriter) => void): Envelope {
  const writer = new WireWriter()
  write(writer)
  const reader = new WireReader(writer.copy())
  const envelope = readEnvelope(reader)
  if (!reader.isAtEnd) throw new Error('not read to its end')
  return envelope
}
const callerFields = packCallerFields(call)

test('a call is read as it was written, with or without what may be missing', (t) => {
  const more: readonly Partial<CallEnvelope>[] = [
    {},
    { together: false },
    { path: null },
    { path: [] },
    { trace: null },
    { trace: traceContext('00-trace', 'a=1') },
    { trace: traceContext('00-trace', 'a=1'), together: false },
    { kind: kinds.send },
  ]
  for (const part of more)
    t.deepEqual(
      written((writer) => writeCall(writer, { ...call, ...part }, callerFields)),
      { ...call, ...part },
    )
  t.deepEqual(
    written((writer) => writeCall(writer, call, packCallerFields({ ...call, expects: null }))),
    { ...call, expects: null },
  )
})

test('arguments that are kept are sent again as they were, whatever they have become', (t) => {
  const args: string[] = ['a']
  const kept: CallToWrite = { ...call, args, keepsArgs: true }
  t.deepEqual(
    written((writer) => writeCall(writer, kept, callerFields)),
    call,
  )
  args.push('b')
  t.deepEqual(
    written((writer) => writeCall(writer, kept, callerFields)),
    call,
  )
  const loose: CallToWrite = { ...call, args }
  writeCall(new WireWriter(), loose, callerFields)
  t.is(loose.packedArgs, undefined)
})

test('a call that its receiver would refuse is not written', (t) => {
  const refusal = (part: Partial<CallToWrite>) =>
    t.throws(() => writeCall(new WireWriter(), { ...call, ...part }, callerFields), { code: 'protocol.bad-arguments' })?.message
  t.is(refusal({ label: -1 }), '-1 is not a version')
  for (const method of ['m'.repeat(129), 'é'.repeat(65)])
    t.is(refusal({ method }), 'the method’s name is longer than 128'.replace('’', "'"))
  t.is(refusal({ path: Array(33).fill('x/1/1') }), 'more than 32 calls are made for one another')
  t.regex(refusal({ args: [1n] }) ?? '', /^arguments\[0\] is a bigint/)
  const path = Array(32).fill('x/1/1')
  for (const part of [{ method: 'm'.repeat(128) }, { method: 'é'.repeat(64) }, { path }])
    t.notThrows(() => writeCall(new WireWriter(), { ...call, ...part }, callerFields))
})

test('a reply is read as it was written, and no result is another one than null', (t) => {
  for (const value of ['answer', null, undefined, [1]]) {
    const reply = { kind: kinds.reply, label: 3, seq: 7, value, replier, hops: 2 }
    t.deepEqual(
      written((writer) => writeReply(writer, reply)),
      reply,
    )
  }
  const reply = { label: 3, seq: 7, value: new Map(), replier, hops: 2 }
  t.throws(() => writeReply(new WireWriter(), reply), { message: /^result is a Map/ })
})

test('one that answers often signs its replies and faults as any other, whoever signs in between', (t) => {
  const frequent = [replier, { ...replier, version: 300 }].map(
    ({ node, className, version }) => new FrequentReplier(node, className, version),
  )
  for (const each of [...frequent, replier, ...frequent]) {
    const reply = written((writer) => writeReply(writer, { label: 3, seq: 7, value: 1, replier: each, hops: 0 }))
    const fault = written((writer) => writeFault(writer, 3, 7, new Fault('version.dead', 'too old'), each))
    for (const found of [reply, fault]) t.deepEqual('replier' in found && found.replier, { ...each })
  }
})

test('a fault gets through whatever its details are, in the format that is asked for', (t) => {
  const throwing = {
    get a(): never {
      throw new Error('away')
    },
  }
  for (const [details, found] of [
    [{ dead: 3 }, { dead: 3 }],
    [{ a: 1n }, {}],
    [throwing, {}],
  ] as const) {
    for (const format of [1, 2, 300]) {
      const fault = new Fault('version.dead', 'too old', details)
      const writer = new WireWriter()
      writeFault(writer, 3, 7, fault, replier, format)
      t.is(formatOf(new WireReader(writer.copy())), format)
      const envelope = readEnvelope(new WireReader(writer.copy()))
      if (envelope.kind !== kinds.fault) throw new Error('no fault')
      t.deepEqual([envelope.label, envelope.seq, envelope.replier], [3, 7, replier])
      t.deepEqual([envelope.fault.code, envelope.fault.message, envelope.fault.details], ['version.dead', 'too old', found])
    }
  }
})

test('values that are rarely plain are looked at again before they are handed on', (t) => {
  /** The message of an envelope one of whose fields is written without a check. */
  const readRaw = (fields: Fields, field: number, raw: string) => {
    const writer = new WireWriter()
    writer.list(fields.length)
    fields.forEach((value, i) => {
      if (i === field) writer.packed(Buffer.from(raw, 'hex'))
      else writer.plain(value)
    })
    return readEnvelope(new WireReader(writer.copy()))
  }
  const bad = '81a95f5f70726f746f5f5f01'
  // Those of a call end that call alone.
  const { refusal } = readRaw(callFields, 5, `91${bad}`) as { refusal?: Fault }
  t.like(refusal, { code: 'protocol.bad-arguments' })
  t.regex(refusal!.message, /^arguments\[0\] is a record/)
  const { fault } = readRaw(replyFields, 4, bad) as { fault?: Fault }
  t.like(fault, { code: 'protocol.bad-arguments' })
  t.regex(fault!.message, /^result is a record/)
  const told = readRaw(faultFields, 4, `94a3612e62a16dc3${bad}`) as { fault?: Fault }
  t.like(told.fault, { code: 'a.b', details: {} })
})

test('a fault that has nothing but a format and a kind is refused as a fault', (t) => {
  t.throws(() => read([2, kinds.fault]), isRefused('a fault of 2 fields'))
})

test('the changeover of a node is told from every call, for no call has the number 0', (t) => {
  t.is(changeoverId('n1', 3), 'n1/3/0')
  t.true(isChangeover(changeoverId('n1', 3)))
  for (const seq of [1, 10, 100]) t.false(isChangeover(callId({ caller: 'n1', incarnation: 0, seq })))
})

test('the numbers of the wire are those that every release has written', (t) => {
  t.is(envelopeFormat, 1)
  t.deepEqual(kinds, { call: 1, send: 2, event: 3, reply: 4, fault: 5, announcement: 6 })
  t.deepEqual([methodBytesMax, pathCallsMax, traceLengthMax, tracestateLengthMax, deadlineMsMax], [128, 32, 256, 512, 600_000])
})

test('a value of 262,144 values is written, one of more is not, and those written before do not count', (t) => {
  const most = 262_144
  const writer = new WireWriter()
  const write = (value: unknown) => writeBounded(writer, value, 'result')
  const refused = { code: 'protocol.too-large' as const, message: /more than 262144 values/ }
  const records = (count: number) => new Array(count).fill({ a: 1 })
  for (let i = 0; i < 2; i++) {
    t.notThrows(() => write(new Array(most).fill(0)))
    t.throws(() => write(new Array(most + 1).fill(0)), refused)
    t.notThrows(() => write(records(most / 2)), 'each item and its field')
    t.throws(() => write(records(most / 2 + 1)), refused)
    t.throws(() => write(new Array(most - 1).fill([0])), refused)
    writer.truncate(0)
  }
})
