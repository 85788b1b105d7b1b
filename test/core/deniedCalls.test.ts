/** Counts of denied calls, as hosts report them and as the audit has them. */
import test from 'ava'
import {
  type DeniedCalls,
  deniedPerReportMax,
  deniedReport,
  isDeniedCalls,
  readDeniedReport,
  shortMethod,
  timesOf,
} from '../../core/control/deniedCalls.js'

const one: DeniedCalls = { caller: { name: 'desk', id: 'd1' }, method: 'get', code: 'denied.caller', times: 3 }
const counts: readonly DeniedCalls[] = [
  one,
  { ...one, caller: { name: null, id: 'd1' }, code: 'denied.filter', times: 1 },
  { ...one, caller: null, method: null, code: 'denied.rate', times: Number.MAX_SAFE_INTEGER },
]

test('a report is read as it was made, with callers and methods that are known and that are not', (t) => {
  t.deepEqual(deniedReport(counts), [
    ['desk', 'd1', 'get', 'denied.caller', 3],
    [null, 'd1', 'get', 'denied.filter', 1],
    [null, null, null, 'denied.rate', Number.MAX_SAFE_INTEGER],
  ])
  t.deepEqual(readDeniedReport(deniedReport(counts)), counts)
  t.deepEqual(readDeniedReport([]), [])
})

/** A count with one part that it must not have. */
const wrongs: readonly (readonly [part: number, values: readonly unknown[]])[] = [
  [0, ['', 'a b', 7, undefined]],
  [1, ['', 'a b', 7, undefined, null]],
  [2, [7, {}, undefined]],
  [3, ['denied.other', 'application.error', '', 7, null, undefined]],
  [4, [0, -1, 1.5, 2 ** 53, '3', null, undefined]],
]

test('a report with one count that is none is refused whole', (t) => {
  const [whole, nameless] = deniedReport(counts) as [readonly unknown[], readonly unknown[]]
  for (const [part, values] of wrongs)
    for (const value of values)
      t.is(readDeniedReport([nameless, whole.with(part, value)]), undefined, `part ${part}: ${String(value)}`)
  for (const none of [null, undefined, {}, 'desk', 7, whole.with(1, null), nameless.with(1, 'a b')])
    t.is(readDeniedReport([nameless, none]), undefined, JSON.stringify(none))
  for (const none of [null, undefined, {}, 'report', { length: 0 }]) t.is(readDeniedReport(none), undefined)
})

test('a report has 256 counts at the most', (t) => {
  t.is(deniedPerReportMax, 256)
  const report = (length: number) => deniedReport(Array.from({ length }, () => one))
  t.is(readDeniedReport(report(256))?.length, 256)
  t.is(readDeniedReport(report(257)), undefined)
})

test('a method takes 64 characters of an entry, each of one byte of JSON or well formed', (t) => {
  t.is(shortMethod('get'), 'get')
  t.is(shortMethod('m'.repeat(65)), 'm'.repeat(64))
  t.is(shortMethod('a"b\\c\nd\u0000e\ud800'), 'a?b?c?d?e\ufffd')
  const [found] = readDeniedReport([[null, 'd1', `"${'m'.repeat(80)}`, 'denied.rate', 1]])!
  t.is(found!.method, `?${'m'.repeat(63)}`)
})

test('counts in an entry of the audit are what a report could say', (t) => {
  for (const count of counts) t.true(isDeniedCalls(count))
  const names = ['caller', 'caller', 'method', 'code', 'times']
  for (const [part, values] of wrongs)
    for (const value of values) {
      const caller = { ...one.caller, [part === 0 ? 'name' : 'id']: value }
      t.false(isDeniedCalls({ ...one, [names[part]!]: part < 2 ? caller : value }), `part ${part}: ${String(value)}`)
    }
  for (const none of [null, undefined, 7, 'denied', {}, []]) t.false(isDeniedCalls(none))
})

test('a sum of counts stays a number that can be sent', (t) => {
  t.is(timesOf(2, 3), 5)
  t.is(timesOf(Number.MAX_SAFE_INTEGER, 3), Number.MAX_SAFE_INTEGER)
})
