/**
 * User code that comes too late: code of an upgrade that was given up goes on running, and must
 * not touch the node any more.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { gates, NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'
import { isSlotHolder } from './slots.js'

async function oneNode(t: ExecutionContext, definition: typeof NotesV1 = NotesV1) {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(definition, 'n1')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0, deadline: 1_500 })
  const v1 = system.desk.ref(NotesV2, 'n1', { version: 1, deadline: 1_500 })
  gates.set(system.name, gate())
  t.teardown(() => gates.get(system.name)!.open())
  return { system, host, node, v0, v1, gate: gates.get(system.name)! }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turnOfLoop()
}

test('a TF that ends after it was given up writes nothing: not over the state that the second try made', async (t) => {
  const one = await oneNode(t)
  await one.v0.add('first')
  const late = gate()
  let tries = 0
  await one.system.publish(toV2({ transformTimeout: 30, beforeTransform: () => (tries++ === 0 ? late.pass() : undefined) }))
  await one.host.untilPhase('n1', 'stalled')
  one.node.retry()
  await until(() => one.node.version === 1, 'the second try ends')
  await one.v1.add('acknowledged')
  late.open()
  await turns(50)
  const again = await one.system.host('h2', { state: one.host.kill() })
  await again.node(NotesV1, 'n1')
  t.deepEqual(await one.v1.all(), ['first', 'acknowledged'])
})

test('a start() that ends after it was given up does not end the command that runs then', async (t) => {
  const one = await oneNode(t)
  const late = gate()
  const newClass = class extends NotesV2 {
    protected override start(): Promise<void> {
      return late.pass()
    }
  }
  await one.system.publish(toV2({ startTimeout: 20, newClass }))
  await one.host.untilPhase('n1', 'stalled')
  const slow = one.v0.addSlowly('slow', one.system.name)
  await until(() => one.gate.waiting === 1, 'the call runs')
  late.fail(new Error('too late'))
  await turns(20)
  one.gate.open()
  t.is(await codeOf(slow), 'answered 2')
  const again = await one.system.host('h2', { state: one.host.kill() })
  await again.node(NotesV1, 'n1')
  t.deepEqual(await one.v0.all(), ['slow…', 'slow'])
})

// Bug 31: the TF of a node that was stopped goes on as well.
test('a TF that ends after its node was stopped and started again writes nothing', async (t) => {
  const one = await oneNode(t)
  await one.v0.add('first')
  const late = gate()
  let tries = 0
  await one.system.publish(toV2({ beforeTransform: () => (tries++ === 0 ? late.pass() : undefined) }))
  await until(() => late.waiting === 1, 'the transform waits')
  await one.node.stop()
  const node = await one.host.node(NotesV1, 'n1')
  await until(() => node.version === 1, 'the second try ends')
  await one.v1.add('acknowledged')
  late.open()
  await turns(50)
  const again = await one.system.host('h2', { state: one.host.kill() })
  await again.node(NotesV1, 'n1')
  t.deepEqual(await one.v1.all(), ['first', 'acknowledged'])
})

test('a stop() that never ends does not keep the upgrade from ending', async (t) => {
  const oldClass = class extends NotesV1 {
    protected override stop(): Promise<void> {
      return new Promise(() => {})
    }
  }
  const one = await oneNode(t, oldClass)
  await one.system.publish(toV2({ oldClass, drainTimeout: 30 }))
  const version = await until(() => one.node.version === 1, 'the upgrade ends').catch(() => false)
  one.host.kill()
  t.true(version)
})

test('a node that is stopped while its new object starts does not serve afterwards', async (t) => {
  const one = await oneNode(t)
  const slow = gate()
  const newClass = class extends NotesV2 {
    protected override start(): Promise<void> {
      return slow.pass()
    }
  }
  await one.system.publish(toV2({ newClass }))
  await until(() => slow.waiting === 1, 'the new object starts')
  await one.node.stop()
  slow.open()
  await turns(50)
  for (const id of [undefined, 'n1'])
    t.is(await codeOf(one.system.desk.ref(NotesV2, id, { version: 1, deadline: 300 }).add('x')), 'unavailable.no-responders')
})

test('C2: a node can’t be started again on its host before it has stopped', async (t) => {
  const one = await oneNode(t)
  const slow = one.v0.addSlowly('slow', one.system.name)
  await until(() => one.gate.waiting === 1, 'the call runs')
  slow.catch(() => {})
  const stopped = one.node.stop()
  await t.throwsAsync(one.host.running.node(NotesV1, 'n1'), { message: /runs on this host already/ })
  one.gate.open()
  await Promise.all([stopped, slow])
})

// Bug 10: the restart after a lost commit and the upgrade's drain take the same object apart.
test('an upgrade that would drain while the node restarts waits until it has restarted', async (t) => {
  let restarted: ReturnType<typeof gate> | undefined
  const oldClass = class extends NotesV1 {
    protected override async start(): Promise<void> {
      await restarted?.pass()
    }
  }
  const one = await oneNode(t, oldClass)
  const start = gate()
  const form = gate()
  t.teardown(() => form.open())
  await one.system.publish(toV2({ oldClass, beforeTransform: () => form.pass(), schedule: schedule('gate', () => start.pass()) }))
  await one.host.untilPhase('n1', 'scheduled')
  restarted = gate()
  let failures = 1
  one.host.state.beforeCommit = (writes) => {
    if (writes.some(([key]) => key === 's/n1/0.0/r') && failures-- > 0) throw new Error('disk full')
  }
  t.is(await codeOf(one.v0.add('lost')), 'unavailable.storage')
  await until(() => restarted!.waiting === 1, 'the old object starts again')
  start.open()
  await turns(50)
  restarted.open()
  await until(() => form.waiting === 1, 'the transform waits')
  await turns(50)
  // Its restart made it serve: the slot it had claimed before is not to be given back.
  t.true(await isSlotHolder(one.system, 'notes', 'n1'))
  // The node does not serve now: this call is held until the new object answers it.
  const held = codeOf(one.v0.add('held'))
  await turns(50)
  form.open()
  t.is(await held, 'answered 1')
  t.deepEqual(await one.v1.all(), ['held'])
})

test('retry() while a call runs in an SO does not lose what the call writes', async (t) => {
  const one = await oneNode(t)
  const inSO = gate()
  const upgrade = toV2({ schedule: schedule('never', (view) => view.sleep(3_600_000)) })
  const so = upgrade.classUpgrades[0]!.futureSO as unknown as { methods: Record<string, (...args: any[]) => unknown> }
  Object.assign(so.methods, {
    async star(this: { state: { stars: Record<number, number> } }, note: number) {
      this.state.stars[note] = (this.state.stars[note] ?? 0) + 1
      await inSO.pass()
      return this.state.stars[note]
    },
  })
  await one.system.publish(upgrade)
  await one.host.untilPhase('n1', 'scheduled')
  await one.system.publish(toV3(), (draft) => ({ ...draft, runtime: 99 }))
  const v2 = one.system.desk.ref(NotesV2, 'n1', { version: 2, deadline: 1_000 })
  t.is(await codeOf(v2.all()), 'version.rejected')
  const starred = one.v1.star(0)
  await until(() => inSO.waiting === 1, 'the call runs')
  one.node.retry()
  inSO.open()
  t.is(await starred, 1)
  t.is(await one.v1.star(0), 2)
})

// Bug 14: a part of the new generation that was lost is not missed.
test('a transform one of whose transactions fails is given up, even if the later ones succeed', async (t) => {
  const one = await oneNode(t)
  await one.v0.put('a', '1')
  const upgrade = toV2()
  Object.assign(upgrade.classUpgrades[0]!, {
    transform: async (
      old: { notes: string[] },
      _: unknown,
      { next }: { next(name: string): { put(key: string, value: string): void } },
    ) => {
      next('shelf').put('a', '1')
      await turns(20)
      next('shelf').put('b', '2')
      return { notes: old.notes, stars: {} }
    },
  })
  let failures = 1
  one.host.state.beforeCommit = (writes) => {
    if (writes.some(([key]) => key.endsWith('1.1/c/shelf/a')) && failures-- > 0) throw new Error('disk full')
  }
  await one.system.publish(upgrade)
  await until(() => one.node.version === 1 || one.host.last('n1')?.phase === 'stalled', 'the upgrade ends')
  t.is(one.host.last('n1')!.phase, 'stalled')
})

test('a transform carries a big collection over in bounded transactions', async (t) => {
  const system = await TestSystem.start(t, { transformRecordsPerCommit: 10 })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  await Promise.all(Array.from({ length: 100 }, (_, i) => v0.put(`k${i}`, 'x')))
  let most = 0
  host.state.beforeCommit = (writes) => {
    most = Math.max(most, writes.filter(([key, value]) => key.includes('/1.1/') && value !== null).length)
  }
  await system.publish(toV2())
  await until(() => node.version === 1, 'the upgrade ends')
  t.true(most <= 11, `${most} records in one transaction`)
})
