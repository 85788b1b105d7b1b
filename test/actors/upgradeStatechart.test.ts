/**
 * Each transition of the table in core/upgrade/upgradeStatechart.ts, with effects that do as they are told.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import test from 'ava'
import { createActor, fromPromise } from 'xstate'
import { Fault } from '../../core/base/fault.js'
import { drainTriesMax, type ResumePoint, startTriesMax, upgradeStatechart } from '../../core/upgrade/upgradeStatechart.js'
import { ManualClock } from './manualClock.js'

const effects = [
  'fetch',
  'verify',
  'schedule',
  'claim',
  'drain',
  'transform',
  'check',
  'flip',
  'recover',
  'advance',
  'skip',
  'returnToOld',
  'flipBack',
] as const
type Effect = (typeof effects)[number]

interface Script {
  /** How often the effect fails before it succeeds. */
  readonly fails?: Partial<Record<Effect, number>>
  readonly concerned?: boolean
  readonly resume?: ResumePoint
  readonly startsFailed?: number
  /** With which fault; by default it is none. */
  readonly fault?: Error
}

/** Runs the chart until nothing moves it but `retry`. */
function begin(script: Script = {}) {
  const clock = new ManualClock()
  const did: string[] = []
  const phases: string[] = []
  const fails: Partial<Record<Effect, number>> = { ...script.fails }
  const run = (name: Effect, output: unknown) =>
    fromPromise(async ({ input }: { input: { startsFailed: number } }) => {
      did.push(name === 'recover' && input.startsFailed > 0 ? `recover(${input.startsFailed})` : name)
      if ((fails[name] ?? 0) > 0) {
        fails[name]!--
        throw script.fault ?? new Error(`${name} failed`)
      }
      return output
    })
  const actors = Object.fromEntries(
    effects.map((name) => [name, run(name, name === 'verify' ? { concerned: script.concerned ?? true } : undefined)]),
  )
  const actor = createActor(
    upgradeStatechart.provide({
      actors: actors as never,
      actions: { entered: (_, { phase }: { phase: string }) => void phases.push(phase) },
    }),
    {
      input: { target: 1, resume: script.resume ?? 'beginning', reason: 'as recorded', startsFailed: script.startsFailed ?? 0 },
      clock: {
        setTimeout: (action: () => void, ms: number) => clock.after(ms, action),
        clearTimeout: (cancel: () => void) => cancel?.(),
      },
    },
  )
  actor.start()
  const settle = async () => {
    for (let i = 0; i < 60; i++) {
      await turnOfLoop()
      clock.advance(1_000)
    }
  }
  return { actor, clock, did, phases, fails, settle }
}

const whole = ['fetch', 'verify', 'schedule', 'claim', 'drain', 'transform', 'check', 'flip', 'recover']

test('an upgrade that meets no failure passes every phase once and ends', async (t) => {
  const { actor, did, phases, settle } = begin()
  await settle()
  t.deepEqual(did, whole)
  t.deepEqual(phases, [
    'fetching',
    'verifying',
    'scheduled',
    'draining',
    'transforming',
    'checking',
    'flipping',
    'recovering',
    'current',
  ])
  t.is(actor.getSnapshot().status, 'done')
})

test('an upgrade that leaves the class alone advances at once', async (t) => {
  const { actor, did, phases, settle } = begin({ concerned: false })
  await settle()
  t.deepEqual(did, ['fetch', 'verify', 'advance'])
  t.deepEqual(phases, ['fetching', 'verifying', 'current'])
  t.is(actor.getSnapshot().status, 'done')
})

test('an advance that fails stalls the upgrade; a retry advances, and schedules nothing', async (t) => {
  const { actor, did, phases, settle } = begin({ concerned: false, fails: { advance: 1 } })
  await settle()
  t.is(phases.at(-1), 'stalled')
  actor.send({ type: 'retry' })
  await settle()
  t.deepEqual(did, ['fetch', 'verify', 'advance', 'fetch', 'verify', 'advance'])
  t.is(phases.at(-1), 'current')
})

test('an undone upgrade that can’t be passed for a running call is stalled, and says so once', async (t) => {
  const fault = new Fault('upgrade.drain', 'the running call did not finish')
  const { actor, did, phases, settle } = begin({ resume: 'stalled', fails: { skip: 3 }, fault })
  actor.send({ type: 'undone' })
  await settle()
  t.deepEqual(did, ['skip', 'skip', 'skip', 'skip'])
  t.deepEqual(phases, ['stalled', 'stalled', 'current'])
  t.is(actor.getSnapshot().status, 'done')
})

test('an undone upgrade that can’t be passed yet for another reason is in the phase that it was in', async (t) => {
  const { actor, phases, settle } = begin({ fails: { fetch: 1, skip: 2 } })
  actor.send({ type: 'undone' })
  await settle()
  t.deepEqual(phases, ['fetching', 'current'])
})

test('fetching is tried again after a back-off, without end', async (t) => {
  const { did, phases, settle } = begin({ fails: { fetch: 7 } })
  await settle()
  t.deepEqual(did, [...Array(7).fill('fetch'), ...whole])
  t.is(phases.filter((phase) => phase === 'fetching').length, 1)
  t.is(phases.at(-1), 'current')
})

