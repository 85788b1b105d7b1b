/**
 * Small things that everything stands on: names, versions, chance, tables, what was thrown, what an undo
 * takes back, a clock’s beats.
 */
import test from 'ava'
import { checkName, isClassName, isName, isVersion, nameLengthMax, versionMax } from '../../core/base/ids.js'
import { shortened, thrownText } from '../../core/base/thrownText.js'
import { boundMs, bucketOf, quantileMs, timeBuckets } from '../../core/base/timeBuckets.js'
import {
  checkTable,
  checkTables,
  isTableKey,
  isTableValue,
  type TableEntries,
  tableKeyLengthMax,
  tableValueBytesMax,
} from '../../core/model/tables.js'
import { withMonotonic } from '../../core/ports/clock.js'
import { randomName, randomUint32 } from '../../core/ports/random.js'
import { takesBack, undoneBy } from '../../core/upgrade/undo.js'
import { ManualClock } from '../actors/manualClock.js'

test('versions count from 0 to where 32 bits end', (t) => {
  for (const version of [0, 1, versionMax]) t.true(isVersion(version))
  for (const version of [-1, 1.5, versionMax + 1, Number.NaN, '1', null, undefined, 1n]) t.false(isVersion(version))
})

test('names are what one token of a subject may be, of at most so many characters', (t) => {
  for (const name of ['a', '0', 'A-b_9', 'x'.repeat(nameLengthMax)]) {
    t.true(isName(name))
    t.is(checkName('system', name), name)
  }
  for (const name of ['', '-a', '_a', 'a.b', 'a b', 'é', 'x'.repeat(nameLengthMax + 1), 7, null]) {
    t.false(isName(name))
    t.throws(() => checkName('node id', name), { code: 'config.invalid', message: /^node id .*: use 1 to 64 letters/ })
  }
  for (const name of ['Pages', 'Pages.v1', 'a_b.c_1', 'x'.repeat(nameLengthMax)]) t.true(isClassName(name))
  for (const name of ['', '1a', 'a.', '.a', 'a..b', 'a b', 'x'.repeat(nameLengthMax + 1), 7, ['Pages']])
    t.false(isClassName(name))
})

test('chance makes names of its characters and numbers of 32 bits', (t) => {
  const values = [0, 0.5, 0.999999]
  const random = { next: () => values[made++ % values.length]! }
  let made = 0
  t.is(randomName(random, 3), '0iz')
  t.is(randomName(random).length, 12)
  made = 0
  t.deepEqual([randomUint32(random), randomUint32(random)], [0, 2 ** 31])
  t.true(randomUint32(random) < 2 ** 32)
  t.is(randomUint32({ next: () => 0.3 }), 1_288_490_188)
})

test('a table has a name, keys of text, and values of so many bytes', (t) => {
  const [key, value] = ['k'.repeat(tableKeyLengthMax), 'v'.repeat(tableValueBytesMax)]
  t.true(isTableKey(key) && isTableKey('k') && isTableValue(value) && isTableValue(''))
  for (const wrong of ['', `${key}k`, '\ud800', 7, null]) t.false(isTableKey(wrong))
  for (const wrong of [`${value}v`, 'é'.repeat(tableValueBytesMax / 2 + 1), '\ud800', 7, null]) t.false(isTableValue(wrong))
  t.notThrows(() => checkTable('authorized'))
  t.notThrows(() => checkTable('authorized', key, value))
  t.throws(() => checkTable('a b'), { code: 'config.invalid', message: /^table "a b": use 1 to 64/ })
  t.throws(() => checkTable('a', ''), { code: 'config.invalid', message: /^key "" of table a: use text of 1 to 256/ })
  t.throws(() => checkTable('a', 'k', `${value}v`), {
    code: 'config.invalid',
    message: /^the value of key "k" of table a: use text of at most 64 KiB/,
  })
  const long = t.throws(() => checkTable('x'.repeat(5000)), { code: 'config.invalid' })
  t.true(long!.message.length < 300)
  t.notThrows(() => checkTables({ a: { k: 'v' }, b: {} }))
  const wrong: readonly TableEntries[] = [{ 'a b': {} }, { a: { k: 'v' }, b: { '': 'v' } }, { a: { k: 'v', l: 7 as never } }]
  for (const tables of wrong) t.throws(() => checkTables(tables), { code: 'config.invalid' })
})

