/**
 * A node's software over its state: made, started and stopped together. Its node is written here; state,
 * journal and record are the real ones.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import type { RunningCall } from '../../actors/calls/runningCall.js'
import type { NodeServices } from '../../actors/host/nodeServices.js'
import { NodeRecordStore } from '../../actors/software/nodeRecordStore.js'
import { NodeSoftware, type SoftwareNode } from '../../actors/software/nodeSoftware.js'
import { Departures } from '../../actors/state/departures.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState } from '../../actors/state/nodeState.js'
import { Fault } from '../../core/base/fault.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import { keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import type { ObjectChain } from '../../core/model/objectChain.js'
import type { Step } from '../../core/upgrade/chainPlan.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { changeoverId, pathCallsMax } from '../../core/wire/envelope.js'
import { command, NodeObject } from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { ManualClock } from '../support/manualClock.js'
import { type Gate, gate } from '../support/testSystem.js'
import { toV2 } from './notesClasses.js'

interface Doing {
  onStart?: (self: Busy) => unknown
  onStop?: () => unknown
}

/** The code of the running test's objects. */
let doing: Doing = {}

class Busy extends NodeObject<{ starts: number }> {
  static override readonly className: string = 'Busy.v1'
  static override initial() {
    return { starts: 0 }
  }
  override async start(): Promise<void> {
    this.state.starts++
    await doing.onStart?.(this)
  }
  override stop(): Promise<void> | undefined {
    return doing.onStop?.() as Promise<void> | undefined
  }
  get ending(): AbortSignal {
    return this.signal
  }
  @command work(): void {}
}

class Reentrant extends Busy {
  static override readonly className = 'Reentrant.v1'
  static override readonly reentrant = true
}

const started = (starts: number) => ({ starts })

async function open(t: ExecutionContext, what: Doing = {}, definition: NodeClass = Busy, steps: readonly Step[] = []) {
  doing = what
  const clock = new ManualClock(0)
  const store = await memoryStore().open()
  const journal = new Journal(store, clock)
  const state = new NodeState('n1', journal, { lazyOf: () => undefined, rulesOf: () => ({}), recordFailed() {}, stateLost() {} })
  const settle = (ms = 0) => clock.runUntil(clock.monotonicMs() + ms)
  const record: NodeRecord = {
    ...{ format: 2, nodeId: 'n1', service: 'busy', facts: {}, incarnation: 4, oldest: 0, newest: steps.length },
    ...{ generation: { number: 0, version: 0, className: 'Busy.v1', object: '0.0', simulations: { 1: '0.1' } } },
    ...{ previous: null, upgrade: null },
  }
  const recordStore = new NodeRecordStore(record, state, journal, { dead: 0 })
  recordStore.write(record)
  for (const slot of ['0.0', '0.1'] as const) state.write(keys.root('n1', slot), pack(started(0), 'a test'))
  await settle(10)
  const events: HostEvent[] = []
  const chains: ObjectChain[] = []
  const sent: string[] = []
  const services = {
    clock,
    settings: { ...defaultSettings, stopTimeoutMs: 100 },
    observe: (event: HostEvent) => void events.push(event),
    objects: { construct: (of: new () => object) => new of() },
    classes: {
      lineage: () => ['Busy.v1', 'Busy.v2'],
      definitionAt: () => definition,
      step: (_: unknown, version: number) => steps[version - 1],
    },
  }
  const node = {
    nodeId: 'n1',
    state,
    running: undefined as RunningCall | undefined,
    departures: new Departures(state, {
      nodeId: 'n1',
      isElsewhere: false,
      isFenced: false,
      holds: () => false,
      crash: (error) => t.fail(String(error)),
    }),
    chainChanged: (chain: ObjectChain) => void chains.push(chain),
    tally: () => ({ calls: 0 }),
  }
  const software = new NodeSoftware(services as unknown as NodeServices, recordStore, node as unknown as SoftwareNode)
  const onDisk = () => (unpack(store.get(keys.root('n1', '0.0'))!) as { starts: number }).starts
  const through = async <T>(work: Promise<T>): Promise<T> => {
    work.catch(() => {})
    await settle(10)
    return await work
  }
  t.teardown(() => {
    doing = {}
  })
  return { clock, software, node, state, recordStore, events, chains, sent, settle, through, onDisk }
}

const object = ({ software }: { readonly software: NodeSoftware }) => software.chain.object.receivers[0]!.self as Busy

