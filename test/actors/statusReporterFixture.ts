/** A status reporter over a database in memory, or over one that answers as the test says. */
import 'reflect-metadata'
import type { ExecutionContext } from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { HostFence } from '../../actors/registration/hostFence.js'
import { HostSession } from '../../actors/registration/hostSession.js'
import type { NodesOfHost } from '../../actors/registration/nodesOfHost.js'
import { StatusReporter } from '../../actors/registration/statusReporter.js'
import { Journal } from '../../actors/state/journal.js'
import { isFault } from '../../core/base/fault.js'
import type { Doubt, Session, Standing } from '../../core/control/standing.js'
import type { Heard, RegisterAnswer, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { NodeFigures, NodeStatus } from '../../core/model/nodeRow.js'
import type { Transport } from '../../core/ports/transport.js'
import { pack } from '../../core/wire/codec.js'
import { memoryDatabase, memoryStore } from '../../transports/memory/index.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { statusOf } from '../contracts/databaseContract.js'
import { ManualClock } from './manualClock.js'

export const leaseMs = 9_000
export const directoryId = 'dir'
export const row = (nodeId: string, rest: object = {}) => statusOf(nodeId, { directoryId, ...rest })

export async function open(
  t: ExecutionContext,
  before: readonly string[] = [],
  place?: string,
  changes: Partial<HostSettings> = {},
) {
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
  const timing = { leaseMs, backoffMs: 100, backoffMsMax: 400 }
  const settings = { ...defaultSettings, system: 'shop', hostId: 'h1', ...timing, ...changes }
  const events: HostEvent[] = []
  const observe = (event: HostEvent) => void events.push(event)
  const store = await memoryStore({ directoryId }).open()
  if (before.length > 0)
    await store.commit([[keys.starts, pack({ place: place ?? store.place ?? null, starts: before }, 'a test')]])
  const session = new HostSession(clock, seededRandom(1), settings, store, new Journal(store, clock))
  const fence = new HostFence(clock, settings, observe, { flush: async () => {} } as unknown as Transport)
  /** The nodes of the host. */
  const running = {
    figuresOf: (_nodeId: string): NodeFigures | undefined => undefined,
    get: (nodeId: string) => ({ status: { figures: running.figuresOf(nodeId) } }),
    takenElsewhere: async (_nodeId: string, _leftMs: number) => {},
  }
  const nodes = running as unknown as NodesOfHost
  const statusReporter = new StatusReporter(seen, clock, seededRandom(2), settings, observe, session, fence, nodes)
  t.teardown(() => store.close())
  /** Until the status reporter has nothing to do. */
  const settle = async () => {
    clock.endTurn()
    await statusReporter.settled()
  }
  const alive = async () => (await database.nodes()).filter((each) => each.alive).map(({ nodeId }) => nodeId)
  return { clock, factory, database, changed, calls, statusReporter, fence, running, store, events, settle, alive }
}

/** Lets time pass, a little at a time, with what waits for it. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000)
    clock.endTurn()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

// --- What the database answers, as the test says

export const nothingHeard: Heard = { unknown: [], forgotten: [], elsewhere: [] }

/** A status reporter whose database answers what `says` has; `asked` is what it was asked, in order. */
export async function scripted(
  t: ExecutionContext,
  before: readonly string[] = [],
  place?: string,
  changes: Partial<HostSettings> = {},
) {
  const s = await open(t, before, place, changes)
  // Turns end by themselves; time does not pass.
  s.clock.turn = (action) => void setImmediate(action)
  const asked: string[] = []
  const sessions: Session[] = []
  const says = {
    register: async (_: NodeStatus): Promise<RegisterAnswer> => ({ registered: true }),
    report: async (_: readonly NodeStatus[]): Promise<Heard> => nothingHeard,
    renew: async (_: readonly string[]): Promise<Heard> => nothingHeard,
    gone: async (_: readonly string[]): Promise<void> => {},
  }
  const heardFrom = (session: Session | undefined) => sessions.push({ ...session!, registeredMs: new Map(session!.registeredMs) })
  Object.assign(s.changed, {
    register(status: NodeStatus, _: number, session?: Session) {
      asked.push(`register ${status.nodeId} ${status.version}`)
      heardFrom(session)
      return says.register(status)
    },
    report(rows: readonly NodeStatus[], _: number, session?: Session) {
      asked.push(`report ${rows.map(({ nodeId, version }) => `${nodeId} ${version}`)}`)
      heardFrom(session)
      return says.report(rows)
    },
    renew(nodeIds: readonly string[], _: number, session?: Session) {
      asked.push(`renew ${nodeIds}`)
      heardFrom(session)
      return says.renew(nodeIds)
    },
    reportGone(nodeIds: readonly string[], session: Session) {
      asked.push(`gone ${nodeIds}`)
      heardFrom(session)
      return says.gone(nodeIds)
    },
  } satisfies Partial<UpgradeDatabase>)
  return {
    ...s,
    says,
    asked: () => asked.splice(0),
    sessions,
    /** Time passes, with what waits for it. */
    async after(ms: number): Promise<void> {
      s.clock.advance(ms)
      for (let i = 0; i < 10; i++) await turnOfLoop()
    },
    warnings: () => s.events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
  }
}

export const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve))
export const never = new Promise<never>(() => {})

/** How a promise has ended, once it has. */
export function endOf(promise: Promise<unknown>): { end: string | undefined } {
  const seen: { end: string | undefined } = { end: undefined }
  promise.then(
    () => {
      seen.end = 'done'
    },
    (error: unknown) => {
      seen.end = isFault(error) ? error.code : String(error)
    },
  )
  return seen
}

export const standingOf = (epoch: string, stampMs: number, doubt: Doubt | null = null): Standing => ({
  epoch,
  stampMs,
  leaseMs,
  probation: doubt === null ? null : { doubt, leftMs: leaseMs },
})
