/**
 * Where a value of MessagePack ends: every standard type, at its shortest and its longest, and nothing else.
 */
import test from 'ava'
import { levelsMax, messageValuesMax, packInstant, unpackValue } from '../../core/wire/messagePack.js'
import { WireReader } from '../../core/wire/wireReader.js'

/** Where the value ends that begins at `start`. */
function endOfValue(value: Uint8Array, start: number): number {
  const reader = new WireReader(value)
  reader.at = start
  reader.skip()
  return reader.at
}

const bytes = (...parts: readonly (number | readonly number[])[]) => Uint8Array.from(parts.flat())
const zeros = (count: number) => new Array<number>(count).fill(0)
const text = (letters: string) => [0xa0 + letters.length, ...Buffer.from(letters)]

/** Each is one value. */
const values: readonly (readonly [name: string, value: Uint8Array])[] = [
  ['0', bytes(0x00)],
  ['127', bytes(0x7f)],
  ['-1', bytes(0xff)],
  ['-32', bytes(0xe0)],
  ['nil', bytes(0xc0)],
  ['false', bytes(0xc2)],
  ['true', bytes(0xc3)],
  ['uint8', bytes(0xcc, 1)],
  ['uint16', bytes(0xcd, zeros(2))],
  ['uint32', bytes(0xce, zeros(4))],
  ['uint64', bytes(0xcf, zeros(8))],
  ['int8', bytes(0xd0, 1)],
  ['int16', bytes(0xd1, zeros(2))],
  ['int32', bytes(0xd2, zeros(4))],
  ['int64', bytes(0xd3, zeros(8))],
  ['float32', bytes(0xca, zeros(4))],
  ['float64', bytes(0xcb, zeros(8))],
  ['a short text', bytes(text('abc'))],
  ['an empty text', bytes(0xa0)],
  ['the longest short text', bytes(0xbf, zeros(31))],
  ['text of 8 bits', bytes(0xd9, 200, zeros(200))],
  ['text of 16 bits', bytes(0xda, 1, 2, zeros(258))],
  ['text of 32 bits', bytes(0xdb, 0, 1, 0, 2, zeros(65_538))],
  ['much text', bytes(0xdb, 1, 0, 0, 0, zeros(1 << 24))],
  ['bytes of 8 bits', bytes(0xc4, 3, 1, 2, 3)],
  ['bytes of 16 bits', bytes(0xc5, 1, 3, zeros(259))],
  ['bytes of 32 bits', bytes(0xc6, 0, 0, 1, 3, zeros(259))],
  ['an empty list', bytes(0x90)],
  ['a list', bytes(0x93, 1, 0xc0, text('a'))],
  ['the longest short list', bytes(0x9f, zeros(15))],
  ['a list of 16 bits', bytes(0xdc, 1, 1, zeros(257))],
  ['a list of 32 bits', bytes(0xdd, 0, 1, 0, 1, zeros(65_537))],
  ['a list of 16 bits without items', bytes(0xdc, 0, 0)],
  ['an empty map', bytes(0x80)],
  ['a map', bytes(0x82, text('a'), 1, text('b'), 2)],
  ['a map of 16 bits', bytes(0xde, 0, 1, text('a'), 1)],
  ['a map of 32 bits', bytes(0xdf, 0, 0, 0, 2, text('a'), 1, text('b'), 2)],
  ['a map of 16 bits with many keys', bytes(0xde, 1, 0, Array.from({ length: 256 }, () => [...text('a'), 1]).flat())],
  ['keys of all lengths', bytes(0x83, 0xd9, 1, 97, 1, 0xda, 0, 1, 98, 2, 0xdb, 0, 0, 0, 1, 99, 3)],
  ['a time of 4 bytes', bytes(0xd6, 0xff, zeros(4))],
  ['a time of 8 bytes', bytes(0xd7, 0xff, zeros(8))],
  ['a time of 12 bytes', bytes(0xc7, 12, 0xff, zeros(12))],
  ['lists in a map in a list', bytes(0x92, 0x81, text('a'), 0x92, 1, 0x91, 2, 3)],
  ['a map whose values are texts and maps', bytes(0x82, text('a'), text('b'), text('c'), 0x81, text('d'), 0x90)],
]

for (const [name, value] of values) {
  test(`${name}: ends where it ends, wherever it begins and whatever follows`, (t) => {
    t.is(endOfValue(value, 0), value.length)
    const before = bytes(0xc1, 0x93)
    const among = Buffer.concat([before, value, bytes(0x93, 0xc1)])
    t.is(endOfValue(among, before.length), before.length + value.length)
  })
}

