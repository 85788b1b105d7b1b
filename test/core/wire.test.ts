/** The bytes of a message: each value in the shortest form of its type, read in every form that there is. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { levelsMax } from '../../core/wire/messagePack.js'
import { WireReader } from '../../core/wire/wireReader.js'
import { WireWriter } from '../../core/wire/wireWriter.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const big = (header: string, size: number, byte: string) => header + byte.repeat(size)

function written(value: unknown): string {
  const writer = new WireWriter()
  return writer.plain(value) ? hex(writer.copy()) : 'not plain'
}

/** Values, and the form that is sent. */
const sent: readonly (readonly [value: unknown, form: string])[] = [
  [null, 'c0'],
  [false, 'c2'],
  [true, 'c3'],
  ...([
    [0, '00'],
    [0x7f, '7f'],
    [0x80, 'cc80'],
    [0xff, 'ccff'],
    [0x100, 'cd0100'],
    [0xffff, 'cdffff'],
  ] as const),
  ...([
    [0x10000, 'ce00010000'],
    [0x12345678, 'ce12345678'],
    [2 ** 32 - 1, 'ceffffffff'],
    [2 ** 32, 'cb41f0000000000000'],
  ] as const),
  ...([
    [-1, 'ff'],
    [-0x20, 'e0'],
    [-0x21, 'd0df'],
    [-0x80, 'd080'],
    [-0x81, 'd1ff7f'],
    [-0x8000, 'd18000'],
  ] as const),
  ...([
    [-0x8001, 'd2ffff7fff'],
    [-(2 ** 31), 'd280000000'],
    [-(2 ** 31) - 1, 'cbc1e0000000200000'],
    [0.5, 'cb3fe0000000000000'],
  ] as const),
  ['', 'a0'],
  ['abc', 'a3616263'],
  ...[1, 12, 13, 16, 17, 31].map((size) => ['a'.repeat(size), big((0xa0 | size).toString(16), size, '61')] as const),
  ...(
    [
      [32, 'd920'],
      [255, 'd9ff'],
      [256, 'da0100'],
      [65_535, 'daffff'],
      [65_536, 'db00010000'],
    ] as const
  ).map(([size, header]) => ['a'.repeat(size), big(header, size, '61')] as const),
  ['é', 'a2c3a9'],
  ['a\x7f', 'a2617f'],
  ['a\x80', 'a361c280'],
  ['é'.repeat(15), big('be', 15, 'c3a9')],
  ['é'.repeat(16), big('d920', 16, 'c3a9')],
  ['é'.repeat(128), big('da0100', 128, 'c3a9')],
  ['é'.repeat(40_000), big('db00013880', 40_000, 'c3a9')],
  ...(
    [
      [0, 'c400'],
      [255, 'c4ff'],
      [256, 'c50100'],
      [65_535, 'c5ffff'],
      [65_536, 'c600010000'],
    ] as const
  ).map(([size, header]) => [new Uint8Array(size).fill(7), big(header, size, '07')] as const),
  ...(
    [
      [0, '90'],
      [15, '9f'],
      [16, 'dc0010'],
      [65_535, 'dcffff'],
      [65_536, 'dd00010000'],
    ] as const
  ).map(([size, header]) => [Array(size).fill(1), big(header, size, '01')] as const),
  [{}, '80'],
  [{ a: 1 }, '81a16101'],
  [
    Object.fromEntries(Array.from({ length: 16 }, (_, i) => [String.fromCharCode(97 + i), i])),
    `de0010${Array.from({ length: 16 }, (_, i) => `a1${(97 + i).toString(16)}${i.toString(16).padStart(2, '0')}`).join('')}`,
  ],
]

function read(form: string): unknown {
  // Something follows, which is not to be read.
  const reader = new WireReader(Buffer.from(`${form}2a`, 'hex'))
  const value = reader.value()
  return reader.value() === 42 && reader.isAtEnd && !reader.mayNotBePlain ? value : `not plain, or not all of it: ${value}`
}

test('each value is sent in the shortest form of its type', (t) => {
  for (const [value, form] of sent) t.is(written(value), form, form.slice(0, 20))
  t.is(written(undefined), 'c0')
  t.is(written(-0), '00')
})

