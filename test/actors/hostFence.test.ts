/** Whether a host may answer after it did not run for a while (F1, F2). */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { HostFence } from '../../actors/registration/hostFence.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Transport } from '../../core/ports/transport.js'
import { gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))
const longLeaseMs = 10_000
const leaseMs = longLeaseMs
const stallMs = 1_000

function open(leaseMs = longLeaseMs) {
  const clock = new ManualClock()
  const events: HostEvent[] = []
  const flushes: ReturnType<typeof gate>[] = []
  const transport = {
    flush() {
      const flush = gate()
      flushes.push(flush)
      return flush.pass()
    },
  } as unknown as Transport
  const settings = { ...defaultSettings, system: 's', hostId: 'h', leaseMs, stallMs }
  const fence = new HostFence(clock, settings, (event) => void events.push(event), transport)
  const asked: ReturnType<typeof gate>[] = []
  const ask = async () => {
    const answer = gate()
    asked.push(answer)
    await answer.pass()
  }
  return { clock, fence, ask, events, flushes, asked, isClosed: () => fence.isClosed(clock.monotonicMs()) }
}

/** The process does not run, and nothing of it happens, until something arrives. */
function standStill({ clock }: ReturnType<typeof open>, ms: number): void {
  clock.stop(ms)
}

test('a host that runs asks for nothing as long as it is asked for its nodes in time', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  for (let i = 0; i < 5; i++) {
    s.clock.advance(leaseMs)
    s.fence.asked(s.fence.moment())
    t.false(s.isClosed())
  }
  t.deepEqual([s.asked.length, s.flushes.length, s.fence.lateMs], [0, 0, 0])
})

test('F1: after more than a lease without a question to the database a host asks, once, and holds what arrives', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  s.clock.advance(leaseMs)
  t.false(s.isClosed())
  s.clock.advance(stallMs)
  t.true(s.isClosed())
  const done: string[] = []
  t.true(s.fence.holds(() => done.push('first')))
  s.fence.whenOpen(() => done.push('second'))
  t.is(s.fence.waiting, 2)
  s.clock.advance(leaseMs / 2)
  t.is(s.asked.length, 1)
  t.deepEqual(done, [])
  s.asked[0]!.open()
  await settled()
  t.deepEqual(done, ['first', 'second'])
  t.is(s.fence.waiting, 0)
  // The answer came late, for a question of long ago.
  s.fence.asked(s.fence.moment())
  s.clock.advance(stallMs)
  t.is(s.asked.length, 1)
})

test('F1: a host that stands still once more while it asks does not believe an answer from before that', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  standStill(s, leaseMs + stallMs)
  t.true(s.isClosed())
  const done: string[] = []
  s.fence.whenOpen(() => done.push('carried out'))
  t.is(s.asked.length, 1)
  standStill(s, leaseMs + 1)
  s.asked[0]!.open()
  await settled()
  t.deepEqual([done, s.asked.length, s.isClosed()], [[], 2, true])
  standStill(s, leaseMs)
  s.asked[1]!.open()
  await settled()
  t.deepEqual([done, s.asked.length, s.isClosed()], [['carried out'], 2, false])
})

test('F1: a host that stops while it asks asks no more', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  standStill(s, leaseMs + stallMs)
  t.true(s.isClosed())
  s.fence.stop()
  standStill(s, 5 * leaseMs)
  s.asked[0]!.open()
  await settled()
  t.is(s.asked.length, 1)
})

test('a host whose question is answered soon does not ask again before a lease has passed', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  s.clock.advance(leaseMs + stallMs)
  s.asked[0]!.open()
  await settled()
  s.clock.advance(leaseMs - stallMs)
  t.is(s.asked.length, 1)
  t.false(s.isClosed())
})

test('of a lease that is shorter than a standstill half is the longest gap', (t) => {
  const s = open(600)
  s.fence.start(s.ask)
  standStill(s, 300)
  t.false(s.isClosed())
  t.is(s.flushes.length, 0)
  standStill(s, 301)
  t.true(s.isClosed())
  t.is(s.fence.lateMs, 601)
})

test('the question counts from when it was asked: what was asked before long is asked again', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  s.clock.advance(leaseMs + stallMs)
  t.is(s.asked.length, 1)
  const [event] = s.events
  t.true(event?.type === 'warning' && /^this host has stood still for 1\d s: it asks/.test(event.message))
  s.clock.advance(leaseMs - stallMs)
  s.asked[0]!.open()
  await settled()
  t.false(s.isClosed())
  t.false(s.fence.holds(() => t.fail('it is not held')))
  s.clock.advance(2 * stallMs)
  t.is(s.asked.length, 2)
})

