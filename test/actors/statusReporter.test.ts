/** The rows of a host's nodes in the upgrade database, and whose leases the host renews. */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { HostFence } from '../../actors/registration/hostFence.js'
import { HostSession } from '../../actors/registration/hostSession.js'
import type { NodesOfHost } from '../../actors/registration/nodesOfHost.js'
import { StatusReporter } from '../../actors/registration/statusReporter.js'
import { Journal } from '../../actors/state/journal.js'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Doubt, Session, Standing } from '../../core/control/standing.js'
import type { Heard, Predecessor, RegisterAnswer, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { NodeFigures, NodeStatus } from '../../core/model/nodeRow.js'
import type { Transport } from '../../core/ports/transport.js'
import { pack } from '../../core/wire/codec.js'
import { memoryDatabase, memoryStore } from '../../transports/memory/index.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { statusOf } from '../contracts/databaseContract.js'
import { codeOf, gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const leaseMs = 9_000
const directoryId = 'dir'
const row = (nodeId: string, rest: object = {}) => statusOf(nodeId, { directoryId, ...rest })

async function open(t: ExecutionContext, before: readonly string[] = [], place?: string, changes: Partial<HostSettings> = {}) {
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
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000)
    clock.endTurn()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a node that is reported is registered, and its lease is renewed for as long as the host has it', async (t) => {
  const { clock, statusReporter, settle, alive, database } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  t.deepEqual(await alive(), ['n1'])
  await pass(clock, 3 * leaseMs)
  t.deepEqual(await alive(), ['n1'])
  statusReporter.release('n1')
  await pass(clock, 2 * leaseMs)
  t.deepEqual(await alive(), [])
  t.is((await database.nodes()).length, 1)
})

test('a node that is released while it is being registered is not the host’s any more: its lease runs out', async (t) => {
  const { clock, statusReporter, settle, alive, changed, database } = await open(t)
  const answer = gate()
  changed.register = async (...args) => {
    const registered = await database.register(...args)
    await answer.pass()
    return registered
  }
  statusReporter.report(row('n1'))
  const settled = settle()
  statusReporter.release('n1')
  answer.open()
  await settled
  await pass(clock, 2 * leaseMs)
  t.deepEqual(await alive(), [])
})

test('a node that is released while its row is on its way is not reported again when that fails', async (t) => {
  const { clock, statusReporter, settle, changed, calls } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  const answer = gate()
  changed.report = () => answer.pass() as never
  statusReporter.report(row('n1', { version: 1 }))
  const settled = settle()
  statusReporter.release('n1')
  answer.fail(new Error('away'))
  await settled
  calls.length = 0
  await pass(clock, 2 * leaseMs)
  t.deepEqual(
    calls.filter((call) => call !== 'reportGone'),
    [],
  )
})

test('rows of one turn travel together, the newest of each node', async (t) => {
  const { statusReporter, settle, calls, database } = await open(t)
  for (const nodeId of ['n1', 'n2']) statusReporter.report(row(nodeId))
  await settle()
  calls.length = 0
  statusReporter.report(row('n1', { version: 1 }))
  statusReporter.report(row('n2', { version: 1 }))
  statusReporter.report(row('n1', { version: 2 }))
  await settle()
  t.deepEqual(calls, ['report'])
  t.deepEqual(
    (await database.nodes()).map(({ version }) => version),
    [2, 1],
  )
})

test('while the database is away rows wait, with one warning, and the newest ones are stored when it is back', async (t) => {
  const { clock, factory, statusReporter, settle, database, events } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  factory.away(true)
  statusReporter.report(row('n1', { version: 1 }))
  await settle()
  await pass(clock, 3_000)
  statusReporter.report(row('n1', { version: 2 }))
  await settle()
  t.is(events.filter(({ type }) => type === 'warning').length, 1)
  factory.away(false)
  await pass(clock, 3_000)
  t.is((await database.nodes())[0]!.version, 2)
  // It was heard of again: the next time is another time.
  factory.away(true)
  statusReporter.report(row('n1', { version: 3 }))
  await settle()
  t.is(events.filter(({ type }) => type === 'warning').length, 2)
})

test('the first failure of all is told of, and the pause before the next try doubles', async (t) => {
  const s = await scripted(t)
  s.says.register = async () => {
    throw new Error('away')
  }
  s.statusReporter.report(row('n1'))
  await s.after(0)
  t.deepEqual(s.warnings(), ['the upgrade database does not answer; trying again'])
  s.asked()
  // Each pause is up to a quarter longer.
  for (const pauseMs of [100, 200, 400, 400]) {
    await s.after(pauseMs - 1)
    t.deepEqual(s.asked(), [])
    await s.after(1 + pauseMs / 4)
    t.deepEqual(s.asked(), ['register n1 0'])
  }
  t.is(s.warnings().length, 1)
})

