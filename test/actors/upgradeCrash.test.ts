/** DESIGN §5: what is on disk when the process dies in a phase, and what the node does when it comes back. */
import test, { type ExecutionContext } from 'ava'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { keys, stateSlotOfKey } from '../../core/model/nodeRecord.js'
import { type Phase, schedule } from '../../index.js'
import type { MemoryState } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notesClasses.js'
import { isSlotHolder } from './slots.js'

interface CrashPoint {
  readonly words: string
  readonly at: (event: HostEvent) => boolean
  /** The version that the node starts with afterwards. */
  readonly version: 0 | 1
}

const entering = (phase: Phase) => (event: HostEvent) => event.type === 'phase' && event.phase === phase && event.target === 1

const points: readonly CrashPoint[] = [
  { words: 'while it fetches', at: entering('fetching'), version: 0 },
  { words: 'while it verifies', at: entering('verifying'), version: 0 },
  { words: 'while it is scheduled', at: entering('scheduled'), version: 0 },
  { words: 'while it drains', at: entering('draining'), version: 0 },
  { words: 'while it transforms', at: entering('transforming'), version: 0 },
  { words: 'when the new generation is whole', at: entering('checking'), version: 0 },
  { words: 'right before the flip', at: entering('flipping'), version: 0 },
  { words: 'right after the flip', at: (event) => event.type === 'flipped', version: 1 },
  { words: 'while it recovers', at: entering('recovering'), version: 1 },
]

/** A node with state at both versions whose upgrade begins when `start` opens. */
async function beforeUpgrade(t: ExecutionContext, parts: Parameters<typeof toV2>[0] = {}) {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  const v1 = system.desk.ref(NotesV2, 'n1', { version: 1 })
  await v0.add('first')
  await v0.put('k', 'kept')
  await v0.setMood('merry')
  const start = gate()
  await system.publish(toV2({ schedule: schedule('when the gate opens', () => start.pass()), ...parts }))
  await host.untilPhase('n1', 'scheduled')
  await v1.star(0)
  return { system, host, node, v0, v1, start }
}

for (const { words, at, version } of points) {
  test(`a host killed ${words} starts its node at version ${version} with all its state, and the upgrade ends`, async (t) => {
    const system = await TestSystem.start(t)
    const first = await system.host('h1')
    await first.node(NotesV1, 'n1')
    const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
    const v1 = system.desk.ref(NotesV2, 'n1', { version: 1 })
    await v0.add('first')
    await v0.put('k', 'kept')
    await v0.setMood('merry')
    const killed = first.killedAt(at)
    let wait = false
    const go = gate()
    await system.publish(toV2({ schedule: schedule('eagerly, then held', async () => (wait ? go.pass() : undefined)) }))
    await killed
    wait = true
    const second = await system.host('h2', { state: first.state })
    const node = await second.node(NotesV1, 'n1')
    t.is(await v1.star(0), 1)
    t.is(node.version, version)
    t.deepEqual(await v0.all(), ['first'])
    go.open()
    await until(() => node.version === 1, 'the upgrade ends')
    t.deepEqual(await v1.all(), ['first'])
    t.is(await v1.stars(0), 1)
    t.is(await v0.mood(), 'merry')
    t.deepEqual(await v0.shelf(), [['k', 'kept']])
    await until(async () => !(await isSlotHolder(system, 'notes', 'n1')), 'the slot is free')
    // A state that no record names is swept.
    await second.stop()
    t.deepEqual(await slotsOnDisk(first.state), ['1.0', '1.1'])
  })
}

/** The slots of the node on a host that has stopped. */
async function slotsOnDisk(state: MemoryState): Promise<readonly string[]> {
  const store = await state.open()
  const found = new Set([...store.range(...keys.allStateSlots('n1'))].map(([key]) => stateSlotOfKey('n1', key)))
  await store.close()
  return [...found].sort()
}

test('SO states are as they were after a crash in the middle of an upgrade', async (t) => {
  const { system, host, v0, v1, start } = await beforeUpgrade(t)
  const killed = host.killedAt(entering('flipping'))
  start.open()
  await killed
  const second = await system.host('h2', { state: host.state })
  await second.node(NotesV1, 'n1')
  t.is(await v1.star(0), 2)
  t.is(await v0.mood(), 'merry')
})

