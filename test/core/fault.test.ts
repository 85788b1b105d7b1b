/**
 * Faults: what they say of a call, and that one of another copy of the package, or of anything
 * that was thrown, is as good.
 */
import test from 'ava'
import {
  applicationFault,
  Fault,
  faultCodes,
  faultKinds,
  isFault,
  reasonOf,
  shortenedFault,
  toFault,
} from '../../core/base/fault.js'

test('C4: retryable are exactly the faults of calls that were not executed', (t) => {
  const codes = Object.keys(faultCodes) as (keyof typeof faultCodes)[]
  const retryable = codes.filter((code) => new Fault(code, 'why').retryable)
  t.deepEqual(retryable.sort(), [
    'denied.rate',
    'unavailable.disconnected',
    'unavailable.fetching',
    'unavailable.moved',
    'unavailable.no-responders',
    'unavailable.overloaded',
    'unavailable.stopped',
    'unavailable.upgrading',
  ])
})

test('the kind of a fault is the beginning of its code, and one of those that there are', (t) => {
  for (const code of Object.keys(faultCodes) as (keyof typeof faultCodes)[]) {
    const fault = new Fault(code, 'why')
    t.is(fault.kind, code.split('.')[0] as never)
    t.true(faultKinds.includes(fault.kind))
    t.is(fault.retryable, faultCodes[code].retryable)
    t.deepEqual([fault.code, fault.message, fault.details], [code, 'why', {}])
    t.true(fault instanceof Error && isFault(fault))
  }
})

test('whether a fault is retryable is said by its code; a newer peer’s word is taken for a code of its own, but for what a method threw', (t) => {
  const retryable = (code: string, said?: boolean) =>
    new Fault(code as never, 'why', {}, said === undefined ? {} : { retryable: said }).retryable
  t.true(retryable('unavailable.stopped', false))
  t.false(retryable('timeout.deadline', true))
  t.true(retryable('unavailable.on-strike', true))
  t.false(retryable('unavailable.on-strike', false))
  t.false(retryable('unavailable.on-strike'))
  t.false(retryable('application.on-strike', true))
  // No code of ours, though every object has it.
  t.false(retryable('toString'))
})

test('a fault of another copy of the package is read: with its code, its text and its details', (t) => {
  const other = (fields: object) => Object.assign(new Error(), { [Symbol.for('theseus.fault')]: true }, fields)
  const read = toFault(
    other({ code: 'unavailable.on-strike', message: 'why', details: { a: 1 }, retryable: true }),
    'application.error',
  )
  t.deepEqual([read.code, read.message, read.details, read.retryable], ['unavailable.on-strike', 'why', { a: 1 }, true])
  t.true(read instanceof Fault)
  for (const details of [null, 'text', undefined])
    t.deepEqual(toFault(other({ code: 'version.dead', message: 'why', details }), 'application.error').details, {})
  t.false(toFault(other({ code: 'unavailable.on-strike', message: 'why', retryable: 'yes' }), 'application.error').retryable)
  for (const code of [undefined, 7, 'dance'])
    t.deepEqual([toFault(other({ code, message: 'why' }), 'upgrade.fetch').code], ['upgrade.fetch'], String(code))
  // One of ours that was tampered with.
  const ours = Object.assign(new Fault('version.dead', 'why'), { message: 7 })
  t.is(toFault(ours, 'application.error').code, 'version.dead')
  t.is(typeof toFault(ours, 'application.error').message, 'string')
})

test('what can’t be read is no fault, and becomes one', (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  t.false(isFault(proxy))
  t.is(toFault(proxy, 'application.error').code, 'application.error')
})

test('what is no fault is none, and becomes one with its text and its cause', (t) => {
  const thrown = new Error('mine')
  for (const value of [thrown, {}, null, undefined, 'fault', { code: 'application.error' }]) t.false(isFault(value))
  const fault = toFault(thrown, 'application.error')
  t.deepEqual([fault.code, fault.message, fault.cause], ['application.error', 'mine', thrown])
  t.is(toFault('text', 'upgrade.fetch').message, 'text')
  const own = new Fault('version.dead', 'dead')
  t.is(toFault(own, 'application.error'), own)
})