test.serial('software has an object and a chain from its first start on, and no object when it has stopped', async (t) => {
  const s = await open(t)
  t.deepEqual([s.software.hasObject, s.software.hasChain, s.software.isReentrant], [false, false, false])
  t.throws(() => s.software.chain, { name: 'InvariantViolation', message: /n1 has no chain yet/ })
  await s.through(s.software.start())
  t.deepEqual([s.software.hasObject, s.software.hasChain, s.software.isReentrant], [true, true, false])
  t.deepEqual(s.chains, [s.software.chain])
  const { ending } = object(s)
  await s.through(s.software.stop())
  t.deepEqual([s.software.hasObject, s.software.hasChain], [false, true])
  t.true(ending.aborted)
  const reentrant = await open(t, {}, Reentrant)
  await reentrant.through(reentrant.software.start())
  t.true(reentrant.software.isReentrant)
})

test.serial('start() is a command: what it writes is kept, together with what is written with it', async (t) => {
  const s = await open(t)
  await s.through(s.software.start())
  t.is(s.onDisk(), 1)
  let isKept = false
  await s.through(
    s.software.runStart(() => {
      isKept = true
      t.is(s.onDisk(), 1, 'not yet')
    }),
  )
  t.true(isKept)
  t.is(s.onDisk(), 2)
})

test.serial('a start() that throws leaves no trace, keeps nothing and sends nothing', async (t) => {
  const s = await open(t, {
    onStart() {
      s.software.changeover!.sends!.push(() => s.sent.push('sent'))
      throw new Error('not today')
    },
  })
  await t.throwsAsync(s.through(s.software.start()), { message: 'not today' })
  await t.throwsAsync(s.through(s.software.runStart(() => t.fail('nothing is kept'))), { message: 'not today' })
  t.is(s.onDisk(), 0)
  t.deepEqual(s.sent, [])
  t.is(s.software.changeover, undefined)
  s.state.begin('command')
})

test.serial('what start() sends leaves with its commit', async (t) => {
  const s = await open(t, {
    onStart() {
      s.software.changeover!.sends!.push(() => s.sent.push(`sent, ${s.onDisk()} on disk`))
    },
  })
  const starting = s.software.start()
  t.deepEqual(s.sent, [])
  await s.through(starting)
  t.deepEqual(s.sent, ['sent, 1 on disk'])
})

test.serial('what the start() of an object sends that is gone by then leaves never', async (t) => {
  const held = gate()
  const s = await open(t, {
    async onStart() {
      s.software.changeover!.sends!.push(() => s.sent.push('sent'))
      await held.pass()
    },
  })
  const starting = s.software.start()
  starting.catch(() => {})
  await s.settle()
  s.software.discard()
  held.open()
  await s.through(starting)
  t.deepEqual(s.sent, [])
  t.is(s.onDisk(), 0, 'nor is it kept what it wrote')
})

test.serial('while start() or stop() runs, a call of it goes without a deadline, under the node’s own path', async (t) => {
  const seen: (RunningCall | undefined)[] = []
  const look = () => void seen.push(s.software.changeover)
  const s = await open(t, { onStart: look, onStop: look })
  await s.through(s.software.start())
  t.is(s.software.changeover, undefined)
  const path = Array.from({ length: pathCallsMax }, (_, i) => `other/${i}/1`)
  s.node.running = { path } as unknown as RunningCall
  await s.through(s.software.runStart())
  t.is(s.software.changeover, undefined)
  s.node.running = undefined
  await s.through(s.software.stop())
  t.is(s.software.changeover, undefined)
  const own = changeoverId('n1', 4)
  t.like(seen[0], { deadline: Number.POSITIVE_INFINITY, path: [own], sends: [], caller: undefined, trace: null })
  t.deepEqual(seen[1]!.path, [...path.slice(1), own], 'of a call that fails, after which it is made anew')
  t.like(seen[2], { path: [own], sends: undefined })
})

test.serial('a start() that ends while the object stops does not end what stop() is allowed', async (t) => {
  const [starts, stops] = [gate(), gate()]
  const s = await open(t, { onStart: () => starts.pass(), onStop: () => stops.pass() })
  const starting = s.software.start()
  starting.catch(() => {})
  await s.settle()
  const stopping = s.software.stop()
  const stop = s.software.changeover
  t.not(stop, undefined)
  starts.open()
  await s.through(starting)
  t.is(s.software.changeover, stop)
  stops.open()
  await s.through(stopping)
  t.is(s.software.changeover, undefined)
})