test('a status reporter that has stopped renews nothing and tries nothing again', async (t) => {
  const { clock, factory, statusReporter, settle, calls } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  factory.away(true)
  statusReporter.report(row('n1', { version: 1 }))
  clock.endTurn()
  await statusReporter.stop()
  factory.away(false)
  calls.length = 0
  await pass(clock, 3 * leaseMs)
  t.deepEqual(calls, [])
  t.is(clock.timers, 0)
})

test('who waits until all is stored waits for what is on its way', async (t) => {
  const { clock, statusReporter, changed, database } = await open(t)
  await statusReporter.settled()
  const answer = gate()
  changed.register = async (...args) => {
    await answer.pass()
    return database.register(...args)
  }
  statusReporter.report(row('n1'))
  clock.endTurn()
  let isSettled = false
  const settled = statusReporter.settled().then(() => {
    isSettled = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.false(isSettled)
  answer.open()
  await settled
  t.is((await database.nodes()).length, 1)
})

test('figures that have changed are reported with the lease, and those that have not only renew it', async (t) => {
  const { clock, statusReporter, running, settle, calls, database } = await open(t)
  let figures: NodeFigures | undefined
  running.figuresOf = () => figures
  statusReporter.report(row('n1'))
  await settle()
  const said = async (next: Partial<NodeFigures>) => {
    figures = { ended: 0, threw: 0, timed: 0, ...next } as NodeFigures
    calls.length = 0
    await pass(clock, leaseMs / 3)
    const [how] = calls.filter((call) => call === 'report' || call === 'renew')
    return [how, (await database.nodes())[0]!.figures]
  }
  t.deepEqual(await said({}), ['renew', undefined])
  for (const next of [{ ended: 1 }, { ended: 1, threw: 1 }, { ended: 1, threw: 1, timed: 1 }]) {
    t.deepEqual(await said(next), ['report', { threw: 0, timed: 0, ...next }])
    t.is((await said(next))[0], 'renew')
  }
})

// --- What the database answers, as the test says

const nothingHeard: Heard = { unknown: [], forgotten: [], elsewhere: [] }

/** A status reporter whose database answers what `says` has; `asked` is what it was asked, in order. */
async function scripted(
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

const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve))
const never = new Promise<never>(() => {})

/** How a promise has ended, once it has. */
function endOf(promise: Promise<unknown>): { end: string | undefined } {
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

for (const how of ['register', 'claim'] as const) {
  test(`${how}: the host’s start is written down before its first node is registered`, async (t) => {
    const s = await scripted(t)
    let known: unknown
    s.says.register = async () => {
      known = s.store.get(keys.starts)
      return { registered: true }
    }
    await s.statusReporter[how](row('n1'))
    t.true(known instanceof Uint8Array)
    t.true(s.statusReporter.has('n1'))
    t.deepEqual(s.asked(), ['register n1 0'])
    await s.after(leaseMs / 3)
    t.deepEqual(s.asked(), ['renew n1'])
  })

  test(`${how}: a node that is registered elsewhere is refused, with the place`, async (t) => {
    const s = await scripted(t)
    s.says.register = async () => ({ registered: false, directoryId: 'other', hostId: 'h2' })
    const fault = await t.throwsAsync<Fault>(s.statusReporter[how](row('n1')))
    t.is(fault!.code, 'config.registered-elsewhere')
    t.is(
      fault!.message,
      'node n1 is registered on host h2 with state directory other: start it there, or forget it with "natsctl node forget n1"',
    )
    t.deepEqual(fault!.details, { nodeId: 'n1', directoryId: 'other', hostId: 'h2' })
    s.says.register = async () => ({ registered: false, directoryId: 'other' })
    const again = await t.throwsAsync<Fault>(s.statusReporter[how](row('n1')))
    t.regex(again!.message, /^node n1 is registered with state directory other: /)
    t.deepEqual(again!.details, { nodeId: 'n1', directoryId: 'other' })
    t.false(s.statusReporter.has('n1'))
    await s.after(leaseMs)
    t.deepEqual(s.asked(), ['register n1 0', 'register n1 0'])
  })

  test(`${how}: a start before this one is waited for until it has said that it is over`, async (t) => {
    const s = await scripted(t)
    let predecessor: Predecessor | undefined = { session: 'other', hostId: 'h0', leftMs: 2_500 }
    s.says.register = async () => ({ registered: true, ...(predecessor === undefined ? {} : { predecessor }) })
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    await s.after(600)
    t.deepEqual(s.asked(), ['register n1 0'])
    await s.after(1)
    t.deepEqual(s.asked(), ['register n1 0'])
    t.is(registered.end, undefined)
    predecessor = { ...predecessor, leftMs: 100 }
    await s.after(601)
    t.deepEqual(s.asked(), ['register n1 0'])
    predecessor = undefined
    // Its lease ends sooner than it would be asked again otherwise.
    await s.after(101)
    t.deepEqual(s.asked(), ['register n1 0'])
    t.is(registered.end, 'done')
    t.deepEqual(s.warnings(), [
      'node n1 may run on host h0, from another copy of this state directory: it is stopped there, and starts here within 3 s',
    ])
  })

  test(`${how}: a start of this very directory is over, and not waited for`, async (t) => {
    const s = await scripted(t, ['before'])
    s.says.register = async () => ({ registered: true, predecessor: { session: 'before', hostId: 'h1', leftMs: 2_500 } })
    await s.statusReporter[how](row('n1'))
    t.deepEqual(s.warnings(), [])
  })

  test(`${how}: while a start before may still serve, a database that goes away is asked again, and its lease is waited for`, async (t) => {
    const s = await scripted(t)
    s.says.register = async () => ({ registered: true, predecessor: { session: 'other', hostId: 'h0', leftMs: 2_500 } })
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    s.says.register = async () => {
      throw new Error('away')
    }
    for (let ms = 0; ms < 2_400; ms += 600) {
      await s.after(601)
      if (ms < 1_800) t.is(registered.end, undefined, `${ms}`)
    }
    await s.after(601)
    t.is(registered.end, how === 'register' ? 'Error: away' : 'done')
    const asked = s.asked()
    t.is(asked.filter((what) => what.startsWith('register')).length, 6)
    t.is(asked.at(-1), how === 'register' ? 'register n1 0' : 'report n1 0')
  })

  test(`${how}: the lease of a start before is waited for, though the database has lost it meanwhile`, async (t) => {
    const s = await scripted(t)
    const predecessor = { session: 'other', hostId: 'h0', leftMs: 1_000 }
    s.says.register = async () => ({ registered: true, predecessor, standing: standingOf('e1', 100) })
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    s.says.register = async () => ({ registered: true, standing: standingOf('e2', 200, 'lost') })
    await s.after(601)
    t.is(registered.end, undefined)
    await s.after(401)
    t.is(registered.end, 'done')
  })

  test(`${how}: a host that stops while its node waits gives up`, async (t) => {
    for (const isAway of [false, true]) {
      const s = await scripted(t)
      s.says.register = async () => ({ registered: true, predecessor: { session: 'other', hostId: 'h0', leftMs: 5_000 } })
      let isStopped = false
      const check = () => {
        if (isStopped) throw new Fault('unavailable.stopped', 'the host stops')
      }
      const registered = endOf(s.statusReporter[how](row('n1'), { check }))
      await s.after(0)
      if (isAway)
        s.says.register = async () => {
          throw new Error('away')
        }
      await s.after(601)
      s.asked()
      isStopped = true
      await s.after(601)
      t.is(registered.end, 'unavailable.stopped')
      t.deepEqual(s.asked(), [])
    }
  })

  test(`${how}: a host that stops before the database has answered does not have the node`, async (t) => {
    const s = await scripted(t)
    const check = () => {
      throw new Fault('unavailable.stopped', 'the host stops')
    }
    t.is(await codeOf(s.statusReporter[how](row('n1'), { check })), 'unavailable.stopped')
    t.false(s.statusReporter.has('n1'))
  })
}

test('a node that comes back with what may be a copy waits for one lease, where a database has lost who has it', async (t) => {
  const ends = async (how: 'register' | 'claim', doubt: Doubt, before: readonly string[] = [], leftMs = 0) => {
    const s = await scripted(t, before)
    const predecessor = { session: 'other', hostId: 'h0', leftMs }
    const known = leftMs > 0 ? { predecessor } : {}
    s.says.register = async () => {
      const answer = { registered: true as const, ...known, standing: standingOf('e1', 100, doubt) }
      s.says.register = async () => ({ registered: true, standing: standingOf('e1', 200, doubt) })
      return answer
    }
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    const { end } = registered
    for (let ms = 0; ms < leaseMs - 600; ms += 600) {
      t.is(registered.end, end)
      await s.after(600)
    }
    await s.after(1_200)
    t.is(registered.end, 'done')
    return [end, ...s.warnings()]
  }
  const waits =
    'node n1 may run on a host of which the upgrade database knows nothing any more: it is stopped there, and starts here within 9 s'
  t.deepEqual(await ends('claim', 'lost'), [undefined, waits])
  t.deepEqual(await ends('claim', 'restarted'), [undefined, waits])
  const older = await ends('claim', 'lost', [], 500)
  t.regex(older[1]!, /host h0.*within 9 s$/, 'an older copy of the database has an older lease')
  t.deepEqual(await ends('claim', 'silent'), ['done'])
  t.deepEqual(await ends('claim', 'lost', ['before']), ['done'], 'its own directory')
  t.deepEqual(await ends('register', 'lost'), ['done'], 'a birth')
})

test('a node that comes back with a copy waits for one lease, where its host is the first that the database hears', async (t) => {
  const ends = async (how: 'register' | 'claim', before: readonly string[], place?: string, by?: string) => {
    const s = await scripted(t, before, place)
    s.says.register = async () => {
      const visitor = by ?? s.sessions.at(-1)!.id
      return { registered: true as const, standing: standingOf(`5-${visitor}`, 100) }
    }
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    const { end } = registered
    if (end === undefined) {
      for (let ms = 600; ms < leaseMs; ms += 600) await s.after(600)
      t.is(registered.end, undefined)
      await s.after(1_200)
      t.is(registered.end, 'done')
      // It has waited for all of its nodes.
      const next = endOf(s.statusReporter[how](row('n2')))
      await s.after(0)
      t.is(next.end, 'done')
    }
    return end
  }
  t.is(await ends('claim', ['before'], 'elsewhere'), undefined)
  t.is(await ends('claim', ['before'], 'elsewhere', 'another'), 'done', 'others have been heard')
  t.is(await ends('claim', ['before']), 'done', 'its own directory')
  t.is(await ends('claim', []), 'done', 'a directory that remembers no start')
  t.is(await ends('register', ['before'], 'elsewhere'), 'done', 'a birth')
})

test('a database that does not answer, or is away, refuses a birth; a node that comes back serves, and is registered later', async (t) => {
  for (const how of ['silent', 'away'] as const) {
    const s = await scripted(t)
    s.says.register = async () => {
      if (how === 'silent') await never
      throw new Error('away')
    }
    const [born, back] = [endOf(s.statusReporter.register(row('n1'))), endOf(s.statusReporter.claim(row('n2')))]
    await s.after(0)
    if (how === 'silent') {
      await s.after(1_999)
      t.deepEqual([born.end, back.end], [undefined, undefined])
      await s.after(1)
    }
    t.deepEqual([born.end, back.end], [how === 'silent' ? 'unavailable.disconnected' : 'Error: away', 'done'])
    t.deepEqual([s.statusReporter.has('n1'), s.statusReporter.has('n2')], [false, true])
    if (how === 'silent') continue
    s.asked()
    s.says.register = async () => ({ registered: true })
    await s.after(500)
    t.deepEqual(s.asked(), ['register n2 0'])
  }
})

test('nodes that have stopped are told of at the next renewal and at the stop, once, and those that are here again are not', async (t) => {
  const s = await scripted(t)
  for (const nodeId of ['n1', 'n2', 'n3']) await s.statusReporter.register(row(nodeId))
  s.asked()
  s.statusReporter.release('n1')
  s.statusReporter.release('n2')
  s.statusReporter.release('n9')
  s.statusReporter.report(row('n2', { version: 1 }))
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 1'])
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n3,n2', 'gone n1'])
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n3,n2'])
  s.statusReporter.release('n3')
  await s.statusReporter.stop()
  t.deepEqual(s.asked(), ['gone n3'])
})

test('that a node has stopped arrives before it is registered anew, or not at all', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  await s.statusReporter.register(row('n2'))
  const answer = gate()
  s.says.gone = () => answer.pass()
  s.statusReporter.release('n1')
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked().slice(2), ['renew n2', 'gone n1'])
  const again = endOf(s.statusReporter.register(row('n1')))
  await s.after(0)
  t.deepEqual(s.asked(), [])
  answer.open()
  await s.after(0)
  t.is(again.end, 'done')
  t.deepEqual(s.asked(), ['register n1 0'])
  // Without an answer its time is bounded.
  s.says.gone = () => never
  s.statusReporter.release('n1')
  await s.after(leaseMs / 3)
  s.asked()
  const later = endOf(s.statusReporter.register(row('n1')))
  await s.after(1_999)
  t.is(later.end, undefined)
  await s.after(1)
  t.is(later.end, 'done')
})

