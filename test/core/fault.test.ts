/** Faults: what they say of a call, and that one of another copy of the package, or of anything that was thrown, is as good. */
import test from 'ava'
import { Fault, faultCodes, faultKinds, isFault, toFault } from '../../core/fault.js'

test('C4: retryable are exactly the faults of calls that were not executed', (t) => {
  const retryable = Object.entries(faultCodes).flatMap(([code, { retryable }]) => (retryable ? [code] : []))
  t.deepEqual(retryable.sort(), [
    'unavailable.disconnected',
    'unavailable.fetching',
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
  t.is(toFault(own, 'application.error').code, 'version.dead')
})