test('what fails verification is rejected with its reason; retry fetches again', async (t) => {
  const { actor, did, phases, settle } = begin({ fails: { verify: 1 } })
  await settle()
  t.deepEqual(phases, ['fetching', 'verifying', 'rejected'])
  t.is(actor.getSnapshot().context.reason, 'verify failed')
  actor.send({ type: 'retry' })
  await settle()
  t.deepEqual(did, ['fetch', 'verify', ...whole])
  t.is(phases.at(-1), 'current')
})

test('a drain that fails is put off, and claims its permit anew without asking the SF again', async (t) => {
  const { did, phases, settle } = begin({ fails: { drain: 2 } })
  await settle()
  t.deepEqual(did, ['fetch', 'verify', 'schedule', 'claim', 'drain', 'claim', 'drain', 'claim', ...whole.slice(4)])
  t.is(phases.filter((phase) => phase === 'scheduled').length, 3)
  t.is(phases.at(-1), 'current')
})

test(`a drain that fails ${drainTriesMax} times stalls the upgrade, and a retry has as many tries again`, async (t) => {
  const { actor, did, phases, settle } = begin({ fails: { drain: drainTriesMax + 4 } })
  await settle()
  t.is(did.filter((name) => name === 'drain').length, drainTriesMax)
  t.is(phases.at(-1), 'stalled')
  t.is(actor.getSnapshot().context.reason, 'drain failed')
  actor.send({ type: 'retry' })
  await settle()
  t.is(phases.at(-1), 'current')
})

for (const failing of ['schedule', 'claim'] as const) {
  test(`a ${failing} that fails stalls the upgrade; the old object never stopped`, async (t) => {
    const { actor, did, phases, settle } = begin({ fails: { [failing]: 1 } })
    await settle()
    t.is(phases.at(-1), 'stalled')
    t.false(did.includes('returnToOld'))
    t.is(actor.getSnapshot().context.reason, `${failing} failed`)
    actor.send({ type: 'retry' })
    await settle()
    t.is(phases.at(-1), 'current')
    t.is(actor.getSnapshot().context.reason, null)
  })
}

for (const failing of ['transform', 'check', 'flip'] as const) {
  test(`a ${failing} that fails goes back to the old object, then stalls with its reason; a retry begins again`, async (t) => {
    const { actor, did, phases, settle } = begin({ fails: { [failing]: 1 } })
    await settle()
    t.deepEqual(did, [...whole.slice(0, whole.indexOf(failing) + 1), 'returnToOld'])
    t.is(phases.at(-1), 'stalled')
    t.is(actor.getSnapshot().context.reason, `${failing} failed`)
    actor.send({ type: 'retry' })
    await settle()
    t.deepEqual(did.slice(did.indexOf('returnToOld') + 1), whole)
    t.is(phases.at(-1), 'current')
  })
}

test('a start that fails is tried again after a back-off, counted', async (t) => {
  const { did, phases, settle } = begin({ fails: { recover: startTriesMax - 1 } })
  await settle()
  t.deepEqual(did.slice(8), ['recover', 'recover(1)', 'recover(2)'])
  t.is(phases.filter((phase) => phase === 'recovering').length, 1)
  t.is(phases.at(-1), 'current')
})

test(`a start that fails ${startTriesMax} times flips back, then stalls; a retry has as many starts again`, async (t) => {
  const { actor, did, phases, settle } = begin({ fails: { recover: startTriesMax + 2 } })
  await settle()
  t.deepEqual(did.slice(8), ['recover', 'recover(1)', 'recover(2)', 'flipBack'])
  t.is(phases.at(-1), 'stalled')
  t.is(actor.getSnapshot().context.reason, 'recover failed')
  actor.send({ type: 'retry' })
  await settle()
  t.deepEqual(did.slice(did.indexOf('flipBack') + 1), [...whole, 'recover(1)', 'recover(2)'])
  t.is(phases.at(-1), 'current')
})

test('a flip back that fails starts the new object once more', async (t) => {
  const { did, phases, settle } = begin({ fails: { recover: startTriesMax, flipBack: 1 } })
  await settle()
  t.deepEqual(did.slice(11), ['flipBack', 'recover(2)'])
  t.is(phases.at(-1), 'current')
})

test('an upgrade is taken up where the record says: recovering with its failed starts, or stalled with its reason', async (t) => {
  const recovering = begin({ resume: 'recovering', startsFailed: 2, fails: { recover: 1 } })
  await recovering.settle()
  t.deepEqual(recovering.did, ['recover(2)', 'flipBack'])
  t.deepEqual(recovering.phases, ['recovering', 'stalled'])
  const stalled = begin({ resume: 'stalled' })
  await stalled.settle()
  t.deepEqual(stalled.did, [])
  t.is(stalled.actor.getSnapshot().context.reason, 'as recorded')
  stalled.actor.send({ type: 'retry' })
  await stalled.settle()
  t.deepEqual(stalled.did, whole)
})

