/** Starts of nodes that are held somewhere on their way, that fail there, or that end with their host. */
import test, { type ExecutionContext } from 'ava'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { keys } from '../../core/model/nodeRecord.js'
import { command, NodeObject } from '../../index.js'
import { type MemoryState, memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, type Gate, gate, type Settings, type TestHost, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'
import { isThere } from './oneNode.js'

/** Far more than a start that hears of the stop needs, and less than a test may take. */
const leaveMs = 5_000

interface Starting {
  readonly system: TestSystem
  readonly host: TestHost
  /** The gate at which the start waits. */
  readonly held: Gate
}

type Place = (s: Starting) => void

const registration: Place = ({ system, host, held }) => {
  const register: UpgradeDatabase['register'] = async (...status) => {
    await held.pass()
    return await system.database.register(...status)
  }
  host.changeDatabase({ register })
}

const bundle: Place = ({ system, held }) => {
  const load = system.repository.load.bind(system.repository)
  system.repository.load = async (...asked) => {
    await held.pass()
    return await load(...asked)
  }
}

const births: Record<string, Place> = {
  registration,
  bundle,
  'the rows of the others': ({ system, host, held }) => {
    host.changeDatabase({
      nodes: async (...asked) => {
        await held.pass()
        return await system.database.nodes(...asked)
      },
    })
  },
}

const comebacks: Record<string, Place> = { registration, bundle }

/** A system at version 1, and a node of it whose host has stopped. */
async function stopped(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, { limit: { percent: 100 }, leaveMs, fenceAnswerMs: 60_000, ...settings })
  const first = await system.host('h1')
  const node = await first.node(NotesV1, 'n1')
  await system.desk.ref(NotesV1, 'n1', { version: 0 }).add('kept')
  await system.publish(toV2())
  await node.reached(1)
  await first.stop()
  return { system, state: first.state }
}

/** Holds the start at a place; resolves when it has come there, and serves nothing yet. */
async function heldAt(t: ExecutionContext, system: TestSystem, state: MemoryState, place: Place, nodeId: string) {
  const host = await system.host('h2', { state })
  const held = gate()
  place({ system, host, held })
  let isStarted = false
  const node = host.node(NotesV1, nodeId).then((handle) => {
    isStarted = true
    return handle
  })
  node.catch(() => {})
  await until(() => held.waiting > 0, 'the start is held')
  const notes = () => codeOf(system.desk.ref(NotesV1, nodeId, { version: 0, deadline: 10_000 }).all())
  t.false(await isThere(system, nodeId))
  t.false(isStarted)
  return { host, held, node, notes }
}

for (const [name, place] of Object.entries(births)) {
  test(`a node that is born waits for ${name}, and serves then`, async (t) => {
    const { system } = await stopped(t)
    const { held, node, notes } = await heldAt(t, system, memoryStore(), place, 'n2')
    held.open()
    t.is((await node).version, 1)
    t.is(await notes(), 'answered []')
  })

  test(`a birth that waits for ${name} ends when its host stops`, async (t) => {
    const { system } = await stopped(t)
    const { host, node } = await heldAt(t, system, memoryStore(), place, 'n2')
    await host.stop()
    t.is(await codeOf(node), 'unavailable.stopped')
    t.deepEqual(host.warnings(), [], 'nothing was left behind')
  })
}

for (const [name, place] of Object.entries(comebacks)) {
  test(`a node that comes back waits for ${name}, and serves then with its state`, async (t) => {
    const { system, state } = await stopped(t)
    const { held, node, notes } = await heldAt(t, system, state, place, 'n1')
    held.open()
    t.is((await node).version, 1)
    t.is(await notes(), 'answered ["kept"]')
  })

  test(`a node that comes back and waits for ${name} ends when its host stops, and comes back with its state`, async (t) => {
    const { system, state } = await stopped(t)
    const { host, held, node, notes } = await heldAt(t, system, state, place, 'n1')
    await host.stop()
    t.is(await codeOf(node), 'unavailable.stopped')
    t.deepEqual(host.warnings(), [], 'nothing was left behind')
    held.open()
    const again = await system.host('h3', { state })
    await again.node(NotesV1, 'n1')
    t.is(await notes(), 'answered ["kept"]')
  })
}

