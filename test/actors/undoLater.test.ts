/**
 * Going back from an upgrade that is not the newest (DESIGN §5, "Undo"): nothing that came later touches its
 * classes, so the versions between are other names of its own.
 */
import test, { type ExecutionContext } from 'ava'
import { firstLevel } from '../../core/base/level.js'
import { schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { DisplayV1, displaysToV2, members, TillV1, toV2 as tillsToV2, withDisplay } from './groupClasses.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'
import { ShelfV1, toShelfV2, toShelfV3 } from './shelfClasses.js'

async function open(t: ExecutionContext, told: Parameters<typeof TestSystem.start>[3] = {}) {
  const system = await TestSystem.start(t, { limit: { percent: 100 } }, {}, told)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const shelf = await host.node(ShelfV1, 's1')
  const call = (version: number, method: string, ...args: readonly unknown[]) =>
    system.desk.running.operator.call({ node: 'n1' }, method, args, { version })
  const undo = (version: number) => system.desk.running.operator.undo({ version })
  const roles = () => node.chain.map(({ version, className, role }) => `${version} ${className} ${role}`)
  return { system, host, node, shelf, call, undo, roles }
}

test('an upgrade is undone after one of another service, which stays', async (t) => {
  const { system, node, shelf, call, undo, roles } = await open(t)
  const ofShelf = (version: number, method: string, ...args: readonly unknown[]) =>
    system.desk.running.operator.call({ node: 's1' }, method, args, { version })
  await ofShelf(0, 'put', 'a', 'A')
  await ofShelf(0, 'lend', 'a')
  await call(0, 'add', 'first')
  await call(0, 'setMood', 'merry')
  await system.publish(toV2())
  await system.publish(toShelfV2())
  await Promise.all([node.reached(2), shelf.reached(2)])
  await call(1, 'star', 0)
  await call(2, 'star', 0)
  await call(0, 'setMood', 'sad')

  t.is(await undo(1), 3)
  await Promise.all([node.reached(3), shelf.reached(3)])
  t.deepEqual([node.className, shelf.className], ['Notes.v1', 'Shelf.v2'])
  t.deepEqual(roles(), ['0 Notes.v1 alias', '1 Notes.v2 alias', '2 Notes.v2 pastSO', '3 Notes.v1 object'])
  for (const version of [0, 3]) {
    t.is(await call(version, 'mood'), 'sad')
    t.deepEqual(await call(version, 'all'), ['first'])
    t.is(await codeOf(call(version, 'star', 0)), 'protocol.no-such-method')
  }
  for (const version of [1, 2]) t.is(await call(version, 'stars', 0), 2)
  await call(3, 'add', 'second')
  // The chain of the other service knows nothing of it: version 0 is what version 1 is there.
  for (const version of [0, 1]) t.is(await ofShelf(version, 'loans', 'a'), 1)
  t.is(await codeOf(ofShelf(3, 'loans', 'a')), 'protocol.no-such-method')
  t.deepEqual(
    shelf.chain.map(({ version, className, role }) => `${version} ${className} ${role}`),
    ['0 Shelf.v1 alias', '1 Shelf.v1 pastSO', '2 Shelf.v2 alias', '3 Shelf.v2 object'],
  )

  // The undo can be undone in turn, also after another upgrade of the other service.
  await system.publish(toShelfV3())
  t.is(await undo(3), 5)
  await Promise.all([node.reached(5), shelf.reached(5)])
  t.is(node.className, 'Notes.v2')
  for (const version of [1, 2, 5]) {
    t.is(await call(version, 'stars', 0), 2)
    t.deepEqual(await call(version, 'all'), ['first', 'second'])
  }
  for (const version of [0, 3, 4]) t.is(await call(version, 'mood'), 'sad')
  await system.publish(toV3())
  await node.reached(6)
  t.deepEqual(await call(6, 'stars', 0), { stars: 2, pinned: false })
  for (const version of [0, 3, 4]) t.is(await call(version, 'mood'), 'sad')
  for (const version of [1, 2, 5]) t.is(await call(version, 'stars', 0), 2)
})

test('a level that was raised since keeps nobody from going back, and a level below keeps all but the newest', async (t) => {
  const { system, node, shelf, call, undo } = await open(t, { level: firstLevel })
  const { operator } = system.desk.running
  await call(0, 'setMood', 'merry')
  await system.publish(toV2())
  await system.publish(toShelfV2())
  await Promise.all([node.reached(2), shelf.reached(2)])
  // Release 0.1.0 may run somewhere, which reads no such manifest.
  await t.throwsAsync(undo(1), {
    code: 'upgrade.level',
    message: /version 3 needs manifest format 3, and the system's level is 1: raise it with "natsctl system level --raise"/,
  })
  t.is(await operator.raiseLevel(), 3)
  await Promise.all([node.reached(3), shelf.reached(3)])
  await t.throwsAsync(operator.undo(), { code: 'upgrade.invalid', message: /version 3 has raised the level.*say which version/ })
  t.is(await undo(1), 4)
  await node.reached(4)
  t.is(await call(4, 'mood'), 'merry')
  // Asked once more, it is done already.
  t.is(await undo(1), 4)
})

test('a node that has not taken the undone upgrade passes over it and all up to the undo', async (t) => {
  const { system, host, node, shelf, call, undo, roles } = await open(t)
  const go = gate()
  let transforms = 0
  const when = schedule('when the test says so', () => go.pass())
  await system.publish(toV2({ schedule: when, beforeTransform: () => transforms++ }))
  await system.publish(toShelfV2())
  await host.untilPhase('n1', 'scheduled')
  await shelf.reached(2)
  await call(0, 'add', 'first')
  await call(1, 'star', 0)
  await call(2, 'star', 0)
  await undo(1)
  await node.reached(3)
  t.is(transforms, 0)
  t.deepEqual(roles(), ['0 Notes.v1 alias', '1 Notes.v2 alias', '2 Notes.v2 pastSO', '3 Notes.v1 object'])
  for (const version of [1, 2]) t.is(await call(version, 'stars', 0), 2)
  t.deepEqual(await call(3, 'all'), ['first'])
  // And what only it knows is there when the undo is undone.
  go.open()
  await undo(3)
  await node.reached(4)
  t.is(await call(4, 'stars', 0), 2)
})

test('upgrades of one service are undone one after the other, the newest first', async (t) => {
  const { system, node, call, undo } = await open(t)
  await call(0, 'setMood', 'merry')
  await system.publish(toV2())
  await node.reached(1)
  await system.publish(withWayBack(toV3()))
  await node.reached(2)
  await call(2, 'star', 0)
  await t.throwsAsync(undo(1), {
    code: 'upgrade.conflict',
    message: /version 2 upgrades service notes too: undo version 2 first/,
  })
  t.is(await undo(2), 3)
  t.is(await undo(1), 4)
  await node.reached(4)
  t.is(node.className, 'Notes.v1')
  for (const version of [0, 4]) t.is(await call(version, 'mood'), 'merry')
  for (const version of [1, 3]) t.is(await call(version, 'stars', 0), 1)
  t.deepEqual(await call(2, 'stars', 0), { stars: 1, pinned: false })
  t.is(await undo(2), 3)
})

test('a node that has taken neither of two upgrades passes over both and their undos', async (t) => {
  const { system, host, node, call, undo, roles } = await open(t)
  const never = schedule('when the test says so', () => gate().pass())
  await system.publish(toV2({ schedule: never }))
  await system.publish(withWayBack(toV3()))
  await host.untilPhase('n1', 'scheduled')
  await call(2, 'star', 0)
  await call(2, 'pin', 0)
  await undo(2)
  await undo(1)
  await node.reached(4)
  t.deepEqual(roles(), ['0 Notes.v1 alias', '1 Notes.v2 alias', '2 Notes.v3 pastSO', '3 Notes.v2 pastSO', '4 Notes.v1 object'])
  for (const version of [1, 3]) t.is(await call(version, 'stars', 0), 1)
  t.deepEqual(await call(2, 'stars', 0), { stars: 1, pinned: true })
})

test('a node passes over an upgrade within another, each with an upgrade of another service before its undo', async (t) => {
  const { system, host, node, shelf, call, undo } = await open(t)
  const never = schedule('when the test says so', () => gate().pass())
  await system.publish(toV2({ schedule: never }))
  await system.publish(withWayBack(toV3()))
  await system.publish(toShelfV2())
  await host.untilPhase('n1', 'scheduled')
  await shelf.reached(3)
  await call(1, 'star', 0)
  await call(2, 'pin', 0)
  await undo(2)
  await system.publish(toShelfV3())
  await undo(1)
  await Promise.all([node.reached(6), shelf.reached(6)])
  for (const version of [1, 4, 5]) t.is(await call(version, 'stars', 0), 1)
  for (const version of [2, 3]) t.deepEqual(await call(version, 'stars', 0), { stars: 1, pinned: true })
})

test('a node that was born after the undone upgrade was dead goes back too, as one that was born before it', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 10 }, { deathDelay: 20, deathRound: 5 })
  const { operator } = system.desk.running
  const host = await system.host('h1')
  const [node, shelf] = [await host.node(NotesV1, 'n1'), await host.node(ShelfV1, 's1')]
  await system.publish(toV2({ pastInitial: (old) => ({ mood: `${old.mood}, kept` }) }))
  await system.publish(toShelfV2())
  await system.publish(toShelfV3())
  await Promise.all([node.reached(3), shelf.reached(3)])
  const at = (version: number, method: string, ...args: readonly unknown[]) =>
    operator.call({ node: 'n2' }, method, args, { version })
  await until(
    async () => (await codeOf(operator.call({ node: 'n1' }, 'all', [], { version: 2 }))) === 'version.dead',
    'it is dead',
  )
  const born = await host.node(NotesV2, 'n2')
  t.is(born.version, 3)
  await at(3, 'star', 0)
  t.is(await operator.undo({ version: 1 }), 4)
  await Promise.all([node.reached(4), born.reached(4)])
  t.is(born.className, 'Notes.v1')
  t.is(await at(4, 'mood'), 'calm, kept')
  t.deepEqual(await at(4, 'all'), [])
})

