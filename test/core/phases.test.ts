import test from 'ava'
import { isOfStage, isPhase, notServing, phases, stageOf } from '../../core/base/phases.js'

test('each phase has a stage, in the order in which a node passes them', (t) => {
  t.deepEqual(
    phases.map((phase) => `${phase}: ${stageOf(phase)}`),
    [
      'current: idle',
      'fetching: preparing',
      'verifying: preparing',
      'scheduled: waiting',
      'draining: changing',
      'transforming: changing',
      'checking: changing',
      'flipping: changing',
      'recovering: changing',
      'stalled: stuck',
      'rejected: stuck',
      'failed: failed',
    ],
  )
})

test('a node does not serve from its drain on until it is back, nor after it has failed', (t) => {
  t.deepEqual([...notServing], ['draining', 'transforming', 'checking', 'flipping', 'recovering', 'failed'])
})

test('a phase may be asked for one of several stages', (t) => {
  t.true(isOfStage('rejected', 'idle', 'stuck'))
  t.false(isOfStage('rejected', 'idle', 'failed'))
})

test('only a name of a phase is one', (t) => {
  t.true(isPhase('scheduled'))
  for (const other of ['idle', 'toString', '__proto__', '', 1, undefined, ['current']]) t.false(isPhase(other))
})
