/** Calls of versions that their node does not know yet: they are held while it learns. */
import 'reflect-metadata'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { kinds } from '../../core/wire/envelope.js'
import { gate } from '../support/testSystem.js'
import { open } from './nodeLearningFixture.js'

test('a call of an unknown version is answered once that version is learned', async (t) => {
  const { hold, call, passing, known, done, learning } = await open()
  known.newest = 2
  hold(call('a', 2))
  t.is(learning.held, 1)
  await passing()
  t.deepEqual(done(), [
    'hold a: unavailable.fetching',
    'knows 2',
    'fetch 2',
    'load 1',
    'chain',
    'load 2',
    'chain',
    'accept a',
    'consider',
  ])
  t.is(learning.held, 0)
})

for (const isHere of [true, false]) {
  const outcome = isHere ? 'are answered then, or refused' : 'wait for the end of their node, which has another host'
  test(`calls whose host stands still while they wait for their version go on when it knows whose its nodes are: they ${outcome}`, async (t) => {
    const { hold, call, passing, known, done, goingOn, learning } = await open()
    known.newest = 1
    goingOn.asked = gate()
    goingOn.isHere = isHere
    hold(call('a', 1), call('b', 2))
    await passing()
    const ends = () => done().filter((entry) => /^(accept|refuse)/.test(entry))
    t.deepEqual(ends(), [])
    goingOn.asked.open()
    await passing()
    t.deepEqual(ends(), isHere ? ['accept a', 'refuse b: version.unknown'] : [])
    t.is(learning.stop().length, isHere ? 0 : 2)
  })
}

test('one question answers for all calls that wait; those that come meanwhile are answered by the next', async (t) => {
  const { hold, call, passing, known, done, steps } = await open()
  known.newest = 3
  const asking = gate()
  steps.set('knows 2', asking)
  hold(call('a', 1), call('b', 2))
  // The first question left before the second call came.
  await passing()
  hold(call('c', 3), call('d', 2))
  asking.open()
  await passing()
  const heard = done().filter((entry) => /^(knows|accept)/.test(entry))
  t.deepEqual(heard, ['knows 1', 'accept a', 'knows 2', 'accept b', 'knows 3', 'accept c', 'accept d'])
})

test('a version that nobody has is refused, and one that was unknown a moment ago asks nothing', async (t) => {
  const { hold, call, passing, done, unknown } = await open()
  hold(call('a', 1))
  await passing()
  t.deepEqual(done(), ['hold a: unavailable.fetching', 'knows 1', 'fetch 0', 'refuse a: version.unknown', 'consider'])
  unknown.add(5)
  hold(call('b', 5))
  await passing()
  t.deepEqual(done(), ['hold b: unavailable.fetching', 'knows 0', 'fetch 0', 'refuse b: version.unknown', 'consider'])
})

test('an event of a version that was unknown a moment before it came is asked about once more', async (t) => {
  const { hold, call, passing, done, unknown, known } = await open()
  unknown.add(1)
  hold(call('e', 1, kinds.event))
  await passing()
  t.false(done().some((entry) => entry.startsWith('refuse')))
  unknown.clear()
  known.newest = 1
  await passing(100)
  t.true(done().includes('accept e'))
  unknown.add(2)
  hold(call('f', 2, kinds.event))
  await passing()
  unknown.clear()
  await passing(100)
  t.is(done().filter((entry) => entry === 'refuse f: version.unknown').length, 1)
})

test('where a version can not be had it is tried again, less and less often, told once, and calls whose time is over are dropped', async (t) => {
  const { hold, call, passing, done, known, steps, learning } = await open()
  known.newest = 1
  steps.set('fetch 1', new Error('odd'))
  const [a, b] = [call('a', 1), call('b', 1)]
  hold(a, b)
  await passing()
  let warnings = 0
  const tries = () => {
    const entries = done()
    warnings += entries.filter((entry) => entry.startsWith('warning')).length
    return entries.filter((entry) => entry === 'fetch 1').length
  }
  t.is(tries(), 1)
  t.is(warnings, 1)
  a.isRefused = true
  t.is(learning.held, 1)
  await passing(99)
  t.is(tries(), 0)
  await passing(1)
  t.is(tries(), 1)
  await passing(199)
  t.is(tries(), 0)
  await passing(1)
  t.is(tries(), 1)
  steps.delete('fetch 1')
  await passing(400)
  const last = done()
  t.true(last.includes('accept b'))
  t.false(last.includes('accept a'))
  t.false(last.some((entry) => entry.startsWith('warning')))
  t.is(warnings, 1)
})

test('where a version can be had again, the next failure is told again, and its pause is short', async (t) => {
  const { hold, call, passing, done, known, steps, unknown } = await open()
  known.newest = 1
  unknown.add(9)
  steps.set('knows 1', new Error('odd'))
  // Nobody publishes an event again: this one waits for another question, in the same round.
  hold(call('a', 1), call('e', 9, kinds.event))
  await passing()
  await passing(100)
  steps.delete('knows 1')
  await passing(200)
  t.true(done().includes('accept a'))
  steps.set('knows 0', new Error('odd'))
  await passing(100)
  t.deepEqual(done(), ['consider', 'knows 0', 'warning n1: version 2 could not be learned'])
  await passing(99)
  t.deepEqual(done(), [])
  await passing(1)
  t.deepEqual(done(), ['knows 0'])
})

test('a call whose time is over while its version is learned is not answered', async (t) => {
  const { hold, call, passing, done, known, steps } = await open()
  known.newest = 1
  const asking = gate()
  steps.set('knows 1', asking)
  const a = call('a', 1)
  hold(a)
  await passing()
  a.isRefused = true
  asking.open()
  await passing()
  t.false(done().includes('accept a'))
})

test('a call of a version that was learned and lost again waits until it is learned anew, but not on a node that has stopped', async (t) => {
  for (const stops of [false, true]) {
    const { hold, call, passing, done, known, software, learning, steps } = await open()
    known.newest = 1
    const { at } = software.chain
    software.chain.at = () => undefined
    const loading = gate()
    steps.set('load 1', loading)
    hold(call('a', 1))
    await passing()
    if (stops) learning.stop()
    loading.open()
    await passing()
    t.is(done().includes('refuse a: version.unknown'), stops)
    software.chain.at = at
    await passing(100)
    t.is(done().includes('accept a'), !stops)
  }
})

test('calls that are over are asked for no more', async (t) => {
  const { hold, call, passing, done, known, steps } = await open()
  known.newest = 1
  steps.set('fetch 1', new Fault('upgrade.fetch', 'not now'))
  const a = call('a', 1)
  hold(a)
  a.isRefused = true
  await passing(100)
  await passing(400)
  t.is(done().filter((entry) => entry === 'knows 1').length, 1)
})

test('only so many calls are held', async (t) => {
  const { hold, call, done, learning } = await open()
  hold(call('a', 1), call('b', 1), call('c', 1), call('d', 1))
  t.is(done().at(-1), 'refuse d: unavailable.overloaded')
  t.is(learning.stop().length, 3)
  t.is(learning.held, 0)
})

test('a call beyond a cut gets the fault of the cut', async (t) => {
  const { hold, call, passing, done, known, steps } = await open()
  known.newest = 1
  steps.set('load 1', new Fault('upgrade.invalid', 'unfit'))
  hold(call('a', 1))
  await passing()
  t.true(done().includes('refuse a: version.rejected'))
})
