/** The parts of changing data that a snapshot keeps, and those that it shares with the one before. */
import test from 'ava'
import fc from 'fast-check'
import { isFault } from '../../core/base/fault.js'
import { pack } from '../../core/wire/codec.js'
import { nestingMax } from '../../core/wire/plain.js'
import { snapshotOf } from '../../core/wire/snapshot.js'

const first = (data: unknown) => snapshotOf(data, undefined, 'state')

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false, Number.NaN, -0),
    fc.double(),
    fc.integer(),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 4 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '7', 'constructor', 'é'), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

test('a snapshot is packed to the bytes of its data, whatever the snapshot before was', (t) => {
  fc.assert(
    fc.property(plain, plain, (before, data) => {
      t.deepEqual(pack(snapshotOf(data, first(before), 'state')), pack(data))
    }),
    { numRuns: 2_000 },
  )
})

test('unchanged data have the snapshot that they had, changed data another one', (t) => {
  fc.assert(
    fc.property(plain, plain, (before, data) => {
      const taken = first(before)
      t.is(snapshotOf(structuredClone(before), taken, 'state'), taken)
      if (Buffer.compare(pack(before), pack(data)) !== 0) t.not(snapshotOf(data, taken, 'state'), taken)
    }),
    { numRuns: 2_000 },
  )
})

test('what is changed afterwards is not changed in the snapshot, bytes and instants included', (t) => {
  const data = { list: [1, { deep: 'a' }], bytes: new Uint8Array([1, 2]), at: new Date(5) }
  const taken = first(data) as typeof data
  ;(data.list[1] as { deep: string }).deep = 'b'
  data.bytes[0] = 9
  data.at.setTime(6)
  t.deepEqual(taken, { list: [1, { deep: 'a' }], bytes: new Uint8Array([1, 2]), at: new Date(5) })
  const next = snapshotOf(data, taken, 'state')
  t.deepEqual(next, { list: [1, { deep: 'b' }], bytes: new Uint8Array([9, 2]), at: new Date(6) })
})

test('a snapshot shares what is unchanged with the one before, and nothing with the data', (t) => {
  const data = { a: { x: 1 }, b: { y: 1 } }
  const taken = first(data) as typeof data
  data.a.x = 2
  const next = snapshotOf(data, taken, 'state') as typeof data
  t.is(next.b, taken.b)
  t.not(next.a, taken.a)
  t.not(next.b, data.b)
})

test('fields in another order are another snapshot, for they are packed in that order', (t) => {
  const taken = first({ a: 1, b: 2 })
  const next = snapshotOf({ b: 2, a: 1 }, taken, 'state')
  t.not(next, taken)
  t.deepEqual(Object.keys(next as object), ['b', 'a'])
  t.deepEqual(Object.keys(snapshotOf({ a: 1 }, taken, 'state') as object), ['a'])
})

test('data that are not plain have no snapshot, and the fault says where they are not', (t) => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  for (const wrong of [new Map(), () => 1, 1n, new Date(Number.NaN), '\ud800', cyclic, new Uint16Array(1), Symbol('s')]) {
    for (const before of [undefined, first({ list: [1] }), first({ list: [{ of: 1 }] })]) {
      const thrown = t.throws(() => snapshotOf({ list: [{ of: wrong }] }, before, 'state'), { any: true })
      t.true(isFault(thrown) && thrown.code === 'protocol.bad-arguments' && thrown.message.startsWith('state.list[0].of'))
    }
  }
  t.throws(() => snapshotOf(JSON.parse('{"__proto__": 1}'), undefined, 'state'), { any: true })
})

/** One change of a record, as a method makes it. */
const edits: readonly ((record: Record<string, unknown>, key: string, value: number) => Record<string, unknown>)[] = [
  (record, key, value) => Object.assign(record, { [key]: value }),
  (record, key) => {
    delete record[key]
    return record
  },
  // Its fields in another order.
  (record) => Object.fromEntries(Object.entries(record).reverse()),
  (record) => record,
]

test('a record that is changed again and again is in its snapshots as it was at each of them', (t) => {
  const edit = fc.tuple(fc.nat(3), fc.nat(edits.length - 1), fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat(2))
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30 }), (all) => {
      const data = { one: { a: 1, b: 2 }, two: { c: 3 } } as Record<string, Record<string, unknown>>
      let taken = first(data) as typeof data
      for (const [rest, which, key, value] of all) {
        const name = rest % 2 === 0 ? 'one' : 'two'
        const before = { taken, text: JSON.stringify(taken) }
        data[name] = edits[which]!(data[name]!, key, value)
        taken = snapshotOf(data, taken, 'state') as typeof data
        t.is(JSON.stringify(taken), JSON.stringify(data))
        t.is(JSON.stringify(before.taken), before.text, 'the one before stays as it was')
        t.is(taken === before.taken, JSON.stringify(data) === before.text, 'it is the same one where nothing has changed')
      }
    }),
    { numRuns: 500 },
  )
})

test('data that have become too deep in a place that was there before have no snapshot', (t) => {
  const nested = (levels: number): Record<string, unknown> => (levels === 0 ? { end: 1 } : { in: nested(levels - 1) })
  const taken = first(nested(nestingMax - 1))
  t.deepEqual(taken, nested(nestingMax - 1))
  const fault = t.throws(() => snapshotOf(nested(nestingMax), taken, 'state'))
  t.true(isFault(fault) && fault.code === 'protocol.bad-arguments')
})
