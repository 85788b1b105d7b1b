/** Rewinds in a row, beside others, and across what can come between (§8; W1 to W4). */
import test, { type ExecutionContext } from 'ava'
import type { Seen } from '../../core/inspection/inspection.js'
import type { RewoundSeen } from '../../core/inspection/rewoundSeen.js'
import { keys } from '../../core/model/nodeRecord.js'
import { decodeOperation } from '../../core/model/recordedOperation.js'
import { askedAgain } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { DisplayV2, DrawerV1, displaysToV2, TillV1 as GroupedTillV1, toV2 as groupedToV2, withDisplay } from './groupClasses.js'
import { LedgerV1, rewindable, type TillParts, TillV1, TillV3, toTillV2 } from './tillClasses.js'

async function open(t: ExecutionContext, tills: readonly string[] = ['till'], settings = {}) {
  const system = await TestSystem.start(t, { limit: { percent: 100 }, ...settings })
  const host = await system.host('h1')
  for (const till of tills) await host.node(TillV1, till)
  await host.node(LedgerV1, 'ledger')
  const { operator } = system.desk.running
  const call = (version: number, method: string, ...args: readonly unknown[]): Promise<any> =>
    operator.call({ node: tills[0]! }, method, args, { version })
  const publish = async (parts: TillParts = {}) => system.publish(toTillV2(parts))
  const reached = async (version: number, nodeId = tills[0]!) => {
    await until(
      async () =>
        (await system.database.nodes()).some((row) => row.nodeId === nodeId && row.version >= version && row.phase === 'current'),
      `${nodeId} is at version ${version}`,
    )
  }
  const rewind = () => operator.undo({ rewind: true })
  return { system, host, operator, call, publish, reached, rewind }
}

async function reportOf({ desk }: TestSystem, nodeId = 'till'): Promise<RewoundSeen> {
  const parts: RewoundSeen[] = []
  const stop = desk.running.operator.look(({ seen }) => parts.push(...seen.filter((each) => each.type === 'rewound')), {
    types: ['rewound'],
    nodes: [nodeId],
  })
  await until(() => parts.length > 0, 'the report')
  stop()
  return parts[0]!
}

test('an upgrade that was repaired wrongly is rewound as well, and the report is of that one alone', async (t) => {
  const { system, call, publish, reached, rewind } = await open(t)
  await publish()
  await reached(1)
  await call(1, 'pay', 200)
  t.is(await rewind(), 2)
  await reached(2)
  t.is(await call(2, 'total'), 200)
  // It counts twice as well.
  await publish()
  await reached(3)
  await call(3, 'pay', 1)
  await call(3, 'pay', 300)
  t.is(await rewind(), 4)
  await reached(4)
  t.is(await call(4, 'total'), 501)
  const report = await reportOf(system)
  t.like(report, { target: 3, replayed: 2, differing: 1 })
  t.is(report.differences[0]!.told, 801)
  t.is(report.differences[0]!.now, 501)
  // Repaired at last.
  await publish({ newClass: TillV3 })
  await reached(5)
  t.is(await call(5, 'pay', 200), 701)
})

test('a node that has not flipped yet keeps its state, and passes the rewind without a replay', async (t) => {
  const { system, operator, call, publish, reached, rewind } = await open(t, ['till', 'till-2'])
  await operator.hold('till-2', 'not yet')
  await publish()
  await reached(1)
  const second = (version: number, method: string, ...args: readonly unknown[]) =>
    operator.call({ node: 'till-2' }, method, args, { version })
  await call(1, 'pay', 200)
  t.is(await second(1, 'pay', 200), 200)
  t.is(await second(1, 'tip', 3), 3)
  await rewind()
  await operator.release('till-2')
  await reached(2)
  await reached(2, 'till-2')
  t.deepEqual([await call(2, 'total'), await second(2, 'total'), await second(1, 'tips')], [200, 200, 3])
  t.is((await reportOf(system)).replayed, 1)
})

test('a version that is final has no way back, and its recordings end', async (t) => {
  const { system, host, operator, call, publish, reached, rewind } = await open(t)
  await publish()
  await reached(1)
  await call(1, 'pay', 200)
  t.is(await operator.finalize(1), 1)
  const row = async () => (await system.database.nodes()).find(({ nodeId }) => nodeId === 'till')?.rewind
  await until(async () => 'ended' in ((await row()) ?? {}), 'its recording has ended')
  t.deepEqual(await row(), { ended: 'version 1 is final' })
  await t.throwsAsync(rewind(), { code: 'upgrade.invalid', message: /version 1 is final/ })
  await host.stop()
  const store = await host.state.open()
  t.deepEqual([...store.range('o/', 'o0')], [])
  await store.close()
})

test('a node goes back by its recording, though its version is final before that: the rewind was there first', async (t) => {
  const { system, host, operator, call, publish, reached, rewind } = await open(t, ['till'], { askServerMs: 10 })
  await publish()
  await reached(1)
  await call(1, 'pay', 200)
  await operator.hold('till', 'not yet')
  t.is(await rewind(), 2)
  await host.untilPhase('till', 'scheduled', 2)
  t.is(await operator.finalize(1), 1)
  await askedAgain(system, host)
  await operator.release('till')
  await reached(2)
  t.is((await reportOf(system)).replayed, 1)
})

