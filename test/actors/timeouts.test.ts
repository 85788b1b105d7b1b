/** Waits that end: with what is waited for, by the clock, or when they are broken off. */
import test from 'ava'
import { backoffMs, sleep, within } from '../../actors/base/timeouts.js'
import { Fault } from '../../core/base/fault.js'
import { gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))
const late = () => new Fault('timeout.deadline', 'late')

test('work that ends in time ends its wait, and nothing more is asked of the clock', async (t) => {
  const clock = new ManualClock()
  t.is(await within(clock, 100, Promise.resolve('done'), late), 'done')
  await t.throwsAsync(within(clock, 100, Promise.reject(new Error('no')), late), { message: 'no' })
  t.is(clock.timers, 0)
})

test('work that does not end is waited for so long; what it does later is nobody’s', async (t) => {
  const clock = new ManualClock()
  const [ends, fails] = [gate(), gate()]
  const waits = [within(clock, 100, ends.pass(), late), within(clock, 100, fails.pass(), late)]
  const heard: string[] = []
  for (const wait of waits) wait.catch((fault: Fault) => heard.push(fault.message))
  clock.advance(99)
  await settled()
  t.deepEqual(heard, [])
  clock.advance(1)
  await settled()
  t.deepEqual(heard, ['late', 'late'])
  ends.open()
  fails.fail(new Error('no'))
  await settled()
  t.deepEqual(heard, ['late', 'late'])
})

test('a sleep ends at its time, and leaves nothing behind at its signal', async (t) => {
  const clock = new ManualClock()
  const abort = new AbortController()
  let listeners = 0
  const { signal } = abort
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }
  let woken = 0
  const sleeps = [sleep(clock, 100), sleep(clock, 100, signal)].map((each) => each.then(() => woken++))
  clock.advance(99)
  await settled()
  t.is(woken, 0)
  clock.advance(1)
  await Promise.all(sleeps)
  t.is(listeners, 0)
})

test('a sleep that is broken off rejects with the reason, at once, and asks nothing more of the clock', async (t) => {
  const clock = new ManualClock()
  const abort = new AbortController()
  const broken = sleep(clock, 100, abort.signal)
  abort.abort(new Error('stopped'))
  await t.throwsAsync(broken, { message: 'stopped' })
  t.is(clock.timers, 0)
  await t.throwsAsync(sleep(clock, 100, abort.signal), { message: 'stopped' })
  t.is(clock.timers, 0)
})

test('pauses double up to a bound, with up to a quarter more by chance', (t) => {
  t.deepEqual(
    [0, 1, 2, 3, 4].map((failures) => backoffMs(failures, 100, 1_000, 0)),
    [100, 200, 400, 800, 1_000],
  )
  t.is(backoffMs(1, 100, 1_000, 1), 250)
  t.is(backoffMs(1_000_000, 100, 1_000, 0.5), 1_125)
  // However often it has failed, the number stays one.
  t.is(backoffMs(20, 1, Number.POSITIVE_INFINITY, 0), 2 ** 20)
  t.is(backoffMs(5_000, 1, Number.POSITIVE_INFINITY, 0), 2 ** 20)
})
