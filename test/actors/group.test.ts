/** DESIGN §5, "Groups": nodes of one host that go through every version together. */
import test, { type ExecutionContext } from 'ava'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import { unpack } from '../../core/wire/codec.js'
import { afterMyServers, eagerly, type Phase, schedule } from '../../index.js'
import type { MemoryState } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, type Settings, TestSystem } from '../support/testSystem.js'
import { DisplayV1, DrawerV1, DrawerV2, displaysToV2, gates, members, TillV1, TillV2, toV2, withDisplay } from './groupClasses.js'
import { slotHolders } from './slots.js'

/** The versions that a member's disk had, and after each commit whether all members had the same. */
function watchDisk(t: ExecutionContext, state: MemoryState, ids: readonly string[]) {
  const onDisk = new Map<string, number>()
  const seen: string[] = []
  state.afterCommit = (writes) => {
    for (const [key, value] of writes) {
      const id = ids.find((each) => key === keys.record(each))
      if (id !== undefined && value !== null) onDisk.set(id, checkRecord(unpack(value)).generation.version)
    }
    if (onDisk.size === 0) return
    const versions = ids.map((id) => onDisk.get(id))
    if (new Set(versions).size > 1) t.fail(`after a commit the members are at versions ${versions.join(', ')}`)
    if (seen.at(-1) !== versions.join(' ')) seen.push(versions.join(' '))
  }
  return seen
}

async function grouped(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, settings)
  const host = await system.host('h1')
  const seen = watchDisk(t, host.state, ['till-7_till', 'till-7_drawer'])
  const group = await host.running.group('till-7', members)
  const till = system.desk.ref(TillV1, 'till-7_till', { version: 0 })
  const drawer = system.desk.ref(DrawerV1, 'till-7_drawer', { version: 0 })
  return { system, host, group, till, drawer, seen }
}

test('a group’s members are nodes like any other, and flip in one commit', async (t) => {
  const { system, group, till, drawer, seen } = await grouped(t)
  t.deepEqual(await till.sell(3), ['v1', 'v1'])
  await system.publish(toV2())
  await group.reached(1)
  t.is(group.version, 1)
  t.is(group.members.till.className, 'Till.v2')
  t.is(group.members.drawer.id, 'till-7_drawer')
  t.deepEqual(await system.desk.ref(TillV2, 'till-7_till', { version: 1 }).sell(2), ['v2', 'v2'])
  t.is(await drawer.coins(), 5)
  t.is(await till.sales(), 2)
  t.deepEqual(seen, ['0 0', '1 1'])
  const rows = await system.database.nodes()
  t.deepEqual(
    rows.filter(({ service }) => service !== 'client').map(({ group: name }) => name),
    ['till-7', 'till-7'],
  )
})

test('calls between the members see both old or both new, however busy they are', async (t) => {
  const { system, group, till } = await grouped(t)
  const answers: (readonly [string, string])[] = []
  let isOver = false
  const selling = async () => {
    while (!isOver) answers.push(await till.sell(1))
  }
  const sellers = [selling(), selling(), selling()]
  await until(() => answers.length > 20, 'they sell')
  await system.publish(toV2())
  await group.reached(1)
  const before = answers.length
  await until(() => answers.length > before + 20, 'they sell on')
  isOver = true
  await Promise.all(sellers)
  t.deepEqual([...new Set(answers.map((pair) => pair.join(' ')))].sort(), ['v1 v1', 'v2 v2'])
  t.is(await till.sales(), answers.length)
})

test('the group goes when all members have signalled, and says for whom it waits', async (t) => {
  const { system, host, group } = await grouped(t)
  const drawers = gate()
  await system.publish(toV2({ drawers: schedule('when the gate opens', () => drawers.pass()) }))
  await until(() => host.last('till-7_till')?.reason === 'waits for till-7_drawer of its group', 'the till waits')
  t.is(group.version, 0)
  drawers.open()
  await group.reached(1)
  t.is(host.last('till-7_till')?.phase, 'current')
})

test('an SF does not wait for another member of its group: they go at once', async (t) => {
  const { system, group } = await grouped(t)
  await system.publish(toV2({ schedule: afterMyServers('drawer'), drawers: eagerly() }))
  await group.reached(1)
  t.is(group.version, 1)
})

