/**
 * One call that a node received, from its dispatch to its reply: what it does to the state, when it is
 * answered and with what.
 */
import 'reflect-metadata'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { MethodEntry } from '../../core/model/methodTable.js'
import { kinds } from '../../core/wire/envelope.js'
import { gate } from '../support/testSystem.js'
import { heldDisk, open, written } from './incomingCallFixture.js'

test('an answer says through how many SOs its call went, be it at once or after a commit', async (t) => {
  const s = open({ list: () => [1], listQuery: () => [1], oneQuery: () => 1 })
  for (const name of ['add', 'list', 'listQuery', 'oneQuery']) {
    const entry = s.link.methods.entries.get(name)!
    ;(s.link.methods.entries as Map<string, MethodEntry>).set(name, { ...entry, hops: 2 })
  }
  s.call('oneQuery')
  s.call('add', [1])
  for (const name of ['list', 'listQuery', 'oneQuery']) s.call(name)
  t.deepEqual(await s.hops(), [2, 2, 2, 2, 2])
})

test('a command is answered when what it wrote is on disk, and a query that has seen it too (C3, C12)', async (t) => {
  const s = open()
  const disk = heldDisk(s)
  s.call('add', [2])
  s.call('get')
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 0)
  disk.open()
  t.deepEqual(await s.answers(), ['1 2', '2 2'])
  t.is(s.onDisk(), 2)
  s.call('get')
  t.deepEqual(await s.answers(), ['3 2'])
  t.deepEqual(s.told, ['answered 0, 0 ms', 'answered 0, 0 ms', 'answered 0, 0 ms'])
  t.is(s.link.tally.calls, 3)
})

test('calls whose writes, or what they have seen of others’, never reach the disk fail as storage does', async (t) => {
  const s = open()
  const disk = heldDisk(s)
  s.disk.isFull = true
  s.call('add', [2])
  s.call('get')
  s.call('nothing')
  s.define('send', (state) => {
    state.n++
    send.sends!.push(() => t.fail('it is lost'))
  })
  const send = s.arrived('send', [], { kind: kinds.send })
  s.mailbox.post(send)
  t.deepEqual(await s.answers(), [])
  disk.open()
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ code }) => code),
    ['unavailable.storage', 'unavailable.storage', 'unavailable.storage'],
  )
  t.is(s.lost.length, 1)
  s.told.splice(0)
  // It is opened anew from disk by the node's restart, and not by a failed call.
  s.define('late', (state) => {
    state.n = 99
    throw new Error('late')
  })
  s.call('late')
  t.deepEqual(await s.answers(), ['5 unavailable.storage'])
  t.deepEqual(s.told, ['threw 0, 0 ms', 'failed 0, 0 ms', 'failure 0 application.error'])
})

