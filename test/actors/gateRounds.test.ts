/** The rounds in which an upgrade server looks after a rollout, over a database in memory. */
import test from 'ava'
import { type GateOptions, GateRounds } from '../../actors/server/gateRounds.js'
import { digestOf } from '../../core/base/digest.js'
import type { Audited } from '../../core/control/audit.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { keeps, type RolloutPromise } from '../../core/schedules/rolloutPromise.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { encodeManifest, manifestOf } from '../../core/upgrade/manifest.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { row, shops, startMs, upgradeOf } from '../rehearsal/proposals.js'
import { changedDatabase } from '../support/changedDatabase.js'
import { until } from '../support/eventually.js'
import { ManualClock } from '../support/manualClock.js'
import { alice, signedAfter, system } from '../support/signedManifests.js'
import { gate as heldGate } from '../support/testSystem.js'

const gate = { moreFailuresMax: 0.1, slowerMax: 2, callsMin: 10 }

interface Given {
  readonly database?: (stored: UpgradeDatabase) => Partial<UpgradeDatabase>
  readonly options?: Partial<GateOptions>
}

async function open({ database: changed, options }: Given = {}) {
  const clock = new ManualClock(1_000)
  const stored = await memoryDatabase().open(system, clock)
  const events: HostEvent[] = []
  const database = changedDatabase(stored, changed?.(stored) ?? {})
  const rounds = new GateRounds({ database, clock, observe: (event) => void events.push(event), ...options })
  let last: Parameters<typeof signedAfter>[0]
  const install = async () => {
    last = signedAfter(last, alice, { gate })
    await stored.install(await stored.head(), digestOf(last.bytes), last)
  }
  const stalled = (target: number) =>
    stored.register(
      {
        ...{ nodeId: 'n1', service: 'notes', className: 'Notes.v1', version: 0, phase: 'stalled', target, reason: 'no' },
        ...{ hostId: 'h1', directoryId: 'd1', since: 1 },
      },
      3_600_000,
    )
  return { stored, rounds, events, install, stalled }
}

test('where nothing is installed there is nothing to guard', async (t) => {
  const { stored, rounds, events } = await open()
  await rounds.guard()
  t.deepEqual(await stored.controls(), [])
  t.deepEqual(events, [])
})

test('a version whose manifest is not there yet is not guarded', async (t) => {
  const { stored, rounds, install, stalled } = await open({ database: () => ({ manifests: async () => [] }) })
  await install()
  await stalled(1)
  await rounds.guard()
  t.deepEqual(await stored.controls(), [])
})

test('a trouble that was seen in the rollout before pauses the next one too', async (t) => {
  const { stored, rounds, install, stalled } = await open()
  const paused = async () => (await stored.controls()).flatMap((each) => (each.kind === 'pause' ? [each.version] : []))
  await install()
  await stalled(1)
  await rounds.guard()
  await rounds.guard()
  t.deepEqual(await paused(), [1])
  await install()
  await stalled(2)
  await rounds.guard()
  t.deepEqual(await paused(), [1, 2], 'its key is the same: of its version nobody has seen it')
})

for (const order of ['as they come', 'the other way round'] as const) {
  test(`a trouble pauses a rollout once, in whatever order the controls are read: ${order}`, async (t) => {
    const { rounds, events, install, stalled } = await open({
      database: (stored) => ({
        controls: async () => (order === 'as they come' ? await stored.controls() : (await stored.controls()).toReversed()),
      }),
    })
    await install()
    await stalled(1)
    for (let i = 0; i < 3; i++) await rounds.guard()
    t.deepEqual(
      events.map(({ type }) => type),
      ['gateClosed'],
    )
  })
}

test('a trouble is remembered when the pause for it is there, not before', async (t) => {
  const held = heldGate()
  const { stored, rounds, install, stalled } = await open({
    database: (of) => ({
      async setControl(control) {
        if (control.kind === 'pause') await held.pass()
        await of.setControl(control)
      },
    }),
  })
  await install()
  await stalled(1)
  const round = rounds.guard()
  await until(() => held.waiting === 1, 'it pauses')
  t.deepEqual(await stored.controls(), [])
  held.open()
  await round
  t.deepEqual((await stored.controls()).map(({ kind }) => kind).sort(), ['gate', 'pause'])
})

test('a rollout is paused where nobody observes', async (t) => {
  const { stored, rounds, install, stalled } = await open({ options: { observe: undefined as never } })
  await install()
  await stalled(1)
  await rounds.guard()
  t.true((await stored.controls()).some(({ kind }) => kind === 'pause'))
})