test('a node that comes back and waits for the upgrade server ends when its host stops', async (t) => {
  const { system, state } = await stopped(t, { firstAnswerMs: 60_000, serverDeadlineMs: 60_000 })
  let asked = 0
  system.broker.filter = ({ from, message }) => {
    if (from !== 'h2' || !message.subject.endsWith('.server')) return 'deliver'
    asked++
    return 'drop'
  }
  const host = await system.host('h2', { state })
  const node = codeOf(host.node(NotesV1, 'n1'))
  await until(() => asked > 0, 'it asks')
  await host.stop()
  t.is(await node, 'unavailable.stopped')
  t.deepEqual(host.warnings(), [])
})

test('once the upgrade server has answered a host, its nodes come back without asking it', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 600_000 })
  const first = await system.host('h1')
  for (const id of ['n1', 'n2']) await first.node(NotesV1, id)
  await first.stop()
  const again = await system.host('h2', { state: first.state, settings: { firstAnswerMs: 60_000, serverDeadlineMs: 60_000 } })
  await again.node(NotesV1, 'n1')
  await system.stopServer()
  await again.node(NotesV1, 'n2')
  t.is(await codeOf(system.desk.ref(NotesV1, 'n2', { version: 0 }).add('x')), 'answered 1')
})

test('a node that comes back tells its phase once: that it is current, or why it is stalled', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const first = await system.host('h1')
  await first.node(NotesV1, 'n1')
  await first.stop()
  const second = await system.host('h2', { state: first.state })
  const registered: (number | null)[] = []
  const register: UpgradeDatabase['register'] = (status, ...more) => {
    registered.push(status.target)
    return system.database.register(status, ...more)
  }
  second.changeDatabase({ register })
  await second.node(NotesV1, 'n1')
  t.deepEqual(registered, [null])
  t.deepEqual(second.phases('n1'), ['current'])
  t.like(second.last('n1'), { target: null, reason: null })
  t.is((await system.database.nodes('notes'))[0]!.target, null)
  await system.publish({ ...toV2({ beforeTransform: () => Promise.reject(new Error('no form')) }), gate: null })
  const { reason } = await second.untilPhase('n1', 'stalled', 1)
  await second.stop()
  const third = await system.host('h3', { state: first.state })
  await third.node(NotesV1, 'n1')
  t.is((await third.untilPhase('n1', 'stalled', 1)).reason, reason)
  t.false(third.phases('n1').includes('current'))
})

/** Its `start()` writes, and waits or fails where a test wants it. */
class StarterV1 extends NodeObject<{ starts: number }> {
  static override readonly className: string = 'Starter.v1'
  static override initial() {
    return { starts: 0 }
  }

  protected override async start(): Promise<void> {
    signals.set(this.nodeId, this.signal)
    this.state.starts++
    await startsAt.get(this.nodeId)?.()
  }

  protected override async stop(): Promise<void> {
    await stopsAt.get(this.nodeId)?.()
  }

  @command starts(): number {
    return this.state.starts
  }
}

const startsAt = new Map<string, () => Promise<void>>()
const stopsAt = new Map<string, () => unknown>()
const signals = new Map<string, AbortSignal>()

const startsOf = (system: TestSystem, nodeId: string, deadline = 10_000) =>
  codeOf(system.desk.ref(StarterV1, nodeId, { version: 0, deadline }).starts())

