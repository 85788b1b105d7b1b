/** Durations, as people write them. */
import test from 'ava'
import { type Duration, milliseconds } from '../../core/base/duration.js'

test('a duration is a number of milliseconds, or a number with its unit', (t) => {
  const durations: readonly (readonly [Duration, number])[] = [
    [0, 0],
    [250, 250],
    [0.5, 0.5],
    ['250ms', 250],
    ['10s', 10_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
  ]
  for (const [duration, ms] of durations) t.is(milliseconds(duration), ms, `${duration}`)
})

test('something else is no duration', (t) => {
  for (const wrong of ['', '5', '5 m', '-5s', 's', '1.s', '5d', '5m5s', -1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => milliseconds(wrong as Duration), {
      code: 'config.invalid',
      message: `duration ${JSON.stringify(wrong)}: use milliseconds, or a number with ms, s, m or h`,
    })
})