test('a value that is cut off at any byte is refused', (t) => {
  for (const [name, value] of values.filter(({ 1: value }) => value.length < 1000)) {
    for (let end = 0; end < value.length; end++)
      t.throws(() => endOfValue(value.subarray(0, end), 0), { code: 'protocol.bad-envelope' }, `${name}, ${end} bytes`)
  }
})

test('a length that goes beyond the end is refused before anything is read of it', (t) => {
  for (const value of [
    bytes(0xdd, 0xff, 0xff, 0xff, 0xff),
    bytes(0xdf, 0xff, 0xff, 0xff, 0xff, zeros(100)),
    bytes(0xdb, 0xff, 0xff, 0xff, 0xff),
    bytes(0xc6, 0x80, 0, 0, 0, zeros(10)),
    bytes(0xdc, 0xff, 0xff, zeros(100)),
    bytes(0x9f, zeros(14)),
  ])
    t.throws(() => endOfValue(value, 0), { code: 'protocol.bad-envelope', message: /its end is missing/ })
})

test('what is no standard type is refused, and said', (t) => {
  const wrong: readonly (readonly [Uint8Array, RegExp])[] = [
    [bytes(0xc1), /0xc1 at byte 0/],
    [bytes(0x91, 0xc1), /0xc1 at byte 1/],
    [bytes(0xd4, 0xff, 0), /at byte 0/],
    [bytes(0xd8, 0xff, zeros(16)), /at byte 0/],
    [bytes(0xc8, 0, 12, 0xff, zeros(12)), /at byte 0/],
    [bytes(0xc9, zeros(4), 0xff), /at byte 0/],
    [bytes(0xd6, 0x01, zeros(4)), /an extension at byte 0/],
    [bytes(0xd7, 0x62, zeros(8)), /an extension at byte 0/],
    [bytes(0xc7, 12, 0x72, zeros(12)), /an extension at byte 0/],
    [bytes(0xc7, 11, 0xff, zeros(11)), /an extension at byte 0/],
  ]
  for (const [value, message] of wrong) t.throws(() => endOfValue(value, 0), { code: 'protocol.bad-envelope', message })
})

test('keys of maps are texts: anything else is refused where it stands', (t) => {
  for (const key of [[1], [0xc0], [0x90], [0x80], [0xc4, 1, 0], [0xd6, 0xff, ...zeros(4)], [0xdc, 0, 0]]) {
    t.throws(() => endOfValue(bytes(0x81, key, 1), 0), { message: /a map key of type 0x[0-9a-f]+ at byte 1/ })
    // The second key; the one of a map inside; and never an item of a list.
    t.throws(() => endOfValue(bytes(0x82, text('a'), 1, key, 1), 0), { message: /a map key .* at byte 4/ })
    t.throws(() => endOfValue(bytes(0x91, 0x81, key, 1), 0), { message: /a map key .* at byte 2/ })
  }
  for (const head of [
    [0xde, 0, 1],
    [0xdf, 0, 0, 0, 1],
  ])
    t.throws(() => endOfValue(bytes(head, 1, 1), 0), { message: /a map key of type 0x1/ })
  t.is(endOfValue(bytes(0x92, 0x81, text('a'), 1, 5), 0), 6)
  t.is(endOfValue(bytes(0x81, 0xa0, 1), 0), 3)
})

test('as deep as it may be, and no deeper', (t) => {
  const nested = (levels: number) => bytes(new Array<number>(levels).fill(0x91), 1)
  t.is(endOfValue(nested(levelsMax), 0), levelsMax + 1)
  t.throws(() => endOfValue(nested(levelsMax + 1), 0), { message: new RegExp(`nested deeper than ${levelsMax}`) })
  const maps = bytes(Array.from({ length: levelsMax + 1 }, () => [0x81, ...text('a')]).flat(), 1)
  t.throws(() => endOfValue(maps, 0), { message: /nested deeper/ })
})

test('one value after the other: what was read before does not matter', (t) => {
  const list = bytes(0x82, text('a'), 0x91, 1, text('b'), 2)
  t.throws(() => endOfValue(list.subarray(0, 4), 0))
  t.is(endOfValue(bytes(0x92, 1, 2), 0), 3)
  t.is(endOfValue(list, 0), list.length)
})

test('instants go and come back, in the shortest form that holds them', (t) => {
  for (const [ms, size] of [
    [0, 6],
    [1_700_000_000_000, 6],
    [1_700_000_000_123, 10],
    [-1, 15],
  ] as const) {
    const packed = packInstant(new Date(ms))
    t.is(packed.length, size)
    t.is(endOfValue(packed, 0), size)
    t.is((unpackValue(Buffer.from(packed), 0, size) as Date).getTime(), ms)
  }
})

test('the bounds of a message are those that every release has had', (t) => {
  t.is(levelsMax, 66, 'plain data of 64 levels, in a list of a fault, in an envelope')
  t.is(messageValuesMax, 262_144)
})
