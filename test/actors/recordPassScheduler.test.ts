/**
 * The background work of lazy transforms takes turns among the nodes of a host, and takes no more than its
 * share of the event loop.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { type Passing, RecordPassScheduler } from '../../actors/state/recordPassScheduler.js'
import type { Clock } from '../../core/ports/clock.js'
import { ManualClock } from './manualClock.js'

const bounds = { recordsPerPass: 10, passMs: 20, passShareMax: 0.2, passPauseMs: 50, passPauseMsMax: 400 }

function open(settings: Partial<HostSettings> = {}) {
  const clock = new ManualClock()
  /** Time that work took. */
  let spentMs = 0
  const busyClock: Clock = {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs() + spentMs,
    after: (ms, action) => clock.after(ms, action),
    turn: (action) => clock.turn(action),
  }
  const passes = new RecordPassScheduler(busyClock, { ...defaultSettings, system: 's', hostId: 'h', ...bounds, ...settings })
  const log: string[] = []
  /** Makes as many as it may, up to so many at once, until it has made them all. */
  const node = (name: string, left: number, { atOnce = Number.POSITIVE_INFINITY, eachMs = 0 } = {}): Passing => ({
    get isDone() {
      return left <= 0
    },
    pass(most) {
      const made = Math.min(most, atOnce, left)
      left -= made
      spentMs += made * eachMs
      log.push(`${name} ${made}`)
      return made
    },
  })
  const busy = (name: string): Passing => ({
    isDone: false,
    pass() {
      log.push(`${name} busy`)
      return 0
    },
  })
  return { clock, passes, log, node, busy, done: () => log.splice(0) }
}

test('so many records are made in one pass, then the next node comes', (t) => {
  const { clock, passes, node, done } = open()
  passes.add(node('a', 12, { atOnce: 6 }))
  passes.add(node('b', 7))
  t.deepEqual(done(), [])
  clock.advance(0)
  t.deepEqual(done(), ['a 6', 'b 4'])
  clock.advance(49)
  t.deepEqual(done(), [])
  clock.advance(1)
  t.deepEqual(done(), ['a 6', 'b 3'])
  clock.advance(1_000)
  t.deepEqual(done(), [])
  t.is(clock.timers, 0)
})

test('a node for which a pass has no records left is the first of the next', (t) => {
  const { clock, passes, node, done } = open()
  passes.add(node('a', 12, { atOnce: 6 }))
  passes.add(node('b', 4))
  passes.add(node('c', 5))
  clock.advance(0)
  t.deepEqual(done(), ['a 6', 'b 4'])
  clock.advance(50)
  t.deepEqual(done(), ['c 5', 'a 5'])
})

test('a node comes once in a pass, also when it is the only one', (t) => {
  const { clock, passes, node, done } = open()
  passes.add(node('a', 4, { atOnce: 2 }))
  clock.advance(0)
  t.deepEqual(done(), ['a 2'])
  clock.advance(50)
  t.deepEqual(done(), ['a 2'])
})

test('a pass ends when its time is over, and the pause after it leaves the others their share', (t) => {
  const { clock, passes, node, done } = open()
  passes.add(node('a', 30, { atOnce: 2, eachMs: 10 }))
  passes.add(node('b', 30, { atOnce: 2, eachMs: 10 }))
  clock.advance(0)
  t.deepEqual(done(), ['a 2'])
  clock.advance(79)
  t.deepEqual(done(), [])
  clock.advance(1)
  t.deepEqual(done(), ['b 2'])
})

test('where nobody can do anything it is looked less and less often, and often again when somebody can', (t) => {
  const { clock, passes, busy, node, done } = open()
  passes.add(busy('a'))
  clock.advance(0)
  t.deepEqual(done(), ['a busy'])
  for (const pauseMs of [50, 100, 200, 400, 400]) {
    clock.advance(pauseMs - 1)
    t.deepEqual(done(), [])
    clock.advance(1)
    t.deepEqual(done(), ['a busy'])
  }
  passes.add(node('b', 2, { atOnce: 1 }))
  t.is(clock.timers, 1)
  clock.advance(400)
  t.deepEqual(done(), ['a busy', 'b 1'])
  clock.advance(50)
  t.deepEqual(done(), ['a busy', 'b 1'])
})

test('a node that is removed is passed no more, and without any nothing is waited for', (t) => {
  const { clock, passes, busy, done } = open()
  const a = busy('a')
  passes.add(a)
  clock.advance(0)
  passes.remove(a)
  clock.advance(1_000)
  t.deepEqual(done(), ['a busy'])
  t.is(clock.timers, 0)
  passes.add(a)
  clock.advance(0)
  t.deepEqual(done(), ['a busy'])
})
