/** Calls that run inside one call of a re-entrant class (C2). */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Backlog } from '../../actors/serving/backlog.js'
import type { IncomingCall } from '../../actors/serving/incomingCall.js'
import { kinds } from '../../core/wire/envelope.js'
import { gate } from '../support/testSystem.js'
import { heldDisk, outerCall, settled } from './incomingCallFixture.js'

const entryOf = (call: IncomingCall) => call.path.at(-1)!

test('a call that runs inside another one is answered with what both have written, before that one’s writes are kept', async (t) => {
  const s = outerCall()
  t.is(s.outer.running(entryOf(s.outer)), s.outer)
  t.is(s.outer.running('nobody/1/1'), undefined)
  t.is(s.outer.running(s.outer.id), undefined, 'its caller knows the id')
  s.clock.advance(7)
  s.inside('add', [5])
  s.inside('get')
  t.deepEqual(await s.answers(), ['2 6', '3 6'])
  t.deepEqual(s.told.splice(0), ['answered 0, 0 ms', 'answered 0, 0 ms'])
  t.is(s.onDisk(), 0)
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 6'])
  t.is(s.onDisk(), 6)
  t.is(s.outer.running(entryOf(s.outer)), undefined)
})

test('what runs inside is found by its entry while it runs, and what is sent meanwhile is sent for it', async (t) => {
  const s = outerCall()
  t.is(s.outer.current, s.outer)
  const slow = s.inside('slow')
  t.is(s.outer.running(entryOf(slow)), slow)
  t.is(s.outer.current, s.outer, 'other code')
  const seen: unknown[] = []
  s.define('look', () => void seen.push(s.outer.current))
  const look = s.inside('look')
  t.deepEqual(await s.answers(), ['3 undefined'])
  t.is(seen[0], look)
  t.is(slow.sends, s.outer.sends)
  s.inner.open()
  s.ends.open()
  t.deepEqual(await s.answers(), ['2 "slow"', '1 11'])
  t.is(s.outer.running(entryOf(slow)), undefined)
})

test('calls inside a call inside belong to the outermost one', async (t) => {
  const s = outerCall()
  const slow = s.inside('slow')
  s.inside('add', [5], {}, slow)
  const third = s.inside('slow', [], {}, slow)
  t.is(s.outer.running(entryOf(third)), third)
  t.is(third.sends, s.outer.sends)
  s.ends.open()
  t.deepEqual(await s.answers(), ['3 16'], 'the outermost one waits for those inside')
  s.inner.open()
  t.deepEqual(await s.answers(), ['2 "slow"', '4 "slow"', '1 26'])
  t.is(s.onDisk(), 26)
})

test('a call ends when the last of those inside it has ended, in whatever order they began', async (t) => {
  const s = outerCall()
  const ends = gate()
  s.inside('slow')
  s.define('later', () => ends.pass())
  s.inside('later')
  s.ends.open()
  await settled()
  ends.open()
  t.deepEqual(await s.answers(), [])
  s.inner.open()
  t.deepEqual(await s.answers(), ['3 undefined', '2 "slow"', '1 11'])
})

test('a command inside that fails takes the outer one with it, whatever that makes of it', async (t) => {
  const s = outerCall()
  s.inside('failInside')
  t.deepEqual(await s.answers(), ['2 application.error'])
  s.ends.open()
  const [fault] = await s.faults()
  t.is(fault!.message, 'inside')
  t.is(s.onDisk(), 0)
  t.is(s.holder.state.n, 0)
  t.deepEqual(s.told.filter((what) => what === 'rebuild').length, 1)
})

test('of several commands inside that fail, the first one is the reason', async (t) => {
  const s = outerCall()
  s.define('failOtherwise', () => {
    throw new Error('otherwise')
  })
  s.inside('failInside')
  s.inside('failOtherwise')
  s.ends.open()
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ message }) => message),
    ['inside', 'otherwise', 'inside'],
  )
})

test('a query inside that fails harms nobody', async (t) => {
  const s = outerCall()
  s.inside('failQuery')
  t.deepEqual(await s.answers(), ['2 application.error'])
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 1'])
  t.is(s.onDisk(), 1)
})

test('a result inside that can’t travel fails its call, and the outer one', async (t) => {
  const s = outerCall()
  s.inside('oddInside')
  t.deepEqual(await s.answers(), ['2 protocol.bad-arguments'])
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 protocol.bad-arguments'])
  t.is(s.onDisk(), 0)
})

test('a broken invariant inside restarts the node, and is not answered', async (t) => {
  const s = outerCall()
  s.inside('brokenInside')
  t.deepEqual(await s.answers(), [])
  t.true(s.told.includes('crash C2: broken'))
})

test('an invariant that the outer method breaks: what has ended inside fails with it', async (t) => {
  const s = outerCall('outerBreaks')
  s.inside('slow')
  s.ends.open()
  await settled()
  s.inner.open()
  t.deepEqual(await s.answers(), ['2 application.error'])
  t.true(s.told.includes('crash C1: broken'))
})

test('a query inside leads to no command either, though the outermost call is one', async (t) => {
  const s = outerCall()
  const ends = gate()
  s.define('waitsQuery', () => ends.pass())
  const query = s.inside('waitsQuery')
  s.inside('add', [5], {}, query)
  t.deepEqual(await s.answers(), ['3 protocol.query-writes'])
  ends.open()
  s.ends.open()
  t.deepEqual(await s.answers(), ['2 undefined', '1 1'])
})

