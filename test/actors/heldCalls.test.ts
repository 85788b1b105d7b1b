/** Calls that wait at their node: for their turn, and for a version that is not there yet. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Backlog } from '../../actors/serving/backlog.js'
import type { Callee } from '../../actors/serving/callee.js'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'
import { incarnationAbroad, kinds } from '../../core/wire/envelope.js'
import { open } from './incomingCallFixture.js'

test('a held call that gets its turn in time is answered once, by its turn', async (t) => {
  const s = open()
  const call = s.arrived('add', [1])
  call.holdFor('unavailable.upgrading')
  t.false(call.isRefused)
  s.mailbox.post(call)
  t.deepEqual(await s.answers(), ['1 1'])
  s.clock.advance(20)
  t.is(s.clock.timers, 0, 'nothing is waited for')
  s.clock.advance(20_000)
  call.due()
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['answered 0, 0 ms'])
  t.false(call.isRefused)
})

test('a held call that is refused before its turn is not carried out, and holds no place of the wheel', async (t) => {
  const s = open()
  const call = s.arrived('add', [1])
  call.holdFor('unavailable.upgrading')
  call.refuse(new Fault('unavailable.stopped', 'the node stops'))
  t.true(call.isRefused)
  s.clock.advance(20)
  t.is(s.clock.timers, 0)
  s.mailbox.post(call)
  t.deepEqual(await s.answers(), ['1 unavailable.stopped'])
  call.holdFor('unavailable.fetching')
  s.clock.advance(20_000)
  call.due()
  t.deepEqual(await s.answers(), [])
  t.is(s.holder.state.n, 0)
})

test('a call with little time is refused while it is held with a quarter of it left', async (t) => {
  const s = open()
  s.arrived('get', [], { deadlineMs: 200 }).holdFor('unavailable.fetching')
  s.clock.advance(149)
  t.deepEqual(await s.answers(), [])
  s.clock.advance(6)
  t.deepEqual(await s.answers(), ['1 unavailable.fetching'])
})

test('a timer’s call waits for as long as it takes, and calls nothing when its object has stopped', async (t) => {
  const s = open()
  const timer = { isSet: true, begin: () => timer.isSet }
  const ring = () => s.arrived('add', [1], { kind: kinds.send }, timer)
  const [first, second] = [ring(), ring()]
  t.true(first.isOfTimer)
  t.false(s.arrived('add').isOfTimer)
  first.holdFor('unavailable.upgrading')
  t.is(s.clock.timers, 0)
  s.mailbox.post(first)
  t.is(s.holder.state.n, 1)
  timer.isSet = false
  s.mailbox.post(second)
  t.is(s.holder.state.n, 1)
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('a call knows whom it is made for, and who waits for it', (t) => {
  const s = open()
  const outside = s.arrived('get')
  t.is(outside.id, 'desk/1/1')
  t.is(outside.entryInPaths, undefined, 'it has made no call')
  t.false(outside.isMadeFor(outside.entryInPaths))
  t.deepEqual(outside.path, ['desk/1/5'], 'its caller and a mark')
  t.deepEqual(outside.path, outside.path, 'the same for all its calls')
  t.is(outside.entryInPaths, 'desk/1/5')
  t.false(outside.isMadeFor('desk/1/5'))
  t.true(outside.isFromOutside)
  t.false(s.arrived('get', [], { kind: kinds.send }).isFromOutside, 'nobody waits for a send')
  const nested = s.arrived('get', [], { path: ['a/1/1', 'n1/1/2'], caller: 'm', trace: 'trace' })
  t.false(nested.isFromOutside)
  t.deepEqual(nested.path, ['a/1/1', 'n1/1/2', 'm/1/6'])
  t.true(nested.isMadeFor('a/1/1'))
  t.false(nested.isMadeFor('m/1/3'))
  t.is(nested.outerAt({ id: 'n1', incarnation: 1, abroad: incarnationAbroad(9) }), 'a/1/1')
  t.is(nested.trace, 'trace')
  t.is(outside.trace, null)
  t.deepEqual(outside.caller, { name: null, node: 'desk', className: 'Client', version: 0 })
  const named = new IncomingCall(s.node as unknown as Callee, outside.envelope, undefined, outside.deadline, undefined, 'ann')
  t.is(named.caller.name, 'ann', 'as the transport vouches for')
})

test('a call that waits a second time counts again as what waits, and leaves nothing behind', (t) => {
  const s = open()
  const backlog = new Backlog({ ...defaultSettings, system: 's', hostId: 'h' })
  const call = s.arrived('add', [1], { label: 7 })
  call.weigh(backlog, 100)
  t.is(backlog.bytes, 100)
  void call.run()
  t.deepEqual(s.told, ['hold 7'])
  t.is(backlog.bytes, 100, 'it is held')
  call.refuse(new Fault('version.unknown', 'there is no such version'))
  t.is(backlog.bytes, 0)
  call.take()
  t.is(backlog.bytes, 0, 'once')
})

test('a call that meets a broken invariant before it begins waits no more', (t) => {
  const s = open()
  const call = s.arrived('add', [1])
  call.refuseFor(new InvariantViolation('C9'))
  t.false(call.isWaiting)
  t.deepEqual(s.told, ['crash C9'])
})
