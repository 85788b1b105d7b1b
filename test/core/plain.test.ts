/** Plain data, and where in other data the part is that is not. */
import test from 'ava'
import { checkPlain, checkRoot, isKey, isPlainScalar, nestingMax, notPlain } from '../../core/wire/plain.js'
import { snapshotOf, Walk } from '../../core/wire/snapshot.js'

const advice = 'use null, booleans, numbers, strings, bytes, dates, arrays and plain objects'
const half = '\ud800'
class Money {}

const records = (levels: number, inmost: unknown): unknown => (levels === 0 ? inmost : { a: records(levels - 1, inmost) })
const lists = (levels: number, inmost: unknown): unknown => (levels === 0 ? inmost : [lists(levels - 1, inmost)])

const wrong: readonly (readonly [value: unknown, found: string])[] = [
  [half, 'text with half a surrogate pair'],
  [1n, 'a bigint'],
  [() => 1, 'a function'],
  [Symbol('a'), 'a symbol'],
  [new Map(), 'a Map'],
  [new Money(), 'a Money'],
  [new Date(Number.NaN), 'an invalid Date'],
  [Promise.resolve(1), 'a Promise that was not awaited'],
  [Object.create(Object.create(null)), 'a class instance'],
  [Object.create({ constructor: undefined }), 'a class instance'],
  [JSON.parse('{"__proto__":1}'), 'a record with the key "__proto__"'],
  [{ [half]: 1 }, 'a record with the key "\\ud800"'],
]
const good = [null, undefined, true, 0, Number.NaN, 'text', '😀', new Uint8Array([1]), new Date(0), [], {}, Object.create(null)]

test('plain data are taken, alone and within lists and records', (t) => {
  for (const value of good)
    for (const within of [value, [value, value], { a: value, b: [value] }]) t.notThrows(() => checkPlain(within, 'args'))
})

test('something that is not plain is refused, with what it is and the path to it', (t) => {
  const places: readonly (readonly [make: (value: unknown) => unknown, path: string])[] = [
    [(value) => value, 'args'],
    [(value) => [1, ['a'], value], 'args[2]'],
    [(value) => ({ a: 1, b: { c: [] }, d: value }), 'args.d'],
    [(value) => ({ list: [{}, { deep: [null, value] }], later: 1n }), 'args.list[1].deep[1]'],
  ]
  for (const [value, found] of wrong) {
    for (const [make, path] of places) {
      t.throws(() => checkPlain(make(value), 'args'), {
        code: 'protocol.bad-arguments',
        message: `${path} is ${found}: ${advice}`,
      })
      t.throws(() => snapshotOf(make(value), undefined, 'args'), { message: `${path} is ${found}: ${advice}` })
    }
  }
})

test('what is refused is told in a line, however long its keys are', (t) => {
  const long = 'k'.repeat(700_000)
  let deep: unknown = 1n
  for (let i = 0; i < nestingMax - 1; i++) deep = { [`${long}${i}`]: deep }
  for (const value of [{ [long]: 1n }, deep, { [`${half}${long}`]: 1 }, { [long]: half }]) {
    const fault = notPlain(value, 'arguments[0]')
    t.true(fault.message.length < 1_000, String(fault.message.length))
    t.true(JSON.stringify(fault.details).length < 1_000)
    t.true(fault.stack!.length < 10_000)
    t.true(fault.message.startsWith('arguments[0]'))
  }
})

test('data are nested 64 deep, and what is deeper is refused where it begins to be', (t) => {
  t.is(nestingMax, 64)
  for (const [nest, step] of [
    [lists, '[0]'],
    [records, '.a'],
  ] as const) {
    t.notThrows(() => checkPlain(nest(64, 1), 'args'))
    t.notThrows(() => snapshotOf(nest(64, 1), undefined, 'args'))
    for (const inmost of [new Date(0), new Uint8Array(1)]) {
      t.notThrows(() => checkPlain(nest(64, inmost), 'args'))
      t.notThrows(() => snapshotOf(nest(64, inmost), undefined, 'args'))
    }
    const message = `args${step.repeat(64)} is nested deeper than 64: ${advice}`
    t.throws(() => checkPlain(nest(65, 1), 'args'), { message })
    t.throws(() => snapshotOf(nest(65, 1), undefined, 'args'), { message })
  }
})

test('data that are plain when they are looked at again are refused as not the same each time', (t) => {
  t.is(notPlain({ a: [1] }, 'args').message, `args is not the same each time it is read: ${advice}`)
  for (const value of good)
    for (const within of [value, [value], { a: value }]) t.regex(notPlain(within, 'args').message, /^args is not the same/)
  t.regex(notPlain(lists(64, 1), 'args').message, /^args is not the same/)
  t.regex(notPlain(records(64, 1), 'args').message, /^args is not the same/)
})