test('one of ours whose fields user code has changed is read anew', (t) => {
  const changed = (fields: object) => toFault(Object.assign(new Fault('version.dead', 'why'), fields), 'application.error')
  t.deepEqual([changed({ retryable: 'yes' }).retryable, changed({ retryable: 'yes' }).code], [false, 'version.dead'])
  for (const code of [7, undefined, ['version', '.']]) t.is(changed({ code }).code, 'application.error')
  t.false(new Fault('unavailable.on-strike' as never, 'why').retryable)
})

test('the reason of an upgrade’s end has the code of a fault, and is bounded', (t) => {
  t.is(reasonOf(new Fault('upgrade.drain', 'late')), 'upgrade.drain: late')
  t.is(reasonOf(new Error('late')), 'late')
  t.is(reasonOf('text'), 'text')
  t.is(reasonOf(new Error('')), 'an error without a message')
  const long = reasonOf(new Fault('upgrade.drain', 'x'.repeat(5_000)))
  t.regex(long, /^upgrade\.drain: x{1985}… \(5015 characters\)$/)
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  t.is(typeof reasonOf(proxy), 'string')
})

test('a fault that is too large to be sent keeps its code, the beginning of its message, and short details', (t) => {
  const short = { text: 'x'.repeat(200), number: 1, yes: true, no: false, nothing: null, shortened: true }
  const { text, number, yes, no, nothing } = short
  const details = { text, number, long: 'x'.repeat(201), list: [1], yes, no, nothing, ['n'.repeat(201)]: 1 }
  const fault = shortenedFault(new Fault('version.dead', 'm'.repeat(5_000), details))
  t.is(fault.code, 'version.dead')
  t.deepEqual(fault.details, short)
  t.regex(fault.message, /^m{1000}… \(5000 characters\)$/)
  t.is(shortenedFault(new Fault('version.dead', 'why')).message, 'why')
})

test('of many details the first sixteen are kept, and of those that can’t be read none', (t) => {
  const details = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`d${i}`, i]))
  t.deepEqual(Object.keys(shortenedFault(new Fault('version.dead', 'why', details)).details), [
    ...Array.from({ length: 16 }, (_, i) => `d${i}`),
    'shortened',
  ])
  const unreadable = {
    get odd(): unknown {
      throw new Error('no')
    },
  }
  t.deepEqual(shortenedFault(new Fault('version.dead', 'why', unreadable)).details, { shortened: true })
})

test('whether a fault is retryable survives its shortening', (t) => {
  for (const retryable of [true, false])
    t.is(shortenedFault(new Fault('unavailable.on-strike' as never, 'why', {}, { retryable })).retryable, retryable)
})

test('the code of a fault is a kind and a name, of bounded length', (t) => {
  const other = (code: unknown) => Object.assign(new Error('why'), { [Symbol.for('theseus.fault')]: true, code })
  const longest = `a.${'x'.repeat(254)}`
  t.is(toFault(other(longest), 'application.error').code, longest as never)
  for (const code of [`${longest}x`, '.name', 'name', '', null, ['a.b']])
    t.is(toFault(other(code), 'application.error').code, 'application.error', String(code))
})

test('an application’s fault has the code, the text and the details that it was given', (t) => {
  const { code, message, details, retryable } = applicationFault('full', 'it is full', { size: 3 })
  t.deepEqual([code, message, details, retryable], ['application.full', 'it is full', { size: 3 }, false])
  t.deepEqual(applicationFault('full', 'it is full').details, {})
})

test('the cause of a fault is what it was made with', (t) => {
  const cause = new Error('mine')
  t.is(new Fault('version.dead', 'why', {}, { cause }).cause, cause)
  t.false('cause' in new Fault('version.dead', 'why'))
  t.false('cause' in new Fault('version.dead', 'why', {}, { retryable: true }))
  t.true('cause' in new Fault('version.dead', 'why', {}, { cause: undefined }))
})