test('each form that is sent is read back, and nothing after it', (t) => {
  for (const [value, form] of sent) t.deepEqual(read(form), value, form.slice(0, 20))
})

test('a form that is longer than it needs to be is read as well', (t) => {
  const forms: readonly (readonly [form: string, value: unknown])[] = [
    ...([
      ['cc01', 1],
      ['cd0001', 1],
      ['ce00000001', 1],
      ['d001', 1],
      ['d10001', 1],
      ['d200000001', 1],
      ['d0ff', -1],
    ] as const),
    ...([
      ['d1ffff', -1],
      ['d2ffffffff', -1],
      ['ca3f000000', 0.5],
      ['e0', -32],
      ['ff', -1],
    ] as const),
    ...([
      ['d90161', 'a'],
      ['da000161', 'a'],
      ['db0000000161', 'a'],
    ] as const),
    ...(
      [
        ['c50001 07', Buffer.from([7])],
        ['c60000000107', Buffer.from([7])],
      ] as const
    ).map(([form, value]) => [form.replace(' ', ''), new Uint8Array(value)] as const),
    ...['91c0', 'dc0001c0', 'dd00000001c0'].map((form) => [form, [null]] as const),
    ...['81a161c0', 'de0001a161c0', 'df00000001a161c0', '81d90161c0'].map((form) => [form, { a: null }] as const),
  ]
  for (const [form, value] of forms) t.deepEqual(read(form), value, form)
})

test('a message that ends within a value is refused, wherever it ends', (t) => {
  const forms = [
    'cc01',
    'cd0001',
    'ce00000001',
    'cb3fe0000000000000',
    'ca3f000000',
    'a3616263',
    'd90161',
    'da000161',
    'db0000000161',
  ]
  forms.push(
    'c40107',
    'c5000107',
    '9101',
    'dc000101',
    'dd0000000101',
    '81a16101',
    'de0001a16101',
    'df00000001a16101',
    '9291019101',
  )
  for (const form of forms) {
    for (let bytes = 0; bytes < form.length / 2; bytes++) {
      const reader = new WireReader(Buffer.from(form, 'hex').subarray(0, bytes))
      t.throws(() => reader.value(), { code: 'protocol.bad-envelope' }, `${bytes} bytes of ${form}`)
    }
  }
  t.throws(() => new WireReader(new Uint8Array()).list(), { code: 'protocol.bad-envelope' })
})

test('the length of a list is read alone, and of something else nothing is', (t) => {
  const lengthOf = (form: string) => {
    const reader = new WireReader(Buffer.from(form, 'hex'))
    return [reader.list(), reader.at]
  }
  t.deepEqual(lengthOf('93'), [3, 1])
  t.deepEqual(lengthOf('dc0102'), [258, 3])
  t.deepEqual(lengthOf('dd01020304'), [16_909_060, 5])
  for (const form of ['83aaaaaa', 'a3616263', 'c0', 'cc01', 'de000161', 'db00000001', '05'])
    t.deepEqual(lengthOf(form), [undefined, 0], form)
})

test('a key of a map that is no text is refused', (t) => {
  for (const form of ['810101', '81c001', '819001'])
    t.throws(() => new WireReader(Buffer.from(form, 'hex')).value(), {
      code: 'protocol.bad-envelope',
      message: /a map key of type 0x/,
    })
})

const nestings: readonly (readonly [level: string, inmost: string])[] = [
  ['91', '90'],
  ['81a161', '80'],
]

test('lists and records that are nested 64 deep are plain, and deeper ones are looked at again', (t) => {
  for (const [level, inmost] of nestings) {
    for (const levels of [63, 64, 65]) {
      const reader = new WireReader(Buffer.from(level.repeat(levels - 1) + inmost, 'hex'))
      reader.value()
      t.is(reader.mayNotBePlain, levels > 64, `${levels} levels`)
    }
  }
})

test('a message has so many levels, and is refused where it has more', (t) => {
  for (const [level, inmost] of nestings) {
    t.notThrows(() => new WireReader(Buffer.from(level.repeat(levelsMax - 1) + inmost, 'hex')).value())
    t.throws(() => new WireReader(Buffer.from(level.repeat(levelsMax) + inmost, 'hex')).value(), {
      message: /nested deeper than/,
    })
  }
  const proto = `81a9${Buffer.from('__proto__').toString('hex')}`
  t.throws(() => new WireReader(Buffer.from(`${proto.repeat(levelsMax)}90`, 'hex')).value(), { message: /nested deeper than/ })
  t.notThrows(() => new WireReader(Buffer.from(`${proto.repeat(levelsMax - 1)}90`, 'hex')).value())
})