test('an error that reading data throws is not taken for data that are not plain', (t) => {
  const away = new Error('away')
  let reads = 0
  const data = {
    get a(): bigint {
      if (reads++ === 0) throw away
      return 1n
    },
  }
  t.is(
    t.throws(() => snapshotOf(data, undefined, 'args')),
    away,
  )
})

test('the root of a state is a record', (t) => {
  for (const root of [{}, Object.create(null)]) t.notThrows(() => checkRoot(root, 'state'))
  for (const [root, found] of [
    [[], 'a list'],
    [null, 'null'],
    [7, '7'],
    ['text', 'text'],
    [undefined, 'undefined'],
  ] as const)
    t.throws(() => checkRoot(root, 'state'), {
      code: 'protocol.bad-arguments',
      message: `state is ${found}: it has to be a record, as {}`,
    })
})

test('a key of a record is text that has a UTF-8 form, and no prototype', (t) => {
  for (const key of ['', 'a', 'é', 'constructor', '__proto']) t.true(isKey(key))
  for (const key of ['__proto__', half]) t.false(isKey(key))
})

test('of anything but an object it is told whether it is plain', (t) => {
  for (const value of ['a', 1, true, undefined, null]) t.true(isPlainScalar(value))
  for (const value of [half, 1n, () => 1, Symbol('a'), {}]) t.false(isPlainScalar(value))
})

class Own extends Array {}
class Day extends Date {}
const odd: readonly (readonly [name: string, data: unknown])[] = [
  ['a list with a field', Object.assign([1], { a: 1 })],
  ['a list of another class', Own.from([1])],
  ['a list with an item that is a getter', Object.defineProperty([1, 2], 1, { get: () => 2, enumerable: true })],
  ['a list whose first item is a getter', Object.defineProperty([1, 2], 0, { get: () => 1, enumerable: true })],
  ['a list with a hidden item', Object.defineProperty([1, 2], 1, { value: 2, enumerable: false })],
  ['a record with a hidden field', Object.defineProperty({ a: 1 }, 'b', { value: 1 })],
  ['a record one of whose fields is a getter', Object.defineProperty({ a: 1 }, 'b', { get: () => 1, enumerable: true })],
  ['a record with a symbol', { [Symbol('a')]: 1 }],
  ['a record with a prototype', {}],
  ['bytes of a larger buffer', new Uint8Array(8).subarray(2, 4)],
  ['a Buffer', Buffer.alloc(3)],
  ['bytes that others can write to', new Uint8Array(new SharedArrayBuffer(2))],
  ['bytes of a buffer that may grow', new Uint8Array(new ArrayBuffer(2, { maxByteLength: 4 }))],
  ['many bytes with a field', Object.assign(new Uint8Array(1024), { a: 1 })],
  ['bytes with a field', Object.assign(new Uint8Array(1), { a: 1 })],
  ['an instant of another class', new Day(0)],
  ['an instant with a field', Object.assign(new Date(0), { a: 1 })],
]
/** As the records of state are. */
const bare = (record: object): object => Object.assign(Object.create(null), record)

const oddness = (data: unknown, before: unknown, walk: Walk): boolean => {
  snapshotOf(data, before, 'state', walk)
  return walk.isOdd
}

test('an object to which there is more than a snapshot keeps is noticed where all is looked at, and where it is new', (t) => {
  for (const [name, data] of odd) {
    const before = snapshotOf(data, undefined, 'state')
    t.true(oddness(data, undefined, new Walk('everything')), name)
    t.true(oddness(data, before, new Walk('everything')), `${name}, again`)
    t.true(oddness(data, undefined, new Walk('what is new')), `${name}, new`)
    t.false(oddness(data, before, new Walk('what is new')), `${name}, not new`)
    t.false(oddness(data, undefined, new Walk('values')), `${name}, values alone`)
  }
})

test('ordinary data are not noticed, and values that change in a snapshot always are', (t) => {
  for (const how of ['values', 'what is new', 'everything'] as const) {
    t.false(oddness(bare({ a: [1, 'b', bare({ c: new Date(0) })], d: new Uint8Array(3) }), undefined, new Walk(how)))
    for (const value of [undefined, -0])
      for (const before of [undefined, [0], [null], [undefined]]) t.true(oddness([value], before, new Walk(how)))
    for (const before of [undefined, [0], [1]]) t.false(oddness([0], before, new Walk(how)))
  }
})

test('an object in two places is noticed where all is looked at', (t) => {
  const shared = bare({})
  t.true(oddness([shared, shared], undefined, new Walk('everything')))
  t.false(oddness([bare({}), bare({})], undefined, new Walk('everything')))
  t.false(oddness([shared, shared], undefined, new Walk('what is new')))
  const { buffer } = new Uint8Array(2)
  t.true(oddness([new Uint8Array(buffer), new Uint8Array(buffer)], undefined, new Walk('everything')))
})

test('very many bytes are not looked at for fields', (t) => {
  t.false(oddness(Object.assign(new Uint8Array(1025), { a: 1 }), undefined, new Walk('everything')))
})
