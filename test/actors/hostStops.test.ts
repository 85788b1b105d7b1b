/**
 * `host.stop()` at any moment: it waits for what is under way, never longer than `leaveMs`, and closes
 * nothing that is still used. An exception that nobody catches would end the process of these tests.
 */
import test, { type ExecutionContext } from 'ava'
import { command, createHost, type HostOptions, NodeObject, query, schedule, type Upgrade } from '../../index.js'
import { type MemoryState, memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { processMsOf } from '../support/processTime.js'
import { codeOf, type Gate, gate, type TestHost, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notesClasses.js'

/** The objects that a test holds, by the name of its system. */
const held = new Map<string, Gate>()
const never = new Promise<never>(() => {})

class SlowV1 extends NodeObject<{ began: number; started: number; done: string[] }> {
  static override readonly className = 'Slow.v1'
  static override initial() {
    return { began: 0, started: 0, done: [] as string[] }
  }
  override async start(): Promise<void> {
    this.state.began++
    await held.get(`${this.nodeId} starts`)?.pass()
    this.state.started++
  }
  override async stop(): Promise<void> {
    await held.get(`${this.nodeId} stops`)?.pass()
  }
  @command async do(what: string): Promise<number> {
    await held.get(`${this.nodeId} does`)?.pass()
    return this.state.done.push(what)
  }
  @query seen(): { began: number; started: number; done: string[] } {
    return this.state
  }
}

/** Everything is held that the node waits for. */
function hold(t: ExecutionContext, what: string): Gate {
  const made = gate()
  held.set(what, made)
  t.teardown(() => {
    held.delete(what)
    made.open()
  })
  return made
}

const quickly = 2_000

/** The host stops, well within the time that it has. */
async function stopsWithin(t: ExecutionContext, ms: number, stop: Promise<unknown>): Promise<void> {
  const tookMs = await processMsOf(() => stop)
  t.true(tookMs < ms + quickly, `stopped after ${tookMs} ms`)
}

/** Another host takes the state up, as it is. */
async function restarted(system: TestSystem, state: MemoryState, nodeId: string) {
  for (const [what, { open }] of held) {
    if (!what.startsWith(`${nodeId} `)) continue
    open()
    held.delete(what)
  }
  const again = await system.host(`again-${nodeId}`, { state })
  await again.node(SlowV1, nodeId)
  return await system.desk.ref(SlowV1, nodeId, { version: 0 }).seen()
}

// Nodes that are starting.

test('a host that stops waits for a node that is starting; who waits for the node hears at once', async (t) => {
  const system = await TestSystem.start(t)
  const state = memoryStore()
  const host = await system.host('h', { state })
  const start = hold(t, 'slow1 starts')
  const node = codeOf(host.node(SlowV1, 'slow1'))
  await until(() => start.waiting === 1, 'start() runs')
  let isStopped = false
  const stopped = host.stop().then(() => {
    isStopped = true
  })
  t.is(await node, 'unavailable.stopped')
  await system.desk.running.flush()
  t.false(isStopped)
  start.open()
  await stopped
  // The writes of start() are there: it came to its end.
  t.deepEqual(await restarted(system, state, 'slow1'), { began: 2, started: 2, done: [] })
})

test('a start that never ends is left behind after leaveMs, and what it writes later is nowhere', async (t) => {
  const system = await TestSystem.start(t, { leaveMs: 100 })
  const state = memoryStore()
  const host = await system.host('h', { state })
  const start = hold(t, 'slow2 starts')
  const node = codeOf(host.node(SlowV1, 'slow2'))
  await until(() => start.waiting === 1, 'start() runs')
  await stopsWithin(t, 100, host.stop())
  t.is(await node, 'unavailable.stopped')
  t.true(host.warnings().some((text) => text.includes('still busy: slow2')))
  start.open()
  t.deepEqual(await restarted(system, state, 'slow2'), { began: 1, started: 1, done: [] })
})

interface Starting {
  readonly system: TestSystem
  readonly host: TestHost
  readonly state: MemoryState
  /** The start has come to where it is held, for ever. */
  readonly reached: () => Promise<never>
}

/** Where the start of a node can be held; each is arranged before it begins. */
const places: Record<string, (s: Starting) => Promise<void> | void> = {
  'waits for the upgrade server': ({ system, reached }) => {
    system.broker.filter = ({ from, message }) => {
      if (from !== 'h' || !message.subject.endsWith('.server')) return 'deliver'
      void reached()
      return 'drop'
    }
  },
  'waits for its registration': ({ host, reached }) => {
    host.changeDatabase({ register: () => reached() })
  },
  'reads who runs what': async ({ system, host, reached }) => {
    await system.publish(toV2())
    host.changeDatabase({ nodes: () => reached() })
  },
  'waits for a bundle': async ({ system, reached }) => {
    await system.publish(toV2())
    system.repository.load = () => reached()
  },
  'transforms at its birth': async ({ system, reached }) => {
    await system.publish(toV2({ beforeTransform: () => reached() }))
  },
  'waits for the disk': ({ state, reached }) => {
    state.beforeCommit = () => reached()
  },
}

for (const [place, arrange] of Object.entries(places)) {
  test(`a host that stops while a node ${place} leaves nothing behind that fails later`, async (t) => {
    const system = await TestSystem.start(t, { leaveMs: 200 })
    const state = memoryStore()
    const host = await system.host('h', { state })
    const { promise, resolve } = Promise.withResolvers<void>()
    const reached = () => {
      resolve()
      return never
    }
    await arrange({ system, host, state, reached })
    const node = codeOf(host.node(NotesV1, 'n1'))
    await promise
    t.is(await codeOf(host.node(NotesV1, 'n1')), 'config.invalid')
    await stopsWithin(t, 200, host.stop())
    t.is(await node, 'unavailable.stopped')
    t.is(await codeOf(host.node(NotesV1, 'n2')), 'unavailable.stopped')
  })
}

test('a node with state whose start is interrupted anywhere starts again with all of it', async (t) => {
  const system = await TestSystem.start(t, { leaveMs: 50 })
  const state = memoryStore()
  const first = await system.host('h1', { state })
  await first.node(SlowV1, 'slow3')
  t.is(await system.desk.ref(SlowV1, 'slow3', { version: 0 }).do('kept'), 1)
  await first.stop()
  for (const name of ['h2', 'h3', 'h4']) {
    const host = await system.host(name, { state })
    const start = hold(t, 'slow3 starts')
    const node = codeOf(host.node(SlowV1, 'slow3'))
    await until(() => start.waiting === 1, 'start() runs')
    await host.stop()
    t.is(await node, 'unavailable.stopped')
  }
  const { done } = await restarted(system, state, 'slow3')
  t.deepEqual(done, ['kept'])
})

// Calls and objects that do not end.

test('a call that never ends is left behind after leaveMs: it is not acknowledged, and what it writes is nowhere', async (t) => {
  const system = await TestSystem.start(t, { leaveMs: 100 })
  const state = memoryStore()
  const host = await system.host('h', { state })
  await host.node(SlowV1, 'slow4')
  const call = hold(t, 'slow4 does')
  const slow = system.desk.ref(SlowV1, 'slow4', { version: 0, deadline: '20s' })
  const running = codeOf(slow.do('late'))
  await until(() => call.waiting === 1, 'the call runs')
  // The call ends when its node has stopped and an answer could still leave.
  const close = host.transport.close.bind(host.transport)
  const closing = Promise.withResolvers<void>()
  host.transport.close = async () => {
    closing.resolve()
    await running
    await close()
  }
  const stopped = host.stop()
  await closing.promise
  call.open()
  t.is(await running, 'unavailable.storage')
  await stopsWithin(t, 100, stopped)
  t.deepEqual((await restarted(system, state, 'slow4')).done, [])
})

test('an object whose stop() never ends is left behind after leaveMs', async (t) => {
  const system = await TestSystem.start(t, { leaveMs: 100 })
  const state = memoryStore()
  const host = await system.host('h', { state })
  await host.node(SlowV1, 'slow5')
  t.is(await system.desk.ref(SlowV1, 'slow5', { version: 0 }).do('kept'), 1)
  hold(t, 'slow5 stops')
  await stopsWithin(t, 100, host.stop())
  t.deepEqual((await restarted(system, state, 'slow5')).done, ['kept'])
})

test('a node that is stopped alone is bounded by leaveMs too, and a host that stops meanwhile', async (t) => {
  const system = await TestSystem.start(t, { leaveMs: 100 })
  const host = await system.host('h')
  const node = await host.node(SlowV1, 'slow6')
  const call = hold(t, 'slow6 does')
  const running = codeOf(system.desk.ref(SlowV1, 'slow6', { version: 0, deadline: '500ms' }).do('late'))
  await until(() => call.waiting === 1, 'the call runs')
  await stopsWithin(t, 100, Promise.all([node.stop(), node.stop(), host.stop()]))
  t.is(await running, 'timeout.deadline')
})

test('a database, a disk and a transport that answer nobody keep no host from stopping', async (t) => {
  const system = await TestSystem.start(t, { leaveMs: 200 })
  const state = memoryStore()
  const host = await system.host('h', { state })
  await host.node(SlowV1, 'slow7')
  state.beforeCommit = () => never
  host.changeDatabase({ report: () => never, renew: () => never, close: () => never })
  host.transport.flush = () => never
  host.transport.close = () => never
  const call = codeOf(system.desk.ref(SlowV1, 'slow7', { version: 0, deadline: '400ms' }).do('lost'))
  await stopsWithin(t, 200, host.stop())
  t.regex(await call, /^(timeout|unavailable)\./)
})

// Stopping twice, and using what has stopped.

test('a second stop() at the same time waits for the first, and closes nothing under it', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h')
  await host.node(SlowV1, 'slow8')
  const call = hold(t, 'slow8 does')
  const running = codeOf(system.desk.ref(SlowV1, 'slow8', { version: 0, deadline: '20s' }).do('kept'))
  await until(() => call.waiting === 1, 'the call runs')
  const stops = [host.running.stop(), host.running.stop(), host.running[Symbol.asyncDispose]()]
  let ended = 0
  for (const stop of stops) void stop.then(() => ended++)
  await system.desk.running.flush()
  t.is(ended, 0)
  call.open()
  t.is(await running, 'answered 1')
  await Promise.all(stops)
  await host.running.stop()
})

test('what is asked of a host while it stops, or afterwards, is refused with a fault', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h')
  await host.node(SlowV1, 'slow9')
  const notSent = host.ref(SlowV1, 'slow9', { version: 0 })
  const publishing = codeOf(host.publish(system.build(toV2())))
  const asked = [codeOf(host.running.operator.history()), codeOf(host.running.operator.database.nodes())]
  const stopped = host.running.stop()
  const meanwhile = codeOf(host.node(SlowV1, 'slow10'))
  await stopped
  t.is(await meanwhile, 'unavailable.stopped')
  for (const end of [await publishing, ...(await Promise.all(asked))]) t.regex(end, /^(answered|timeout\.|unavailable\.)/)
  t.is(await codeOf(host.publish(system.build(toV2()))), 'unavailable.stopped')
  t.is(await codeOf(notSent.do('never')), 'unavailable.stopped')
  t.is(await codeOf(host.node(SlowV1, 'slow10')), 'unavailable.stopped')
  t.regex(await codeOf(host.running.operator.database.nodes()), /^unavailable\./)
  t.notThrows(() => host.sender(SlowV1, 'slow9', { version: 0 }).do('never'))
})

