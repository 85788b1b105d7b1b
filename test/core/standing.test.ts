/**
 * How far the upgrade database can be believed (core/control/standing.ts): when it is on
 * probation, and until when.
 */
import test from 'ava'
import {
  type Attendance,
  doubtNow,
  isBegunBy,
  nextEpoch,
  type Session,
  stampKeptMs,
  unknownLeaseMs,
  type Visit,
  visited,
} from '../../core/control/standing.js'
import { nothingDead } from '../../core/control/upgradeDatabase.js'

const leaseMs = 900
const run = 'process 1'
/** Any moment; a day is in the past by then. */
const t0 = 10 * stampKeptMs

const session = (change: Partial<Session> = {}): Session => ({
  id: 'h1',
  hostId: 'host1',
  directoryId: 'dir1',
  ageMs: 0,
  stampMs: 0,
  epoch: null,
  ...change,
})
const visit = (nowMs: number, change: Partial<Visit> = {}): Visit => ({
  nowMs,
  run,
  session: session(),
  stampMs: undefined,
  leaseMs,
  ...change,
})
/** A database that was heard at `t0` and is believed. */
const trusted = (change: Partial<Attendance> = {}): Attendance => ({ ...visited(undefined, visit(t0)), ...change })
const doubtful = (doubt: Attendance['doubt'], untilMs = t0 + leaseMs, change: Partial<Attendance> = {}) =>
  trusted({ doubt, untilMs, ...change })

test('a new database is believed by those who have seen nothing before', (t) => {
  t.deepEqual(trusted(), { epoch: `${t0}-h1`, run, heardMs: t0, leaseMs, doubt: null, untilMs: 0 })
  t.is(doubtNow(trusted(), t0, run), null)
  // One without nodes names no lease.
  t.is(visited(undefined, visit(t0, { leaseMs: null })).leaseMs, 0)
})

test('P2: a database that does not have a visitor’s newest stamp has lost something, also when it is empty', (t) => {
  const witness = session({ stampMs: t0 - 5 })
  const lost = { doubt: 'lost', untilMs: t0 + leaseMs, epoch: `${t0}-h1` }
  t.like(visited(undefined, visit(t0, { session: witness })), lost)
  t.like(visited(trusted({ epoch: 'before' }), visit(t0, { session: witness, stampMs: t0 - 6 })), lost)
  t.like(visited(trusted({ epoch: 'before' }), visit(t0, { session: witness })), lost)
  // It has this one, or a newer.
  for (const stampMs of [t0 - 5, t0])
    t.like(visited(trusted({ epoch: 'before' }), visit(t0, { session: witness, stampMs })), { doubt: null, epoch: 'before' })
  // A visitor that has seen nothing is no witness, whatever the database has.
  t.is(visited(trusted(), visit(t0, { stampMs: -5 })).doubt, null)
})

test('P2: an empty database that hears a host that has served before has lost something; one that others have told of has not', (t) => {
  const back = session({ ended: ['before'] })
  t.like(visited(undefined, visit(t0, { session: back })), { doubt: 'lost', untilMs: t0 + leaseMs })
  t.is(visited(undefined, visit(t0, { session: session({ ended: [] }) })).doubt, null)
  t.is(visited(trusted(), visit(t0, { session: back })).doubt, null)
})

test('an epoch tells with whose visit it began', (t) => {
  const mine = { id: 'h1' }
  const first = nextEpoch(undefined, 5, session())
  const again = nextEpoch({ epoch: first } as Attendance, 5, session())
  t.not(again, first)
  for (const epoch of [first, again]) {
    t.true(isBegunBy(epoch, mine))
    t.false(isBegunBy(epoch, { id: '1' }))
    t.false(isBegunBy(epoch, { id: 'h' }))
  }
})

test('P2: a stamp that is older than stamps are kept proves nothing', (t) => {
  const old = (stampMs: number) => visited(trusted(), visit(t0, { session: session({ stampMs }) })).doubt
  t.is(old(t0 - stampKeptMs), null)
  t.is(old(t0 - stampKeptMs + 1), 'lost')
})

test('another process that answers is on probation for a lease, and in another epoch', (t) => {
  const before = trusted({ epoch: 'before' })
  const after = visited(before, visit(t0 + 1, { run: 'process 2' }))
  t.like(after, { doubt: 'restarted', run: 'process 2', untilMs: t0 + 1 + leaseMs, epoch: `${t0 + 1}-h1`, heardMs: t0 + 1 })
  t.is(doubtNow(before, t0, 'process 2'), 'restarted')
  t.is(doubtNow(after, t0 + leaseMs, 'process 2'), 'restarted')
  t.is(doubtNow(after, t0 + 1 + leaseMs, 'process 2'), 'silent')
})