test('an operator’s word ends the SF of a member', async (t) => {
  const { system, host, group } = await grouped(t)
  await system.publish(toV2({ drawers: schedule('never', (view) => view.until(() => false)) }))
  await host.untilPhase('till-7_drawer', 'scheduled')
  await system.database.setControl({ kind: 'now', nodeId: 'till-7_drawer', version: 1, since: 0 })
  await group.reached(1)
  t.is(group.version, 1)
})

/** The till is held: the drawer, which asks for its permit first, gives it back each time. */
async function held(t: ExecutionContext) {
  const { system, host, ...rest } = await grouped(t)
  const hold = { kind: 'hold', nodeId: 'till-7_till', reason: 'stocktaking', since: 0 } as const
  await system.database.setControl(hold)
  await system.publish(toV2())
  const says = 'waits for the permit of till-7_till, of its group'
  await until(() => host.last('till-7_drawer')?.reason === says, 'the drawer waits for the till')
  return { system, host, hold, ...rest }
}

test('a member that is held holds its group, which says so, and nobody holds a permit meanwhile', async (t) => {
  const { system, host, group, hold } = await held(t)
  t.is(host.last('till-7_till')?.reason, 'waits for the end of its hold: stocktaking')
  await until(async () => (await slotHolders(system, 'drawer')).length === 0, 'the drawer has given its permit back')
  t.deepEqual(await slotHolders(system, 'till'), [])
  await system.database.removeControl(hold)
  await group.reached(1)
  t.is(group.version, 1)
})

test('a group that waits for permits goes past an upgrade that is undone, and no member stalls for that', async (t) => {
  const { system, host, group, seen } = await held(t)
  await system.desk.running.operator.undo()
  await group.reached(2)
  t.deepEqual(seen, ['0 0', '2 2'])
  for (const id of ['till-7_till', 'till-7_drawer']) t.false(host.phases(id).includes('stalled'))
  await until(async () => (await slotHolders(system, 'drawer')).length === 0, 'the permit is given back')
})

test('a running call gets its calls to other members answered while the group drains', async (t) => {
  const { system, host, group, till, drawer } = await grouped(t)
  const name = 'drains'
  gates.set(name, gate())
  const selling = till.sell(3, name)
  await until(() => gates.get(name)!.waiting === 1, 'the till sells')
  await system.publish(toV2())
  const ofDrawer = () => host.running.status().nodes.find(({ id }) => id === 'till-7_drawer')
  await until(() => ofDrawer()?.isServing === false, 'the drawer is closed')
  // From outside nothing is let in any more.
  const outside = drawer.put(1)
  await until(() => ofDrawer()?.waiting === 1, 'a call is held')
  t.is(group.version, 0)
  gates.get(name)!.open()
  t.deepEqual(await selling, ['v1', 'v1'])
  t.is(await outside, 'v2')
  await group.reached(1)
  t.is(await drawer.coins(), 4)
})

test('a drain that is late gives all mailboxes back, and the group tries again', async (t) => {
  const { system, host, group, till, drawer } = await grouped(t)
  const name = 'late'
  gates.set(name, gate())
  const selling = till.sell(3, name)
  await until(() => gates.get(name)!.waiting === 1, 'the till sells')
  await system.publish(toV2({ drainTimeout: 50 }))
  const { reason } = await host.untilPhase('till-7_drawer', 'stalled')
  t.is(reason, 'upgrade.drain: till-7_till: the running call did not finish in 50 ms')
  t.is(await drawer.put(1), 'v1')
  gates.get(name)!.open()
  await selling
  group.members.drawer.retry()
  await until(() => group.version === 1, 'the group goes')
  t.is(await drawer.coins(), 4)
})

test('a transform that fails stalls all members with a reason that names the member, and a retry of one takes all along', async (t) => {
  const { system, host, group, till, seen } = await grouped(t)
  let fails = true
  const drawerTransform = (old: { coins: number }) => {
    if (fails) throw new Error('no cents')
    return { cents: old.coins * 100 }
  }
  await till.sell(3)
  await system.publish(toV2({ drawerTransform }))
  for (const id of ['till-7_till', 'till-7_drawer']) {
    const { reason } = await host.untilPhase(id, 'stalled')
    t.is(reason, 'upgrade.transform: till-7_drawer: no cents')
  }
  t.deepEqual(await till.sell(1), ['v1', 'v1'])
  fails = false
  group.members.till.retry()
  await until(() => group.version === 1, 'the group goes')
  t.is(await till.sales(), 2)
  t.deepEqual(seen, ['0 0', '1 1'])
})