test('a query leads to no command of its own node, and to any query', async (t) => {
  const s = outerCall('outerQuery')
  s.inside('add', [5])
  s.inside('get')
  const [fault] = await s.faults()
  t.is(fault!.code, 'protocol.query-writes')
  t.regex(fault!.message, /may not lead to a command of its own node: add$/)
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 0'])
})

test('a call inside whose time is over, or that has no method here, does not run', async (t) => {
  const s = outerCall()
  const late = s.arrived('add', [5], { path: [...s.outer.path], caller: 'm', deadlineMs: 100 })
  const inTime = s.arrived('add', [5], { path: [...s.outer.path], caller: 'm', deadlineMs: 101 })
  s.clock.advance(100)
  late.runInside(s.outer)
  t.deepEqual(s.told.splice(0), ['expired 0, 0 ms', 'failure 0 expired'])
  inTime.runInside(s.outer)
  s.inside('remove')
  t.deepEqual(await s.answers(), ['3 6', '4 protocol.no-such-method'])
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 6'])
})

test('a call that was held and runs inside another one is not refused when its time to be held is over', async (t) => {
  const s = outerCall()
  const held = () => {
    const call = s.arrived('slow', [], { path: [...s.outer.path], caller: 'm', deadlineMs: 1_000 })
    call.holdFor('unavailable.fetching')
    return call
  }
  const [running, refused] = [held(), held()]
  running.runInside(s.outer)
  s.clock.advance(950)
  t.deepEqual(await s.answers(), ['3 unavailable.fetching'])
  refused.runInside(s.outer)
  s.inner.open()
  const answers = await s.answers()
  t.deepEqual(answers, ['2 "slow"'])
  t.deepEqual(
    s.told.filter((line) => line.startsWith('crash')),
    [],
  )
})

test('a send that runs inside is carried out, and not answered', async (t) => {
  const s = outerCall()
  s.inside('add', [5], { kind: kinds.send })
  s.inside('slow', [], { kind: kinds.send })
  s.inside('oddInside', [], { kind: kinds.send })
  s.ends.open()
  await settled()
  s.inner.open()
  t.deepEqual(await s.answers(), ['1 16'])
  t.is(s.onDisk(), 16)
})

test('a call inside that ends after the outer method is answered when it is known what becomes of its writes', async (t) => {
  const kept = outerCall()
  kept.inside('slow')
  kept.ends.open()
  t.deepEqual(await kept.answers(), [])
  kept.inner.open()
  t.deepEqual(await kept.answers(), ['2 "slow"', '1 11'])
  t.is(kept.onDisk(), 11)
  const dropped = outerCall('outerFails')
  dropped.inside('slow')
  dropped.ends.open()
  t.deepEqual(await dropped.answers(), [])
  dropped.inner.open()
  t.deepEqual(await dropped.answers(), ['2 application.error', '1 application.error'])
  t.is(dropped.onDisk(), 0)
})

test('a query that others run inside ends when they have', async (t) => {
  const s = outerCall('outerQuery')
  const ends = gate()
  s.define('slowQuery', () => ends.pass().then(() => 'slow'))
  s.inside('slowQuery')
  s.ends.open()
  t.deepEqual(await s.answers(), [])
  ends.open()
  t.deepEqual(await s.answers(), ['1 0', '2 "slow"'])
})

test('an answer from inside tells nothing of earlier calls that is not on disk', async (t) => {
  const s = outerCall('outerQuery')
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 0'])
  for (const becomes of ['kept', 'elsewhere', 'lost'] as const) {
    const ends = gate()
    s.define('waitsQuery', () => ends.pass())
    const disk = heldDisk(s)
    s.call('add', [1])
    const outer = s.call('waitsQuery')
    s.inside('get', [], {}, outer)
    t.deepEqual(await s.answers(), [], becomes)
    s.node.isElsewhere = becomes === 'elsewhere'
    s.disk.isFull = becomes === 'lost'
    disk.open()
    const heard = (await s.answers()).map((answer) => answer.slice(answer.indexOf(' ') + 1))
    ends.open()
    s.node.isElsewhere = false
    await s.answers()
    if (becomes === 'kept') t.deepEqual(heard, ['1', '1'])
    if (becomes === 'elsewhere') t.deepEqual(heard, [])
    if (becomes === 'lost') t.deepEqual(heard, ['unavailable.storage', 'unavailable.storage'])
  }
})

test('C12: an answer from inside that would leave before what it has seen is on disk restarts the node instead', async (t) => {
  const s = outerCall('outerQuery')
  s.ends.open()
  await s.answers()
  const ends = gate()
  s.define('waitsQuery', () => ends.pass())
  const disk = heldDisk(s)
  s.call('add', [1])
  const outer = s.call('waitsQuery')
  s.state.whenCommitted = (waiter) => waiter.settled(undefined)
  s.inside('get', [], {}, outer)
  t.deepEqual(await s.answers(), [])
  t.is(s.told.at(-1), 'crash C12: the answer to get would leave before what it has seen is on disk')
  disk.open()
  ends.open()
  await s.answers()
})

test('a call that was held, and runs inside another one, waits no more', async (t) => {
  const s = outerCall()
  const backlog = new Backlog({ ...defaultSettings, system: 's', hostId: 'h' })
  const call = s.arrived('add', [1], { path: [...s.outer.path], caller: 'm' })
  call.weigh(backlog, 100)
  call.runInside(s.outer)
  t.is(backlog.bytes, 0)
  t.false(call.isWaiting)
  s.ends.open()
  await s.answers()
})