// Upgrades under way.

/** Never ends the first time. */
type Hang = () => Promise<void>

const phases: Record<
  string,
  { readonly is: 'scheduled' | 'draining' | 'transforming' | 'checking' | 'recovering'; upgrade(hang: Hang): Upgrade }
> = {
  'its scheduling function runs': { is: 'scheduled', upgrade: (hang) => toV2({ schedule: schedule('never', hang) }) },
  'its transform runs': { is: 'transforming', upgrade: (hang) => toV2({ beforeTransform: hang }) },
  'the new object is checked': {
    is: 'checking',
    upgrade: (hang) =>
      toV2({
        newClass: class extends NotesV2 {
          override selfCheck(): Promise<void> {
            return hang()
          }
        },
      }),
  },
  'the new object starts': {
    is: 'recovering',
    upgrade: (hang) =>
      toV2({
        newClass: class extends NotesV2 {
          override start(): Promise<void> {
            return hang()
          }
        },
      }),
  },
}

for (const [when, { is, upgrade }] of Object.entries(phases)) {
  test(`a host that stops while a node upgrades, and ${when}, stops in time and loses nothing`, async (t) => {
    const system = await TestSystem.start(t, { leaveMs: 100 })
    const state = memoryStore()
    const host = await system.host('h', { state })
    await host.node(NotesV1, 'n1')
    t.is(await system.desk.ref(NotesV1, 'n1', { version: 0 }).add('kept'), 1)
    const reached = Promise.withResolvers<void>()
    const first = Promise.withResolvers<void>()
    let times = 0
    await system.publish(
      upgrade(() => {
        reached.resolve()
        return times++ === 0 ? first.promise : Promise.resolve()
      }),
    )
    await reached.promise
    t.is(host.last('n1')?.phase, is)
    await stopsWithin(t, 100, host.stop())
    first.reject(new Error('the user’s code ends long after its host'))
    await new Promise(setImmediate)
    const again = await system.host('again', { state })
    await again.node(NotesV1, 'n1')
    t.deepEqual(await system.desk.ref(NotesV1, 'n1', { version: 0 }).all(), ['kept'])
  })
}