test('a new object that ends its host three times while it starts is flipped back, with the state of the old one whole', async (t) => {
  let ok = false
  const stuck = gate()
  const newClass = class extends NotesV2 {
    protected override async start(): Promise<void> {
      if (ok) return
      this.state.notes.push('half')
      await stuck.pass()
    }
  }
  const { system, host, v0, v1, start } = await beforeUpgrade(t, { newClass })
  start.open()
  await until(() => stuck.waiting === 1, 'the new object starts')
  let state = host.kill()
  for (let starts = 2; starts <= 3; starts++) {
    const next = await system.host(`h${starts}`, { state })
    await next.node(NotesV1, 'n1')
    await next.untilPhase('n1', 'recovering', 1)
    await until(() => stuck.waiting === starts, 'the new object starts')
    state = next.kill()
  }
  const last = await system.host('h4', { state })
  const node = await last.node(NotesV1, 'n1')
  t.is(node.version, 0)
  const { reason } = await last.untilPhase('n1', 'stalled')
  t.regex(reason!, /ended 3 times/)
  t.deepEqual(await v0.all(), ['first'])
  t.is(await v0.mood(), 'merry')
  t.is(await v1.stars(0), 1)
  ok = true
  node.retry()
  await until(() => node.version === 1, 'the upgrade ends')
  t.deepEqual(await v1.all(), ['first'])
})

test('a node that was killed while it drained frees its permit as soon as it serves again, before its next try', async (t) => {
  const { system, host, v0, start } = await beforeUpgrade(t)
  const killed = host.killedAt(entering('transforming'))
  start.open()
  await killed
  t.true(await isSlotHolder(system, 'notes', 'n1'))
  // The SF of the new try never comes to an end.
  Object.assign(start, { pass: () => new Promise(() => {}) })
  const second = await system.host('h2', { state: host.state })
  await second.node(NotesV1, 'n1')
  await second.untilPhase('n1', 'scheduled')
  t.is(await v0.add('second'), 2)
  t.true(await until(async () => !(await isSlotHolder(system, 'notes', 'n1')), 'the slot is free'))
})

test('a node that was flipped back after a crash frees its permit', async (t) => {
  const stuck = gate()
  const newClass = class extends NotesV2 {
    protected override start(): Promise<void> {
      return stuck.pass()
    }
  }
  const { system, host, v0, start } = await beforeUpgrade(t, { newClass })
  start.open()
  await until(() => stuck.waiting === 1, 'the new object starts')
  let state = host.kill()
  for (let starts = 2; starts <= 3; starts++) {
    const next = await system.host(`h${starts}`, { state })
    await next.node(NotesV1, 'n1')
    await until(() => stuck.waiting === starts, 'the new object starts')
    state = next.kill()
  }
  const last = await system.host('h4', { state })
  await last.node(NotesV1, 'n1')
  await last.untilPhase('n1', 'stalled')
  t.is(await v0.add('second'), 2)
  t.true(await until(async () => !(await isSlotHolder(system, 'notes', 'n1')), 'the slot is free'))
})

test('the handle of a node that comes back in the middle of its recovery says its version', async (t) => {
  let wait = false
  const stuck = gate()
  const newClass = class extends NotesV2 {
    protected override async start(): Promise<void> {
      if (wait) await stuck.pass()
    }
  }
  const { system, host, start } = await beforeUpgrade(t, { newClass })
  const killed = host.killedAt((event) => event.type === 'flipped')
  wait = true
  start.open()
  await killed
  const second = await system.host('h2', { state: host.state })
  t.teardown(() => stuck.open())
  const node = await second.node(NotesV1, 'n1')
  t.notThrows(() => [node.version, node.className, node.chain])
})

test('a stalled upgrade is still stalled, with its reason, after a restart', async (t) => {
  const { system, host, v1, start } = await beforeUpgrade(t, {
    beforeTransform: () => {
      throw new Error('no form')
    },
  })
  start.open()
  await host.untilPhase('n1', 'stalled')
  await v1.add('second')
  const second = await system.host('h2', { state: host.kill() })
  await second.node(NotesV1, 'n1')
  const { reason, target } = await second.untilPhase('n1', 'stalled')
  t.is(target, 1)
  t.regex(reason!, /no form/)
  t.is(await v1.stars(0), 1)
  t.true(second.phases('n1').every((phase) => phase === 'stalled'))
})
