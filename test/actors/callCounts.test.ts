/** How the calls of a node have gone, and how long they took. */
import test from 'ava'
import { CallTimes } from '../../actors/base/callTimes.js'
import { VersionTally } from '../../actors/base/versionTally.js'
import { CallCounts, noCalls } from '../../actors/serving/callCounts.js'
import { bucketOf } from '../../core/base/timeBuckets.js'

function open() {
  let nowMs = 1_000
  const timed: string[] = []
  const counts = new CallCounts({
    monotonicMs: () => nowMs,
    timed: (label, tookMs) => void timed.push(`${label} ${tookMs}`),
  })
  return {
    counts,
    timed,
    answers(times: number, tookMs = 0) {
      for (let i = 0; i < times; i++) {
        const began = nowMs
        nowMs += tookMs
        counts.count('answered', began, 2)
      }
    },
    setBack: () => {
      nowMs = 0
    },
  }
}

const outcomes = ({ answered, failed, threw, expired }: CallCounts) => ({ answered, failed, threw, expired })

test('each outcome is counted on its own; what user code threw is counted twice, as that and as failed', (t) => {
  const { counts } = open()
  t.deepEqual(outcomes(counts), { answered: 0, failed: 0, threw: 0, expired: 0 })
  for (const outcome of ['answered', 'threw', 'failed', 'failed', 'expired'] as const) counts.count(outcome, 0, 0)
  t.deepEqual(outcomes(counts), { answered: 1, failed: 2, threw: 1, expired: 1 })
})

test('one of eight answered calls is timed', (t) => {
  const { counts, timed, answers, setBack } = open()
  answers(7, 5)
  for (let i = 0; i < 16; i++) counts.count('failed', 0, 2)
  t.deepEqual(timed, [])
  answers(1, 5)
  t.deepEqual(timed, ['2 5'])
  answers(8, 7)
  t.deepEqual(timed, ['2 5', '2 7'])
  t.deepEqual(counts.sincePhase, { ended: 16, threw: 0, timed: 2, tookMs: 12 })
  answers(7)
  setBack()
  counts.count('answered', 500, 2)
  t.is(timed.at(-1), '2 0', 'never less than nothing')
})

test('what is told of a phase begins with it', (t) => {
  const { counts, answers } = open()
  answers(8, 5)
  counts.count('threw', 0, 2)
  t.deepEqual(counts.sincePhase, { ended: 9, threw: 1, timed: 1, tookMs: 5 })
  counts.phaseBegins()
  t.deepEqual(counts.sincePhase, { ended: 0, threw: 0, timed: 0, tookMs: 0 })
  answers(8, 7)
  counts.count('threw', 0, 2)
  t.deepEqual(counts.sincePhase, { ended: 9, threw: 1, timed: 1, tookMs: 7 })
})

test('times are kept by service and version, while somebody wants to know', (t) => {
  const times = new CallTimes()
  const of = (service: string, version: number) =>
    times.of(service, version).flatMap((count, i) => (count > 0 ? [[i, count]] : []))
  times.add('notes', 1, 5)
  t.deepEqual(times.of('notes', 1), [])
  times.keep(true)
  for (const ms of [5, 5, 500]) times.add('notes', 1, ms)
  times.add('notes', 2, 5)
  times.add('pages', 1, 5)
  times.keep(true)
  t.deepEqual(of('notes', 1), [
    [bucketOf(5), 2],
    [bucketOf(500), 1],
  ])
  t.deepEqual(of('notes', 2), [[bucketOf(5), 1]])
  t.deepEqual(of('pages', 1), [[bucketOf(5), 1]])
  t.deepEqual(of('pages', 2), [])
  times.keep(false)
  t.deepEqual(of('notes', 1), [])
  times.keep(true)
  t.deepEqual(of('notes', 1), [], 'from nothing on')
})

test('what has come of a version’s calls on several nodes is added up, by who answered them', (t) => {
  const all = new VersionTally(3)
  for (const [own, simulated] of [
    [5, 2],
    [1, 7],
  ] as const) {
    const one = new VersionTally(3)
    one.own.calls = own
    one.simulated.calls = simulated
    one.refused = own + 1
    one.failed = simulated + 1
    t.is(one.calls, own + simulated)
    all.add(one)
  }
  t.like(all, { version: 3, own: { calls: 6 }, simulated: { calls: 9 }, refused: 8, failed: 11, calls: 15 })
})

test('nodes without calls have the same counts, which stay 0 whatever phase begins', (t) => {
  noCalls.phaseBegins()
  t.deepEqual(outcomes(noCalls), { answered: 0, failed: 0, threw: 0, expired: 0 })
  t.deepEqual(noCalls.sincePhase, { ended: 0, threw: 0, timed: 0, tookMs: 0 })
})