test('a question that was asked again counts from the last time', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  s.clock.advance(leaseMs + stallMs)
  t.true(s.isClosed())
  // Its first part has the fence itself as its beginning.
  s.clock.advance(leaseMs)
  s.fence.asked(s.fence.moment())
  s.asked[0]!.open()
  await settled()
  s.clock.advance(stallMs)
  t.false(s.isClosed())
  t.is(s.asked.length, 1)
})

test('a gap in the time of day counts as well: a machine may have been suspended', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  s.clock.setBy(leaseMs + 1)
  s.clock.advance(stallMs)
  t.true(s.isClosed())
  s.asked[0]!.open()
  await settled()
  t.false(s.isClosed())
  // Set back, it says nothing.
  s.clock.setBy(-leaseMs)
  s.clock.advance(stallMs)
  t.is(s.asked.length, 1)
})

test('what arrives first after a standstill finds the host closed', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  standStill(s, leaseMs)
  t.false(s.isClosed(), 'not for longer than a lease')
  standStill(s, leaseMs + 1)
  t.true(s.isClosed())
  t.is(s.asked.length, 1)
})

test('F2: what arrives after a gap may have waited as long as the longest one, until all of it has arrived', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  standStill(s, stallMs)
  t.false(s.isClosed())
  t.is(s.fence.lateMs, 0, 'no gap worth the name')
  s.clock.advance(stallMs)
  t.is(s.fence.lateMs, 0)
  standStill(s, 3_000)
  t.false(s.isClosed())
  t.is(s.fence.lateMs, 3_000)
  standStill(s, 2_000)
  t.false(s.isClosed())
  t.is(s.fence.lateMs, 3_000)
  t.is(s.flushes.length, 2)
  s.flushes[0]!.open()
  await settled()
  t.is(s.fence.lateMs, 3_000, 'of the newer gap not all has arrived')
  s.flushes[1]!.open()
  await settled()
  t.is(s.fence.lateMs, 0)
  standStill(s, 2_000)
  t.false(s.isClosed())
  t.is(s.fence.lateMs, 2_000)
  s.flushes[2]!.fail(new Error('disconnected'))
  await settled()
  t.is(s.fence.lateMs, 0, 'nothing of before arrives over a new connection')
})

test('before its start and after its stop a host holds nothing, and a stop drops what it held: whose it is, nobody has said', async (t) => {
  const s = open()
  t.false(s.isClosed())
  t.is(s.clock.timers, 0)
  // The time before counts for nothing.
  standStill(s, 5 * leaseMs)
  t.false(s.isClosed())
  s.fence.start(s.ask)
  s.fence.start(s.ask)
  t.is(s.clock.timers, 1)
  t.false(s.isClosed())
  t.is(s.fence.lateMs, 0)
  s.clock.advance(stallMs)
  t.false(s.isClosed())
  standStill(s, leaseMs + 1)
  t.true(s.isClosed())
  const done: string[] = []
  s.fence.whenOpen(() => done.push('let go'))
  s.fence.stop()
  t.deepEqual(done, [])
  t.is(s.fence.waiting, 0)
  t.is(s.clock.timers, 0)
  t.false(s.isClosed())
  s.asked[0]!.open()
  await settled()
  t.deepEqual(done, [])
  s.clock.advance(5 * leaseMs)
  t.is(s.asked.length, 1)
})

test('a look for gaps that was due when the host stopped finds none', (t) => {
  const s = open()
  const looks: (() => void)[] = []
  s.clock.after = (_, look) => {
    looks.push(look)
    return () => {}
  }
  s.fence.start(s.ask)
  standStill(s, leaseMs + 1)
  s.fence.stop()
  looks[0]!()
  t.deepEqual([s.events, s.asked.length, looks.length], [[], 0, 1])
})

test('a host that stops while it looks for gaps looks no more', (t) => {
  const s = open()
  s.fence.start(async () => s.fence.stop())
  s.clock.advance(2 * leaseMs)
  t.is(s.clock.timers, 0)
})

test('who waits until it is open waits while the database is asked, and not otherwise', async (t) => {
  const s = open()
  s.fence.start(s.ask)
  await s.fence.opened()
  standStill(s, leaseMs + 1)
  let isOpen = false
  const opened = s.fence.opened().then(() => {
    isOpen = true
  })
  await settled()
  t.false(isOpen)
  s.asked[0]!.open()
  await opened
})
