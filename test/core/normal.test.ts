/** N1: data are made as their snapshot is, and that is as they come back from disk. */
import test from 'ava'
import fc from 'fast-check'
import { pack, unpackState } from '../../core/wire/codec.js'
import { normal } from '../../core/wire/normal.js'
import { snapshotOf, Walk } from '../../core/wire/snapshot.js'

/** As the state after a command. */
function afterwards(data: unknown, before: unknown = undefined) {
  const walk = new Walk('everything')
  const snapshot = snapshotOf(data, before, 'state', walk)
  return { snapshot, isOdd: walk.isOdd, data: walk.isOdd ? normal(data, snapshot) : data }
}

/** Whether records have no prototype, all the way down: `deepEqual` does not tell. */
function isBare(data: unknown): boolean {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data) || data instanceof globalThis.Date) return true
  return (Array.isArray(data) || Object.getPrototypeOf(data) === null) && Object.values(data).every(isBare)
}

const bare = (record: object): object => Object.assign(Object.create(null), record)

class Sub extends Array<number> {}
class Bytes extends Uint8Array {}
class Day extends globalThis.Date {}

const shared = { n: 1 }
const buffer = new ArrayBuffer(8)

const odd: Record<string, () => unknown> = {
  undefined: () => ({ a: undefined }),
  'an item undefined': () => [1, undefined],
  // biome-ignore lint/suspicious/noSparseArray: a hole is what it is about
  'a hole': () => [1, , 3],
  'a list longer than its items': () => Object.assign([1], { length: 3 }),
  '−0': () => ({ a: -0, list: [-0] }),
  'a Buffer': () => ({ b: Buffer.from('ff', 'hex') }),
  'a class of bytes': () => [new Bytes(2)],
  'bytes of a larger buffer': () => [new Uint8Array(buffer, 2, 3)],
  'two views of one buffer': () => [new Uint8Array(buffer), new Uint8Array(buffer)],
  'bytes of shared memory': () => [new Uint8Array(new SharedArrayBuffer(3))],
  'bytes that may grow': () => [new Uint8Array(new ArrayBuffer(3, { maxByteLength: 8 }))],
  'bytes with a field': () => [Object.assign(new Uint8Array(2), { total: 1 })],
  'a class of lists': () => ({ list: Sub.from([1, 2]) }),
  'a list with a field': () => [Object.assign([1], { total: 1 })],
  'a match': () => /(?<year>\d+)-(\d+)/.exec('in 2003-05'),
  'a class of dates': () => [new Day(5)],
  'a date with a field': () => [Object.assign(new Date(5), { zone: 'UTC' })],
  'a prototype': () => ({ a: { b: 1 } }),
  'a symbol key': () => ({ a: { [Symbol('s')]: 1, b: 2 } }),
  'a getter': () => ({
    get a() {
      return { b: 1 }
    },
  }),
  'a getter in a list': () => Object.defineProperty([1, 2], 1, { get: () => 5, enumerable: true, configurable: true }) as unknown,
  'a symbol key without a prototype': () => [bare({ [Symbol('s')]: 1, b: 2 })],
  'a getter without a prototype': () => [Object.defineProperty(bare({}), 'a', { get: () => 5, enumerable: true })],
  'a hidden field without a prototype': () => [Object.defineProperty(bare({ a: 1 }), 'b', { value: 2 })],
  'a hidden field': () => Object.defineProperty({ a: 1 }, 'b', { value: 2 }),
  'a field that can’t be written, with undefined': () =>
    Object.defineProperty({ b: undefined } as object, 'a', { value: 2, enumerable: true }),
  'a frozen record with undefined': () => ({ a: Object.freeze({ b: undefined }) }),
  'a sealed list with a hole': () => [Object.seal(new Array(2))],
  'an object twice': () => [shared, shared],
  'an object twice, deep': () => ({ a: { b: [shared] }, c: shared }),
  'a list twice': () => {
    const list = [1]
    return { a: list, b: list }
  },
  'the root without a prototype': () => bare({ a: [undefined] }),
}

for (const [what, make] of Object.entries(odd)) {
  test(`${what}: data in memory are made as they come back from disk`, (t) => {
    const { data, snapshot, isOdd } = afterwards(make())
    t.true(isOdd)
    const back = unpackState(pack(make()))
    t.deepEqual(data, back)
    t.true(isBare(back) && isBare(data))
    t.deepEqual(snapshot, back)
    // Nothing is left to mend, and what is changed in one place is not in another.
    const again = afterwards(data, snapshot)
    t.false(again.isOdd)
    t.is(again.snapshot, snapshot)
  })
}

