/** Chains of several versions in both directions (§5, Figure 1), learning and birth (DESIGN §5). */
import test, { type ExecutionContext } from 'ava'
import type { NodeHandle } from '../../actors/node/nodeHandle.js'
import { command, defineUpgrade, eagerly, NodeObject, none, notNeeded, query, schedule, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, type Settings, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, NotesV3, tickerUpgrade, toV2, toV3 } from './notesClasses.js'

const never = schedule('never', (view) => view.sleep(3_600_000))

const refs = (system: TestSystem, node = 'n1') => ({
  v0: system.desk.ref(NotesV1, node, { version: 0 }),
  v1: system.desk.ref(NotesV2, node, { version: 1 }),
  v2: system.desk.ref(NotesV3, node, { version: 2 }),
})

const roles = (node: NodeHandle) => node.chain.map(({ version, className, role }) => `${version} ${className} ${role}`)

async function start(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, settings)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  return { system, host, node, ...refs(system) }
}

test('a node at version 0 answers versions 1 and 2 through two chained future-SOs, whose states are their own', async (t) => {
  const { system, host, node, v0, v1, v2 } = await start(t)
  await system.publish(toV2({ schedule: never }))
  await system.publish(toV3())
  await host.untilPhase('n1', 'scheduled')
  t.is(await v2.add('from 2'), 1)
  t.deepEqual(roles(node), ['0 Notes.v1 object', '1 Notes.v2 futureSO', '2 Notes.v3 futureSO'])
  t.is(await v1.add('from 1'), 2)
  t.is(await v1.star(0), 1)
  t.is(await v2.star(0), 2)
  await v2.pin(0)
  t.deepEqual(await v2.stars(0), { stars: 2, pinned: true })
  t.is(await v1.stars(0), 2)
  t.deepEqual(await v0.all(), ['from 2', 'from 1'])
})

test('a node at version 2 answers versions 1 and 0 through two chained past-SOs', async (t) => {
  const { system, node, v0, v1, v2 } = await start(t)
  await v0.setMood('merry')
  await system.publish(toV2())
  await system.publish(toV3())
  await until(() => node.version === 2, 'both upgrades end')
  t.deepEqual(roles(node), ['0 Notes.v1 pastSO', '1 Notes.v2 pastSO', '2 Notes.v3 object'])
  t.is(await v0.add('from 0'), 1)
  t.is(await v1.star(0), 1)
  await v2.pin(0)
  t.deepEqual(await v2.stars(0), { stars: 1, pinned: true })
  t.is(await v1.stars(0), 1)
  t.is(await v0.mood(), 'merry')
  await v0.setMood('grim')
  t.is(await v0.mood(), 'grim')
  t.deepEqual(await v2.all(), ['from 0'])
})

test('the states of future-SOs go into the new object, whichever version they were written at (C7)', async (t) => {
  const { system, host, node, v1, v2 } = await start(t)
  const go = gate()
  await system.publish(toV2({ schedule: schedule('gate', () => go.pass()) }))
  await system.publish(toV3())
  await host.untilPhase('n1', 'scheduled')
  await v2.add('a')
  await v2.star(0)
  await v2.pin(0)
  go.open()
  await until(() => node.version === 2, 'both upgrades end')
  t.deepEqual(await v2.stars(0), { stars: 1, pinned: true })
  t.is(await v1.stars(0), 1)
})

test('an upgrade that concerns another service is an alias, and the node advances at once', async (t) => {
  const { system, host, node, v0 } = await start(t)
  await v0.add('a')
  await system.publish(tickerUpgrade())
  await until(() => node.version === 1, 'the node advances')
  t.deepEqual(roles(node), ['0 Notes.v1 alias', '1 Notes.v1 object'])
  t.false(host.phases('n1').includes('draining'))
  t.deepEqual(await system.desk.ref(NotesV1, 'n1', { version: 1 }).all(), ['a'])
  await until(async () => (await system.database.nodes('notes'))[0]?.version === 1, 'the database knows')
})

test('an upgrade of another service waits its turn behind one that is scheduled, and is then passed at once', async (t) => {
  const { system, host, node, v0, v1 } = await start(t)
  const go = gate()
  await system.publish(toV2({ schedule: schedule('gate', () => go.pass()) }))
  await system.publish(tickerUpgrade())
  await host.untilPhase('n1', 'scheduled')
  const v2 = system.desk.ref(NotesV2, 'n1', { version: 2 })
  t.is(await v2.add('from 2'), 1)
  t.is(await v1.star(0), 1)
  t.deepEqual(roles(node), ['0 Notes.v1 object', '1 Notes.v2 futureSO', '2 Notes.v2 alias'])
  go.open()
  await until(() => node.version === 2, 'both upgrades end')
  t.deepEqual(roles(node), ['0 Notes.v1 pastSO', '1 Notes.v2 alias', '2 Notes.v2 object'])
  t.is(await v2.stars(0), 1)
  t.deepEqual(await v0.all(), ['from 2'])
})

