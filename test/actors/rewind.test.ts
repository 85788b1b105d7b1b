/**
 * Rewind and replay (§8: "undo an upgrade, fix it, then somehow replay the undone operations"): rules W1 to
 * W4.
 */
import test, { type ExecutionContext } from 'ava'
import type { RewoundSeen } from '../../core/inspection/rewoundSeen.js'
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2, toV3 } from './notesClasses.js'
import {
  EchoV1,
  LedgerV1,
  RingV1,
  rewindable,
  type Sale,
  startsFail,
  startsTell,
  type TillParts,
  TillV1,
  toRingV2,
  toTillV2,
  toTillV3,
} from './tillClasses.js'

async function open(t: ExecutionContext, parts: TillParts = {}, settings = {}, till = 'till') {
  const system = await TestSystem.start(t, { limit: { percent: 100 }, ...settings })
  const host = await system.host('h1')
  const node = await host.node(TillV1, till)
  await host.node(LedgerV1, 'ledger')
  const call = (version: number, method: string, ...args: readonly unknown[]): Promise<any> =>
    system.desk.running.operator.call({ node: till }, method, args, { version })
  const ledger = (): Promise<any> => system.desk.running.operator.call({ node: 'ledger' }, 'told', [], { version: 0 })
  const upgrade = async () => {
    await system.publish(toTillV2(parts))
    await node.reached(1)
  }
  const rewind = () => system.desk.running.operator.undo({ rewind: true })
  return { system, host, node, call, ledger, upgrade, rewind }
}

/** Operations that are still on the disk of a host. */
async function leftOvers({ state }: TestHost): Promise<readonly string[]> {
  const store = await state.open()
  const found = [...store.range('o/', 'o0')].map(([key]) => key)
  await store.close()
  return found
}

/** As an operator is told it. */
async function reportOf(
  system: TestSystem,
  nodeId = 'till',
): Promise<{ head: Pick<RewoundSeen, 'target' | 'replayed' | 'differing'>; differences: readonly (readonly unknown[])[] }> {
  const parts: RewoundSeen[] = []
  const stop = system.desk.running.operator.look(({ seen }) => parts.push(...seen.filter((each) => each.type === 'rewound')), {
    types: ['rewound'],
    nodes: [nodeId],
  })
  await until(
    () => parts.length > 0 && parts.reduce((sum, { differences }) => sum + differences.length, 0) >= parts[0]!.told,
    'the report',
  )
  stop()
  const { target, replayed, differing } = parts[0]!
  const differences = parts.flatMap((part) => part.differences)
  return {
    head: { target, replayed, differing },
    differences: differences.map(({ method, told, now, outcome }) => [method, told, now, outcome]),
  }
}

test('the state of before the flip comes back, and what was done since is done again; what was told wrongly is reported', async (t) => {
  const { system, node, call, upgrade, rewind } = await open(t)
  await call(0, 'pay', 50)
  await upgrade()
  t.is(await call(1, 'pay', 10), 60)
  // The fault: 500 is counted twice.
  t.is(await call(0, 'pay', 500), 1060)
  t.is(await call(1, 'total'), 1060)
  t.is(await call(1, 'tip', 3), 3)
  t.is(await call(1, 'pay', 1), 1061)

  t.is(await rewind(), 2)
  await node.reached(2)
  t.is(node.className, 'Till.v1')
  for (const version of [0, 2]) t.is(await call(version, 'total'), 561)
  // Version 1 is a past-SO now, with what only it knew.
  t.is(await call(1, 'tips'), 3)
  t.deepEqual(await reportOf(system), {
    head: { target: 1, replayed: 5, differing: 3 },
    differences: [
      ['pay', 1060, 560, 'answer'],
      ['total', 1060, 560, 'answer'],
      ['pay', 1061, 561, 'answer'],
    ],
  })
})

test('an operation gets its time, its chance and its answers from the recording, and tells nobody anything twice', async (t) => {
  const { system, node, call, ledger, upgrade, rewind } = await open(t)
  await upgrade()
  const sold = await call(1, 'sell', 10)
  const wrong = await call(0, 'sell', 200)
  await until(async () => (await ledger()).length === 2, 'the ledger has heard of both')
  t.deepEqual([wrong.amount, wrong.number], [400, 2])
  await rewind()
  await node.reached(2)
  t.deepEqual(await call(2, 'sales'), [sold, { ...wrong, amount: 200 }])
  t.deepEqual(await ledger(), ['sold 10', 'sold 200'])
  const { differences } = await reportOf(system)
  t.deepEqual(differences, [['sell', wrong, { ...wrong, amount: 200 }, 'answer']])
})

