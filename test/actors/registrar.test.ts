/** The rows of a host's nodes in the upgrade database, and whose leases the host renews. */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { HostFence } from '../../actors/hostFence.js'
import { HostSession } from '../../actors/hostSession.js'
import { Journal } from '../../actors/journal.js'
import { Registrar } from '../../actors/registrar.js'
import { defaultSettings } from '../../actors/settings.js'
import type { HostEvent } from '../../core/hostEvents.js'
import type { Transport } from '../../core/ports/transport.js'
import type { NodeFigures, UpgradeDatabase } from '../../core/ports/upgradeDatabase.js'
import { memoryDatabase, memoryStore } from '../../transports/memory/index.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { statusOf } from '../contracts/databaseContract.js'
import { gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const leaseMs = 9_000
const directoryId = 'dir'
const row = (nodeId: string, rest: object = {}) => statusOf(nodeId, { directoryId, ...rest })

async function open(t: ExecutionContext) {
  const clock = new ManualClock()
  const factory = memoryDatabase()
  const database = await factory.open('shop', clock)
  const changed: Partial<UpgradeDatabase> = {}
  const calls: string[] = []
  const seen = new Proxy(database, {
    get(target, key) {
      const method: unknown = Reflect.get(changed, key) ?? Reflect.get(target, key)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        calls.push(String(key))
        return method.apply(target, args)
      }
    },
  })
  const settings = { ...defaultSettings, system: 'shop', hostId: 'h1', leaseMs, backoffMs: 100, backoffMsMax: 400 }
  const events: HostEvent[] = []
  const observe = (event: HostEvent) => void events.push(event)
  const store = await memoryStore({ directoryId }).open()
  const session = new HostSession(clock, seededRandom(1), settings, store, new Journal(store, clock))
  const fence = new HostFence(clock, settings, observe, { flush: async () => {} } as unknown as Transport)
  const registrar = new Registrar(seen, clock, seededRandom(2), settings, observe, session, fence)
  t.teardown(() => store.close())
  /** Until the registrar has nothing to do. */
  const settle = async () => {
    clock.endTurn()
    await registrar.settled()
  }
  const alive = async () => (await database.nodes()).filter((each) => each.alive).map(({ nodeId }) => nodeId)
  return { clock, factory, database, changed, calls, registrar, events, settle, alive }
}

/** Lets time pass, a little at a time, with what waits for it. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000)
    clock.endTurn()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a node that is reported is registered, and its lease is renewed for as long as the host has it', async (t) => {
  const { clock, registrar, settle, alive, database } = await open(t)
  registrar.report(row('n1'))
  await settle()
  t.deepEqual(await alive(), ['n1'])
  await pass(clock, 3 * leaseMs)
  t.deepEqual(await alive(), ['n1'])
  registrar.release('n1')
  await pass(clock, 2 * leaseMs)
  t.deepEqual(await alive(), [])
  t.is((await database.nodes()).length, 1)
})

test('a node that is released while it is being registered is not the host’s any more: its lease runs out', async (t) => {
  const { clock, registrar, settle, alive, changed, database } = await open(t)
  const answer = gate()
  changed.register = async (...args) => {
    const registered = await database.register(...args)
    await answer.pass()
    return registered
  }
  registrar.report(row('n1'))
  const settled = settle()
  registrar.release('n1')
  answer.open()
  await settled
  await pass(clock, 2 * leaseMs)
  t.deepEqual(await alive(), [])
})

test('a node that is released while its row is on its way is not reported again when that fails', async (t) => {
  const { clock, registrar, settle, changed, calls } = await open(t)
  registrar.report(row('n1'))
  await settle()
  const answer = gate()
  changed.report = () => answer.pass() as never
  registrar.report(row('n1', { version: 1 }))
  const settled = settle()
  registrar.release('n1')
  answer.fail(new Error('away'))
  await settled
  calls.length = 0
  await pass(clock, 2 * leaseMs)
  t.deepEqual(
    calls.filter((call) => call !== 'gone'),
    [],
  )
})

test('rows of one turn travel together, the newest of each node', async (t) => {
  const { registrar, settle, calls, database } = await open(t)
  for (const nodeId of ['n1', 'n2']) registrar.report(row(nodeId))
  await settle()
  calls.length = 0
  registrar.report(row('n1', { version: 1 }))
  registrar.report(row('n2', { version: 1 }))
  registrar.report(row('n1', { version: 2 }))
  await settle()
  t.deepEqual(calls, ['report'])
  t.deepEqual(
    (await database.nodes()).map(({ version }) => version),
    [2, 1],
  )
})

test('while the database is away rows wait, with one warning, and the newest ones are stored when it is back', async (t) => {
  const { clock, factory, registrar, settle, database, events } = await open(t)
  registrar.report(row('n1'))
  await settle()
  factory.away(true)
  registrar.report(row('n1', { version: 1 }))
  await settle()
  await pass(clock, 3_000)
  registrar.report(row('n1', { version: 2 }))
  await settle()
  t.is(events.filter(({ type }) => type === 'warning').length, 1)
  factory.away(false)
  await pass(clock, 3_000)
  t.is((await database.nodes())[0]!.version, 2)
  // It was heard of again: the next time is another time.
  factory.away(true)
  registrar.report(row('n1', { version: 3 }))
  await settle()
  t.is(events.filter(({ type }) => type === 'warning').length, 2)
})

test('a registrar that has stopped renews nothing and tries nothing again', async (t) => {
  const { clock, factory, registrar, settle, calls } = await open(t)
  registrar.report(row('n1'))
  await settle()
  factory.away(true)
  registrar.report(row('n1', { version: 1 }))
  clock.endTurn()
  await registrar.stop()
  factory.away(false)
  calls.length = 0
  await pass(clock, 3 * leaseMs)
  t.deepEqual(calls, [])
  t.is(clock.timers, 0)
})

test('who waits until all is stored waits for what is on its way', async (t) => {
  const { clock, registrar, changed, database } = await open(t)
  await registrar.settled()
  const answer = gate()
  changed.register = async (...args) => {
    await answer.pass()
    return database.register(...args)
  }
  registrar.report(row('n1'))
  clock.endTurn()
  let isSettled = false
  const settled = registrar.settled().then(() => {
    isSettled = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.false(isSettled)
  answer.open()
  await settled
  t.is((await database.nodes()).length, 1)
})

test('figures that have changed are reported with the lease, and those that have not only renew it', async (t) => {
  const { clock, registrar, settle, calls, database } = await open(t)
  let figures: NodeFigures | undefined
  registrar.figuresOf = () => figures
  registrar.report(row('n1'))
  await settle()
  const said = async (next: Partial<NodeFigures>) => {
    figures = { ended: 0, threw: 0, timed: 0, ...next } as NodeFigures
    calls.length = 0
    await pass(clock, leaseMs / 3)
    return [calls.includes('report'), (await database.nodes())[0]!.figures]
  }
  t.deepEqual(await said({}), [false, undefined])
  for (const next of [{ ended: 1 }, { ended: 1, threw: 1 }, { ended: 1, threw: 1, timed: 1 }]) {
    t.deepEqual(await said(next), [true, { threw: 0, timed: 0, ...next }])
    t.is((await said(next))[0], false)
  }
})