test('a node is registered anew after the last word that nodes have stopped, also where an earlier one has arrived', async (t) => {
  const s = await scripted(t)
  const stopped = gate()
  s.running.takenElsewhere = () => stopped.pass()
  for (const nodeId of ['n1', 'n2']) await s.statusReporter.register(row(nodeId))
  const answers = new Map([
    ['n1', gate()],
    ['n2', gate()],
  ])
  s.says.gone = ([nodeId]) => answers.get(nodeId!)!.pass()
  s.says.renew = async () => ({ ...nothingHeard, elsewhere: [{ nodeId: 'n2', hostId: null }] })
  s.statusReporter.release('n1')
  await s.after(leaseMs / 3)
  stopped.open()
  await s.after(0)
  t.deepEqual(s.asked().slice(2), ['renew n2', 'gone n1', 'gone n2'])
  answers.get('n1')!.open()
  await s.after(0)
  void s.statusReporter.register(row('n2'))
  await s.after(0)
  t.deepEqual(s.asked(), [])
  answers.get('n2')!.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 0'])
})

test('a node that the database does not know is registered again; one that an operator has forgotten is not', async (t) => {
  const s = await scripted(t)
  for (const nodeId of ['n1', 'n2']) await s.statusReporter.register(row(nodeId))
  s.asked()
  s.says.renew = async () => ({ ...nothingHeard, forgotten: ['n2', 'n8'], unknown: ['n9', 'n1'] })
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n1,n2', 'register n1 0'])
  s.says.renew = async () => ({ ...nothingHeard, unknown: ['n2'] })
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n1,n2'])
  s.statusReporter.report(row('n2', { version: 1 }))
  await s.after(0)
  t.deepEqual(s.asked(), ['report n2 1'], 'its row goes on to be told')
  s.statusReporter.release('n2')
  await s.statusReporter.register(row('n2'))
  t.deepEqual(s.asked(), ['register n2 0'], 'when it starts anew')
})