test('an SF that throws stalls all members', async (t) => {
  const { system, host } = await grouped(t)
  const never = schedule('never', () => gate().pass())
  const broken = schedule('broken', async () => {
    throw new Error('no clock')
  })
  await system.publish(toV2({ schedule: never, drawers: broken }))
  const { reason } = await host.untilPhase('till-7_till', 'stalled')
  t.is(reason, 'upgrade.schedule: till-7_drawer: no clock')
  t.is((await host.untilPhase('till-7_drawer', 'stalled')).reason, reason)
})

test('a selfCheck that fails gives all back', async (t) => {
  class Checked extends DrawerV2 {
    static override readonly className = 'Drawer.v2'
    override selfCheck() {
      throw new Error('crooked')
    }
  }
  const { system, host, till } = await grouped(t)
  await system.publish(toV2({ newDrawer: Checked }))
  t.is((await host.untilPhase('till-7_till', 'stalled')).reason, 'upgrade.check: till-7_drawer: crooked')
  t.deepEqual(await till.sell(1), ['v1', 'v1'])
})

test('three failed starts of one member flip all back, in one commit', async (t) => {
  let starts = 0
  class Failing extends DrawerV2 {
    static override readonly className = 'Drawer.v2'
    override start() {
      starts++
      throw new Error('does not start')
    }
  }
  const { system, host, group, till, seen } = await grouped(t)
  await till.sell(3)
  await system.publish(toV2({ newDrawer: Failing }))
  for (const id of ['till-7_till', 'till-7_drawer']) {
    const { reason } = await host.untilPhase(id, 'stalled')
    t.is(reason, 'upgrade.start: till-7_drawer: does not start')
  }
  t.is(starts, 3)
  t.is(group.version, 0)
  t.deepEqual(await till.sell(1), ['v1', 'v1'])
  t.deepEqual(seen, ['0 0', '1 1', '0 0'])
})

test('a member that the upgrade leaves alone advances in the same commit, and takes no call meanwhile', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const seen = watchDisk(t, host.state, ['g_till', 'g_drawer', 'g_display'])
  const group = await host.running.group('g', withDisplay)
  const display = system.desk.ref(DisplayV1, 'g_display', { version: 0 })
  const name = 'display'
  gates.set(name, gate())
  const showing = display.show('hello', name)
  await until(() => gates.get(name)!.waiting === 1, 'the display is busy')
  await system.publish(toV2())
  await host.untilPhase('g_till', 'draining')
  t.is(group.version, 0, 'the display’s call is waited for')
  gates.get(name)!.open()
  await showing
  await group.reached(1)
  t.is(group.members.display.className, 'Display.v1')
  t.is(group.members.display.version, 1)
  await system.publish(displaysToV2())
  await group.reached(2)
  t.is(group.members.display.className, 'Display.v2')
  t.is(group.members.till.version, 2)
  t.is(await display.text(), 'hello')
  t.deepEqual(seen, ['0 0 0', '1 1 1', '2 2 2'])
})

test('an upgrade is undone for all members in one commit, and so is its undo', async (t) => {
  const { system, group, till, drawer, seen } = await grouped(t)
  await till.sell(3)
  await system.publish(toV2())
  await group.reached(1)
  await till.sell(1)
  await system.desk.running.operator.undo()
  await group.reached(2)
  t.is(group.members.till.className, 'Till.v1')
  t.is(group.members.drawer.className, 'Drawer.v1')
  t.deepEqual(await system.desk.ref(TillV1, 'till-7_till', { version: 2 }).sell(2), ['v1', 'v1'])
  await system.desk.running.operator.undo()
  await group.reached(3)
  t.is(group.members.drawer.className, 'Drawer.v2')
  t.is(await drawer.coins(), 6)
  t.deepEqual(seen, ['0 0', '1 1', '2 2', '3 3'])
})

for (const [words, parts] of [
  ['that waits for its SFs', { schedule: schedule('never', () => gate().pass()) }],
  ['one of whose SFs has signalled', { drawers: schedule('never', () => gate().pass()) }],
] as const) {
  test(`a group ${words} goes past an upgrade that is undone, in one commit`, async (t) => {
    const { system, host, group, till, seen } = await grouped(t)
    await system.publish(toV2(parts))
    await host.untilPhase('till-7_drawer', 'scheduled')
    await host.untilPhase('till-7_till', 'scheduled')
    await system.desk.running.operator.undo()
    await group.reached(2)
    t.deepEqual(await till.sell(1), ['v1', 'v1'])
    t.deepEqual(seen, ['0 0', '2 2'])
    for (const id of ['till-7_till', 'till-7_drawer']) t.false(host.phases(id).includes('stalled'))
  })
}