test('a pause is told for the audit with its reason and its trouble; a dry run is not', async (t) => {
  for (const gate of ['pause', 'dry-run'] as const) {
    const told: Audited[] = []
    const { rounds, install, stalled } = await open({ options: { gate, tell: (what) => void told.push(what) } })
    await install()
    await stalled(1)
    await rounds.guard()
    const words = 'the health gate closed: node n1 is stalled: no'
    t.deepEqual(told, gate === 'pause' ? [{ act: 'gate', version: 1, words, trouble: 'n1 stalled 1' }] : [])
  }
})

const leaseMs = 10_000
const twoOfThree = keeps({ service: 'shop', serving: 2, of: '{set}-*' })

/** A rollout with promises and no gate, over a set of three. */
async function promised(promises: readonly RolloutPromise[], options: Partial<GateOptions> = {}) {
  const clock = new ManualClock(startMs)
  const database = await memoryDatabase().open(system, clock)
  const events: HostEvent[] = []
  const told: Audited[] = []
  const observe = (event: HostEvent) => void events.push(event)
  const rounds = new GateRounds({ database, clock, observe, tell: (what) => void told.push(what), ...options })
  const manifest = manifestOf(draftManifest(upgradeOf([shops(eagerly())], { promises, gate: 'open' }), new Uint8Array(1)), {
    ...{ identity: null, system, version: 1, previous: null, reason: null, undoes: null, upgrader: null, upgraders: null },
    createdAt: '2026-01-01T12:00:00Z',
  })
  const bytes = encodeManifest(manifest)
  await database.install(await database.head(), digestOf(bytes), { bytes, signature: null })
  const report = async (nodeId: string, change: Parameters<typeof row>[1] = {}) => {
    const { alive: _, ...status } = row(nodeId, { since: startMs, ...change })
    await database.register(status, leaseMs)
  }
  for (const nodeId of ['a-1', 'a-2', 'a-3']) await report(nodeId)
  const pauses = async () => (await database.controls()).flatMap((each) => (each.kind === 'pause' ? [each.reason] : []))
  return { clock, database, rounds, events, told, report, pauses }
}

test('a rollout goes on while its promise holds, and is paused when a node more is away than it says', async (t) => {
  const { rounds, report, pauses, told } = await promised([twoOfThree])
  await rounds.guard()
  await report('a-1', { phase: 'draining', target: 1 })
  await rounds.guard()
  t.deepEqual(await pauses(), [])
  await report('a-2', { phase: 'draining', target: 1 })
  await rounds.guard()
  const what = 'keeps 2 nodes of each set {set}-* of shop serving: 1 of 3 nodes of set a serves, 2 are away for the upgrade'
  t.deepEqual(await pauses(), [`a promise is broken: ${what}`])
  t.like(told, [{ act: 'gate', version: 1, words: `a promise is broken: ${what}` }])
})

test('a host that dies meanwhile has the rollout paused before the next of its set goes', async (t) => {
  const { clock, database, rounds, events, report, pauses } = await promised([twoOfThree])
  await report('a-1', { phase: 'current', version: 1, className: 'Shop.v2' })
  for (let round = 0; round < 6; round++) {
    await clock.runUntil(startMs + (round + 1) * 2_000)
    for (const nodeId of ['a-1', 'a-2'])
      await report(nodeId, nodeId === 'a-1' ? { phase: 'current', version: 1, className: 'Shop.v2' } : {})
    await rounds.guard()
  }
  t.deepEqual(await pauses(), [
    'a promise is about to be broken: keeps 2 nodes of each set {set}-* of shop serving: 2 of 3 nodes of set a serve, a-3 not serving otherwise, and the next that goes leaves 1; 2 must serve',
  ])
  t.deepEqual(
    events.map(({ type }) => type),
    ['gateClosed'],
  )
  await database.removeControl({ kind: 'pause', version: 1 })
  await rounds.guard()
  t.deepEqual(await pauses(), [], 'an operator has seen it')
  await report('a-3', { since: startMs + 20_000 })
  await rounds.guard()
  await clock.runUntil(startMs + 40_000)
  for (const nodeId of ['a-1', 'a-2'])
    await report(nodeId, nodeId === 'a-1' ? { phase: 'current', version: 1, className: 'Shop.v2' } : {})
  await rounds.guard()
  t.is((await pauses()).length, 1, 'it is another loss of the same node')
})

test('promises are guarded without a gate, only said in a dry run, and nothing is read where nothing is promised', async (t) => {
  const dry = await promised([twoOfThree], { gate: 'dry-run' })
  for (const nodeId of ['a-1', 'a-2']) await dry.report(nodeId, { phase: 'transforming', target: 1 })
  await dry.rounds.guard()
  t.deepEqual(await dry.pauses(), [])
  t.like(dry.events, [{ type: 'gateClosed', isDryRun: true }])
  const none = await promised([])
  const rounds = new GateRounds({
    clock: none.clock,
    database: changedDatabase(none.database, { nodes: () => Promise.reject(new Error('nobody asks')) }),
  })
  await t.notThrowsAsync(rounds.guard())
})