test('retry means nothing while the upgrade is under way', async (t) => {
  const { actor, did, settle } = begin()
  actor.send({ type: 'retry' })
  await turnOfLoop()
  actor.send({ type: 'retry' })
  await settle()
  t.deepEqual(did, whole)
})

/** Of user code: it only looks like one of ours. */
const lookalike = (code: string, kind: string) => Object.assign(new Error('why'), { code, kind })

test('what could not be had for its verification is fetched again after a back-off, and counted', async (t) => {
  for (const code of ['upgrade.fetch', 'unavailable.storage', 'unavailable.disconnected'] as const) {
    const { actor, did, phases, settle } = begin({ fails: { verify: 2 }, fault: new Fault(code, 'why') })
    await settle()
    t.deepEqual(did, ['fetch', 'verify', 'fetch', 'verify', ...whole], code)
    t.deepEqual(phases.slice(0, 5), ['fetching', 'verifying', 'fetching', 'verifying', 'fetching'])
    t.is(actor.getSnapshot().context.fetchesFailed, 2)
  }
})

test('what is unfit, and what only looks like a passing fault, is rejected', async (t) => {
  const unfit = [new Fault('upgrade.digest', 'why'), lookalike('upgrade.fetch', 'upgrade'), lookalike('x', 'unavailable')]
  for (const fault of unfit) {
    const { phases, settle } = begin({ fails: { verify: 1 }, fault })
    await settle()
    t.deepEqual(phases, ['fetching', 'verifying', 'rejected'])
  }
})

test('fetches that fail are counted from none, with the reason of the last one until the node is scheduled', async (t) => {
  const { actor, settle } = begin({ fails: { fetch: 3, schedule: 1 } })
  t.is(actor.getSnapshot().context.fetchesFailed, 0)
  for (let i = 0; i < 10; i++) await turnOfLoop()
  const { fetchesFailed, reason } = actor.getSnapshot().context
  t.deepEqual([fetchesFailed, reason], [1, 'fetch failed'])
  await settle()
  t.is(actor.getSnapshot().context.fetchesFailed, 3)
})

test('a node that waits for its turn says no reason, unless it has tried already', async (t) => {
  const reasons: (string | null)[] = []
  const { actor, settle } = begin({ fails: { fetch: 1, drain: 1 } })
  actor.subscribe(({ value, context }) => {
    if (typeof value === 'object' && 'scheduled' in value) reasons.push(`${value.scheduled}: ${context.reason}`)
  })
  await settle()
  t.deepEqual(reasons, ['deciding: null', 'claiming: null', 'pausing: drain failed', 'claiming: drain failed'])
})

test('a node whose undone upgrade can’t be passed is stalled also where its drain had failed for the same reason', async (t) => {
  const fault = new Fault('upgrade.drain', 'the running call did not finish')
  const { actor, phases, settle } = begin({ fails: { drain: 1, skip: 1 }, fault })
  // The clock stands: the pause after the drain lasts.
  for (let i = 0; i < 60; i++) await turnOfLoop()
  t.deepEqual(phases.slice(-2), ['draining', 'scheduled'])
  actor.send({ type: 'undone' })
  await settle()
  t.deepEqual(phases.slice(-3), ['scheduled', 'stalled', 'current'])
})

test('only a running call stalls a node that is to pass an undone upgrade', async (t) => {
  for (const fault of [new Fault('upgrade.fetch', 'why'), lookalike('upgrade.drain', 'upgrade')]) {
    const { actor, phases, settle } = begin({ fails: { fetch: 1, skip: 1 }, fault })
    actor.send({ type: 'undone' })
    await settle()
    t.deepEqual(phases, ['fetching', 'current'])
  }
})

test('a pause between two tries is a second, where nobody says otherwise', async (t) => {
  for (const [name, fails] of [
    ['fetch', { fetch: 1 }],
    ['claim', { drain: 1 }],
    ['recover(1)', { recover: 1 }],
  ] as const) {
    const { clock, did } = begin({ fails })
    const tries = () => did.filter((each) => each === name).length
    for (let i = 0; i < 60; i++) await turnOfLoop()
    const before = tries()
    clock.advance(999)
    for (let i = 0; i < 60; i++) await turnOfLoop()
    t.is(tries(), before, name)
    clock.advance(1)
    for (let i = 0; i < 60; i++) await turnOfLoop()
    t.is(tries(), before + 1, name)
  }
})

test('a chart whose effects were not provided does nothing and says so', async (t) => {
  const run = async (chart: typeof upgradeStatechart) => {
    const actor = createActor(chart, { input: { target: 1, resume: 'beginning', reason: null, startsFailed: 0 } })
    actor.start()
    for (let i = 0; i < 10; i++) await turnOfLoop()
    actor.stop()
    return actor.getSnapshot().context
  }
  const missing = 'an effect of the upgrade statechart was not provided'
  const nothing = await run(upgradeStatechart)
  t.deepEqual([nothing.phase, nothing.reason], ['fetching', missing])
  const fetched = await run(upgradeStatechart.provide({ actors: { fetch: fromPromise(async () => {}) } }))
  t.deepEqual([fetched.phase, fetched.reason], ['rejected', missing])
})