test('an operation that would tell others something else leaves no trace, and neither does one that fails now', async (t) => {
  const { system, node, call, ledger, upgrade, rewind } = await open(t)
  await call(0, 'pay', 5)
  await upgrade()
  await call(1, 'sell', 99)
  t.is(await call(1, 'refund', 100), 4)
  await call(1, 'pay', 1)
  await rewind()
  await node.reached(2)
  t.deepEqual([await call(2, 'total'), await call(2, 'sales')], [6, []])
  t.deepEqual(await ledger(), ['sold 98'])
  const { differences } = await reportOf(system)
  t.deepEqual(
    differences.map(([method, , , outcome]) => [method, outcome]),
    [
      ['sell', 'diverged'],
      ['refund', 'refused'],
      ['pay', 'answer'],
    ],
  )
})

test('after a rewind the repaired upgrade goes on from there, and the old one can be brought again', async (t) => {
  const { node, call, upgrade, rewind, system } = await open(t)
  await upgrade()
  await call(1, 'pay', 500)
  await rewind()
  await node.reached(2)
  t.is(await call(2, 'pay', 1), 501)
  t.is(await system.desk.running.operator.undo(), 3)
  await node.reached(3)
  t.deepEqual([node.className, await call(3, 'total')], ['Till.v2', 501])
  t.is(await call(3, 'pay', 200), 901)
  // The upgrade that was brought again is recorded again.
  t.is(await rewind(), 4)
  await node.reached(4)
  t.is(await call(4, 'total'), 701)
})

test('a node that was killed while it recorded, and while it replayed, loses nothing of it', async (t) => {
  const { system, host, call, upgrade, rewind } = await open(t)
  await upgrade()
  await call(1, 'pay', 500)
  await host.stop()
  const second = await system.host('h2', { state: host.state })
  const node = await second.node(TillV1, 'till')
  await second.node(LedgerV1, 'ledger')
  for (let n = 1; n <= 50; n++) await call(1, 'pay', 1)
  const killed = second.killedAt((event) => event.type === 'phase' && event.phase === 'transforming')
  await rewind()
  await killed
  const third = await system.host('h3', { state: second.state })
  const again = await third.node(TillV1, 'till')
  await again.reached(2)
  t.is(await call(2, 'total'), 550)
  t.not(again, node)
  const { head } = await reportOf(system)
  t.deepEqual(head, { target: 1, replayed: 51, differing: 51 })
})

test('past its bounds nobody can rewind a node any more: it goes back by the inverse, or says why it stays', async (t) => {
  for (const [name, rewind, outdated] of [
    ['operations', { for: '1h', operations: 2 }, false],
    ['bytes', { for: '1h', bytes: 150 }, false],
    ['time', { for: '1m' }, true],
  ] as const) {
    const { system, host, node, call, upgrade, rewind: back } = await open(t, { rewind })
    await upgrade()
    const row = async () => (await system.database.nodes()).find(({ nodeId }) => nodeId === 'till')?.rewind
    t.true('untilMs' in (await until(row, 'its row says until when'))!)
    for (let n = 0; n < 3; n++) await call(1, 'pay', 200)
    if (outdated) await system.clock.passes(61_000)
    await until(async () => 'ended' in ((await row()) ?? {}), `${name}: its row says that it has ended`)
    await back()
    await node.reached(2)
    t.is(await call(2, 'total'), 1200, name)
    await until(async () => (await row()) === undefined, 'nothing is left to be rewound')
    await host.stop()
    t.deepEqual(await leftOvers(host), [])
  }
})

test('without an inverse, a node that has no whole recording stalls with the reason, and serves', async (t) => {
  const { host, call, upgrade, rewind } = await open(t, { rewind: { for: '1h', operations: 1 }, inverse: false })
  await upgrade()
  for (let n = 0; n < 2; n++) await call(1, 'pay', 200)
  await rewind()
  const { reason } = await host.untilPhase('till', 'stalled', 2)
  t.regex(reason!, /no inverse, and this node has no whole recording/)
  t.is(await call(1, 'pay', 1), 801)
})