for (const way of ['is born', 'comes back'] as const) {
  test(`a node that ${way} serves when its object has started, not before`, async (t) => {
    const nodeId = `slow-${way.replace(' ', '-')}`
    const system = await TestSystem.start(t)
    const first = await system.host('h1')
    if (way === 'comes back') await first.node(StarterV1, nodeId)
    await first.stop()
    const starting = gate()
    startsAt.set(nodeId, () => starting.pass())
    const host = await system.host('h2', { state: first.state })
    let isStarted = false
    const node = host.node(StarterV1, nodeId).then(() => {
      isStarted = true
    })
    await until(() => starting.waiting === 1, 'it starts')
    t.regex(await startsOf(system, nodeId, 100), /^(timeout|unavailable)\./)
    t.false(isStarted)
    t.deepEqual(host.phases(nodeId), [])
    starting.open()
    await node
    t.true(await isThere(system, nodeId))
    t.is(await startsOf(system, nodeId), `answered ${way === 'is born' ? 1 : 2}`)
  })

  test(`a node that ${way} and whose object does not start is not there, and can be started again`, async (t) => {
    const nodeId = `bad-${way.replace(' ', '-')}`
    const system = await TestSystem.start(t)
    const first = await system.host('h1')
    if (way === 'comes back') await first.node(StarterV1, nodeId)
    await first.stop()
    startsAt.set(nodeId, () => Promise.reject(new Error('no legs')))
    const host = await system.host('h2', { state: first.state })
    t.is(await codeOf(host.node(StarterV1, nodeId)), 'Error: no legs')
    t.false(await isThere(system, nodeId))
    startsAt.delete(nodeId)
    await host.node(StarterV1, nodeId)
    t.true(await isThere(system, nodeId))
    t.is(await startsOf(system, nodeId), `answered ${way === 'is born' ? 1 : 2}`)
  })

  test(`a node that ${way} is not there if any of its commits fails, and can be started again with all that was there`, async (t) => {
    const nodeId = `full-${way.replace(' ', '-')}`
    const system = await TestSystem.start(t)
    const first = await system.host('h1')
    if (way === 'comes back') await first.node(StarterV1, nodeId)
    await first.stop()
    let failures = 0
    for (let failing = 1; failing < 9; failing++) {
      // A birth that has come to its record is a node that comes back.
      const state = way === 'is born' ? memoryStore() : first.state
      const host = await system.host(`h${failing + 1}`, { state })
      let commits = 0
      state.beforeCommit = (writes) => {
        if (writes.some(([key]) => key.includes(nodeId)) && ++commits === failing) throw new Error('the disk is full')
      }
      const code = await codeOf(host.node(StarterV1, nodeId).then(() => 'started'))
      state.beforeCommit = undefined
      if (commits < failing) {
        await host.stop()
        break
      }
      failures++
      t.is(code, 'unavailable.storage', `commit ${failing}`)
      t.false(await isThere(system, nodeId), `commit ${failing}`)
      t.deepEqual(host.phases(nodeId), [])
      await host.node(StarterV1, nodeId)
      t.regex(await startsOf(system, nodeId), /^answered [1-9]/)
      await host.stop()
      const operator = system.desk.running.operator
      if (way === 'is born') await operator.forget(nodeId)
    }
    t.is(failures, way === 'is born' ? 3 : 1)
  })
}

test('a host that stops while the disk takes what a birth writes starts no object afterwards', async (t) => {
  for (const at of [1, 2]) {
    const nodeId = `late-${at}`
    const system = await TestSystem.start(t, { leaveMs })
    let starts = 0
    startsAt.set(nodeId, async () => void starts++)
    const state = memoryStore()
    const host = await system.host('h1', { state })
    const disk = gate()
    let commits = 0
    state.beforeCommit = async (writes) => {
      if (writes.some(([key]) => key.includes(nodeId)) && ++commits === at) await disk.pass()
    }
    const node = codeOf(host.node(StarterV1, nodeId))
    await until(() => disk.waiting === 1, 'it waits for the disk')
    const stopping = host.stop()
    t.is(await node, 'unavailable.stopped')
    disk.open()
    await stopping
    t.is(starts, 0, `commit ${at}`)
    t.deepEqual(host.phases(nodeId), [])
    const store = await state.open()
    t.is(store.get(keys.record(nodeId)) !== undefined, at === 2, 'it writes no record afterwards')
    await store.close()
  }
})

test('a birth whose transform runs when its host stops is not told of as one that has failed', async (t) => {
  const system = await TestSystem.start(t, { leaveMs })
  const held = gate()
  await system.publish(toV2({ beforeTransform: () => held.pass() }))
  const host = await system.host('h1')
  const node = codeOf(host.node(NotesV1, 'n1'))
  await until(() => held.waiting === 1, 'it transforms')
  const registered = await system.database.nodes('notes')
  const stopping = host.stop()
  t.is(await node, 'unavailable.stopped')
  held.open()
  await stopping
  t.deepEqual(host.warnings(), [])
  t.deepEqual(
    (await system.database.nodes('notes')).map(({ version }) => version),
    registered.map(({ version }) => version),
  )
})

