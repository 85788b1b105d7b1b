import test from 'ava'
import fc from 'fast-check'
import { Fault, isFault } from '../../core/base/fault.js'
import { decode, encodeCall, encodeFault, encodeReply, pack, packToSend, unpack } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds, methodBytesMax, pathCallsMax } from '../../core/wire/envelope.js'
import { sentLevelsMax } from '../../core/wire/messagePack.js'
import { nestingMax } from '../../core/wire/plain.js'
import { anyText } from '../support/anyText.js'
import { bytesOf } from '../support/protocolPage.js'
import { call, callWith, packed, raw, readsAsEver, refusal, replier } from './codecFixture.js'

// --- What may leave

class Point {
  readonly x = 1
}

const notPlain: Record<string, unknown> = {
  'a Map': new Map([['a', 1]]),
  'a Set': new Set([1]),
  'a Error': new Error('no'),
  'a Fault': new Fault('application.error', 'no'),
  'a Point': new Point(),
  'a RegExp': /a/,
  'a Promise': Promise.resolve(),
  'a ArrayBuffer': new ArrayBuffer(1),
  'a Uint16Array': new Uint16Array(1),
  'a Number': Object(1),
  'a function': () => 1,
  'a symbol': Symbol('s'),
  'a bigint': 1n,
}

for (const [what, value] of Object.entries(notPlain)) {
  test(`${what} does not leave in a call, a result or a state, and the fault says where it is`, (t) => {
    const doors: Record<string, (inside: unknown) => unknown> = {
      arguments: (inside) => encodeCall({ ...call, args: inside as unknown[] }),
      result: (inside) => encodeReply(0, 1, inside, replier, 0),
      state: (inside) => pack(inside, 'state'),
    }
    for (const [name, door] of Object.entries(doors)) {
      const fault = t.throws(() => door([{ ok: 1 }, { deep: { wrong: value } }]), { any: true }) as Fault
      t.is(fault.code, 'protocol.bad-arguments')
      t.is(fault.details.path, `${name}[1].deep.wrong`)
      t.true(fault.message.includes(`${name}[1].deep.wrong is ${what}`), fault.message)
    }
  })

  // Also for what is no object: the path goes on to the item.
  test(`the fault says where in a list it is: ${what}`, (t) => {
    const fault = t.throws(() => encodeCall({ ...call, args: [1, [2, value]] }), { any: true }) as Fault
    t.is(fault.details.path, 'arguments[1][1]')
  })
}

test('data that contain themselves do not leave', (t) => {
  const circle: Record<string, unknown> = {}
  circle.again = circle
  t.is((t.throws(() => pack(circle)) as unknown as Fault).code, 'protocol.bad-arguments')
})

test('a fault gets through even if its details can’t travel', (t) => {
  const bytes = encodeFault(0, 1, new Fault('application.error', 'no', { map: new Map() }), replier)
  const [read] = decode(new Uint8Array(bytes))
  t.true(read!.kind === kinds.fault && read!.fault.code === 'application.error')
  t.deepEqual(read!.kind === kinds.fault && read!.fault.details, {})
})

// Details come from elsewhere, as arguments do.
for (const [what, hex] of Object.entries({
  'a set': 'd473 00 91 01',
  'the byte c1': 'c1',
})) {
  test(`${what} among the details of a fault that arrives is refused`, (t) => {
    refusal(t, bytesOf(`98 01 05 00 01 94 a3612e62 a16d c2 ${hex} a27031 a143 00`))
  })
}

test('a fault that arrives gets through without details that can’t travel', (t) => {
  for (const odd of ['81 a161 cf ffffffffffffffff', `81 a161 ${'91'.repeat(64)} 01`]) {
    const [read] = decode(bytesOf(`98 01 05 00 01 94 a3612e62 a16d c2 ${odd} a27031 a143 00`))
    t.deepEqual(read!.kind === kinds.fault && [read!.fault.code, read!.fault.details], ['a.b', {}])
  }
})

/** Levels of lists and records in which the value is. */
function nested(levels: number, inmost: unknown): unknown {
  let value = inmost
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { value }
  return value
}

/** The levels of a message, its envelope the first. */
function levelsOf(value: unknown): number {
  if (value instanceof Date || value instanceof Uint8Array || typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(levelsOf))
}