test('a node that turns out to be registered elsewhere is stopped here, and then the database hears that it is', async (t) => {
  const s = await scripted(t)
  const taken: string[] = []
  const stopped = gate()
  s.running.takenElsewhere = async (nodeId, leftMs) => {
    taken.push(`${nodeId} ${leftMs === 0 ? 'served' : `waiting ${leftMs} ms`}`)
    await stopped.pass()
  }
  for (const nodeId of ['n1', 'n2', 'n3']) await s.statusReporter.register(row(nodeId))
  s.statusReporter.report(row('n4'))
  s.says.register = async () => ({ registered: false, directoryId: 'other' })
  s.says.renew = async () => ({
    ...nothingHeard,
    elsewhere: [
      { nodeId: 'n1', hostId: 'h2' },
      { nodeId: 'n2', hostId: null, waits: true },
      { nodeId: 'n9', hostId: null },
    ],
  })
  await s.after(0)
  s.asked()
  await s.after(leaseMs / 3)
  t.deepEqual(taken, ['n4 served', 'n1 served', 'n2 waiting 6000 ms'])
  const failed = s.events.flatMap((event) => (event.type === 'nodeFailed' ? [event] : []))
  t.deepEqual(
    failed.map(({ nodeId, error }) => `${nodeId}: ${(error as Fault).message.split(':')[0]}`),
    [
      'n4: node n4 is registered with state directory other',
      'n1: node n1 is registered on host h2',
      'n2: node n2 is registered elsewhere',
    ],
  )
  t.deepEqual(
    failed.map(({ error }) => (error as Fault).details),
    [{ nodeId: 'n4', directoryId: 'other' }, { nodeId: 'n1', hostId: 'h2' }, { nodeId: 'n2' }],
  )
  t.deepEqual([s.statusReporter.has('n1'), s.statusReporter.has('n3')], [false, true])
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.asked().filter((what) => what.startsWith('gone')),
    [],
    'they still stop',
  )
  stopped.open()
  await s.after(0)
  t.deepEqual(
    s
      .asked()
      .filter((what) => what.startsWith('gone'))
      .flatMap((what) => what.slice('gone '.length).split(','))
      .sort(),
    ['n1', 'n2', 'n4'],
  )
})