test('the state of an SO is committed together with the object’s, and survives a kill', async (t) => {
  const { system, host, v0, v1, v2 } = await start(t)
  await system.publish(toV2({ schedule: never }))
  await system.publish(toV3())
  await v2.add('a')
  await v1.star(0)
  await v2.pin(0)
  const second = await system.host('h2', { state: host.kill() })
  const node = await second.node(NotesV1, 'n1')
  t.is(node.version, 0)
  t.deepEqual(await v2.stars(0), { stars: 1, pinned: true })
  t.deepEqual(await v0.all(), ['a'])
})

class ArchiveV1 extends NodeObject<{ sum: number }> {
  static override readonly className: string = 'Archive.v1'
  static override initial() {
    return { sum: 0 }
  }
  @command add(n: number): void {
    this.state.sum += n
  }
  @query sum(): number {
    return this.state.sum
  }
}

class ArchiveV2 extends ArchiveV1 {
  static override readonly className: string = 'Archive.v2'
  @command clear(): void {
    this.state.sum = 0
  }
}

test('where no SO is needed the neighbour answers, but only with the methods of the caller’s version', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(ArchiveV1, 'a1')
  await system.publish(
    defineUpgrade({
      title: 'Archives can be cleared',
      classUpgrades: [
        upgradeClass({
          oldClass: ArchiveV1,
          newClass: ArchiveV2,
          futureSO: none,
          pastSO: notNeeded,
          transform: (old) => ({ sum: old.sum }),
          schedule: eagerly(),
        }),
      ],
    }),
  )
  await until(() => node.version === 1, 'the upgrade ends')
  const call = (version: number) => system.desk.running.operator.call({ node: 'a1' }, 'clear', [], { version })
  t.is(await codeOf(call(0)), 'protocol.no-such-method')
  t.regex(await codeOf(call(1)), /^answered/)
})

test('an upgrade without a future-SO cuts the chain above: version.cut, until the node has upgraded', async (t) => {
  const { system, host, node, v0, v1, v2 } = await start(t)
  const go = gate()
  await system.publish(toV2({ cut: 'future', schedule: schedule('gate', () => go.pass()) }))
  await system.publish(toV3())
  await host.untilPhase('n1', 'scheduled')
  t.is(await codeOf(v1.all()), 'version.cut')
  t.is(await codeOf(v2.all()), 'version.cut')
  t.is(await v0.add('a'), 1)
  go.open()
  await until(() => node.version === 2, 'both upgrades end')
  t.deepEqual(await v1.all(), ['a'])
  t.deepEqual(await v2.all(), ['a'])
})

test('an upgrade without a past-SO cuts the chain below: version.cut for that version and those before it', async (t) => {
  const { system, node, v0, v1, v2 } = await start(t)
  await v0.add('a')
  await system.publish(toV2())
  await system.publish(toV3({ cut: 'past' }))
  await until(() => node.version === 2, 'both upgrades end')
  t.is(await codeOf(v0.all()), 'version.cut')
  t.is(await codeOf(v1.all()), 'version.cut')
  t.deepEqual(await v2.all(), ['a'])
})

/** Nothing about versions reaches `to`, but the calls. */
function deafen(system: TestSystem, to: string): void {
  system.broker.filter = (transit) => (transit.to === to && transit.message.subject.endsWith('.upgrades') ? 'drop' : 'deliver')
}

test('a call of a version that the node has never heard of teaches it, and is answered', async (t) => {
  const { system, host, node, v2 } = await start(t)
  deafen(system, 'h1')
  await system.publish(toV2({ schedule: never }))
  await system.publish(toV3())
  t.is(node.chain.length, 1)
  t.is(await v2.add('hello'), 1)
  t.is(node.chain.length, 3)
  await host.untilPhase('n1', 'scheduled')
})

test('a version that nobody installed gets version.unknown, remembered briefly', async (t) => {
  const { system } = await start(t, { unknownVersionMs: 60_000 })
  let asked = 0
  system.broker.filter = ({ from, message }) => {
    if (from === 'h1' && message.subject.endsWith('.server')) asked++
    return 'deliver'
  }
  const far = system.desk.ref(NotesV1, 'n1', { version: 99 })
  t.deepEqual(await Promise.all([codeOf(far.all()), codeOf(far.all())]), ['version.unknown', 'version.unknown'])
  t.is(await codeOf(far.all()), 'version.unknown')
  t.true(asked <= 2, `${asked} questions`)
})

test('a label that nobody installed does not make a version unknown that is installed meanwhile', async (t) => {
  const system = await TestSystem.start(t, { unknownVersionMs: 2_000 })
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  deafen(system, 'h1')
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 99 }).all()), 'version.unknown')
  await system.publish(toV2({ schedule: never }))
  t.is(await codeOf(refs(system).v1.add('hello')), 'answered 1')
})