test('a send is carried out, whatever its method answers, and nobody hears how it ended', async (t) => {
  const s = open({ odd: (state) => written(state, new Map()), fail: () => Promise.reject(new Error('no')) })
  for (const method of ['odd', 'get', 'fail', 'remove']) s.call(method, [], { kind: kinds.send })
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 1)
  t.deepEqual(s.told, [
    'answered 0, 0 ms',
    'answered 0, 0 ms',
    'threw 0, 0 ms',
    'failed 0, 0 ms',
    'failure 0 application.error',
    'failed 0, 0 ms',
    'failure 0 protocol.no-such-method',
    'undelivered protocol.no-such-method',
  ])
  s.told.splice(0)
  s.call('get', [], { kind: kinds.send })
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('a query that writes is refused, and its writes are taken back', async (t) => {
  const s = open({ writesQuery: (state) => written(state, 'read') })
  s.call('writesQuery')
  t.deepEqual(await s.answers(), ['1 protocol.query-writes'])
  t.is(s.holder.state.n, 0)
  t.true(s.told.includes('rebuild'))
})

test('an answer has the value as it was when its method ended, whatever becomes of it before it leaves', async (t) => {
  const list = ['a']
  const s = open({
    list: (state) => written(state, list),
    text: (state, length: number) => written(state, 'x'.repeat(length)),
  })
  const disk = heldDisk(s)
  s.call('list')
  s.call('text', [64])
  s.call('text', [65])
  list.push('b')
  disk.open()
  t.deepEqual(await s.answers(), ['1 ["a"]', `2 "${'x'.repeat(64)}"`, `3 "${'x'.repeat(65)}"`])
})

test('a result that can’t travel fails its command, which leaves no trace', async (t) => {
  const s = open({
    odd: (state) => written(state, new Map()),
    large: (state) => written(state, ['x'.repeat(2_000)]),
    largeText: (state) => written(state, 'x'.repeat(2_000)),
    oddQuery: () => new Map(),
  })
  for (const method of ['odd', 'large', 'largeText', 'oddQuery']) s.call(method)
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ code }) => code),
    ['protocol.bad-arguments', 'protocol.too-large', 'protocol.too-large', 'protocol.bad-arguments'],
  )
  t.regex(faults[1]!.message, /^a result of 2\d\d\d bytes; the transport takes 1000$/)
  t.is(s.holder.state.n, 0)
  t.is(s.onDisk(), 0)
  s.call('get')
  t.deepEqual(await s.answers(), ['5 0'])
})

test('a result that is exactly as large as a reply may be travels', async (t) => {
  const s = open({ text: (state, length: number) => written(state, 'x'.repeat(length)) })
  s.call('text', [2_000])
  const bytes = Number(/\d+/.exec((await s.faults())[0]!.message)![0])
  s.node.replyBytesMax = bytes
  s.call('text', [2_000])
  t.deepEqual(await s.answers(), [`2 "${'x'.repeat(2_000)}"`])
})

test('C4: a call that has begun does not end as one that was not executed', async (t) => {
  const ends = gate()
  const s = open({ slow: () => ends.pass() })
  const call = s.call('slow')
  call.refuse(new Fault('unavailable.upgrading', 'too late'))
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['crash C4: slow has run, and would end with unavailable.upgrading'])
  call.refuse(new Fault('application.error', 'it has ended'))
  t.deepEqual(await s.answers(), ['1 application.error'])
  // Before it has begun it may.
  const other = open()
  other.arrived('get').refuse(new Fault('unavailable.upgrading', 'too late'))
  t.deepEqual(await other.answers(), ['1 unavailable.upgrading'])
})

test('C4: whatever a store says about what is lost, the call may have run', async (t) => {
  const s = open()
  s.state.whenCommitted = (waiter) => waiter.settled(new Fault('unavailable.disconnected', 'the store is away'))
  s.call('add', [1])
  const [fault] = await s.faults()
  t.deepEqual([fault!.code, fault!.message, fault!.retryable], ['unavailable.storage', 'the store is away', false])
})

test('C12: an answer that would leave before what it has seen is on disk restarts the node instead', async (t) => {
  const s = open({
    send: (state) =>
      written(
        state,
        send.sends!.push(() => t.fail('it leaves')),
      ),
  })
  heldDisk(s)
  s.state.whenCommitted = (waiter) => waiter.settled(undefined)
  const send = s.arrived('send')
  s.mailbox.post(send)
  s.call('get')
  s.call('remove')
  t.deepEqual(await s.answers(), [])
  const early = (method: string) => `crash C12: the answer to ${method} would leave before what it has seen is on disk`
  t.deepEqual(
    s.told.filter((what) => what.startsWith('crash')),
    [early('send'), early('get'), early('remove')],
  )
})

test('C12: a query that would be answered after its end has written restarts the node instead', async (t) => {
  const s = open()
  const keep = s.state.keep.bind(s.state)
  s.state.keep = (ticket) => {
    s.state.batch = (s.state.batch + 1) as typeof s.state.batch
    return keep(ticket)
  }
  s.call('get')
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['crash C12: the answer to get would leave before what it has seen is on disk'])
})