test('a key that would be a prototype is read as a field, and looked at again', (t) => {
  const reader = new WireReader(Buffer.from(`81a9${Buffer.from('__proto__').toString('hex')}91012a`, 'hex'))
  const record = reader.value() as object
  t.deepEqual(Object.entries(record), [['__proto__', [1]]])
  t.is(Object.getPrototypeOf(record), Object.prototype)
  t.true(reader.mayNotBePlain)
  t.is(reader.value(), 42)
})

test('lists and records are written 64 deep, and what is deeper is not plain', (t) => {
  for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ a: inner })]) {
    let value: unknown = 1
    for (let levels = 1; levels <= 64; levels++) value = wrap(value)
    t.not(written(value), 'not plain')
    t.is(written(wrap(value)), 'not plain')
  }
})

test('something that is not plain is not written as something else', (t) => {
  const values = [1n, () => 1, Symbol('a'), new Map(), new Date(Number.NaN), '\ud800', `${'a'.repeat(40)}\udc00`, { '\ud800': 1 }]
  for (const value of [...values, JSON.parse('{"__proto__":1}')])
    for (const within of [value, [value], { a: value }]) t.is(written(within), 'not plain', String(value))
})

test('half a surrogate pair in a text of the runtime’s own becomes U+FFFD', (t) => {
  const writer = new WireWriter()
  writer.text('a\ud800b')
  writer.text('ok')
  writer.textOrNil(null)
  t.is(hex(writer.copy()), 'a561efbfbd62a26f6bc0')
})

/** A way to write something, and how much room it asks for. */
const writes: readonly (readonly [name: string, write: (writer: WireWriter) => void, form: string, room: number])[] = [
  ['a byte', (writer) => writer.byte(7), '07', 1],
  ['a boolean', (writer) => writer.boolean(true), 'c3', 1],
  ['a number', (writer) => writer.number(0.5), 'cb3fe0000000000000', 9],
  ['the length of a list', (writer) => writer.list(65_536), 'dd00010000', 5],
  ['text', (writer) => writer.text('abc'), 'a3616263', 14],
  ['long text', (writer) => writer.text('é'.repeat(20)), big('d928', 20, 'c3a9'), 65],
  ['bytes', (writer) => writer.plain(new Uint8Array(20).fill(7)), big('c414', 20, '07'), 25],
  ['packed values', (writer) => writer.packed(new Uint8Array([1, 2, 3])), '010203', 3],
]

test('a message grows where the next value has no room, and keeps everything before it', (t) => {
  for (const [name, write, form] of writes) {
    for (let filled = 950; filled <= 1024; filled++) {
      const writer = new WireWriter()
      writer.packed(new Uint8Array(filled).fill(9))
      write(writer)
      t.is(hex(writer.copy()), big('', filled, '09') + form, `${name} after ${filled} bytes`)
      t.is(writer.length, filled + form.length / 2)
    }
  }
})

test('a message does not grow where the next value has room for certain', (t) => {
  for (const [name, write, , room] of writes) {
    const writer = new WireWriter()
    writer.packed(new Uint8Array(1024 - room))
    write(writer)
    t.is(writer.capacity, 1024, name)
  }
})

test('a message that grows doubles, or more where one value needs it', (t) => {
  const writer = new WireWriter()
  writer.packed(new Uint8Array(1025))
  t.is(writer.capacity, 2048)
  writer.packed(new Uint8Array(9000))
  t.is(writer.capacity, 10_025)
})

test('the end of a message can be taken back, and a part of it copied', (t) => {
  const writer = new WireWriter()
  writer.packed(new Uint8Array([1, 2, 3]))
  writer.truncate(2)
  writer.byte(9)
  t.is(hex(writer.copy()), '010209')
  t.is(hex(writer.copy(1)), '0209')
})