test('a replay that is cut short after some of its operations goes on with the next one', async (t) => {
  const { system, host, call, upgrade, rewind } = await open(t, {}, { transformRecordsPerTurn: 4 })
  await upgrade()
  for (let n = 1; n <= 40; n++) await call(1, 'pay', 200)
  let commits = 0
  host.state.afterCommit = (writes) => {
    const isReplay = writes.some(([key, value]) => key.startsWith('o/') && value === null)
    if (isReplay && ++commits === 3) host.kill()
  }
  await rewind()
  await until(() => host.isDead, 'it is killed in the middle')
  host.state.afterCommit = undefined
  const second = await system.host('h2', { state: host.state })
  const node = await second.node(TillV1, 'till')
  await node.reached(2)
  t.is(await call(2, 'total'), 8000)
  const { head, differences } = await reportOf(system)
  t.deepEqual([head.replayed, head.differing, differences.length], [40, 40, 40])
})

test('an old object that does not start leaves the node where it was, with its recording; a retry rewinds it', async (t) => {
  const { system, host, node, call, upgrade, rewind } = await open(t, {}, {}, 'till-7')
  await upgrade()
  await call(1, 'pay', 200)
  startsFail.add('till-7')
  await rewind()
  const { reason } = await host.untilPhase('till-7', 'stalled', 2)
  t.regex(reason!, /the old object does not start: no start/)
  startsFail.delete('till-7')
  t.is(await call(1, 'pay', 300), 1000)
  node.retry()
  await host.untilPhase('till-7', 'current')
  t.is(await call(2, 'total'), 500)
  t.is((await reportOf(system, 'till-7')).head.replayed, 2)
})

test('queries are left out where the upgrade says so', async (t) => {
  const { system, node, call, upgrade, rewind } = await open(t, { rewind: { for: '1h', queries: false } })
  await upgrade()
  await call(1, 'pay', 200)
  await call(1, 'total')
  await rewind()
  await node.reached(2)
  t.deepEqual((await reportOf(system)).differences, [['pay', 400, 200, 'answer']])
})

test('a report has so many differences, and counts the others', async (t) => {
  const { system, node, call, upgrade, rewind } = await open(t, {}, { rewindReportMax: 2 })
  await upgrade()
  for (let n = 0; n < 5; n++) await call(1, 'pay', 200)
  await rewind()
  await node.reached(2)
  const { head, differences } = await reportOf(system)
  t.deepEqual([head.differing, differences.length], [5, 2])
})

test('a release that records nothing ends the recording of a node that it has run', async (t) => {
  const { system, host, call, upgrade, rewind } = await open(t)
  await upgrade()
  await call(1, 'pay', 200)
  await host.stop()
  const store = await host.state.open()
  const record = checkRecord(unpack(store.get(keys.record('till'))!))
  // It starts the node, and knows no field `rewind`.
  await store.commit([[keys.record('till'), pack({ ...record, incarnation: record.incarnation + 1 }, 'record')]])
  await store.close()
  const second = await system.host('h2', { state: host.state })
  const node = await second.node(TillV1, 'till')
  const row = (await system.database.nodes()).find(({ nodeId }) => nodeId === 'till')
  t.deepEqual(row?.rewind, { ended: 'an older release, which records nothing, has run the node since' })
  await rewind()
  await node.reached(2)
  t.is(await call(2, 'total'), 400)
})

test('records that are still to be made are made of what was before the flip, whatever is replayed', async (t) => {
  const { system, host, call, upgrade, rewind } = await open(t, { lazy: true }, { recordsPerPass: 0 }, 'till-8')
  await call(0, 'sell', 1)
  await upgrade()
  await call(0, 'strike', 1)
  await call(1, 'sell', 2)
  host.state.afterCommit = (writes) => {
    if (writes.some(([key, value]) => key.startsWith('o/') && value === null)) host.kill()
  }
  await rewind()
  await until(() => host.isDead, 'it is killed when it has replayed')
  host.state.afterCommit = undefined
  startsFail.add('till-8')
  const second = await system.host('h2', { state: host.state })
  const node = await second.node(TillV1, 'till-8')
  await second.node(LedgerV1, 'ledger')
  await second.untilPhase('till-8', 'stalled', 2)
  // The old object has struck the first sale. Version 1 serves on, and has not.
  t.deepEqual(
    (await call(1, 'sales')).map(({ amount }: Sale) => amount),
    [1, 2],
  )
  startsFail.delete('till-8')
  node.retry()
  await second.untilPhase('till-8', 'current')
  t.deepEqual(
    (await call(2, 'sales')).map(({ amount }: Sale) => amount),
    [2],
  )
  const { differences } = await reportOf(system, 'till-8')
  t.deepEqual(
    differences.map(([method, , , outcome]) => [method, outcome]),
    [['sales', 'answer']],
  )
})

