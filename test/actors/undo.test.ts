/**
 * Going back (DESIGN §5, "Undo"): an undo makes its version mean what the version before the undone one
 * meant, and loses nothing.
 */
import test, { type ExecutionContext } from 'ava'
import type { NodeHandle } from '../../actors/node/nodeHandle.js'
import { schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, type NotesV3, toV2, toV3, type UpgradeParts } from './notesClasses.js'

async function open(t: ExecutionContext) {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const call = (version: number, method: string, ...args: readonly unknown[]) =>
    system.desk.running.operator.call({ node: 'n1' }, method, args, { version })
  const undo = () => system.desk.running.operator.undo()
  const roles = () => node.chain.map(({ version, className, role }) => `${version} ${className} ${role}`)
  return { system, host, node, call, undo, roles }
}

/** Tells the node when to upgrade. */
function door() {
  const go = gate()
  return { go, when: schedule('when the test says so', () => go.pass()) }
}

test('1 → 2 → 1 → 2: what was written through any version meanwhile is there at every turn', async (t) => {
  const { system, node, call, undo, roles } = await open(t)
  await call(0, 'add', 'first')
  await call(0, 'setMood', 'merry')
  await call(0, 'put', 'a', 'A')
  await system.publish(toV2())
  await node.reached(1)
  await call(1, 'star', 0)
  // Version 1 has no mood; it is changed all the same, through version 0.
  await call(0, 'setMood', 'sad')
  await call(1, 'put', 'b', 'B')

  t.is(await undo(), 2)
  await node.reached(2)
  t.is(node.className, 'Notes.v1')
  t.deepEqual(roles(), ['0 Notes.v1 alias', '1 Notes.v2 pastSO', '2 Notes.v1 object'])
  for (const version of [0, 2]) {
    t.is(await call(version, 'mood'), 'sad')
    t.deepEqual(await call(version, 'all'), ['first'])
    t.is(await codeOf(call(version, 'star', 0)), 'protocol.no-such-method')
  }
  t.is(await call(1, 'stars', 0), 1)
  await call(1, 'star', 0)
  await call(2, 'add', 'second')
  await call(2, 'setMood', 'calm again')

  t.is(await undo(), 3)
  await node.reached(3)
  t.is(node.className, 'Notes.v2')
  t.deepEqual(roles(), ['0 Notes.v1 alias', '1 Notes.v2 alias', '2 Notes.v1 pastSO', '3 Notes.v2 object'])
  for (const version of [1, 3]) {
    t.is(await call(version, 'stars', 0), 2)
    t.deepEqual(await call(version, 'all'), ['first', 'second'])
    t.deepEqual(await call(version, 'shelf'), [
      ['a', 'A'],
      ['b', 'B'],
    ])
  }
  for (const version of [0, 2]) t.is(await call(version, 'mood'), 'calm again')

  await system.publish(toV3())
  await node.reached(4)
  t.deepEqual(await call(4, 'stars', 0), { stars: 2, pinned: false } satisfies ReturnType<NotesV3['stars']>)
  for (const version of [0, 2]) t.is(await call(version, 'mood'), 'calm again')
})

test('until it goes back, a node answers the undo through the past-SO with its state', async (t) => {
  const { system, node, call, undo, roles } = await open(t)
  await call(0, 'setMood', 'merry')
  const back = gate()
  await system.publish(toV2({ beforeInverse: () => back.pass() }))
  await node.reached(1)
  await undo()
  await until(() => back.waiting === 1, 'the inverse begins')
  t.deepEqual(roles(), ['0 Notes.v1 pastSO', '1 Notes.v2 object', '2 Notes.v1 alias'])
  back.open()
  await node.reached(2)
  for (const version of [0, 2]) t.is(await call(version, 'mood'), 'merry')
})

test('a node that has not gone forward need not go there: it skips both, and the future-SO stays with its state', async (t) => {
  const { system, host, node, call, undo, roles } = await open(t)
  const { go, when } = door()
  let transforms = 0
  await system.publish(toV2({ schedule: when, beforeTransform: () => transforms++ }))
  await host.untilPhase('n1', 'scheduled')
  await call(0, 'add', 'first')
  await call(1, 'star', 0)
  await undo()
  await node.reached(2)
  t.is(transforms, 0)
  t.deepEqual(roles(), ['0 Notes.v1 alias', '1 Notes.v2 pastSO', '2 Notes.v1 object'])
  t.is(await call(1, 'stars', 0), 1)
  t.deepEqual(await call(2, 'all'), ['first'])
  t.deepEqual(host.phases('n1').slice(-2), ['scheduled', 'current'])
  // And what only version 1 knows is there when the undo is undone, and its schedule says when.
  await undo()
  go.open()
  await node.reached(3)
  t.is(await call(3, 'stars', 0), 1)
})

