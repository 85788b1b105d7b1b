/**
 * However many nodes wait for a control, their host reads the controls once for all of them, and not more
 * often than its settings say.
 */
import 'reflect-metadata'
import { getEventListeners } from 'node:events'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Controls } from '../../actors/registration/controls.js'
import type { Control } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { ManualClock } from './manualClock.js'

const pause: Control = { kind: 'pause', version: 1, reason: 'lunch', since: 0 }
const settle = () => new Promise(setImmediate)

function open(chance = 0) {
  const clock = new ManualClock()
  const there: { readings: number; controls: readonly Control[] | undefined } = { readings: 0, controls: [pause] }
  const database = {
    controls: async () => {
      there.readings++
      if (there.controls === undefined) throw new Error('away')
      return there.controls
    },
  } as unknown as UpgradeDatabase
  const settings = { ...defaultSettings, system: 's', hostId: 'h', controlsMs: 1_000 }
  return { clock, there, controls: new Controls(database, clock, { next: () => chance } as never, settings) }
}

test('a thousand nodes that wait read the controls once in controlsMs, together, also while the database is away', async (t) => {
  const { clock, there, controls } = open()
  const over = new AbortController()
  const isOver = (all: readonly Control[]) => all.length === 0
  const waiting = Array.from({ length: 1_000 }, () => controls.until(isOver, over.signal))
  await settle()
  t.is(there.readings, 1)
  t.deepEqual(controls.latest, [pause])
  for (const controlsThere of [[pause], undefined, [pause]] as const) {
    there.controls = controlsThere
    const before = there.readings
    clock.advance(999)
    waiting.push(controls.until(isOver, over.signal))
    await settle()
    t.is(there.readings, before)
    clock.advance(1)
    await settle()
    t.is(there.readings, before + 1)
  }
  there.controls = []
  clock.advance(1_000)
  t.is((await Promise.all(waiting)).length, 1_003)
  const before = there.readings
  clock.advance(60_000)
  await settle()
  t.is(there.readings, before, 'nobody waits')
})

test('who waits no more is not waited for: nothing is read for it', async (t) => {
  const { clock, there, controls } = open()
  const over = new AbortController()
  const waiting = controls.until(() => false, over.signal)
  over.abort(new Error('stopped'))
  await t.throwsAsync(waiting, { message: 'stopped' })
  await t.throwsAsync(
    controls.until(() => false, over.signal),
    { message: 'stopped' },
  )
  await settle()
  clock.advance(60_000)
  await settle()
  t.is(there.readings, 1)
})

test('hosts do not all read at once: each one pauses for up to a quarter longer', async (t) => {
  const { clock, there, controls } = open(0.8)
  const over = new AbortController()
  controls.until(() => false, over.signal).catch(() => {})
  await settle()
  for (const readings of [1, 2, 3]) {
    clock.advance(1_199)
    await settle()
    t.is(there.readings, readings)
    clock.advance(1)
    await settle()
    t.is(there.readings, readings + 1)
  }
  over.abort()
})

test('who has been told leaves nothing behind at its signal', async (t) => {
  const { controls } = open()
  const { signal } = new AbortController()
  await controls.until(() => true, signal)
  t.deepEqual(getEventListeners(signal, 'abort'), [])
})