test('the other start waits for the lease that the newest renewal has given', async (t) => {
  const s = await scripted(t)
  const left: number[] = []
  s.running.takenElsewhere = async (_nodeId, leftMs) => void left.push(leftMs)
  await s.statusReporter.register(row('n1'))
  await s.after(leaseMs / 3)
  await s.after(leaseMs / 3)
  s.says.renew = async () => ({ ...nothingHeard, elsewhere: [{ nodeId: 'n1', hostId: null, waits: true }] })
  await s.after(leaseMs / 3)
  t.deepEqual(left, [(2 * leaseMs) / 3])
})

test('an answer about a node that has stopped meanwhile says nothing about the one that was started in its place', async (t) => {
  const s = await scripted(t)
  s.running.takenElsewhere = async (nodeId) => t.fail(nodeId)
  await s.statusReporter.register(row('n1'))
  const answer = gate()
  s.says.renew = async () => {
    await answer.pass()
    return { unknown: ['n1'], forgotten: ['n1'], elsewhere: [{ nodeId: 'n1', hostId: 'h2' }] }
  }
  await s.after(leaseMs / 3)
  s.statusReporter.release('n1')
  await s.statusReporter.register(row('n1', { version: 1 }))
  s.asked()
  answer.open()
  await s.after(0)
  t.true(s.statusReporter.has('n1'))
  t.deepEqual(s.asked(), [])
  // Nor does the answer to its row.
  const told = gate()
  s.says.report = async () => {
    await told.pass()
    return { ...nothingHeard, elsewhere: [{ nodeId: 'n1', hostId: 'h2' }] }
  }
  s.statusReporter.report(row('n1', { version: 2 }))
  await s.after(0)
  s.statusReporter.release('n1')
  await s.statusReporter.register(row('n1', { version: 3 }))
  told.open()
  await s.after(0)
  t.true(s.statusReporter.has('n1'))
  // Nor does that to its registration.
  for (const answer of [{ registered: true }, { registered: false, directoryId: 'other' }] as const) {
    const registered = gate()
    s.says.register = async () => {
      await registered.pass()
      s.says.register = async () => ({ registered: true })
      return answer
    }
    s.statusReporter.release('n1')
    s.statusReporter.report(row('n1', { version: 4 }))
    await s.after(0)
    s.statusReporter.release('n1')
    s.statusReporter.report(row('n1', { version: 5 }))
    s.asked()
    registered.open()
    await s.after(0)
    t.true(s.statusReporter.has('n1'))
    t.deepEqual(s.asked(), ['register n1 5'])
  }
})