test('a node that is born while the undo is under way is born at it, or before what is undone', async (t) => {
  const { system, host, node, shelf, undo } = await open(t)
  const back = gate()
  await system.publish(toV2({ beforeInverse: () => back.pass() }))
  await system.publish(toShelfV2())
  await Promise.all([node.reached(2), shelf.reached(2)])
  await undo(1)
  await until(() => back.waiting === 1, 'the inverse begins')
  const born = await host.node(NotesV2, 'n2')
  await born.reached(3)
  t.is(born.className, 'Notes.v1')
  back.open()
  await node.reached(3)
})

for (const at of ['draining', 'transforming', 'checking', 'flipping', 'recovering'] as const) {
  test(`a host that is killed ${at} on its way back from an older upgrade comes back and ends the undo`, async (t) => {
    const { system, host, node, shelf, call, undo } = await open(t)
    await call(0, 'add', 'first')
    await call(0, 'setMood', 'merry')
    await system.publish(toV2())
    await system.publish(toShelfV2())
    await Promise.all([node.reached(2), shelf.reached(2)])
    await call(1, 'star', 0)
    const killed = host.killedAt((event) => event.type === 'phase' && event.phase === at && event.target === 3)
    await undo(1)
    await killed
    const h2 = await system.host('h2', { state: host.state })
    const again = await h2.node(NotesV1, 'n1')
    await h2.node(ShelfV1, 's1')
    await again.reached(3)
    t.deepEqual(await call(3, 'all'), ['first'])
    t.is(await call(3, 'mood'), 'merry')
    for (const version of [1, 2]) t.is(await call(version, 'stars', 0), 1)
  })
}

