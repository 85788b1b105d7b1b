/** A daily window: when it is open, and what becomes of its schedule when it closes. */
import test from 'ava'
import type { Fault } from '../../core/base/fault.js'
import { within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { type Schedule, type SchedulingView, schedule } from '../../core/schedules/schedule.js'
import { ManualClock } from '../support/manualClock.js'

const hour = 3_600_000

/**
 * Runs a schedule in a window from 23:30 for two hours; tells at which hour it signalled, and
 * for how long it slept each time.
 */
async function windowed(startHour: number, inner: Schedule) {
  const clock = new ManualClock(startHour * hour)
  const slept: number[] = []
  const view = {
    now: () => clock.now(),
    sleep: (ms: number) => {
      slept.push(ms)
      return new Promise<void>((resolve) => clock.after(ms, resolve))
    },
    signal: new AbortController().signal,
  } as unknown as SchedulingView
  let at: number | undefined
  let failure: unknown
  within({ from: '23:30', for: '2h' }, inner)
    .run(view)
    .then(
      () => (at = clock.now() / hour),
      (error) => (failure = error),
    )
  await clock.runUntil(clock.monotonicMs() + 60 * hour)
  return { at, failure, slept }
}

test('a window is open from its beginning to its end, also past midnight', async (t) => {
  for (const [start, at] of [
    [23.5, 23.5],
    [25.4, 25.4],
    [1.4, 1.4],
    [1.5, 23.5],
    [12, 23.5],
    [23, 23.5],
    [25.5, 47.5],
  ] as const)
    t.is((await windowed(start, eagerly())).at, at, `from ${start}`)
})

test('a window is looked for every ten minutes, and no longer than it takes', async (t) => {
  const closed = async (start: number) => (await windowed(start, eagerly())).slept.slice(0, 3)
  t.deepEqual(await closed(23), [600_000, 600_000, 600_000])
  t.deepEqual((await closed(23.25)).slice(0, 2), [600_000, 300_000])
})

test('a window that closes ends its schedule, which is asked anew in the next one', async (t) => {
  const asked: number[] = []
  const ends: string[] = []
  const second = schedule('second night', async (view) => {
    asked.push(view.now() / hour)
    if (asked.length === 2) return
    await new Promise((_, reject) => view.signal.addEventListener('abort', () => reject(view.signal.reason))).catch((error) => {
      ends.push((error as Fault).message)
      throw error
    })
  })
  t.is((await windowed(23.5, second)).at, 47.5)
  t.deepEqual(asked, [23.5, 47.5])
  t.deepEqual(ends, ['the window closed at 1970-01-02T01:30:00.000Z'])
})

test('a schedule that signals or fails before the window closes is watched no longer', async (t) => {
  const slow = schedule('slow', (view) => view.sleep(hour))
  const { at, slept } = await windowed(23.5, slow)
  t.is(at, 24.5)
  // Looks at the window, six in the hour; one may be under way when it signals.
  t.true(slept.length <= 9, String(slept))
  const broken = schedule('broken', async () => {
    throw new Error('no such table')
  })
  t.is(String((await windowed(23.5, broken)).failure), 'Error: no such table')
})
