/** How calls that a node received fail, and what becomes of what they have written. */
import 'reflect-metadata'
import test from 'ava'
import type { Callee } from '../../actors/serving/callee.js'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'
import type { Rule } from '../../core/model/allow.js'
import { ObjectChain } from '../../core/model/objectChain.js'
import { kinds } from '../../core/wire/envelope.js'
import { gate } from '../support/testSystem.js'
import { failingMethods, open } from './incomingCallFixture.js'

test('what throws before it writes is refused; what throws after leaves no trace, and the object is built anew first', async (t) => {
  const s = open(failingMethods)
  const rebuilt = gate()
  s.node.rebuilding = () => rebuilt.pass()
  s.call('refuse')
  s.call('lateQuery')
  t.deepEqual(await s.answers(), ['1 application.error', '2 application.error'])
  t.deepEqual(s.told.splice(0), [
    'threw 0, 0 ms',
    'failed 0, 0 ms',
    'failure 0 application.error',
    'threw 0, 0 ms',
    'failed 0, 0 ms',
    'failure 0 application.error',
  ])
  s.clock.advance(5)
  s.call('late')
  s.call('get')
  t.deepEqual(await s.answers(), [], 'the next call waits for the new object')
  t.deepEqual(s.told.splice(0), ['threw 0, 0 ms', 'rebuild'])
  rebuilt.open()
  t.deepEqual(await s.answers(), ['3 application.error', '4 0'])
  t.is(s.onDisk(), 0)
})

test('a call that asked for a record that can’t be made fails for that reason, whatever its method throws', async (t) => {
  const s = open({
    fail() {
      throw new Error('of the method')
    },
  })
  Object.defineProperty(s.state, 'spoilt', { get: () => new Fault('upgrade.record', 'b has no author') })
  s.call('fail')
  t.deepEqual(await s.answers(), ['1 upgrade.record'])
})

test('an object that can’t be built anew restarts its node; the failed call is answered all the same', async (t) => {
  const s = open(failingMethods)
  s.node.rebuilding = () => Promise.reject(new Error('start failed'))
  s.call('late')
  t.deepEqual(await s.answers(), ['1 application.error'])
  t.deepEqual(s.told, ['threw 0, 0 ms', 'rebuild', 'failed 0, 0 ms', 'failure 0 application.error', 'crash start failed'])
})

test('a broken invariant restarts the node, and its call is not answered', async (t) => {
  const s = open({
    broken(state) {
      state.n = 99
      throw new InvariantViolation('C1: broken')
    },
  })
  s.call('broken')
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['crash C1: broken'])
  t.is(s.holder.state.n, 0)
})

test('a fault of another call that a method made is no fault of this one (C4)', async (t) => {
  const thrown: Fault[] = []
  const s = open({ failQuery: () => Promise.reject(thrown.at(-1)) })
  const passed = async (fault: Fault) => {
    thrown.push(fault)
    s.told.splice(0)
    s.call('failQuery')
    const [heard] = await s.faults()
    t.is(s.told.includes('threw 0, 0 ms'), heard!.kind === 'application', 'only what user code threw counts as thrown')
    return [heard!.code, heard!.retryable, heard!.details]
  }
  for (const code of ['application.full', 'simulation.refused', 'protocol.no-such-method', 'unavailable.storage'] as const)
    t.deepEqual(await passed(new Fault(code, 'm', { a: 1 }, { retryable: false })), [code, false, { a: 1 }])
  for (const code of ['version.dead', 'unavailable.overloaded', 'unavailable.upgrading', 'timeout.deadline'] as const)
    t.deepEqual(await passed(new Fault(code, 'm')), ['application.error', false, { code }])
  // A code of a newer release, which says that it was not executed.
  const code = 'protocol.too-early' as 'protocol.format'
  t.deepEqual(await passed(new Fault(code, 'm', {}, { retryable: true })), ['application.error', false, { code }])
})