test('a stalled group goes past an upgrade that is undone', async (t) => {
  const { system, host, group, seen } = await grouped(t)
  const drawerTransform = () => {
    throw new Error('no cents')
  }
  await system.publish(toV2({ drawerTransform }))
  await host.untilPhase('till-7_till', 'stalled')
  await system.desk.running.operator.undo()
  await until(() => group.version === 2, 'the group goes past both')
  t.deepEqual(seen, ['0 0', '2 2'])
})

const entering = (phase: Phase, id: string) => (event: HostEvent) =>
  event.type === 'phase' && event.phase === phase && event.target === 1 && event.nodeId === id

const points: readonly [string, (event: HostEvent) => boolean][] = [
  ...(['fetching', 'verifying', 'scheduled', 'draining', 'transforming', 'checking', 'flipping', 'recovering'] as const).flatMap(
    (phase): [string, (event: HostEvent) => boolean][] => [
      [`when its till is ${phase}`, entering(phase, 'till-7_till')],
      [`when its drawer is ${phase}`, entering(phase, 'till-7_drawer')],
    ],
  ),
  ['after the flip', (event) => event.type === 'flipped'],
]

for (const [words, at] of points) {
  test(`a host killed ${words} comes back with the group at one version, and the upgrade ends`, async (t) => {
    const { system, host, till, drawer } = await grouped(t)
    await till.sell(3)
    const killed = host.killedAt(at)
    await system.publish(toV2())
    await killed
    const again = await system.host('h2', { state: host.state })
    const group = await again.running.group('till-7', members)
    t.is(group.members.till.version, group.members.drawer.version)
    await group.reached(1)
    const after = await system.desk.ref(TillV2, 'till-7_till', { version: 1 }).sell(2)
    t.deepEqual(after, ['v2', 'v2'])
    t.is(await drawer.coins(), 5)
  })
}

test('a host that is killed in one start after the other flips all back', async (t) => {
  const { system, host, till } = await grouped(t)
  await till.sell(3)
  let { state } = host
  let killed = host.killedAt(entering('recovering', 'till-7_drawer'))
  await system.publish(toV2())
  for (let i = 0; i < 2; i++) {
    await killed
    const next = await system.host(`again-${i}`, { state })
    watchDisk(t, state, ['till-7_till', 'till-7_drawer'])
    killed = next.killedAt(entering('recovering', 'till-7_till'))
    void next.running.group('till-7', members).catch(() => {})
    state = next.state
  }
  await killed
  const last = await system.host('last', { state })
  const group = await last.running.group('till-7', members)
  t.is(group.version, 0)
  for (const member of ['till', 'drawer'] as const) t.is(group.members[member].phase, 'stalled')
  t.deepEqual(await till.sell(1), ['v1', 'v1'])
})

test('two groups wait for their permits and hold none meanwhile that the other needs', async (t) => {
  const { system, host, group } = await grouped(t, { limit: { nodes: 1 } })
  // In another order, and a node alone that waits for a permit of one of the services.
  const other = await host.running.group('till-8', { drawer: DrawerV1, till: TillV1 })
  const alone = await host.node(DrawerV1, 'drawer1')
  await system.publish(toV2())
  await Promise.all([group.reached(1), other.reached(1), alone.reached(1)])
  t.deepEqual([group.version, other.version, alone.version], [1, 1, 1])
})

test('a group is kept: it starts with the members that it has, and these only with it', async (t) => {
  const { system, host, group, till } = await grouped(t)
  await till.sell(3)
  await group.stop()
  const say = (work: Promise<unknown>) =>
    work.then(
      () => 'no error',
      (error: Error) => error.message,
    )
  t.is(
    await say(host.running.node(TillV1, 'till-7_till')),
    'node till-7_till is member till of group till-7: start it with host.group()',
  )
  t.is(
    await say(host.running.group('till-7', { till: TillV1 })),
    'group till-7 has a member drawer, of service drawer: give its class too',
  )
  t.is(
    await say(host.running.group('till-7', withDisplay)),
    'group till-7 has no member display: its members are till, drawer. Form a new group',
  )
  t.is(
    await say(host.running.group('till-7', { till: DrawerV1, drawer: TillV1 })),
    'member till of group till-7 is of service till, not drawer: give it a class of that',
  )
  const again = await host.running.group('till-7', members)
  t.is(await till.sales(), 1)
  t.is(again.version, 0)
  t.is(await say(host.running.group('till-7', members)), 'node till-7_till runs on this host already')
  const second = await system.host('h2')
  t.is(await codeOf(second.running.group('till-7', members)), 'config.registered-elsewhere')
  t.deepEqual(second.running.status().nodes, [])
})