test('a row waits for the one that is on its way: an older one never comes after a newer one', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  s.asked()
  const told = gate()
  s.says.report = async () => {
    await told.pass()
    return nothingHeard
  }
  for (const version of [1, 2, 3]) {
    s.statusReporter.report(row('n1', { version }))
    await s.after(0)
  }
  t.deepEqual(s.asked(), ['report n1 1'])
  told.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['report n1 3'])
})

test('rows of nodes that have stopped before they could be stored are stored by nobody', async (t) => {
  const s = await scripted(t)
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  for (const nodeId of ['n1', 'n2']) s.statusReporter.report(row(nodeId))
  await s.after(0)
  s.statusReporter.release('n2')
  answer.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['register n1 0'])
})

test('a node that stops while others of its batch are registered is not among the rows that are told', async (t) => {
  const s = await scripted(t)
  for (const nodeId of ['n1', 'n3']) await s.statusReporter.register(row(nodeId))
  s.asked()
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  for (const nodeId of ['n1', 'n3']) s.statusReporter.report(row(nodeId, { version: 1 }))
  s.statusReporter.report(row('n2'))
  await s.after(0)
  s.statusReporter.release('n1')
  answer.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 0', 'report n3 1'])
})

test('a node that is being registered anew has not stopped, whatever it did before', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  s.statusReporter.release('n1')
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  const again = endOf(s.statusReporter.register(row('n1')))
  await s.after(leaseMs / 6)
  await s.statusReporter.stop()
  answer.open()
  await s.after(0)
  t.is(again.end, 'done')
  t.deepEqual(s.asked(), ['register n1 0', 'register n1 0'])
})

const standingOf = (epoch: string, stampMs: number, doubt: Doubt | null = null): Standing => ({
  epoch,
  stampMs,
  leaseMs,
  probation: doubt === null ? null : { doubt, leftMs: leaseMs },
})

test('a database that answers in another epoch is told of all nodes again, and hears of the new epoch when it has been', async (t) => {
  const s = await scripted(t)
  let losses = 0
  s.statusReporter.losses.on(() => losses++)
  s.says.register = async ({ nodeId }) => ({ registered: true, standing: standingOf('e1', nodeId === 'n1' ? 100 : 200) })
  for (const nodeId of ['n1', 'n2']) await s.statusReporter.register(row(nodeId))
  t.deepEqual(
    s.sessions.map(({ stampMs, epoch }) => [stampMs, epoch]),
    [
      [0, null],
      [100, 'e1'],
    ],
  )
  s.says.renew = async () => ({ ...nothingHeard, standing: standingOf('e2', 300) })
  s.sessions.length = 0
  s.asked()
  const told = gate()
  s.says.report = async () => {
    await told.pass()
    return { ...nothingHeard, standing: standingOf('e2', 400) }
  }
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n1,n2', 'report n1 0,n2 0'])
  t.deepEqual(
    [losses, s.warnings()],
    [1, ['the upgrade database has restarted, or lost something: it is told of all nodes again']],
  )
  await s.after(leaseMs / 3)
  told.open()
  await s.after(0)
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.sessions.map(({ stampMs, epoch }) => [stampMs, epoch]),
    [
      [200, 'e1'],
      [300, 'e1'],
      [300, 'e1'],
      [400, 'e2'],
    ],
  )
  t.deepEqual(
    [...s.sessions.at(-1)!.registeredMs!],
    [
      ['n1', 100],
      ['n2', 200],
    ],
  )
  s.statusReporter.release('n1')
  s.sessions.length = 0
  await s.after(leaseMs / 3)
  t.deepEqual([...s.sessions[0]!.registeredMs!.keys()], ['n2'])
  t.is(losses, 1)
})

