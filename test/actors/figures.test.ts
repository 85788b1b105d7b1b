/**
 * The figures of the calls to a service, as hosts tell those who ask for them: by version, with those that
 * went through SOs, the refused and the failed ones.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { CallTimes } from '../../actors/base/callTimes.js'
import type { InspectionBatch } from '../../actors/inspection/inspectionClient.js'
import { boundMs, bucketOf, quantileMs, timeBuckets } from '../../core/base/timeBuckets.js'
import {
  type FiguresSeen,
  type InspectionFilter,
  readInspectionRequest,
  readSeenBatch,
  type VersionFigures,
} from '../../core/inspection/inspection.js'
import { command, defineUpgrade, futureSO, NodeObject, none, schedule, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { table } from '../support/protocolPage.js'
import type { TestSystem } from '../support/testSystem.js'
import { codeOf } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'
import { oneNode } from './oneNode.js'

const quick = { seenBatchMs: 5 }
const untilTold = schedule('never', (view) => view.sleep(3_600_000))

function look(t: ExecutionContext, system: TestSystem, only: InspectionFilter) {
  const batches: InspectionBatch[] = []
  t.teardown(system.desk.running.operator.look((batch) => void batches.push(batch), only))
  const figures = () => batches.flatMap((batch) => (batch.hostId === 'h1' ? batch.figures : []))
  const version = (n: number) =>
    figures()
      .at(-1)
      ?.versions.find((of) => of.version === n)
  return { batches, figures, version }
}

test('figures are told by version: calls, those through simulation objects, refusals and faults', async (t) => {
  const { system, host, node, v0, v1 } = await oneNode(t, quick)
  const { version } = look(t, system, { types: [], figures: true })
  await v0.add('a')
  await until(() => version(0)?.calls === 1, 'the first call is told')
  await system.publish(toV2({ schedule: untilTold }))
  await host.untilPhase('n1', 'scheduled')
  await v1.add('b')
  const { operator } = system.desk.running
  t.is(await codeOf(operator.call({ node: 'n1' }, 'fly', [], { version: 1 })), 'protocol.no-such-method')
  t.is(await codeOf(v0.put('k'.repeat(3_000), 'too long a key')), 'protocol.bad-arguments')
  await until(() => version(1)?.failed === 1 && version(0)?.failed === 1, 'both faults are told')
  t.like(version(1), { calls: 1, simulated: 1, refused: 0, failed: 1 })
  t.like(version(0), { calls: 2, simulated: 0, refused: 0, failed: 1 })
  t.is(node.version, 0)
})

class TillV1 extends NodeObject<{ sum: number }> {
  static override readonly className: string = 'Till.v1'
  static override initial() {
    return { sum: 0 }
  }

  @command pay(amount: number): void {
    this.state.sum += amount
  }
}

class TillV2 extends TillV1 {
  static override readonly className: string = 'Till.v2'

  @command empty(): void {
    this.state.sum = 0
  }
}

test('a refusal of a simulation object is told apart from other faults', async (t) => {
  const { system, host } = await oneNode(t, quick)
  await host.node(TillV1, 't1')
  const till = defineUpgrade({
    title: 'Tills can be emptied',
    classUpgrades: [
      upgradeClass({
        oldClass: TillV1,
        newClass: TillV2,
        futureSO: futureSO({ simulates: TillV2, over: TillV1, delegates: ['pay'], refuses: ['empty'], methods: {} }),
        pastSO: none,
        transform: (old) => ({ sum: old.sum }),
        schedule: untilTold,
      }),
    ],
  })
  await system.publish(till)
  await host.untilPhase('t1', 'scheduled')
  const { figures } = look(t, system, { types: [], figures: true })
  const ahead = system.desk.ref(TillV2, 't1', { version: 1 })
  t.is(await codeOf(ahead.empty()), 'simulation.refused')
  await ahead.pay(5)
  const version = () =>
    figures()
      .findLast(({ service }) => service === 'till')
      ?.versions.find((of) => of.version === 1)
  await until(() => version()?.calls === 2, 'both calls are told')
  t.like(version(), { calls: 2, simulated: 2, refused: 1, failed: 0 })
})

test('the page’s tables of figures are what a host tells', async (t) => {
  const { system, v0 } = await oneNode(t, quick)
  const { figures } = look(t, system, { types: [], figures: true })
  await v0.add('a')
  const told = (await until(() => figures().find(({ versions }) => versions.length > 0), 'figures are told'))!
  const fields = (firstColumn: string) => table('Looking', firstColumn).map(([field]) => field!.replaceAll('`', ''))
  t.deepEqual(Object.keys(told satisfies FiguresSeen), fields('figure'))
  t.deepEqual(Object.keys(told.versions[0]! satisfies VersionFigures), fields('of a version'))
  const [, type] = table('Looking', 'of a version').at(-1)!
  t.is(Number(/\d+/.exec(type!)), timeBuckets)
  t.deepEqual(told.limit, { percent: 25 })
})

test('a viewer that restricts its questions is told no more, and nobody misses a message for it', async (t) => {
  const { system, host, node } = await oneNode(t, quick)
  await host.node(NotesV1, 'n2')
  const all = look(t, system, {})
  const some = look(t, system, { types: ['phase'], nodes: ['n1'] })
  await system.publish(toV2())
  await node.reached(1)
  const seen = () => some.batches.flatMap((batch) => batch.seen)
  await until(() => seen().some((one) => one.type === 'phase' && one.phase === 'recovering'), 'the phases are told')
  t.deepEqual([...new Set(seen().map(({ type, nodeId }) => `${type} ${nodeId}`))], ['phase n1'])
  t.is(some.figures().length, 0)
  await until(() => all.batches.some((batch) => batch.seen.some(({ type }) => type === 'statechart')), 'others are told all')
  t.true([...all.batches, ...some.batches].every(({ lostMessages }) => lostMessages === 0))
  t.is(all.figures().length, 0)
})

test('statecharts are not listened to for who does not want them', async (t) => {
  const { system, host, node } = await oneNode(t, quick)
  const { batches } = look(t, system, { types: ['gone'] })
  await until(() => batches.some(({ hostId }) => hostId === 'h1'), 'the host has heard it')
  let messages = 0
  system.broker.filter = ({ message }) => {
    if (message.subject.includes('.looker.')) messages++
    return 'deliver'
  }
  await system.publish(toV2())
  await node.reached(1)
  await host.untilPhase('n1', 'current')
  t.is(messages, 0)
})

test('what is no question, or are no figures, is left out; a host that tells none is understood', (t) => {
  const batch = { hostId: 'h1', epoch: 1, number: 0, dropped: 0, seen: [] }
  t.deepEqual(readSeenBatch(batch)?.figures, [])
  const version = { version: 1, calls: 2, simulated: 1, refused: 0, failed: 0, times: [1, 2] }
  const figures = { at: 5, service: 'pages', limit: { percent: 25 }, versions: [version] }
  const wrong = [
    null,
    [],
    { ...figures, at: 'now' },
    { ...figures, service: 'a b' },
    { ...figures, limit: null },
    { ...figures, limit: { nodes: -1 } },
    { ...figures, limit: { percent: Number.NaN } },
    { ...figures, versions: {} },
    { ...figures, versions: [{ ...version, calls: -1 }] },
    { ...figures, versions: [{ ...version, simulated: 0.5 }] },
    { ...figures, versions: [{ ...version, times: new Array(36).fill(0) }] },
    { ...figures, versions: [{ ...version, times: ['1'] }] },
    { ...figures, versions: new Array(1025).fill(version) },
  ]
  t.deepEqual(readSeenBatch({ ...batch, figures: [...wrong, { ...figures, later: true }] })?.figures, [
    { ...figures, later: true } as any,
  ])
  t.deepEqual(readSeenBatch({ ...batch, figures: 'none' })?.figures, [])

  const request = { looker: 'one', leaseMs: 5 }
  t.deepEqual(readInspectionRequest(request)?.only, { figures: false })
  t.deepEqual(readInspectionRequest({ ...request, types: ['phase'], nodes: ['n1'], figures: true })?.only, {
    types: ['phase'],
    nodes: ['n1'],
    figures: true,
  })
  for (const bad of [{ types: 'phase' }, { types: [1] }, { nodes: ['a b'] }, { nodes: new Array(65).fill('n') }])
    t.is(readInspectionRequest({ ...request, ...bad }), undefined)
})

test('who has seen enough makes room at once for the next one', async (t) => {
  const { system, host } = await oneNode(t, { ...quick, lookersMax: 1 })
  for (let n = 0; n < 5; n++) {
    const batches: InspectionBatch[] = []
    const stop = system.desk.running.operator.look((batch) => void batches.push(batch), { types: [], figures: true })
    await until(() => batches.some(({ hostId }) => hostId === 'h1'), `look ${n} is answered`)
    stop()
  }
  t.false(host.events.some((event) => event.type === 'deadLetter'))
})

test('times are kept only while somebody wants them', (t) => {
  const times = new CallTimes()
  times.add('s', 0, 5)
  t.deepEqual(times.of('s', 0), [])
  times.keep(true)
  times.add('s', 0, 5)
  times.keep(true)
  t.is(times.of('s', 0)[bucketOf(5)], 1)
  times.keep(false)
  times.keep(true)
  t.deepEqual(times.of('s', 0), [])
})

test('each time is counted below its bound and not below the one before', (t) => {
  for (const ms of [0, 1, 1.5, 2, 3, 4, 5, 8, 16, 63, 64, 65, 1000, 2 ** 16, 1e9]) {
    const bucket = bucketOf(ms)
    if (bucket < timeBuckets - 1) t.true(ms < boundMs(bucket), String(ms))
    t.true(bucket === 0 || ms >= boundMs(bucket - 1), String(ms))
  }
})

test('a percentile is found between the bounds of its counter', (t) => {
  const counters = new Array<number>(timeBuckets).fill(0)
  t.is(quantileMs(counters, 0.99), undefined)
  counters[bucketOf(10)] = 98
  counters[bucketOf(100)] = 2
  const p50 = quantileMs(counters, 0.5)!
  const p99 = quantileMs(counters, 0.99)!
  t.true(p50 >= 8 && p50 < 11.4, String(p50))
  t.true(p99 >= 90 && p99 < 128.1, String(p99))
  counters.fill(0)
  counters[timeBuckets - 1] = 1
  t.is(quantileMs(counters, 0.99), boundMs(timeBuckets - 2))
})
