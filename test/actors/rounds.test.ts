/** Work that an upgrade server does again and again. */
import test from 'ava'
import { repeatEvery } from '../../actors/server/rounds.js'
import { ManualClock } from '../support/manualClock.js'
import { gate } from '../support/testSystem.js'

test('a round that fails is followed by the next one where nobody observes', async (t) => {
  const clock = new ManualClock()
  let rounds = 0
  const end = repeatEvery({ clock }, 10, 'nothing is done', () => {
    rounds++
    return Promise.reject(new Error('away'))
  })
  await clock.runUntil(clock.monotonicMs() + 30)
  t.is(rounds, 3)
  end()
})

test('the rounds end while one of them runs: there is none after it', async (t) => {
  const clock = new ManualClock()
  const held = gate()
  let rounds = 0
  const end = repeatEvery({ clock }, 10, 'nothing is done', () => {
    rounds++
    return held.pass()
  })
  await clock.runUntil(clock.monotonicMs() + 10)
  t.is(rounds, 1)
  end()
  held.open()
  await clock.runUntil(clock.monotonicMs() + 100)
  t.is(rounds, 1)
  t.is(clock.timers, 0)
})