for (const [what, parts] of [
  ['whose transform throws', { beforeTransform: () => Promise.reject(new Error('no')) }],
  ['whose new class does not start', { newClass: brokenClass() }],
] as const satisfies readonly (readonly [string, UpgradeParts])[]) {
  test(`an upgrade ${what} is undone where it stalled, and the next one goes on from there`, async (t) => {
    const { system, host, node, call, undo } = await open(t)
    await call(0, 'add', 'first')
    await system.publish(toV2(parts))
    await host.untilPhase('n1', 'stalled')
    await undo()
    await past(node, 2)
    await until(async () => (await system.database.nodes('notes'))[0]!.reason === null, 'the database hears of it')
    t.deepEqual(await call(2, 'all'), ['first'])
    await system.publish(toV2())
    await node.reached(3)
    t.deepEqual(await call(3, 'all'), ['first'])
    t.is(node.className, 'Notes.v2')
  })
}

test('a stalled upgrade that is undone while its host is down is skipped when it comes back', async (t) => {
  const { system, host, call, undo } = await open(t)
  await call(0, 'add', 'first')
  await system.publish(toV2({ beforeTransform: () => Promise.reject(new Error('no')) }))
  await host.untilPhase('n1', 'stalled')
  const state = host.kill()
  await undo()
  const node = await (await system.host('h2', { state })).node(NotesV1, 'n1')
  await past(node, 2)
  t.deepEqual(await call(2, 'all'), ['first'])
})

test('a rejected upgrade that is undone leaves a hole in the chain, also after a restart, and nothing else', async (t) => {
  const { system, host, call, undo } = await open(t)
  await call(0, 'add', 'first')
  await system.publish(toV2(), (draft) => ({ ...draft, runtime: 99 }))
  await host.untilPhase('n1', 'rejected')
  await undo()
  const check = async () => {
    t.deepEqual(await call(2, 'all'), ['first'])
    t.deepEqual(await call(0, 'all'), ['first'])
    t.is(await codeOf(call(1, 'all')), 'version.rejected')
  }
  await past(host.nodes.get('n1')!, 2)
  await check()
  const again = await system.host('h2', { state: host.kill() })
  const node = await again.node(NotesV1, 'n1')
  await check()
  await system.publish(toV2())
  await node.reached(3)
  t.deepEqual(await call(3, 'all'), ['first'])
  t.is(await codeOf(call(1, 'all')), 'version.rejected')
})

test('half of the nodes upgraded: each goes back or stays from where it is', async (t) => {
  const { system, host, node, call, undo } = await open(t)
  const other = await host.node(NotesV1, 'n2')
  const only = schedule('n1 only', (view) => (view.nodeId === 'n1' ? Promise.resolve() : view.sleep(60_000)))
  await system.publish(toV2({ schedule: only }))
  await node.reached(1)
  await call(1, 'star', 0)
  await undo()
  await Promise.all([node.reached(2), other.reached(2)])
  t.deepEqual([node.className, other.className], ['Notes.v1', 'Notes.v1'])
  t.is(await call(1, 'stars', 0), 1)
})

test('an undo of an undo that a node has not carried out is skipped like any other', async (t) => {
  const { system, host, node, call, undo, roles } = await open(t)
  const back = gate()
  let inverses = 0
  await system.publish(toV2({ beforeInverse: () => (++inverses === 1 ? back.pass() : undefined) }))
  await node.reached(1)
  await call(1, 'star', 0)
  await undo()
  await until(() => back.waiting === 1, 'the inverse begins')
  await undo()
  back.fail(new Error('it does not go back'))
  await past(node, 3)
  t.deepEqual(host.phases('n1').slice(-3), ['transforming', 'stalled', 'current'])
  t.deepEqual(roles(), ['0 Notes.v1 alias', '1 Notes.v2 alias', '2 Notes.v1 pastSO', '3 Notes.v2 object'])
  t.is(await call(3, 'stars', 0), 1)
})

for (const at of ['transforming', 'checking', 'flipping', 'recovering'] as const) {
  test(`a host that is killed ${at} on its way back comes back and ends the undo`, async (t) => {
    const { system, host, node, call, undo } = await open(t)
    await call(0, 'add', 'first')
    await call(0, 'setMood', 'merry')
    await system.publish(toV2())
    await node.reached(1)
    await call(1, 'star', 0)
    const killed = host.killedAt((event) => event.type === 'phase' && event.phase === at && event.target === 2)
    await undo()
    await killed
    const again = await (await system.host('h2', { state: host.state })).node(NotesV1, 'n1')
    await again.reached(2)
    t.deepEqual(await call(2, 'all'), ['first'])
    t.is(await call(2, 'mood'), 'merry')
    t.is(await call(1, 'stars', 0), 1)
  })
}

test('the past-SO of a dead version is alive as the undo, with its state', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 10 }, { deathDelay: 20, deathRound: 5 })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const call = (version: number, method: string, ...args: readonly unknown[]) =>
    system.desk.running.operator.call({ node: 'n1' }, method, args, { version })
  await call(0, 'setMood', 'merry')
  const back = gate()
  await system.publish(toV2({ beforeInverse: () => back.pass() }))
  await node.reached(1)
  await until(async () => (await codeOf(call(0, 'mood'))) === 'version.dead', 'version 0 is dead')
  await system.desk.running.operator.undo()
  await until(() => back.waiting === 1, 'the inverse begins')
  t.deepEqual(
    node.chain.map(({ version, role }) => `${version} ${role}`),
    ['1 object', '2 futureSO'],
  )
  back.open()
  await node.reached(2)
  t.is(await call(2, 'mood'), 'merry')
  t.is(await codeOf(call(0, 'mood')), 'version.dead')
})

