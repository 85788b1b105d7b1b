/** The faults of calls that have come to their node: each says what happened, and if to call again (C4). */
import test from 'ava'
import {
  deniedTo,
  faultOfMethod,
  leftBehind,
  lostWith,
  noSuchMethod,
  queryWrites,
  wrongClass,
} from '../../actors/serving/callFaults.js'
import { Fault } from '../../core/base/fault.js'

const link = { className: 'Notes.v1', methods: { entries: new Map(['add', 'all'].map((name) => [name, {}])) } } as never
const envelope = { label: 2, method: 'sing', expects: 'Notes.v2' } as never

test('a refusal names what was asked for, and what there is', (t) => {
  const of = ({ code, message }: Fault) => [code, message]
  t.deepEqual(of(wrongClass(envelope, link)), [
    'protocol.wrong-class',
    'version 2 has Notes.v1 here, the caller expects Notes.v2',
  ])
  t.deepEqual(of(noSuchMethod(link, envelope)), ['protocol.no-such-method', 'Notes.v1 has no method sing; it has add, all'])
  t.deepEqual(of(queryWrites(envelope)), ['protocol.query-writes', 'a query may not lead to a command of its own node: sing'])
})

test('a denial names its caller, or the node of one without a name', (t) => {
  const to = (name: string | null) =>
    deniedTo({ name, node: 'c1' } as never, link, 'sing', { text: 'role:singers' } as never).message
  t.is(to('ann'), 'Notes.v1.sing is for role:singers, and not for ann')
  t.is(to(null), 'Notes.v1.sing is for role:singers, and not for c1, which has no name')
})

test('the exception of a method is its caller’s as it is, but for faults that would say that it was not carried out', (t) => {
  const asIs = ['application.error', 'simulation.refused', 'protocol.bad-arguments', 'unavailable.storage'] as const
  for (const code of asIs) {
    const fault = new Fault(code, 'no')
    t.is(faultOfMethod(fault), fault)
  }
  for (const code of [
    'version.dead',
    'unavailable.stopped',
    'unavailable.overloaded',
    'timeout.deadline',
    'config.invalid',
  ] as const) {
    const fault = new Fault(code, 'no')
    const seen = faultOfMethod(fault)
    t.like(seen, { code: 'application.error', message: 'no', details: { code }, cause: fault, retryable: false })
  }
  const retryable = Object.assign(Object.create(Fault.prototype), {
    ...{ kind: 'application', code: 'application.error', message: 'later', retryable: true, details: {} },
  }) as Fault
  t.like(faultOfMethod(retryable), { code: 'application.error', message: 'later' })
  t.like(faultOfMethod(new Error('oh')), { code: 'application.error', message: 'oh' })
})

test('a call whose writes are lost may have run: it is not sent again', (t) => {
  const cause = new Error('the disk is full')
  t.like(lostWith(cause), { code: 'unavailable.storage', message: 'the disk is full', retryable: false })
  const storage = new Fault('unavailable.storage', 'no room')
  t.is(lostWith(storage), storage)
  const overloaded = new Fault('unavailable.overloaded', 'later')
  t.true(overloaded.retryable)
  t.like(lostWith(overloaded), { code: 'unavailable.storage', message: 'later', cause: overloaded, retryable: false })
  t.like(leftBehind('n1', cause), {
    ...{ code: 'unavailable.storage', cause },
    message: 'node n1 stopped before the call ended; the call left no trace on it',
  })
})
