/** Clocks that know the time of day only, and numbers of chance. */
import test from 'ava'
import { withMonotonic } from '../../core/ports/clock.js'
import { randomUint32 } from '../../core/ports/random.js'
import { ManualClock } from '../support/manualClock.js'

/** A clock of before `monotonicMs`. */
function wallClock(manual: ManualClock) {
  return {
    now: () => manual.now(),
    after: (ms: number, action: () => void) => manual.after(ms, action),
    turn: (action: () => void) => manual.turn(action),
  }
}

test('a number of chance has 32 bits, the smallest and the largest too', (t) => {
  t.is(randomUint32({ next: () => 0 }), 0)
  t.is(randomUint32({ next: () => 1 - 2 ** -53 }), 2 ** 32 - 1)
  t.is(randomUint32({ next: () => 2.5 / 2 ** 32 }), 2)
})

test('a clock that is made monotonic runs its timers and its turns as before', async (t) => {
  const manual = new ManualClock(5_000)
  const clock = withMonotonic(wallClock(manual))
  const ran: string[] = []
  clock.turn(() => ran.push('turn'))
  clock.after(10, () => ran.push('after'))
  clock.after(10, () => ran.push('cancelled'))()
  await manual.runUntil(5_010)
  t.deepEqual(ran, ['turn', 'after'])
})

test('a clock that is made monotonic goes on where the time of day is set back, as its timers do', async (t) => {
  const manual = new ManualClock(5_000)
  const clock = withMonotonic(wallClock(manual))
  const began = clock.monotonicMs()
  manual.setBy(-3_600_000)
  await manual.runUntil(9_000)
  t.true(clock.monotonicMs() - began >= 4_000)
})