test('a version that is final is not undone, and what its undo would have needed is dropped', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 10 }, { deathDelay: 20, deathRound: 5 })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const { operator } = system.desk.running
  await system.publish(toV2({ pastInitial: () => ({ mood: 'kept' }) }))
  await node.reached(1)
  const mood = () => codeOf(operator.call({ node: 'n1' }, 'mood', [], { version: 0 }))
  await until(async () => (await mood()) === 'version.dead', 'version 0 is dead')
  const keys: string[] = []
  host.state.beforeCommit = (writes) => void keys.push(...writes.filter(([, value]) => value === null).map(([key]) => key))
  t.is(await operator.finalize(1), 1)
  await t.throwsAsync(operator.undo(), { code: 'upgrade.invalid', message: /version 1 is final/ })
  await until(() => keys.includes('s/n1/1.0/r'), 'the state of the past-SO of version 0 is dropped')
  t.deepEqual(await operator.call({ node: 'n1' }, 'all', [], { version: 1 }), [])
  // And the next upgrade goes on from there.
  await system.publish(toV3())
  await node.reached(2)
})

test('a node that is away while an undo becomes final keeps what it needs to pass it', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 10 }, { deathDelay: 500, deathRound: 5 })
  const { operator } = system.desk.running
  const [h1, h2] = [await system.host('h1'), await system.host('h2')]
  const nodes = [await h1.node(NotesV1, 'n1'), await h2.node(NotesV1, 'n2')]
  const call = (nodeId: string, version: number, method: string, ...args: readonly unknown[]) =>
    operator.call({ node: nodeId }, method, args, { version })
  await call('n1', 0, 'setMood', 'merry')
  await system.publish(toV2())
  for (const node of nodes) await node.reached(1)
  const rows = () => system.database.nodes('notes')
  const areThere = async () => (await rows()).every(({ version, phase }) => version === 1 && phase === 'current')
  await until(areThere, 'the database has both at version 1: while one might still go back, version 0 lives')
  // It will hear of all at once: that version 0 is dead, of the undo, and that it is final.
  const state = h1.kill()
  await until(async () => (await codeOf(call('n2', 0, 'mood'))) === 'version.dead', 'version 0 is dead')
  await operator.undo()
  await nodes[1]!.reached(2)
  // Nothing is final before all that are registered are there.
  await system.database.forget('n1')
  t.is(await operator.finalize(2), 2)
  const h3 = await system.host('h3', { state })
  const dropped: string[] = []
  h3.state.beforeCommit = (writes) => void dropped.push(...writes.filter(([, value]) => value === null).map(([key]) => key))
  const node = await h3.node(NotesV1, 'n1')
  await node.reached(2)
  t.is(await call('n1', 2, 'mood'), 'merry')
  await until(() => dropped.includes('s/n1/1.0/r'), 'nobody can go back any more: the state of the past-SO is dropped')
})

test('a node that is born after an undo is as one that was there before', async (t) => {
  const { system, host, node, call, undo } = await open(t)
  await system.publish(toV2())
  await node.reached(1)
  await undo()
  await node.reached(2)
  const born = await host.node(NotesV2, 'n2')
  t.is(born.className, 'Notes.v1')
  const at = (version: number, method: string, ...args: readonly unknown[]) =>
    system.desk.running.operator.call({ node: 'n2' }, method, args, { version })
  await at(1, 'star', 0)
  t.is(await at(1, 'stars', 0), 1)
  t.is(await at(0, 'mood'), 'calm')
  t.is(await call(0, 'mood'), 'calm')
})

test('an upgrade can be undone if it is there, has a way back, and none that came later touches its classes', async (t) => {
  const { system, undo } = await open(t)
  const { operator } = system.desk.running
  await t.throwsAsync(undo(), { code: 'upgrade.conflict', message: /there is no version 0 to undo: the newest is 0/ })
  const upgrade = toV2()
  const oneWay = { ...upgrade, classUpgrades: upgrade.classUpgrades.map((each) => ({ ...each, inverse: null })) }
  await system.publish(oneWay)
  await t.throwsAsync(undo(), { code: 'upgrade.invalid', message: /Notes.v1 → Notes.v2 has no inverse/ })
  await system.publish(toV3())
  await t.throwsAsync(operator.undo({ version: 1 }), { code: 'upgrade.conflict' })
})

/** Unlike `reached`, does not mind that the upgrade in between has stalled. */
async function past(node: NodeHandle, version: number): Promise<void> {
  await until(() => node.version === version && node.phase === 'current', `${node.id} is past version ${version}`)
}

function brokenClass(): typeof NotesV2 {
  return class extends NotesV2 {
    protected override start(): void {
      throw new Error('it never starts')
    }
  }
}