test.serial('stop() beside a call that is left behind has nothing of its own: what it sends is dropped', async (t) => {
  let seen: unknown = 'nothing'
  const s = await open(t, {
    onStop() {
      seen = s.software.changeover
    },
  })
  await s.through(s.software.start())
  s.node.running = { path: [] } as unknown as RunningCall
  s.state.begin('command')
  await s.through(s.software.stop())
  t.is(seen, undefined)
  s.state.begin('command')
})

for (const [what, onStop, words] of [
  ['throws', () => Promise.reject(new Error('still open')), /still open/],
  ['never ends', () => new Promise(() => {}), /stop\(\) did not finish in 100 ms/],
] as const) {
  test.serial(`a stop() that ${what} is a warning, and the object is gone all the same`, async (t) => {
    const s = await open(t, { onStop })
    await s.through(s.software.start())
    const { ending } = object(s)
    const stopping = s.software.stop()
    t.false(ending.aborted)
    await s.settle(100)
    await stopping
    t.true(ending.aborted)
    t.like(s.events, [{ type: 'warning', message: 'n1: stop() of Busy.v1 failed' }])
    t.regex(String((s.events[0] as { error: Error }).error.message), words)
  })
}

test.serial('stop() is waited for, for as long as is said, and an object is stopped once', async (t) => {
  const gates: Gate[] = []
  const s = await open(t, {
    onStop() {
      gates.push(gate())
      return gates.at(-1)!.pass()
    },
  })
  await s.through(s.software.start())
  let isStopped = false
  const stopping = s.software.stop(5_000).then(() => {
    isStopped = true
  })
  await s.through(s.software.stop())
  await s.settle(4_900)
  t.false(isStopped)
  gates[0]!.open()
  await s.through(stopping)
  t.is(gates.length, 1)
  t.deepEqual(s.events, [])
})

test.serial('what stop() writes is not kept: the state is as after the last command', async (t) => {
  const s = await open(t, {
    onStop() {
      ;(object(s) as unknown as { state: { starts: number } }).state.starts = 99
    },
  })
  await s.through(s.software.start())
  await s.through(s.software.stop())
  t.is(s.onDisk(), 1)
  await s.through(s.software.start())
  t.is(s.onDisk(), 2)
})

test.serial('an object that could not be started is discarded without being called', async (t) => {
  let stops = 0
  const s = await open(t, { onStop: () => void stops++ })
  s.software.discard()
  await s.through(s.software.start())
  const { ending } = object(s)
  s.software.discard()
  t.true(ending.aborted)
  t.false(s.software.hasObject)
  await s.through(s.software.stop())
  t.is(stops, 0)
})

test.serial('simulation objects end with their object, and a chain that is built anew keeps them', async (t) => {
  const [first] = toV2().classUpgrades
  const steps: Step[] = [{ version: 1, classUpgrade: { ...first!, futureSO: first!.futureSO }, undoes: null }]
  const s = await open(t, {}, Busy, steps)
  await s.through(s.software.start())
  const so = () => s.software.chain.links[1]!.receivers[1]!.self as { signal: AbortSignal }
  const before = so()
  const { signal } = before
  s.software.rebuildChain()
  t.is(so(), before)
  t.is(s.chains.length, 2)
  t.false(signal.aborted)
  await s.through(s.software.stop())
  t.true(signal.aborted)
})

test.serial('versions above a rejected upgrade have its fault, until it is taken back', async (t) => {
  const s = await open(t)
  await s.through(s.software.start())
  t.is(s.software.chain.at(1), undefined)
  const fault = new Fault('version.rejected', 'not fit')
  s.software.cutAbove(fault)
  t.is(s.software.chain.at(1), fault)
  t.is(s.software.rejected, fault)
  s.software.cutAbove(undefined)
  t.is(s.software.chain.at(1), undefined)
  t.is(s.software.rejected, undefined)
})

test.serial('the SO of an upgrade for which the node has no state is not made', async (t) => {
  const [first] = toV2().classUpgrades
  const steps: Step[] = [
    { version: 1, classUpgrade: first!, undoes: null },
    { version: 2, classUpgrade: first!, undoes: null },
  ]
  const s = await open(t, {}, Busy, steps)
  await s.through(s.software.start())
  t.is(s.software.chain.links.length, 2)
  t.like(s.software.chain.at(2), { code: 'version.rejected' })
})
