/** Copies of plain data: the same, and with no part in common. */
import test from 'ava'
import { copied, copiedState } from '../../core/wire/copied.js'
import { nestingMax } from '../../core/wire/plain.js'

test('what can’t change is given as it is', (t) => {
  for (const value of [null, undefined, true, 1.5, 'text', Number.NaN]) t.is(copied(value, 'it'), value)
})

test('a copy has the same data and no part of the original', (t) => {
  const bytes = new Uint8Array([1, 2, 3])
  const original = { list: [1, 'two', null, { deep: true }], bytes, at: new Date(5), none: null, no: false }
  const copy = copied(original, 'it')
  t.deepEqual(copy, original)
  t.not(copy, original)
  t.not(copy.list, original.list)
  t.not(copy.list[3], original.list[3])
  t.not(copy.bytes, bytes)
  t.not(copy.at, original.at)
  bytes[0] = 9
  original.at.setTime(6)
  t.is(copy.bytes[0], 1)
  t.is(copy.at.getTime(), 5)
})

test('it is as it would arrive from another node: −0 is 0, undefined is null, a hole is null', (t) => {
  const list: unknown[] = [-0, undefined]
  list[3] = 1
  const copy: { zero: number; nothing: unknown; list: unknown[] } = copied({ zero: -0, nothing: undefined, list }, 'it')
  t.is(copy.zero, 0)
  t.is(copy.nothing, null)
  t.deepEqual(copy.list, [0, null, null, 1])
  const bare = Object.assign(Object.create(null), { a: 1 })
  t.is(Object.getPrototypeOf(copied(bare, 'it')), Object.prototype)
})

test('what is not plain is refused with the path to it', (t) => {
  class Own {}
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [() => {}, /function/],
    [{ a: [() => {}] }, /a\[0\]|a\.0/],
    [{ a: 1n }, /bigint/],
    [[Symbol('x')], /symbol/],
    [{ a: { b: new Map() } }, /a\.b/],
    [{ a: new Own() }, /Own/],
    [[new Date(Number.NaN)], /./],
    [{ a: '\ud800' }, /surrogate/],
    [JSON.parse('{"__proto__": 1}'), /./],
  ]
  for (const [value, message] of wrong) t.throws(() => copied(value, 'it'), { code: 'protocol.bad-arguments', message })
})

test('data may be nested as deep as anywhere, and no deeper', (t) => {
  const nested = (depth: number, wrap: (inner: unknown) => unknown) => {
    let value: unknown = 1
    for (let i = 0; i < depth; i++) value = wrap(value)
    return value
  }
  for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ inner })]) {
    t.deepEqual(copied(nested(nestingMax, wrap), 'it'), nested(nestingMax, wrap))
    t.throws(() => copied(nested(nestingMax + 1, wrap), 'it'), { message: /nested deeper/ })
    const instant = (inner: unknown) => wrap(inner === 1 ? new Date(0) : inner)
    t.deepEqual(copied(nested(nestingMax, instant), 'it'), nested(nestingMax, instant))
  }
})

test('what user code throws while it is read is its own', (t) => {
  const wrong = {
    get a() {
      throw new Error('mine')
    },
  }
  t.throws(() => copied(wrong, 'it'), { message: 'mine' })
})

test('what user code throws once is its own, though the data is plain when it is read again', (t) => {
  let reads = 0
  const wrong = {
    get a() {
      if (reads++ === 0) throw new Error('mine')
      return 1
    },
  }
  t.throws(() => copied(wrong, 'it'), { message: 'mine' })
})

test('a copy for the state has records without a prototype, and may be nested as deep as any data', (t) => {
  let deep: unknown = 1
  for (let i = 0; i < nestingMax; i++) deep = Object.assign(Object.create(null), { deep })
  const copy = copiedState(deep)
  t.deepEqual(copy, deep)
  t.not(copy, deep)
  t.is(Object.getPrototypeOf(copy), null)
  t.is(Object.getPrototypeOf((copy as { deep: object }).deep), null)
})