test('a registration tells of a new epoch too, and the database is told of all nodes before it hears that it has been', async (t) => {
  const s = await scripted(t)
  s.says.register = async () => ({ registered: true, standing: standingOf('e1', 100) })
  await s.statusReporter.register(row('n1'))
  s.says.register = async () => ({ registered: true, standing: standingOf('e2', 200) })
  s.sessions.length = 0
  s.asked()
  s.statusReporter.report(row('n2'))
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 0', 'report n1 0,n2 0'])
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.sessions.map(({ epoch }) => epoch),
    ['e1', 'e1', 'e2'],
  )
  // One that ends while its own answer is on its way is told of all nodes once more.
  s.says.report = async () => ({ ...nothingHeard, standing: standingOf('e3', 300) })
  s.sessions.length = 0
  s.statusReporter.report(row('n1', { version: 1 }))
  await s.after(0)
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.sessions.map(({ epoch }) => epoch),
    ['e2', 'e2', 'e3'],
  )
})

test('a database that does not say in which epoch it is hears of none, and nobody waits for what it may have lost', async (t) => {
  const s = await scripted(t, ['before'], 'elsewhere')
  await s.statusReporter.claim(row('n1'))
  await s.after(0)
  t.deepEqual(s.asked(), ['register n1 0'])
  s.statusReporter.report(row('n1', { version: 1 }))
  await s.after(0)
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['report n1 1', 'renew n1'])
  t.deepEqual(
    s.sessions.map(({ epoch }) => epoch),
    [null, null, null],
  )
})

test('what a host knows is given back to a database on probation, unless that was silent only', async (t) => {
  const s = await scripted(t)
  let given = 0
  s.statusReporter.probation.on(() => given++)
  await s.statusReporter.register(row('n1'))
  const counts: number[] = []
  for (const doubt of [null, 'silent', 'lost', 'restarted'] as const) {
    s.says.renew = async () => ({ ...nothingHeard, standing: standingOf('e1', 100, doubt) })
    await s.after(leaseMs / 3)
    counts.push(given)
  }
  t.deepEqual(counts, [0, 0, 1, 2])
})

test('a question for all nodes counts as asked from its beginning, whether or not it is answered in time', async (t) => {
  const s = await scripted(t)
  const moments: number[] = []
  s.fence.asked = ({ ms }) => void moments.push(ms)
  await s.statusReporter.register(row('n1'))
  s.says.renew = () => never
  await s.after(leaseMs / 3)
  const begin = s.clock.monotonicMs()
  t.deepEqual(moments, [])
  await s.after(2_000)
  t.deepEqual(moments, [begin])
  await s.after(1_000)
  t.deepEqual(s.asked(), ['register n1 0', 'renew n1', 'renew n1'])
})

test('a database that never answers holds nothing up for longer than fenceAnswerMs: no birth, no question, no stop', async (t) => {
  const s = await scripted(t)
  const { fenceAnswerMs } = defaultSettings
  await s.statusReporter.register(row('n1'))
  await s.statusReporter.register(row('n3'))
  for (const question of ['register', 'renew', 'gone', 'report'] as const) s.says[question] = () => never
  const waiting = { birth: endOf(s.statusReporter.register(row('n2'))), fence: endOf(s.statusReporter.askAll()) }
  await s.after(0)
  await s.after(fenceAnswerMs - 1)
  t.deepEqual([waiting.birth.end, waiting.fence.end], [undefined, undefined])
  await s.after(1)
  t.deepEqual([waiting.birth.end, waiting.fence.end], ['unavailable.disconnected', 'done'])
  s.statusReporter.release('n1')
  const stopped = endOf(s.statusReporter.stop())
  await s.after(0)
  await s.after(fenceAnswerMs - 1)
  t.is(stopped.end, undefined)
  await s.after(1)
  t.is(stopped.end, 'done')
})