test('a host that has not told of all its nodes makes a probation last, in the same epoch; one that has does not', (t) => {
  for (const doubt of ['lost', 'restarted'] as const) {
    const before = doubtful(doubt, t0 + 100, { epoch: 'now' })
    const heard = (change: Partial<Session>, lease: number | null = leaseMs) =>
      visited(before, visit(t0 + 50, { session: session(change), leaseMs: lease }))
    t.like(heard({ stampMs: 5, epoch: 'before' }), { doubt, untilMs: t0 + 50 + leaseMs, epoch: 'now' })
    t.like(heard({ stampMs: 5, epoch: null }), { doubt, untilMs: t0 + 50 + leaseMs })
    t.like(heard({ stampMs: 5, epoch: 'now' }), { doubt, untilMs: t0 + 100 })
    // It is new, or has no nodes.
    t.like(heard({ stampMs: 0 }), { doubt, untilMs: t0 + 100 })
    t.like(heard({ stampMs: 5, epoch: 'before' }, null), { doubt, untilMs: t0 + 100 })
  }
})

test('a probation ends when its time has come, by whoever is heard then', (t) => {
  const before = doubtful('lost', t0 + 100)
  t.is(doubtNow(before, t0 + 99, run), 'lost')
  t.is(doubtNow(before, t0 + 100, run), null)
  t.like(visited(before, visit(t0 + 100, { session: session({ stampMs: t0, epoch: before.epoch }), stampMs: t0 })), {
    doubt: null,
    untilMs: 0,
  })
})

test('a clock that was set back makes no probation longer than a lease', (t) => {
  t.is(visited(doubtful('lost', t0 + 50 * leaseMs), visit(t0)).untilMs, t0 + leaseMs)
  t.is(visited(doubtful('silent', t0 + 50 * leaseMs), visit(t0)).untilMs, t0 + leaseMs)
})

test('P4: when nobody was heard for more than half a lease every node has a whole lease to be heard, in the same epoch', (t) => {
  const before = trusted({ epoch: 'before' })
  t.is(doubtNow(before, t0 + leaseMs / 2, run), null)
  t.is(doubtNow(before, t0 + leaseMs / 2 + 1, run), 'silent')
  t.is(visited(before, visit(t0 + leaseMs / 2)).doubt, null)
  const at = t0 + leaseMs / 2 + 1
  const after = visited(before, visit(at))
  t.like(after, { doubt: 'silent', epoch: 'before', untilMs: at + leaseMs, heardMs: at })
  // It lasts, whoever is heard meanwhile, and turns into more when somebody has seen more.
  t.like(visited(after, visit(at + 10)), { doubt: 'silent', untilMs: at + leaseMs })
  t.like(visited(after, visit(at + 10, { session: session({ stampMs: at }) })), { doubt: 'lost', untilMs: at + 10 + leaseMs })
  // Before any host was heard there is no silence.
  t.is(doubtNow(trusted({ leaseMs: 0 }), t0 + stampKeptMs, run), null)
  t.is(visited(trusted({ leaseMs: 0 }), visit(t0 + stampKeptMs, { leaseMs: null })).doubt, null)
})

test('before a host has named its lease, one is assumed', (t) => {
  const lost = visited(undefined, visit(t0, { leaseMs: null, session: session({ stampMs: t0 }) }))
  t.like(lost, { doubt: 'lost', untilMs: t0 + unknownLeaseMs, leaseMs: 0 })
  t.is(visited({ ...lost, untilMs: t0 + 10 * unknownLeaseMs }, visit(t0, { leaseMs: null })).untilMs, t0 + unknownLeaseMs)
  // One that has none of its own leaves the hosts’.
  t.is(visited(trusted(), visit(t0, { leaseMs: null })).leaseMs, leaseMs)
  t.is(visited(trusted(), visit(t0, { leaseMs: 5 })).leaseMs, 5)
})

test('epochs differ, also within the same millisecond', (t) => {
  const first = trusted()
  t.is(nextEpoch(undefined, t0, session()), first.epoch)
  t.not(nextEpoch(first, t0, session()), first.epoch)
  t.is(nextEpoch(first, t0 + 1, session()), `${t0 + 1}-h1`)
})

test('at first no version is dead, since the beginning of time', (t) => {
  t.deepEqual(nothingDead, { below: 0, sinceMs: 0, inForce: 0 })
})