test('a message that leaves has 32 levels of lists and records at most, and may have bytes and instants in the last', (t) => {
  t.is(sentLevelsMax, 32)
  for (const inmost of [1, [], new Date(0), new Uint8Array(1)]) {
    const deep = nested(31 - levelsOf(inmost), inmost)
    for (const bytes of [
      encodeCall({ ...call, args: nested(31 - levelsOf(inmost), inmost) as unknown[] }),
      encodeReply(0, 1, deep, replier, 0),
      encodeFault(0, 1, new Fault('application.error', 'no', { deep: nested(29 - levelsOf(inmost), inmost) }), replier),
      packToSend(deep, 'arguments'),
    ]) {
      const envelope: unknown = raw.unpack(bytes)
      t.is(levelsOf(envelope), Array.isArray(envelope) && envelope.length > 2 ? 32 : 31)
    }
    const wrong = { code: 'protocol.bad-arguments', message: /nested deeper than 31: / }
    t.throws(() => encodeCall({ ...call, args: [deep] }), wrong)
    t.throws(() => encodeReply(0, 1, [deep], replier, 0), wrong)
    t.throws(() => packToSend([deep], 'arguments'), wrong)
    const [fault] = decode(new Uint8Array(encodeFault(0, 1, new Fault('application.error', 'no', { deep }), replier)))
    t.deepEqual(fault!.kind === kinds.fault && fault!.fault.details, {})
  }
})

test('state, and what older releases send, may be nested 64 deep, with bytes and instants inside', (t) => {
  for (const inmost of [1, new Date(0), new Uint8Array(1)]) {
    const deep = nested(nestingMax, inmost)
    t.deepEqual(unpack(pack(deep)), deep)
    t.throws(() => pack([deep]), { message: /nested deeper than 64/ })
    const [read] = decode(packed([1, kinds.reply, 0, 1, deep, 'p1', 'Pages.v1', 0]))
    t.deepEqual(read!.kind === kinds.reply && read!.value, deep)
  }
})

// It would take the others of its message with it.
for (const [what, change] of Object.entries<Partial<CallEnvelope>>({
  'a method that is too long': { method: 'm'.repeat(methodBytesMax + 1) },
  'a path that is too long': { path: Array(pathCallsMax + 1).fill('a/1/1') },
  'a label that is no version': { label: 1.5 },
})) {
  test(`a call with ${what} does not leave`, (t) => {
    t.true(isFault(t.throws(() => encodeCall({ ...call, ...change }), { any: true })))
  })
}

// MessagePack libraries change it, or can't read it.
test('an invalid Date does not leave', (t) => {
  t.is((t.throws(() => pack(new Date(Number.NaN))) as unknown as Fault)?.code, 'protocol.bad-arguments')
})

test('text with half a surrogate pair does not leave, for it is no UTF-8', (t) => {
  t.is((t.throws(() => pack('\ud800')) as unknown as Fault)?.code, 'protocol.bad-arguments')
})

test('a record with a key of the name __proto__ does not leave, for it would arrive under another name', (t) => {
  t.is((t.throws(() => pack(JSON.parse('{"__proto__":1}'))) as unknown as Fault)?.code, 'protocol.bad-arguments')
})

test('a record with such a key is refused where it arrives, and prototypes stay what they are', (t) => {
  const bytes = callWith('91 82 a9 5f5f70726f746f5f5f 81 a161 01 a162 02')
  const fault = refusal(t, bytes)
  t.is(fault.code, 'protocol.bad-arguments')
  t.is(fault.details.path, 'arguments[0]')
  readsAsEver(t)
})

test('what is not the same each time it is read does not leave', (t) => {
  let reads = 0
  const moody = {
    get mood() {
      return reads++ === 0 ? new Map() : 'fine'
    },
  }
  t.is((t.throws(() => pack(moody)) as unknown as Fault)?.code, 'protocol.bad-arguments')
})

test('a value may pack another while it is packed', (t) => {
  const inner = pack({ b: 1 })
  const outer = {
    a: 1,
    get inner() {
      return pack({ b: 1 })
    },
  }
  t.deepEqual(unpack(pack(outer)), { a: 1, inner: new Uint8Array(inner) })
})

test('a record with fields named constructor and toJSON leaves as any other', (t) => {
  const record = { constructor: 'C', toJSON: true }
  t.deepEqual(unpack(pack(record)), record)
})

// --- Round trips