test('whatever data there are: they are as they come back from disk, and nothing of them is the snapshot’s', (t) => {
  const anything = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(...Object.values(odd)).map((make) => make()),
      fc.constantFrom(null, undefined, -0, Number.NaN, Number.NEGATIVE_INFINITY, true, 2 ** 53, 2 ** 63, shared),
      fc.double(),
      fc.string({ unit: 'grapheme' }),
      fc.date({ noInvalidDate: true }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.sparseArray(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('a', 'b', '7', 'constructor', ''), tie('value'), { maxKeys: 4 }),
    ),
  })).value
  fc.assert(
    fc.property(anything, anything, (before, made) => {
      const earlier = afterwards(before).snapshot
      const { data, snapshot } = afterwards(made, earlier)
      t.deepEqual(data, unpackState(pack(made)))
      t.true(isBare(data))
      t.deepEqual(snapshot, data)
      t.false(afterwards(data, snapshot).isOdd)
    }),
    { numRuns: 2_000 },
  )
})

test('what is ordinary stays the object that it is', (t) => {
  const rec = { a: 1, b: undefined as unknown }
  const list = [rec, -0]
  const root = { list }
  const { data } = afterwards(root)
  t.is(data, root)
  t.is(root.list, list)
  t.is(list[0], rec)
  t.deepEqual(root, { list: [{ a: 1, b: null }, 0] })
  t.true(isBare(root), 'but for its prototype')
})

test('what is new is looked at wholly, and what was there for its values, where not everything is', (t) => {
  const walk = (data: unknown, before: unknown) => {
    const found = new Walk('what is new')
    snapshotOf(data, before, 'state', found)
    return found.isOdd
  }
  const before = afterwards({ old: { a: 1 } }).snapshot
  t.true(walk({ old: { a: 1 }, made: { [Symbol('s')]: 1 } }, before))
  t.true(walk({ old: { a: undefined } }, before))
  t.true(walk({ old: { a: 1 }, made: {} }, before), 'it has a prototype')
  t.false(walk({ old: { a: 2 }, made: bare({ b: [1] }) }, before))
})

test('bytes and instants that are ordinary stay, beside what is mended', (t) => {
  const [bytes, instant, list] = [new Uint8Array([1, 2]), new globalThis.Date(5), [1, undefined]]
  const { data } = afterwards({ bytes, instant, list, odd: undefined }) as { data: Record<string, unknown> }
  t.is(data.bytes, bytes)
  t.is(data.instant, instant)
  t.is(data.list, list)
})

test('a list with holes is filled in its place, from its first item on', (t) => {
  const list: unknown[] = new Array(3)
  list[2] = 'last'
  const root = { list }
  t.is(afterwards(root).data, root)
  t.is(root.list, list)
  t.deepEqual(list, [null, null, 'last'])
  t.deepEqual(Object.keys(list), ['0', '1', '2'])
})

test('what can’t be changed in its place is replaced by what can', (t) => {
  const unwritable = Object.defineProperty({ a: undefined as unknown, b: 1 }, 'a', { writable: false })
  const list = Object.defineProperty([undefined, 1], 0, { writable: false })
  const sealed = Object.seal({ a: undefined as unknown })
  const frozen = Object.freeze([-0])
  for (const odd of [unwritable, list, sealed, frozen]) {
    const root = { odd: odd as unknown, other: undefined }
    const { data, snapshot } = afterwards(root)
    t.is(data, root)
    t.not(root.odd, odd)
    t.deepEqual(data, snapshot)
    t.true(Object.isExtensible(root.odd))
    for (const { writable } of Object.values(Object.getOwnPropertyDescriptors(root.odd))) t.true(writable)
  }
})

test('where the data are of another kind than the snapshot, they become what the snapshot has', (t) => {
  for (const value of [null, 7, 'text', true]) {
    for (const data of [{ n: 1 }, [1], new Map(), undefined]) t.is(normal(data, value), value)
  }
  for (const data of [new Map([['n', 1]]), new Set([1]), Object.freeze({ n: 2 })]) {
    const snapshot = bare({ n: 1, inner: bare({}) })
    const found = normal(data, snapshot) as typeof snapshot
    t.deepEqual({ ...found }, { n: 1, inner: {} })
    t.not(found, snapshot)
    t.not<unknown, unknown>(found, data)
    t.true(isBare(found))
  }
})