test('a rewind that is asked for after an undo by the inverse is refused: nothing is left to be replayed', async (t) => {
  const { operator, publish, reached } = await open(t)
  await publish()
  await reached(1)
  t.is(await operator.undo({ version: 1 }), 2)
  await t.throwsAsync(operator.undo({ version: 1, rewind: true }), {
    code: 'upgrade.conflict',
    message: 'version 2 has undone version 1 by the inverse',
  })
  t.is(await operator.undo({ version: 1 }), 2)
})

test('the undo of a rewind brings the upgrade again with all that was replayed, and what came after', async (t) => {
  const { operator, call, publish, reached, rewind } = await open(t)
  await publish()
  await reached(1)
  await call(1, 'pay', 200)
  await call(1, 'tip', 5)
  await rewind()
  await reached(2)
  await call(2, 'pay', 10)
  await call(1, 'tip', 1)
  t.is(await operator.undo(), 3)
  await reached(3)
  t.deepEqual([await call(3, 'total'), await call(3, 'tips')], [210, 6])
})

test('the members of a group are rewound together, each by its own recording', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const group = await host.running.group('till-7', { till: GroupedTillV1, drawer: DrawerV1 })
  const { operator } = system.desk.running
  const call = (node: string, version: number, method: string, ...args: readonly unknown[]): Promise<any> =>
    operator.call({ node: `till-7_${node}` }, method, args, { version })
  await call('till', 0, 'sell', 1)
  await system.publish(rewindable(groupedToV2()))
  await group.reached(1)
  t.deepEqual(await call('till', 1, 'sell', 3), ['v2', 'v2'])
  await call('drawer', 0, 'put', 5)
  t.is(await operator.undo({ rewind: true }), 2)
  await group.reached(2)
  t.deepEqual([group.members.till.className, group.members.drawer.className], ['Till.v1', 'Drawer.v1'])
  t.deepEqual([await call('till', 2, 'sales'), await call('drawer', 2, 'coins')], [2, 9])
  t.like(await reportOf(system, 'till-7_till'), { target: 1, replayed: 1, differing: 1 })
  t.like(await reportOf(system, 'till-7_drawer'), { target: 1, replayed: 2, differing: 2 })
})

test('a member that goes back with its group from an upgrade of another one records on, with all that it asks', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const group = await host.running.group('g', withDisplay)
  const sell = (coins: number) => system.desk.running.operator.call({ node: 'g_till' }, 'sell', [coins], { version: 1 })
  await system.publish(rewindable(groupedToV2()))
  await group.reached(1)
  await sell(1)
  class Failing extends DisplayV2 {
    static override readonly className = 'Display.v2'
    override start() {
      throw new Error('does not start')
    }
  }
  const upgrade = displaysToV2()
  await system.publish({ ...upgrade, classUpgrades: upgrade.classUpgrades.map((each) => ({ ...each, newClass: Failing })) })
  await host.untilPhase('g_till', 'stalled')
  await sell(2)
  await host.stop()
  const store = await host.state.open()
  const recorded = [...store.range(...keys.operations('g_till', 1))].map(([, bytes]) => decodeOperation(bytes))
  t.deepEqual(
    recorded.map(({ method, calls }) => [method, calls.length]),
    [
      ['sell', 1],
      ['sell', 1],
    ],
  )
  await store.close()
})

test('a replay that takes longer than a transform may stalls, and a retry goes on where it was', async (t) => {
  const { system, host, call, reached, rewind } = await open(t, ['till'], { transformRecordsPerTurn: 1 })
  const upgrade = toTillV2()
  const classUpgrades = upgrade.classUpgrades.map((each) => ({
    ...each,
    timeouts: { ...each.timeouts, transformTimeoutMs: 500 },
  }))
  await system.publish({ ...upgrade, classUpgrades })
  await reached(1)
  for (let n = 1; n <= 20; n++) await call(1, 'pay', 200)
  // The disk is slow in the middle of the replay.
  let commits = 0
  host.state.beforeCommit = (writes) => {
    const isReplay = writes.some(([key, value]) => key.startsWith('o/') && value === null)
    return isReplay && ++commits === 5 ? system.clock.passes(600) : undefined
  }
  await rewind()
  const { reason } = await host.untilPhase('till', 'stalled', 2)
  t.regex(reason!, /the replay did not finish in 500 ms/)
  t.true(commits >= 5)
  t.is(await call(1, 'pay', 1), 8001)
  await system.desk.running.operator.retry(2)
  await reached(2)
  t.is(await call(2, 'total'), 4001)
  t.like(await reportOf(system), { replayed: 21, differing: 21 })
})

test('a look at many reports is told so many operations at once, the counts of the others, and these by name', async (t) => {
  const { system, operator, publish, reached, rewind } = await open(t, ['till', 'till-2'], { rewindReportMax: 4 })
  await publish()
  for (const node of ['till', 'till-2']) {
    await reached(1, node)
    for (let n = 0; n < 3; n++) await operator.call({ node }, 'pay', [200], { version: 1 })
  }
  await rewind()
  for (const node of ['till', 'till-2']) await reached(2, node)
  const seen = new Map<string, RewoundSeen>()
  const hear = (batch: { readonly seen: readonly Seen[] }) => {
    for (const each of batch.seen) if (each.type === 'rewound') seen.set(each.nodeId, each)
  }
  const stop = operator.look(hear, { types: ['rewound'] })
  await until(() => seen.size === 2, 'both reports')
  stop()
  const told = [...seen.values()].map(({ told: kept, differences }) => [kept, differences.length])
  t.deepEqual(told, [
    [3, 3],
    [3, 0],
  ])
  t.is((await reportOf(system, 'till-2')).differences.length, 3)
})