test('past-SOs that both versions have are kept as they were, and what was written through them is done again', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const call = (version: number, method: string, ...args: readonly unknown[]): Promise<any> =>
    system.desk.running.operator.call({ node: 'n1' }, method, args, { version })
  await call(0, 'setMood', 'calm')
  await system.publish(toV2())
  await node.reached(1)
  await call(0, 'setMood', 'merry')
  await system.publish(rewindable(toV3()))
  await node.reached(2)
  t.is(await call(0, 'mood'), 'merry')
  await call(0, 'setMood', 'sad')
  await call(1, 'star', 0)
  await call(2, 'pin', 0)
  t.is(await system.desk.running.operator.undo({ rewind: true }), 3)
  await node.reached(3)
  t.deepEqual([await call(0, 'mood'), await call(1, 'stars', 0), await call(3, 'stars', 0)], ['sad', 1, 1])
  t.deepEqual(await call(2, 'stars', 0), { stars: 1, pinned: true })
  t.deepEqual((await reportOf(system, 'n1')).head, { target: 2, replayed: 4, differing: 0 })
})

test('what runs inside another call of a re-entrant class is not replayed, and is reported', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const node = await host.node(RingV1, 'ring')
  await host.node(EchoV1, 'echo')
  const call = (version: number, method: string, ...args: readonly unknown[]): Promise<any> =>
    system.desk.running.operator.call({ node: 'ring' }, method, args, { version })
  await system.publish(toRingV2())
  await node.reached(1)
  t.is(await call(1, 'around'), 2)
  t.is(await call(1, 'count'), 2)
  await system.desk.running.operator.undo({ rewind: true })
  await node.reached(2)
  t.is(await call(2, 'count'), 0)
  t.deepEqual((await reportOf(system, 'ring')).differences, [
    ['around', 2, null, 'diverged'],
    ['count', 2, 0, 'answer'],
  ])
})

test('only the newest upgrade can be rewound, once, and only one whose class upgrade says so', async (t) => {
  const { node, call, upgrade, rewind, system } = await open(t, { rewind: null })
  await upgrade()
  await call(1, 'pay', 1)
  t.regex(await messageOf(rewind()), /can't be rewound: none of its class upgrades says "rewind"/)
  await system.desk.running.operator.undo()
  await node.reached(2)
  t.regex(await messageOf(rewind()), /can't be rewound: it takes back what version 1 brought/)
})

test('W5: the repaired upgrade begins with what only the undone version knew; a node that never had it begins anew', async (t) => {
  const { system, host, node, call, upgrade, rewind } = await open(t)
  await upgrade()
  await call(1, 'tip', 3)
  await call(1, 'thank', 'ann', 'for the change')
  await rewind()
  await node.reached(2)
  t.is(await call(1, 'tip', 4), 7)
  await system.publish(toTillV3())
  await node.reached(3)
  t.deepEqual([await call(3, 'tips'), await call(3, 'thanks')], [7, ['ann: for the change']])
  const young = await host.node(TillV1, 'young')
  await young.reached(3)
  t.is(await system.desk.running.operator.call({ node: 'young' }, 'tips', [], { version: 3 }), 0)
})

test('W5: what the undone version knew is there as soon as the repaired one is learned', async (t) => {
  const { system, node, call, upgrade, rewind } = await open(t)
  await upgrade()
  await call(1, 'tip', 3)
  await rewind()
  await node.reached(2)
  await system.desk.running.operator.hold('till', 'a test looks at it')
  await system.publish(toTillV3())
  await until(() => node.chain.some(({ role, version }) => role === 'futureSO' && version === 3), 'it is learned')
  t.is(await call(3, 'tip', 1), 4)
  t.is(await call(1, 'tips'), 3)
})

test('an object that is made anew in the middle of a replay tells nobody a second time that it starts', async (t) => {
  const { system, node, call, ledger, upgrade, rewind } = await open(t, {}, {}, 'till-9')
  await upgrade()
  // Each has written before it fails: the old object sells another amount, and would tell it.
  for (let n = 0; n < 3; n++) await call(1, 'sell', 99)
  startsTell.add('till-9')
  await rewind()
  await node.reached(2)
  t.is((await reportOf(system, 'till-9')).head.differing, 3)
  // That of its replay, and that of the flip.
  t.deepEqual(
    (await ledger()).filter((text: string) => text === 'started'),
    ['started', 'started'],
  )
})

async function messageOf(failing: Promise<unknown>): Promise<string> {
  return failing.then(
    () => 'it did not fail',
    (error: Error) => error.message,
  )
}
