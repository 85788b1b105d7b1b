/** The rounds that an upgrade server makes by itself. */
import test, { type ExecutionContext } from 'ava'
import { deathRoundMs, gateRoundMs } from '../../actors/server/upgradeServer.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { decodeAuditEntry } from '../../core/control/audit.js'
import { controlReasonLengthMax, heededMax } from '../../core/control/control.js'
import type { NodeStatus } from '../../core/model/nodeRow.js'
import { alice, signedAfter } from '../support/signedManifests.js'
import { type Given, type More, started } from './upgradeServerFixture.js'

const row: NodeStatus = {
  ...{ nodeId: 'n1', service: 'notes', className: 'Notes.v1', version: 0, phase: 'stalled', target: 1, reason: 'no' },
  ...{ hostId: 'h1', directoryId: 'd1', since: 1 },
}
const gated = (more: More = {}) =>
  signedAfter(undefined, alice, { gate: { moreFailuresMax: 0.1, slowerMax: 2, callsMin: 10 }, ...more })

async function rollout(t: ExecutionContext, given: Given = {}, manifest = gated()) {
  const opened = await started(t, {
    ...given,
    before: (_, database) => database.install({ version: 0, digest: null }, digestOf(manifest.bytes), manifest),
  })
  const controls = async () => (await opened.stored.controls()).map(({ kind }) => kind)
  const register = (change: Partial<NodeStatus> = {}) => opened.stored.register({ ...row, ...change }, 3_600_000)
  const round = () => opened.settle(gateRoundMs)
  return { ...opened, controls, register, round }
}

test('each round a rollout in trouble is paused, once for each trouble', async (t) => {
  const { controls, register, round, events, stored: database } = await rollout(t)
  await round()
  t.deepEqual(await controls(), [])
  await register()
  await round()
  t.deepEqual(await controls(), ['pause', 'gate'])
  t.like(events, [{ type: 'gateClosed', version: 1, troubles: ['node n1 is stalled: no'], isDryRun: false }])
  const pause = (await database.controls()).find(({ kind }) => kind === 'pause')
  t.like(pause, { version: 1, reason: 'the health gate closed: node n1 is stalled: no' })
  await database.removeControl({ kind: 'pause', version: 1 })
  await round()
  t.deepEqual(await controls(), ['gate'], 'an operator has seen it')
  await register({ nodeId: 'n2' })
  await register({ nodeId: 'n3' })
  await round()
  const next = (await database.controls()).find(({ kind }) => kind === 'pause')
  t.like(next, { reason: 'the health gate closed: node n2 is stalled: no, and 1 more' })
  t.is(events.length, 2)
})

test('the audit has what a server does by itself: a pause, and a death', async (t) => {
  const { register, round, server, settle, stored: database } = await rollout(t)
  await register()
  await round()
  await register({ version: 1, phase: 'current', target: null, reason: null })
  await settle(deathRoundMs)
  await server.stop()
  const acts = (await database.audit(1, 100)).map((bytes) => decodeAuditEntry(bytes).what.act)
  t.deepEqual(acts, ['gate', 'death'])
})

test('a dry run says what it would do, and says it once', async (t) => {
  const { controls, register, round, events } = await rollout(t, { options: { gate: 'dry-run' } })
  await register()
  for (let i = 0; i < 3; i++) await round()
  t.deepEqual(await controls(), ['gate'])
  t.like(events, [{ type: 'gateClosed', isDryRun: true }])
})

test('nobody looks where the gate is off or the upgrade has none', async (t) => {
  for (const opened of [await rollout(t, { options: { gate: 'off' } }), await rollout(t, {}, gated({ gate: null }))]) {
    await opened.register()
    await opened.settle(5 * gateRoundMs)
    t.deepEqual(await opened.controls(), [])
    t.deepEqual(opened.events, [])
  }
})

test('a reason is no longer than a control’s may be, and only so many troubles are remembered', async (t) => {
  const { register, round, stored: database } = await rollout(t)
  const many = heededMax + 5
  for (let i = 0; i < many; i++) await register({ nodeId: `n${i}`, reason: 'x'.repeat(controlReasonLengthMax) })
  await round()
  const found = await database.controls()
  const pause = found.find(({ kind }) => kind === 'pause')
  const heeded = found.find(({ kind }) => kind === 'gate')
  t.true(pause?.kind === 'pause' && pause.reason.length === controlReasonLengthMax)
  t.true(heeded?.kind === 'gate' && heeded.heeded.length === heededMax && !heeded.heeded.includes('n0 stalled 1'))
})

test('the pause is made first: what was lost after it is made once more', async (t) => {
  let isAway = true
  const { controls, register, round, events } = await rollout(t, {
    database: (of) => ({
      setControl: (control) => (isAway && control.kind === 'gate' ? Promise.reject(new Error('away')) : of.setControl(control)),
    }),
  })
  await register()
  await round()
  t.deepEqual(await controls(), ['pause'])
  t.like(events.at(-1), { type: 'warning', message: 'the upgrade database is away: nobody guards the rollout' })
  isAway = false
  await round()
  t.deepEqual(await controls(), ['pause', 'gate'])
})

test('a round that fails is a warning, and the next one comes', async (t) => {
  let isAway = true
  const opened = await started(t, {
    options: { deathRoundMs: 50, gate: 'off', deathDelayMs: 0 },
    database: (of) => ({ nodes: (...args) => (isAway ? Promise.reject(new Error('away')) : of.nodes(...args)) }),
  })
  const { events, settle, stored: database } = opened
  await settle(100)
  const message = 'the upgrade database is away: no versions are declared dead'
  t.like(events, [
    { type: 'warning', message },
    { type: 'warning', message },
  ])
  isAway = false
  const first = signedAfter(undefined, alice)
  await database.install({ version: 0, digest: null }, digestOf(first.bytes), first)
  await database.register({ ...row, version: 1, phase: 'current', target: null, reason: null }, 3_600_000)
  await settle(100)
  t.is((await database.dead()).below, 1)
})

test('that the database makes no sense is told once, until it is something else that makes none', async (t) => {
  let fails: Error = new Fault('upgrade.invalid', 'row 1 is odd')
  const { events, settle } = await started(t, {
    options: { deathRoundMs: 50, gate: 'off' },
    database: () => ({ nodes: () => Promise.reject(fails) }),
  })
  await settle(150)
  const told = () => events.splice(0).map((event) => (event as { message: string }).message)
  const senseless = 'the upgrade database can’t be read: no versions are declared dead'
  t.deepEqual(told(), [senseless])
  fails = new Fault('upgrade.invalid', 'row 2 is odd')
  await settle(100)
  t.deepEqual(told(), [senseless])
  const away = 'the upgrade database is away: no versions are declared dead'
  for (const error of [new Error('gone'), new Fault('upgrade.fetch', 'gone')]) {
    fails = error
    await settle(100)
    t.deepEqual(told(), [away, away])
  }
  fails = new Fault('upgrade.invalid', 'row 2 is odd')
  await settle(100)
  t.deepEqual(told(), [senseless], 'again, after it was away')
})

test('the database hears of a server by its name, before its first round', async (t) => {
  const heard: string[] = []
  await started(t, {
    options: { name: 'first' },
    database: (of) => ({
      attend: (session) => {
        heard.push(session.id)
        return of.attend(session)
      },
    }),
  })
  t.deepEqual(heard, ['first'])
})