test('a group that can’t be says why', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const say = (work: Promise<unknown>) =>
    work.then(
      () => 'no error',
      (error: Error) => error.message,
    )
  t.regex(await say(host.running.group('a.b', members)), /^group "a\.b": use 1 to 64 letters/)
  t.regex(await say(host.running.group('g', { a_b: TillV1 })), /^member "a_b" of group g: use letters and digits/)
  t.is(await say(host.running.group('g', {})), 'group g has no members: give it a class for each')
  t.is(
    await say(host.running.group('g', { one: TillV1, two: TillV1 })),
    'members one and two of group g are both of service till: a group has one node of a service',
  )
  await host.node(TillV1, 'g_till')
  t.is(await say(host.running.group('g', members)), 'node g_till runs on this host already')
  await host.nodes.get('g_till')!.stop()
  t.is(await say(host.running.group('g', members)), 'node g_till is here already, and of no group: give group g another name')
})

test('the members of a new group are born at one version, with their past SOs', async (t) => {
  const { system, group } = await grouped(t)
  await system.publish(toV2())
  await group.reached(1)
  const host = await system.host('h2')
  const born = await host.running.group('till-9', members)
  t.deepEqual([born.members.till.version, born.members.drawer.version], [1, 1])
  t.deepEqual(await system.desk.ref(TillV1, 'till-9_till', { version: 0 }).sell(2), ['v2', 'v2'])
})

test('a group one of whose members can’t be born at a version is born before it', async (t) => {
  const { system, group } = await grouped(t)
  const drawerTransform = (old: { coins: number }) => {
    if (old.coins === 0) throw new Error('no coins')
    return { cents: old.coins * 100 }
  }
  await system.desk.ref(DrawerV1, 'till-7_drawer', { version: 0 }).put(1)
  await system.publish(toV2({ drawerTransform }))
  await group.reached(1)
  const host = await system.host('h2')
  const born = await host.running.group('till-9', members)
  t.deepEqual([born.members.till.version, born.members.drawer.version], [0, 0])
  t.is((await host.untilPhase('till-9_till', 'stalled')).reason, 'upgrade.transform: till-9_drawer: no coins')
})

test('members that an older release has taken apart come to one version again, and go on together', async (t) => {
  const { system, host, group, till } = await grouped(t)
  await till.sell(3)
  await group.stop()
  await host.stop()
  // Release 0.1.0 does not look at the key of the group, and runs its members as nodes.
  const key = keys.group('till-7')
  const kept = await changed(host.state, key, null)
  host.state.afterCommit = undefined
  const older = await system.host('older', { state: host.state })
  const alone = await older.node(TillV1, 'till-7_till')
  await older.node(DrawerV1, 'till-7_drawer')
  const drawers = gate()
  await system.publish(toV2({ drawers: schedule('when the gate opens', () => drawers.pass()) }))
  await alone.reached(1)
  await older.untilPhase('till-7_drawer', 'scheduled')
  await older.stop()
  await changed(host.state, key, kept)

  const again = await system.host('again', { state: host.state })
  const whole = await again.running.group('till-7', members)
  t.deepEqual([whole.members.till.version, whole.members.drawer.version], [1, 0])
  drawers.open()
  await whole.reached(1)
  const seen = watchDisk(t, host.state, ['till-7_till', 'till-7_drawer'])
  await system.desk.running.operator.undo()
  await whole.reached(2)
  t.deepEqual(seen, ['1 1', '2 2'])
  t.is(await till.sales(), 1)
})

/** Writes to the disk of a host that has stopped; answers what was there. */
async function changed(state: MemoryState, key: string, value: Uint8Array | null): Promise<Uint8Array> {
  const store = await state.open()
  const before = store.get(key)
  await store.commit([[key, value]])
  await store.close()
  return before ?? new Uint8Array()
}