test('whatever was thrown has a text', (t) => {
  const wrong = Object.defineProperty({}, 'message', {
    get() {
      throw new Error('no')
    },
  })
  for (const [thrown, text] of [
    [new Error('mine'), 'mine'],
    [{ message: 'mine' }, 'mine'],
    [{ message: 7 }, '[object Object]'],
    ['text', 'text'],
    [7, '7'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Object.create(null), 'a value was thrown that has no text'],
    [wrong, 'a value was thrown that has no text'],
  ] as const)
    t.is(thrownText(thrown), text)
})

test('a text that is too long is cut, and says how long it was; nothing is cut in the middle of a character', (t) => {
  t.is(shortened('abc', 3), 'abc')
  t.is(shortened('abcd', 3), 'abc… (4 characters)')
  t.is(shortened('ab\u{1f600}', 3), 'ab\ufffd… (4 characters)')
  t.is(shortened('\ud800', 3), '\ufffd')
})

test('an undo takes back, its undo does not, and so on', (t) => {
  const undoes =
    (...versions: readonly number[]) =>
    (version: number) =>
      versions.includes(version) ? version - 1 : null
  t.false(takesBack(undoes(), 1))
  t.true(takesBack(undoes(2), 2))
  t.false(takesBack(undoes(2, 3), 3))
  t.true(takesBack(undoes(2, 3, 4), 4))
  const manifests = (...found: readonly (number | null)[]) => found.map((each, i) => ({ version: i + 1, undoes: each }))
  t.is(undoneBy(manifests(null, null), 1), null)
  t.is(undoneBy(manifests(null, 1), 1), 2)
  // The undo was undone: the first one stands again; and once more.
  t.is(undoneBy(manifests(null, 1, 2), 1), null)
  t.is(undoneBy(manifests(null, 1, 2), 2), 3)
  t.is(undoneBy(manifests(null, 1, 2, 3), 1), 2)
})

test('times are counted between bounds, each 1.41 times the one before', (t) => {
  t.deepEqual([0, 2, 4].map(boundMs), [1, 2, 4])
  for (let bucket = 0; bucket < timeBuckets - 1; bucket++) {
    t.is(bucketOf(boundMs(bucket)), bucket + 1, `${bucket}: at its bound`)
    t.is(bucketOf(boundMs(bucket) * 0.999), bucket, `${bucket}: below its bound`)
  }
  t.is(bucketOf(0), 0)
  t.is(bucketOf(1e12), timeBuckets - 1)
})

test('a quantile lies between the bounds of its counter, as far along as its share', (t) => {
  const counters = (found: Readonly<Record<number, number>>) => Array.from({ length: timeBuckets }, (_, i) => found[i] ?? 0)
  t.is(quantileMs(counters({}), 0.5), undefined)
  t.is(quantileMs(counters({ 0: 4 }), 0.5), 0.5)
  t.is(quantileMs(counters({ 4: 10 }), 1), 4)
  const half = quantileMs(counters({ 4: 10 }), 0.5)!
  t.true(Math.abs(half - (boundMs(3) + 4) / 2) < 1e-9)
  t.is(quantileMs(counters({ 0: 5, 6: 5 }), 0.5), 1)
  t.is(quantileMs(counters({ 0: 5, 6: 5 }), 1), 8)
  const last = timeBuckets - 1
  t.is(quantileMs(counters({ [last]: 3 }), 0.5), boundMs(last - 1))
  t.is(quantileMs(counters({ 0: 1 }), 2), boundMs(last - 1))
})

test('a clock that knows the time of day only is made monotonic by its own beats', (t) => {
  const manual = new ManualClock()
  t.is(withMonotonic(manual), manual)
  const wall = { now: () => manual.now(), after: manual.after.bind(manual), turn: manual.turn.bind(manual) }
  const clock = withMonotonic(wall)
  const start = clock.monotonicMs()
  manual.advance(400)
  t.is(clock.monotonicMs() - start, 400)
  // An hour forward, between two beats, counts as one beat at most; and back counts as nothing.
  manual.setBy(3_600_000)
  t.is(clock.monotonicMs() - start, 1_000)
  manual.setBy(-7_200_000)
  t.is(clock.monotonicMs() - start, 1_000)
  // The beat took a second, whatever the time of day says.
  manual.advance(600)
  t.is(clock.monotonicMs() - start, 1_000)
  manual.advance(500)
  t.is(clock.monotonicMs() - start, 1_500)
  manual.setBy(3_600_000)
  manual.advance(500)
  t.true(clock.monotonicMs() - start <= 3_000)
  t.is(clock.now(), manual.now())
})