for (const way of ['is born', 'comes back'] as const) {
  test(`a node that ${way} and whose host stops while its object starts does not serve, and its object ends`, async (t) => {
    const nodeId = `ended-${way.replace(' ', '-')}`
    const system = await TestSystem.start(t, { leaveMs })
    const first = await system.host('h1')
    if (way === 'comes back') await first.node(StarterV1, nodeId)
    await first.stop()
    const host = await system.host('h2', { state: first.state })
    let stopping: Promise<void> | undefined
    let stops = 0
    stopsAt.set(nodeId, () => void stops++)
    startsAt.set(nodeId, async () => {
      stopping = host.stop()
      await until(() => host.running.status().isStopped, 'the host stops')
    })
    t.is(await codeOf(host.node(StarterV1, nodeId)), 'unavailable.stopped')
    await stopping
    t.deepEqual(host.phases(nodeId), [])
    t.is(stops, 1)
    t.deepEqual(host.warnings(), [])
  })

  test(`a node that ${way} and whose object never starts is ended with its host, after a while`, async (t) => {
    const nodeId = `never-${way.replace(' ', '-')}`
    const system = await TestSystem.start(t, { leaveMs })
    const first = await system.host('h1')
    if (way === 'comes back') await first.node(StarterV1, nodeId)
    await first.stop()
    const host = await system.host('h2', { state: first.state, settings: { leaveMs: 10 } })
    const starting = gate()
    startsAt.set(nodeId, () => starting.pass())
    const node = codeOf(host.node(StarterV1, nodeId))
    await until(() => starting.waiting === 1, 'it starts')
    t.true(await isThere(system, nodeId))
    await host.stop()
    t.is(await node, 'unavailable.stopped')
    t.true(signals.get(nodeId)!.aborted)
    t.false(await isThere(system, nodeId))
  })
}

test('a start that has failed is told of when its object has ended', async (t) => {
  const system = await TestSystem.start(t, { leaveMs })
  const host = await system.host('h1')
  startsAt.set('slow-end', () => Promise.reject(new Error('no legs')))
  const ending = gate()
  stopsAt.set('slow-end', () => ending.pass())
  let isTold = false
  const node = codeOf(host.node(StarterV1, 'slow-end')).finally(() => {
    isTold = true
  })
  await until(() => ending.waiting === 1, 'it ends')
  t.false(isTold)
  ending.open()
  t.is(await node, 'Error: no legs')
})

test('what an interrupted birth has left is gone when the node is born, however much it is, and nothing of the new node', async (t) => {
  const system = await TestSystem.start(t)
  const state = memoryStore()
  const store = await state.open()
  const left = ['a', 'b', 'c', 'd'].map(
    (key) => [`${keys.collection('n1', '0.0', 'shelf')}${key}`, new Uint8Array([0xa1, 0x78])] as const,
  )
  await store.commit([...left, [keys.root('n1', '0.0'), new Uint8Array([0x80])]])
  await store.close()
  const host = await system.host('h1', { state, settings: { sweepKeysPerCommit: 1 } })
  await host.node(NotesV1, 'n1')
  const notes = system.desk.ref(NotesV1, 'n1', { version: 0 })
  t.is(await codeOf(notes.shelf()), 'answered []')
  t.is(await codeOf(notes.all()), 'answered []')
  await host.stop()
  const again = await state.open()
  t.not(again.get(keys.root('n1', '0.0')), undefined)
  await again.close()
})

test('a birth fails where the writes of its object’s start() are not kept', async (t) => {
  const system = await TestSystem.start(t)
  const state = memoryStore()
  const host = await system.host('h1', { state })
  let commits = 0
  state.beforeCommit = (writes) => {
    // The root, the record, and then these.
    if (writes.some(([key]) => key.includes('unkept')) && ++commits === 3) throw new Error('the disk is full')
  }
  t.is(await codeOf(host.node(StarterV1, 'unkept').then(() => 'started')), 'unavailable.storage')
  t.false(await isThere(system, 'unkept'))
})

test('a class whose code calls what it does not declare starts no node', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  class CarelessV1 extends NodeObject<object> {
    static override readonly className = 'Careless.v1'
    static override initial() {
      return {}
    }

    @command async ask(): Promise<number> {
      return await this.ref(StarterV1, 's1').starts()
    }
  }
  t.is(await codeOf(host.node(CarelessV1, 'n1')), 'config.invalid')
  t.deepEqual(await system.database.nodes('careless'), [])
})

test('once a node of a class has started, the host takes no other class of that name', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const Other = class extends StarterV1 {}
  startsAt.set('never', () => Promise.reject(new Error('no legs')))
  t.is(await codeOf(host.node(Other, 'never')), 'Error: no legs')
  await host.node(StarterV1, 's1')
  t.is(await codeOf(host.node(Other, 's2')), 'config.invalid')
})