test('a rejected upgrade is undone after one of another service: its nodes pass over it, also after a restart', async (t) => {
  const { system, host, shelf, call, undo } = await open(t)
  await call(0, 'add', 'first')
  await system.publish(toV2(), (draft) => ({ ...draft, runtime: 99 }))
  await system.publish(toShelfV2())
  await host.untilPhase('n1', 'rejected')
  await shelf.reached(2)
  await undo(1)
  const past = (which: typeof host) => until(() => which.nodes.get('n1')!.version === 3, 'it is past the undo')
  const check = async () => {
    for (const version of [0, 3]) t.deepEqual(await call(version, 'all'), ['first'])
    for (const version of [1, 2]) t.is(await codeOf(call(version, 'all')), 'version.rejected')
  }
  await past(host)
  await check()
  const h2 = await system.host('h2', { state: host.kill() })
  await h2.node(NotesV1, 'n1')
  await past(h2)
  await check()
})

test('the past-SO of a version that is long dead is alive as the undo, and final versions are not passed', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 10 }, { deathDelay: 20, deathRound: 5 })
  const { operator } = system.desk.running
  const host = await system.host('h1')
  const [node, shelf] = [await host.node(NotesV1, 'n1'), await host.node(ShelfV1, 's1')]
  const call = (version: number, method: string, ...args: readonly unknown[]) =>
    operator.call({ node: 'n1' }, method, args, { version })
  await call(0, 'setMood', 'merry')
  await system.publish(toV2())
  await system.publish(toShelfV2())
  await Promise.all([node.reached(2), shelf.reached(2)])
  await until(async () => (await codeOf(call(1, 'all'))) === 'version.dead', 'version 1 is dead')
  t.is(await operator.undo({ version: 1 }), 3)
  await node.reached(3)
  t.is(await call(3, 'mood'), 'merry')
  await until(async () => (await codeOf(call(2, 'all'))) === 'version.dead', 'version 2 is dead')
  t.is(await operator.finalize(2), 2)
  await t.throwsAsync(operator.undo({ version: 2 }), { code: 'upgrade.invalid', message: /version 2 is final/ })
})