test('a renewal that is not answered is over before the next one', async (t) => {
  const s = await scripted(t, [], undefined, { fenceAnswerMs: 60_000 })
  const moments: number[] = []
  s.fence.asked = ({ ms }) => void moments.push(ms)
  await s.statusReporter.register(row('n1'))
  s.says.renew = () => never
  await s.after(leaseMs / 3)
  await s.after(leaseMs / 3 - 1)
  t.is(moments.length, 0)
  await s.after(1)
  t.is(moments.length, 1)
})

test('the fence’s question is for the nodes that are registered, and says so when nobody answers', async (t) => {
  const s = await scripted(t)
  const moments: number[] = []
  s.fence.asked = ({ ms }) => void moments.push(ms)
  await s.statusReporter.askAll()
  t.deepEqual([s.asked(), moments.length], [[], 1], 'there are none')
  await s.statusReporter.register(row('n1'))
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  s.statusReporter.report(row('n2'))
  await s.after(0)
  s.asked()
  await s.statusReporter.askAll()
  t.deepEqual(s.asked(), ['renew n1'])
  t.deepEqual(s.warnings(), [])
  s.says.renew = async () => {
    throw new Error('away')
  }
  await s.statusReporter.askAll()
  t.deepEqual(s.warnings(), ['the upgrade database does not answer; nodes serve without its word'])
  answer.open()
})

test('the fence asks a database that has lost something again: whose newer start has a node, it may hear only now', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  s.asked()
  const doubtful = (doubt: Doubt | null) => async () => ({ ...nothingHeard, standing: standingOf('e1', 100, doubt) })
  for (const [doubt, pauses] of [
    [null, 0],
    ['silent', 0],
    ['lost', 3],
    ['restarted', 3],
  ] as const) {
    s.says.renew = doubtful(doubt)
    const opened = endOf(s.statusReporter.askAll())
    await s.after(0)
    for (let i = 0; i < pauses; i++) {
      t.is(opened.end, undefined, `${doubt}`)
      await s.after(leaseMs / 15)
    }
    s.says.renew = doubtful(null)
    if (pauses > 0) await s.after(leaseMs / 15)
    t.is(opened.end, 'done', `${doubt}`)
    if (pauses === 0) t.deepEqual(s.asked(), ['renew n1'])
    s.asked()
  }
})

test('the fence asks again for one lease at most, and no more when the host stops or nobody answers', async (t) => {
  const lost = async () => ({ ...nothingHeard, standing: standingOf('e1', 100, 'lost' as const) })
  for (const how of ['for long', 'stopped', 'away'] as const) {
    const s = await scripted(t)
    await s.statusReporter.register(row('n1'))
    s.says.renew = lost
    const opened = endOf(s.statusReporter.askAll())
    await s.after(0)
    t.is(opened.end, undefined)
    if (how === 'stopped') void s.statusReporter.stop()
    if (how === 'away')
      s.says.renew = async () => {
        throw new Error('away')
      }
    for (let i = 0; i < (how === 'for long' ? 14 : 0); i++) await s.after(leaseMs / 15)
    t.is(opened.end, undefined)
    await s.after(leaseMs / 15)
    t.is(opened.end, 'done', how)
    t.is(
      s.warnings().some((message) => message.includes('does not answer')),
      how === 'away',
    )
  }
})

test('a stop waits for the row that is on its way, and for the word that its nodes have stopped', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  const [stored, told] = [gate(), gate()]
  s.says.report = async () => {
    await stored.pass()
    return nothingHeard
  }
  s.says.gone = () => told.pass()
  s.statusReporter.report(row('n1', { version: 1 }))
  await s.after(0)
  s.asked()
  const stopped = endOf(s.statusReporter.stop())
  s.statusReporter.release('n1')
  await s.after(0)
  t.deepEqual(s.asked(), [])
  stored.open()
  await s.after(0)
  t.deepEqual([s.asked(), stopped.end], [['gone n1'], undefined])
  told.open()
  await s.after(0)
  t.is(stopped.end, 'done')
})

test('how far the records of a node have come is told with its figures', async (t) => {
  const s = await scripted(t)
  const figures = { ended: 0, threw: 0, timed: 0, tookMs: 0 }
  let passed = 1
  s.running.figuresOf = () => ({ ...figures, records: { passed } }) as unknown as NodeFigures
  await s.statusReporter.register(row('n1'))
  s.asked()
  for (const expected of ['report n1 0', 'renew n1']) {
    await s.after(leaseMs / 3)
    t.deepEqual(s.asked(), [expected])
  }
  passed = 2
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['report n1 0'])
})