// Bug 32: of all held labels only the highest is asked for, and a question that was asked
// before counts as an answer.
test('a version installed while the question after another label is on its way is not unknown', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  deafen(system, 'h1')
  const announced = system.broker.filter!
  let delayed = 0
  system.broker.filter = (transit) =>
    transit.from === 'upgrade-server' && transit.to === 'h1' && transit.message.subject.startsWith('_INBOX') && delayed++ === 0
      ? { delayMs: 100 }
      : announced(transit)
  const far = codeOf(system.desk.ref(NotesV1, 'n1', { version: 99 }).all())
  await until(() => delayed > 0, 'the answer is on its way')
  await system.publish(toV2({ schedule: never }))
  t.is(await codeOf(refs(system).v1.add('hello')), 'answered 1')
  t.is(await far, 'version.unknown')
})

// Of all held labels the highest is asked for; if that one is remembered as unknown, none is.
test('a version that is held together with a label remembered as unknown is asked for all the same', async (t) => {
  const system = await TestSystem.start(t, { unknownVersionMs: 2_000 })
  await (await system.host('h1')).node(NotesV1, 'n1')
  deafen(system, 'h1')
  const far = system.desk.ref(NotesV1, 'n1', { version: 99 })
  t.is(await codeOf(far.all()), 'version.unknown')
  await system.publish(toV2({ schedule: never }))
  t.deepEqual(await Promise.all([codeOf(far.all()), codeOf(refs(system).v1.add('hello'))]), ['version.unknown', 'answered 1'])
})

class NotesV4 extends NotesV3 {
  static override readonly className: string = 'Notes.v4'
}

/** Another implementation of the same type. */
function sameAgain() {
  const classUpgrade = upgradeClass({
    oldClass: NotesV3,
    newClass: NotesV4,
    futureSO: notNeeded,
    pastSO: notNeeded,
    transform: (old) => old,
    schedule: eagerly(),
  })
  return defineUpgrade({ title: 'The same again', classUpgrades: [classUpgrade] })
}

test('a node that was down for four upgrades catches up one at a time and answers all five versions meanwhile', async (t) => {
  const { system, host, v0, v1, v2 } = await start(t)
  await v0.add('before')
  await v0.setMood('merry')
  const state = host.kill()
  await system.publish(toV2())
  await system.publish(tickerUpgrade())
  const go = gate()
  const last = toV3({ schedule: schedule('gate', () => go.pass()) })
  await system.publish(last)
  await system.publish(sameAgain())
  const second = await system.host('h2', { state })
  const node = await second.node(NotesV1, 'n1')
  const v3 = system.desk.ref(NotesV3, 'n1', { version: 3 })
  t.is(await v3.add('from 3'), 2)
  await until(() => second.last('n1')?.phase === 'scheduled' && node.version === 2, 'two upgrades are passed')
  t.deepEqual(roles(node), [
    '0 Notes.v1 pastSO',
    '1 Notes.v2 alias',
    '2 Notes.v2 object',
    '3 Notes.v3 futureSO',
    '4 Notes.v4 alias',
  ])
  t.deepEqual(await system.desk.ref(NotesV4, 'n1', { version: 4 }).stars(1), { stars: 0, pinned: false })
  t.is(await v0.mood(), 'merry')
  t.is(await v1.star(0), 1)
  t.is(await system.desk.ref(NotesV2, 'n1', { version: 2 }).stars(0), 1)
  t.deepEqual(await v3.stars(0), { stars: 1, pinned: false })
  go.open()
  await node.reached(4)
  t.deepEqual(await v3.all(), ['before', 'from 3'])
  t.is(await v0.mood(), 'merry')
  t.truthy(v2)
})

test('a new node is born at the newest complete version, its past-SOs as if it had been there', async (t) => {
  const { system, node } = await start(t)
  await system.publish(toV2())
  await until(() => node.version === 1, 'the first node is upgraded')
  await until(async () => (await system.database.nodes('notes'))[0]?.version === 1, 'the database knows')
  const go = gate()
  t.teardown(() => go.open())
  await system.publish(toV3({ schedule: schedule('gate', () => go.pass()) }))
  const host = await system.host('h2')
  const born = await host.node(NotesV1, 'n2')
  t.is(born.version, 1)
  await host.untilPhase('n2', 'scheduled')
  t.deepEqual(roles(born), ['0 Notes.v1 pastSO', '1 Notes.v2 object', '2 Notes.v3 futureSO'])
  const { v0, v1, v2 } = refs(system, 'n2')
  t.is(await v0.mood(), 'calm')
  t.is(await v1.add('a'), 1)
  t.deepEqual(await v2.stars(0), { stars: 0, pinned: false })
})

test('a future-SO whose initial state can’t be made is rejected like any other upgrade that does not fit', async (t) => {
  const { system, host, v0, v1 } = await start(t)
  await system.publish(
    toV2({
      futureInitial: () => {
        throw new Error('no future')
      },
    }),
  )
  const { reason } = await host.untilPhase('n1', 'rejected')
  t.regex(reason!, /no future/)
  t.is(await v0.add('a'), 1)
  t.is(await codeOf(v1.all()), 'version.rejected')
})