test('an older upgrade is not rewound: recordings end when nodes go on', async (t) => {
  const { system, node } = await open(t)
  await system.publish(toV2())
  await system.publish(toShelfV2())
  await node.reached(2)
  await t.throwsAsync(system.desk.running.operator.undo({ version: 1, rewind: true }), {
    code: 'upgrade.conflict',
    message: /version 1 can't be rewound: version 2 came after it/,
  })
})

test('a group passes over an undone upgrade and what came after it, in one commit', async (t) => {
  const system = await TestSystem.start(t)
  const { operator } = system.desk.running
  const host = await system.host('h1')
  const group = await host.running.group('g', members)
  const display = await host.node(DisplayV1, 'd1')
  const never = schedule('never', () => gate().pass())
  await system.publish(tillsToV2({ schedule: never }))
  await system.publish(displaysToV2())
  await host.untilPhase('g_till', 'scheduled')
  await display.reached(2)
  await system.desk.ref(TillV1, 'g_till', { version: 0 }).sell(3)
  t.is(await operator.undo({ version: 1 }), 3)
  await until(() => group.version === 3, 'the group is past the undo')
  t.deepEqual([group.members.till.className, group.members.drawer.className], ['Till.v1', 'Drawer.v1'])
  t.is(await operator.call({ node: 'g_till' }, 'receipts', [], { version: 2 }), 0)
  t.is(await operator.call({ node: 'g_drawer' }, 'cents', [], { version: 1 }), 300)
})

test('a group that would pass over an upgrade of another member is in the way until it has gone there', async (t) => {
  const system = await TestSystem.start(t)
  const { operator } = system.desk.running
  const host = await system.host('h1')
  const group = await host.running.group('g', withDisplay)
  const go = gate()
  await system.publish(tillsToV2({ schedule: schedule('when the test says so', () => go.pass()) }))
  await system.publish(displaysToV2())
  await host.untilPhase('g_till', 'scheduled')
  await t.throwsAsync(operator.undo({ version: 1 }), {
    code: 'upgrade.invalid',
    message: /version 1 can't be undone: group g has not gone there, and version 2 upgrades service display, which is in it too/,
  })
  go.open()
  await group.reached(2)
  await until(
    async () => (await system.database.nodes()).every(({ group: of, version }) => of === undefined || version === 2),
    'it is told',
  )
  t.is(await operator.undo({ version: 1 }), 3)
  await group.reached(3)
  t.deepEqual(
    Object.values(group.members).map(({ className }) => className),
    ['Till.v1', 'Drawer.v1', 'Display.v2'],
  )
})

test('a group that has not heard of the undo goes through what it can’t pass over, or is rejected there', async (t) => {
  const system = await TestSystem.start(t)
  const { operator } = system.desk.running
  const host = await system.host('h1')
  const group = await host.running.group('g', withDisplay)
  await system.publish(tillsToV2(), (draft) => ({ ...draft, runtime: 99 }))
  await system.publish(displaysToV2())
  await host.untilPhase('g_till', 'rejected')
  // The database does not know the group: it is away.
  const state = host.kill()
  for (const id of ['g_till', 'g_drawer', 'g_display']) await system.database.forget(id)
  t.is(await operator.undo({ version: 1 }), 3)
  const h2 = await system.host('h2', { state })
  await h2.running.group('g', withDisplay)
  const { reason } = await h2.untilPhase('g_till', 'rejected')
  t.regex(reason ?? '', /runtime interface 99/)
  t.is(group.version, 0)
})

/** Pins are lost on the way back. */
function withWayBack(upgrade: ReturnType<typeof toV3>): ReturnType<typeof toV3> {
  const inverse = {
    transform: async (
      now: { notes: string[]; stars: object },
      _: unknown,
      collections: { carry(name: string): Promise<void> },
    ) => {
      await collections.carry('shelf')
      return { notes: now.notes, stars: now.stars }
    },
    records: null,
    future: (now: { pins: number[] }) => ({ pins: now.pins }),
    futureRecords: null,
  }
  return { ...upgrade, classUpgrades: upgrade.classUpgrades.map((each) => ({ ...each, inverse }) as never) }
}