test('a call whose time is over is not carried out, and nobody is told', async (t) => {
  const s = open()
  const call = s.arrived('add', [1], { deadlineMs: 500 })
  s.clock.advance(499)
  t.is(call.deadline, s.clock.monotonicMs() + 1)
  s.clock.advance(1)
  s.mailbox.post(call)
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['expired 0, 0 ms', 'failure 0 expired'])
  t.is(s.holder.state.n, 0)
})

test('a method that is not there, a class that the caller does not expect, a version that is dead: each is said', async (t) => {
  const s = open()
  s.call('remove')
  const [none] = await s.faults()
  t.is(none!.code, 'protocol.no-such-method')
  t.is(none!.message, 'Counter.v1 has no method remove; it has add, get')
  t.deepEqual(s.told.splice(0), ['failed 0, 0 ms', 'failure 0 protocol.no-such-method'])
  s.call('get', [], { expects: 'Counter.v1' })
  s.call('get', [], { expects: 'Ledger.v1' })
  s.node.standsFor.push('Ledger.v1')
  s.call('get', [], { expects: 'Ledger.v1' })
  s.call('get', [], { expects: 'Other.v1' })
  t.deepEqual(await s.answers(), ['2 0', '3 protocol.wrong-class', '4 0', '5 protocol.wrong-class'])
  s.told.splice(0)
  s.node.chain = new ObjectChain(1, [{ ...s.link, version: 1 }], () => new Fault('version.dead', 'dead'), undefined)
  s.call('get', [], { label: 0 })
  t.deepEqual(await s.answers(), ['6 version.dead'])
  s.told.splice(0)
  s.call('get', [], { label: 2 })
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['hold 2'])
  t.is(s.link.tally.calls, 2)
})

test('an event runs the method that hears it; one that the class does not hear is nothing', async (t) => {
  const s = open()
  s.call('told', [5], { kind: kinds.event })
  s.call('other', [5], { kind: kinds.event })
  // The name of a method is no name of an event.
  s.call('add', [5], { kind: kinds.event })
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 5)
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('a method that is not for this caller is refused, and the operator hears of it; a timer of the object may call it', async (t) => {
  const s = open()
  const rule: Rule = { allows: ({ name }) => name === 'ann', text: 'ann' }
  const denied: unknown[] = []
  s.node.denials = { tell: (denial) => void denied.push(denial) }
  s.node.chain = new ObjectChain(
    0,
    [{ ...s.link, allows: new Map([['add', rule]]) }],
    () => new Fault('version.dead', ''),
    undefined,
  )
  const call = (name: string | undefined, method = 'add') => {
    const { envelope, deadline } = s.arrived(method, [1])
    s.mailbox.post(new IncomingCall(s.node as unknown as Callee, envelope, s.answersOf(), deadline, undefined, name))
  }
  call('bob')
  call(undefined)
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ code, message }) => `${code}: ${message}`),
    [
      'denied.caller: Counter.v1.add is for ann, and not for bob',
      'denied.caller: Counter.v1.add is for ann, and not for desk, which has no name',
    ],
  )
  t.like(denied[0], { nodeId: 'n1', method: 'add', label: 0, caller: { name: 'bob', node: 'desk' } })
  t.is(s.link.tally.calls, 0)
  call('ann')
  call('bob', 'get')
  s.mailbox.post(s.arrived('add', [1], { kind: kinds.send }, { begin: () => true }))
  t.deepEqual(await s.answers(), ['3 1', '4 1'])
  t.is(s.onDisk(), 2)
  t.is(denied.length, 2)
})

test('what goes wrong before a method begins is its caller’s to know, unless it is a broken invariant', async (t) => {
  const s = open()
  s.arrived('get').refuseFor(new Error('odd'))
  s.arrived('get').refuseFor(new InvariantViolation('C1: broken'))
  t.deepEqual(await s.answers(), ['1 application.error'])
  t.true(s.told.includes('crash C1: broken'))
})
