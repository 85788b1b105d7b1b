import 'reflect-metadata'
import test from 'ava'
import { TimerWheel, WheelEntry, wheelTickMs } from '../../actors/timerWheel.js'
import { type WallClock, withMonotonic } from '../../core/ports/clock.js'
import { ManualClock } from './manualClock.js'

class Entry extends WheelEntry {
  readonly at: number[] = []

  constructor(
    private readonly clock: ManualClock,
    private readonly then: () => void = () => {},
  ) {
    super()
  }

  override due(): void {
    this.at.push(this.clock.monotonicMs())
    this.then()
  }
}

function wheel() {
  const clock = new ManualClock()
  return { clock, wheel: new TimerWheel(clock), begin: clock.monotonicMs() }
}

test('what is due is called once, never early and at most one tick late', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const entries = [0, 1, 9, 10, 11, 55, 4_000].map((ms) => ({ ms, entry: new Entry(clock) }))
  for (const { ms, entry } of entries) w.set(entry, begin + ms)
  clock.advance(10_000)
  for (const { ms, entry } of entries) {
    t.is(entry.at.length, 1, `${ms}`)
    const late = entry.at[0]! - begin - ms
    t.true(late >= 0 && late <= 2 * wheelTickMs, `${ms} came ${late} ms late`)
  }
})

test('a deadline that lies several rounds of the wheel ahead is not called in an earlier round', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const far = new Entry(clock)
  const near = new Entry(clock)
  w.set(far, begin + 600_000)
  w.set(near, begin + 600_000 - 5_120 * 10)
  clock.advance(599_990)
  t.is(near.at.length, 1)
  t.deepEqual(far.at, [])
  clock.advance(30)
  t.is(far.at.length, 1)
})

test('a cleared entry is not called, nor one that another entry clears while both are due', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const cleared = new Entry(clock)
  w.set(cleared, begin + 50)
  w.clear(cleared)
  const second = new Entry(clock)
  const third = new Entry(clock)
  const first = new Entry(clock, () => w.clear(second))
  for (const entry of [first, second, third]) w.set(entry, begin + 50)
  clock.advance(1_000)
  t.deepEqual(
    [cleared, first, second, third].map(({ at }) => at.length),
    [0, 1, 0, 1],
  )
})

test('an entry that is set again moves, and may set itself again while it is due', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const moved = new Entry(clock)
  w.set(moved, begin + 50)
  w.set(moved, begin + 500)
  let left = 3
  const repeats: Entry = new Entry(clock, () => {
    if (--left > 0) w.set(repeats, clock.monotonicMs() + 5_120)
  })
  w.set(repeats, begin + 50)
  clock.advance(100)
  t.is(moved.at.length, 0)
  clock.advance(20_000)
  t.is(moved.at.length, 1)
  t.is(repeats.at.length, 3)
})

test('after a long pause of the process everything that was due is called, and nothing else', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const due = [10, 300, 6_000, 59_000].map((ms) => {
    const entry = new Entry(clock)
    w.set(entry, begin + ms)
    return entry
  })
  const later = new Entry(clock)
  w.set(later, begin + 70_000)
  clock.sleepThrough(60_000)
  clock.advance(20)
  t.deepEqual(
    due.map(({ at }) => at.length),
    [1, 1, 1, 1],
  )
  t.is(later.at.length, 0)
  clock.advance(10_100)
  t.is(later.at.length, 1)
})

test('an empty wheel asks nothing of the clock', (t) => {
  const { clock, wheel: w, begin } = wheel()
  t.is(clock.timers, 0)
  const entry = new Entry(clock)
  w.set(entry, begin + 50)
  t.is(clock.timers, 1)
  clock.advance(100)
  t.is(clock.timers, 0)
  w.set(entry, clock.monotonicMs() + 50)
  clock.advance(100)
  t.is(entry.at.length, 2)
})

test('an entry that another entry moves while both are due is called at its new time', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const second = new Entry(clock)
  const third = new Entry(clock)
  const first = new Entry(clock, () => w.set(second, begin + 500))
  for (const entry of [first, second, third]) w.set(entry, begin + 50)
  clock.advance(100)
  t.deepEqual(
    [first, second, third].map(({ at }) => at.length),
    [1, 0, 1],
  )
  clock.advance(500)
  t.deepEqual(second.at, [begin + 500])
})

