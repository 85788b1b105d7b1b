/**
 * A step begins when the nodes before it have served for the bake time, as one node sees it
 * while it looks again and again.
 */
import test from 'ava'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { ownRolloutPace } from '../../core/schedules/rolloutPace.js'
import type { Schedule, SchedulingView } from '../../core/schedules/schedule.js'
import { type StepSize, steps } from '../../core/schedules/steps.js'

const row = (nodeId: string, more: Partial<NodeRow> = {}): NodeRow => ({
  ...{ nodeId, service: 'pages', className: 'Pages.v1', version: 0, phase: 'scheduled', target: 1, reason: null, hostId: 'h1' },
  ...{ directoryId: nodeId, since: 0, alive: true, ...more },
})
const done = (nodeId: string, since = 0) => row(nodeId, { version: 1, phase: 'current', since })

type Look = readonly [nowMs: number, rows: readonly NodeRow[]]

/** Whether the node would go, at each of its looks. */
async function looks(by: Schedule, nodeId: string, seen: readonly Look[], pace = ownRolloutPace): Promise<readonly boolean[]> {
  const answers: boolean[] = []
  let at: Look = seen[0]!
  const until = async (condition: () => boolean | Promise<boolean>) => {
    for (at of seen) answers.push(await condition())
  }
  const view = { nodeId, service: 'pages', target: 1, until, now: () => at[0], nodes: async () => at[1], pace: () => pace }
  await by.run(view as unknown as SchedulingView)
  return answers
}

const oneThenAll = steps(['1 node', 'all'], { bake: '1s' })
const going = [row('n1'), row('n2')]
const gone = (since: number) => [done('n1', since), row('n2')]

test('a node that is done while others look bakes from the look that finds it done', async (t) => {
  const seen: Look[] = [[0, going], ...[500, 1000, 1499, 1500].map((now): Look => [now, gone(1)])]
  t.deepEqual(await looks(oneThenAll, 'n2', seen), [false, false, false, false, true])
})

test('a node that was done before has baked since its row says so', async (t) => {
  const seen = [10_000, 10_499, 10_500].map((now): Look => [now, gone(9_500)])
  t.deepEqual(await looks(oneThenAll, 'n2', seen), [false, false, true])
})

test('a node whose row is of later than now bakes from now on', async (t) => {
  for (const since of [10_000, 99_000]) {
    const seen = [10_000, 10_999, 11_000].map((now): Look => [now, gone(since)])
    t.deepEqual(await looks(oneThenAll, 'n2', seen), [false, false, true])
  }
})

test('a node that stops to serve bakes from the beginning when it serves again', async (t) => {
  const recovering = [row('n1', { version: 1, phase: 'recovering' }), row('n2')]
  const seen: Look[] = [
    [10_000, gone(9_500)],
    [10_100, recovering],
    [11_000, gone(9_500)],
    [11_999, gone(9_500)],
    [12_000, gone(9_500)],
  ]
  t.deepEqual(await looks(oneThenAll, 'n2', seen), [false, false, false, false, true])
})

test('a clock that is set back or forward moves the end of a bake by two seconds at most', async (t) => {
  const bake = steps(['1 node', 'all'], { bake: '5s' })
  const back: Look[] = [[50_000, going], ...[51_000, 1_000, 3_000, 4_999, 6_000].map((now): Look => [now, gone(0)])]
  t.deepEqual(await looks(bake, 'n2', back), [false, false, false, false, false, true])
  const forward: Look[] = [[0, going], ...[500, 900_000, 901_000, 902_999, 903_000].map((now): Look => [now, gone(0)])]
  t.deepEqual(await looks(bake, 'n2', forward), [false, false, false, false, false, true])
})

test('a count is of nodes and a share of a hundred, of one node at least', async (t) => {
  const rows = ['n1', 'n2', 'n3', 'n4'].map((nodeId) => row(nodeId))
  const goes = async (size: StepSize) => {
    const by = steps([size, 'all'], { bake: '1s' })
    const answers = await Promise.all(rows.map(({ nodeId }) => looks(by, nodeId, [[0, rows]])))
    return answers.flat()
  }
  t.deepEqual(await goes('3 nodes'), [true, true, true, false])
  t.deepEqual(await goes('75%'), [true, true, true, false])
  t.deepEqual(await goes('1%'), [true, false, false, false])
  t.deepEqual(await goes('1 node'), [true, false, false, false])
})

test('a third step waits for all nodes of the two before it', async (t) => {
  const by = steps(['1 node', '2 nodes', 'all'], { bake: '1s' })
  const rows = (second: NodeRow) => [done('n1'), second, row('n3')]
  t.deepEqual(await looks(by, 'n3', [[9_000, rows(row('n2'))]]), [false])
  t.deepEqual(await looks(by, 'n3', [[9_000, rows(done('n2'))]]), [true])
  t.deepEqual(await looks(by, 'n2', [[9_000, rows(row('n2'))]]), [true])
})

test('the last step is all nodes, or some would never go', (t) => {
  for (const sizes of [[], ['1 node'], ['all', '50%']] as const)
    t.throws(() => steps(sizes, { bake: '1s' }), {
      code: 'config.invalid',
      message: `steps(${sizes.join(', ')}): the last step is 'all', or some nodes would never go`,
    })
})

test('looks at one moment, and a clock that goes back between them, take no time of a bake', async (t) => {
  const seen: Look[] = [[0, going], ...[1_000, 1_000, 999, 1_000, 1_998, 1_999].map((now): Look => [now, gone(1)])]
  t.deepEqual(await looks(oneThenAll, 'n2', seen), [false, false, false, false, false, false, true])
})

test('an operator changes the time that a step bakes, and ends a bake that is under way', async (t) => {
  const seen: Look[] = [[0, going], ...[500, 999, 1_000, 1_500, 3_499, 3_500].map((now): Look => [now, gone(1)])]
  const times = async (pace: Partial<typeof ownRolloutPace>) =>
    (await looks(oneThenAll, 'n2', seen, { ...ownRolloutPace, ...pace })).indexOf(true)
  t.deepEqual([await times({}), await times({ bakeMs: 500 }), await times({ bakeMs: 3_000 })], [4, 3, 6])
  t.is(await times({ bakedMs: 1 }), 1)
  // Ordered before the node before it was there: for an earlier step.
  t.is(await times({ bakedMs: 0 }), 4)
})