const integer = fc.oneof(
  fc.integer(),
  fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(2 ** 32 - 1, 2 ** 32, -(2 ** 31) - 1),
)
const number = fc.oneof(integer, fc.double({ noNaN: true }))
const text = fc.oneof(fc.string(), anyText(300))
const key = text.filter((name) => name !== '__proto__' && name !== 'toJSON')
const { plain } = fc.letrec<{ plain: unknown }>((tie) => ({
  plain: fc.oneof(
    { depthSize: 'medium', maxDepth: 8 },
    ...[fc.constant(null), fc.boolean(), number, text, fc.uint8Array({ maxLength: 300 }), fc.date({ noInvalidDate: true })],
    fc.array(tie('plain'), { maxLength: 20 }),
    fc.dictionary(key, tie('plain'), { maxKeys: 20 }),
  ),
}))

/** The value that arrives where this was sent: the same, but for a sign that nobody can see. */
function arrival(value: unknown): unknown {
  if (Object.is(value, -0)) return 0
  if (Array.isArray(value)) return value.map(arrival)
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, arrival(item)]))
}

test('plain data arrive as they were sent: as arguments, as a result, as details, and in the state', (t) => {
  fc.assert(
    fc.property(fc.array(plain, { maxLength: 5 }), (args) => {
      const expected = arrival(args)
      const message = Buffer.concat([
        encodeCall({ ...call, args }),
        encodeReply(0, 1, args, replier, 0),
        encodeFault(0, 1, new Fault('application.error', 'no', { args }), replier),
      ])
      const [asArgs, asValue, asDetails] = decode(new Uint8Array(message))
      t.deepEqual(asArgs!.kind === kinds.call && asArgs!.args, expected as unknown[])
      t.deepEqual(asValue!.kind === kinds.reply && asValue!.value, expected)
      t.deepEqual(asDetails!.kind === kinds.fault && asDetails!.fault.details, { args: expected })
      t.deepEqual(unpack(new Uint8Array(pack(args))), expected)
    }),
    { numRuns: 500 },
  )
})

test('plain data are packed as msgpackr packs them, and read from its bytes', (t) => {
  const same = (value: unknown) => {
    const bytes = packed(value)
    t.deepEqual(Buffer.from(pack(value)).toString('hex'), Buffer.from(bytes).toString('hex'))
    t.deepEqual(unpack(bytes), arrival(value))
  }
  const lengths = [0, 1, 10, 11, 12, 13, 15, 16, 17, 31, 32, 33, 85, 86, 127, 128, 255, 256, 257, 21_846, 65_535, 65_536]
  for (const length of lengths) {
    for (const unit of ['a', 'é', '鍵', '🧶']) {
      same(unit.repeat(length))
      same({ [unit.repeat(length)]: 1 })
    }
    same(new Uint8Array(length))
    same(new Array(length).fill(7))
    same(Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i])))
  }
  fc.assert(fc.property(plain, same), { numRuns: 500 })
})

test('undefined arrives as null, in a list and in a record too', (t) => {
  t.deepEqual(unpack(pack([undefined, { a: undefined }])), [null, { a: null }])
})

test('integers from −2³¹ to 2³² − 1 leave as integers, others as float 64, and −0 as 0', (t) => {
  const first = (value: number) => pack(value)[0]!.toString(16)
  t.deepEqual([2 ** 32 - 1, -(2 ** 31)].map(first), ['ce', 'd2'])
  t.deepEqual([2 ** 32, -(2 ** 31) - 1, 0.5, Number.NaN, Number.NEGATIVE_INFINITY].map(first), Array(5).fill('cb'))
  t.is(first(-0), '0')
})

test('bytes that arrive are their own: the message’s buffer may be used again', (t) => {
  const bytes = callWith('91 c402 0102')
  const [read] = decode(bytes)
  bytes.fill(0)
  t.deepEqual(read!.kind === kinds.call && read!.args, [new Uint8Array([1, 2])])
})

// --- Counted

test('a message says how many values it had, with those within values', (t) => {
  const countOf = (bytes: Uint8Array) => {
    const counted = { max: 1000, values: 0 }
    t.deepEqual(decode(bytes, counted), decode(bytes))
    return counted.values
  }
  const [without, withOne] = [callWith('90'), callWith('91 01')].map(countOf) as [number, number]
  t.true(without > 0)
  t.is(withOne, without + 1)
  t.is(countOf(callWith('91 92 01 02')), without + 3)
  t.is(countOf(new Uint8Array(Buffer.concat([callWith('90'), callWith('90')]))), 2 * without)
})