test('instants and integers of 64 bits are read, and looked at again', (t) => {
  const forms: readonly (readonly [form: string, value: unknown])[] = [
    ['cf0000000000000007', 7],
    ['d3ffffffffffffffff', -1],
    ['cfffffffffffffffff', 2n ** 64n - 1n],
    ['d6ff00000001', new Date(1000)],
  ]
  for (const [form, value] of forms) {
    const reader = new WireReader(Buffer.from(`${form}2a`, 'hex'))
    t.deepEqual(reader.value(), value, form)
    t.true(reader.mayNotBePlain)
    t.is(reader.value(), 42)
  }
  t.is(written(new Date(1000)), 'd6ff00000001')
  t.is(written([new Date(1000), 1]), '92d6ff0000000101')
})

test('a message is read from where its bytes begin in a larger buffer', (t) => {
  const bytes = new Uint8Array([9, 9, 0x92, 1, 2, 9]).subarray(2, 5)
  const reader = new WireReader(bytes)
  t.false(reader.isAtEnd)
  t.deepEqual(reader.value(), [1, 2])
  t.true(reader.isAtEnd)
  t.is(new WireReader(new Uint8Array([0xa2, 0x61, 0x62])).value(), 'ab')
})

test('a value is passed over whole', (t) => {
  const reader = new WireReader(Buffer.from('9201a1612a', 'hex'))
  reader.skip()
  t.is(reader.value(), 42)
})

test('a text or nothing is written as one or the other', (t) => {
  const writer = new WireWriter()
  writer.textOrNil('a')
  writer.textOrNil(null)
  t.is(hex(writer.copy()), 'a161c0')
})

test('items and fields are counted, and one more than there may be is refused before it is made', (t) => {
  const read = (form: string, max?: number, tooMany?: () => Fault) => {
    const reader = new WireReader(Buffer.from(form, 'hex'), undefined, max, tooMany)
    t.is(reader.values, 0)
    reader.value()
    return reader.values
  }
  t.is(read('2a'), 0)
  t.is(read('93010203'), 3)
  t.is(read('92920102 81a16101'.replace(' ', '')), 5, 'those of lists and records within too')
  t.is(read('93010203', 3), 3)
  t.throws(() => read('93010203', 2), { code: 'protocol.too-large' })
  t.throws(() => read('9291019101', 3), { code: 'protocol.too-large' })
  t.throws(() => read('93010203', 2, () => new Fault('unavailable.overloaded', 'full')), { code: 'unavailable.overloaded' })
})

test('records have a prototype in messages, and in state none', (t) => {
  for (const [records, prototype] of [
    [undefined, Object.prototype],
    ['without a prototype', null],
  ] as const) {
    const record = new WireReader(Buffer.from('81a16181a16201', 'hex'), records).value() as { a: object }
    t.is(Object.getPrototypeOf(record), prototype)
    t.is(Object.getPrototypeOf(record.a), prototype)
  }
})

test('a message grows for values that were packed before', (t) => {
  const writer = new WireWriter()
  writer.byte(0xc0)
  writer.packed(Buffer.alloc(3_000, 0xc3))
  t.is(hex(writer.copy()), `c0${'c3'.repeat(3_000)}`)
})

test('a float is read as the runtime reads it, be it the number of a call or anything else', (t) => {
  const floats = [
    1,
    1.5,
    2 ** 31,
    2 ** 32 + 1,
    2 ** 52 + 1,
    2 ** 53 - 1,
    2 ** 53,
    2 ** 53 + 2,
    2 ** 1023,
    0.999,
    0,
    -0,
    -1,
    -(2 ** 40),
  ]
  for (let exponent = 0; exponent < 54; exponent++)
    floats.push(2 ** exponent, 2 ** exponent + 2 ** (exponent - 30), -(2 ** exponent))
  for (const float of [...floats, Number.MIN_VALUE, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
    const bytes = Buffer.alloc(9)
    bytes[0] = 0xcb
    bytes.writeDoubleBE(float, 1)
    t.is(new WireReader(bytes).value(), float)
  }
})

test('lists of every length are read item by item, one list inside another', (t) => {
  for (const list of [[], [1], [1, 'b'], [1, 'b', null], [[1], [2, [3]], [[], [4, 5, 6]]]])
    t.deepEqual(new WireReader(Buffer.from(written(list), 'hex')).value(), list)
})