test('one timer of the clock serves all entries', (t) => {
  const { clock, wheel: w, begin } = wheel()
  for (let i = 0; i < 5; i++) w.set(new Entry(clock), begin + 50 + i)
  t.is(clock.timers, 1)
  clock.advance(30)
  w.set(new Entry(clock), begin + 50)
  t.is(clock.timers, 1)
})

test('a wheel that begins to turn at any moment calls nothing late', (t) => {
  for (let startMs = 0; startMs < 2 * wheelTickMs; startMs++) {
    const { clock, wheel: w } = wheel()
    clock.advance(startMs)
    for (let ms = 0; ms <= 5 * wheelTickMs; ms++) {
      const entry = new Entry(clock)
      const dueMs = clock.monotonicMs() + ms
      w.set(entry, dueMs)
      clock.advance(200)
      t.is(entry.at.length, 1, `${startMs} ${ms}`)
      const lateMs = entry.at[0]! - dueMs
      t.true(lateMs >= 0 && lateMs <= 2 * wheelTickMs, `${startMs} ${ms}: ${lateMs} ms late`)
      clock.advance(5_000 + startMs)
    }
  }
})

test('whatever was due in a pause of the process is called right after it, wherever it waits on the wheel', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const entries = Array.from({ length: 1_200 }, (_, i) => {
    const entry = new Entry(clock)
    w.set(entry, begin + (i + 1) * wheelTickMs)
    return entry
  })
  clock.sleepThrough(60_000)
  t.true(entries.every(({ at }) => at.length === 1 && at[0] === begin + 60_000))
  const next = new Entry(clock)
  w.set(next, clock.monotonicMs() + 50)
  clock.advance(60)
  t.is(next.at.length, 1)
})

test('an entry that was not set, or has been called, may be cleared', (t) => {
  const { clock, wheel: w, begin } = wheel()
  const entry = new Entry(clock)
  w.clear(entry)
  w.set(entry, begin + 50)
  clock.advance(100)
  w.clear(entry)
  w.clear(entry)
  t.is(clock.timers, 0)
  w.set(entry, clock.monotonicMs() + 50)
  clock.advance(100)
  t.is(entry.at.length, 2)
})

const hourMs = 3_600_000

for (const [how, setByMs] of [
  ['back', -5 * hourMs],
  ['forward', 5 * hourMs],
] as const) {
  test(`the time of day is set ${how} by hours: what waits on the wheel, before and after, comes at its time`, (t) => {
    const { clock, wheel: w, begin } = wheel()
    const before = new Entry(clock)
    w.set(before, begin + 5_000)
    clock.advance(1_000)
    clock.setBy(setByMs)
    const after = new Entry(clock)
    w.set(after, clock.monotonicMs() + 100)
    clock.advance(10_000)
    for (const [entry, dueMs] of [
      [before, begin + 5_000],
      [after, begin + 1_100],
    ] as const) {
      t.is(entry.at.length, 1)
      const lateMs = entry.at[0]! - dueMs
      t.true(lateMs >= 0 && lateMs <= 2 * wheelTickMs, `${lateMs} ms late`)
    }
  })

  test(`a clock that knows the time of day only is set ${how} by hours: the wheel is right to about a second`, (t) => {
    const clock = new ManualClock()
    const wallClock: WallClock = {
      now: () => clock.now(),
      after: (ms, action) => clock.after(ms, action),
      turn: (action) => clock.turn(action),
    }
    const monotonic = withMonotonic(wallClock)
    const w = new TimerWheel(monotonic)
    const entry = new Entry(clock)
    const begin = clock.monotonicMs()
    w.set(entry, monotonic.monotonicMs() + 30_000)
    clock.advance(10_000)
    clock.setBy(setByMs)
    const readMs = monotonic.monotonicMs()
    clock.advance(5)
    t.true(monotonic.monotonicMs() >= readMs, 'it never goes back')
    clock.advance(60_000)
    t.is(entry.at.length, 1)
    const lateMs = entry.at[0]! - begin - 30_000
    t.true(Math.abs(lateMs) <= 2_100, `${lateMs} ms late`)
    clock.sleepThrough(hourMs)
    clock.advance(1_000)
    t.true(monotonic.monotonicMs() >= readMs)
  })
}
