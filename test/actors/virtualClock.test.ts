/** The time of test systems: it passes by itself, in order, and in no time. */
import { setTimeout as realPause, setImmediate as turnOfLoop } from 'node:timers/promises'
import test from 'ava'
import { VirtualClock } from '../support/virtualClock.js'

test.serial('hours pass at once where nothing is left to do, and timers are due in their order', async (t) => {
  const clock = new VirtualClock(0)
  t.teardown(() => clock.stop())
  const due: [string, number][] = []
  for (const [name, ms] of [
    ['last', 7_200_000],
    ['first', 1],
    ['second', 1],
  ] as const)
    clock.after(ms, () => due.push([name, clock.now()]))
  const cancel = clock.after(5, () => due.push(['cancelled', clock.now()]))
  cancel()
  await clock.passes(7_200_000)
  t.deepEqual(due, [
    ['first', 1],
    ['second', 1],
    ['last', 7_200_000],
  ])
})

test.serial('no timer is due before the turns that were asked for are done, however many they ask for', async (t) => {
  const clock = new VirtualClock(0)
  t.teardown(() => clock.stop())
  let turns = 0
  const next = () => void (++turns < 10 && clock.turn(next))
  clock.turn(next)
  await clock.passes(60_000)
  t.is(turns, 10)
})

test.serial('where something is always done time passes all the same', async (t) => {
  const clock = new VirtualClock(0)
  t.teardown(() => clock.stop())
  let isBusy = true
  const again = () => void (isBusy && clock.turn(again))
  again()
  await clock.passes(5)
  isBusy = false
  t.is(clock.now(), 5)
})

test.serial('while the process waits for a real timer, time passes as real time does', async (t) => {
  const clock = new VirtualClock(0)
  t.teardown(() => clock.stop())
  let isOver = false
  const hour = clock.passes(3_600_000).then(() => {
    isOver = true
  })
  await realPause(20)
  t.false(isOver)
  t.true(clock.now() > 0 && clock.now() < 60_000, `${clock.now()}`)
  await hour
})

test.serial('while the process is held up no time passes, though it waits for a real timer', async (t) => {
  const clock = new VirtualClock(0)
  t.teardown(() => clock.stop())
  const pause = realPause(1)
  const untilMs = performance.now() + 50
  while (performance.now() < untilMs) Math.random()
  await turnOfLoop()
  t.true(clock.now() <= 10, `${clock.now()}`)
  await pause
})

test.serial('a clock that was stopped stands still', async (t) => {
  const clock = new VirtualClock(0)
  clock.after(1, () => t.fail('it is due'))
  t.true(VirtualClock.isRunning)
  clock.stop()
  for (let turn = 0; turn < 20; turn++) await turnOfLoop()
  t.is(clock.now(), 0)
  t.false(VirtualClock.isRunning)
})