// Hosts that could not be started.

const failures: Record<string, Partial<HostOptions>> = {
  'settings that can’t be': { facts: { zone: 1 as never } },
  'a host id that can’t be': { hostId: 'not a name' },
  'a class repository that can’t be': {
    register: () => {
      throw new Error('no')
    },
  },
  'metrics that can’t be opened': {
    metrics: {
      open: () => {
        throw new Error('no')
      },
    },
  },
  'a database that does not answer': { udb: { open: () => Promise.reject(new Error('no')) } },
  'keys that nobody has': { trust: ['no key'] },
}

for (const [what, wrong] of Object.entries(failures)) {
  test(`createHost with ${what} leaves nothing open`, async (t) => {
    const system = await TestSystem.start(t)
    const state = memoryStore()
    const open = new Set<string>()
    const opened = <T extends { close(): Promise<void> }>(name: string, part: T): T => {
      open.add(name)
      const close = part.close.bind(part)
      part.close = () => {
        open.delete(name)
        return close()
      }
      return part
    }
    const options: HostOptions = {
      ...system.ways(),
      state: { open: async () => opened('store', await state.open()) },
      bundles: system.repository,
      transport: { connect: async (from) => opened('transport', memoryTransport(system.broker, from)) },
      udb: { open: async (name, clock) => opened('database', await system.udb.open(name, clock)) },
      ...wrong,
    }
    await t.throwsAsync(createHost(options))
    t.deepEqual([...open], [])
    await (await state.open()).close()
  })
}
