/** How calls have ended is counted by version. */
import test from 'ava'
import { VersionTallies } from '../../actors/serving/versionTallies.js'
import { Fault } from '../../core/base/fault.js'

test('each version has one tally; a list that is looked at stays as it was', (t) => {
  const tallies = new VersionTallies()
  const first = tallies.of(1)
  const seen = tallies.all
  const second = tallies.of(2)
  t.is(tallies.of(1), first)
  t.is(tallies.of(2), second)
  t.deepEqual(seen, [first])
  t.deepEqual(tallies.all, [first, second])
  t.deepEqual([first.version, second.version], [1, 2])
})

test('what a simulation object refuses is counted apart from what has failed', (t) => {
  const tallies = new VersionTallies()
  tallies.countFailure(1, new Fault('simulation.refused', 'no'))
  for (const fault of [undefined, new Fault('application.error', 'no')]) tallies.countFailure(1, fault)
  const { refused, failed } = tallies.of(1)
  t.deepEqual({ refused, failed }, { refused: 1, failed: 2 })
})
