import test from 'ava'
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import { defaultGate, slowerMsMin } from '../../core/upgrade/gateLimits.js'
import { judge } from '../../core/upgrade/healthGate.js'

const row = (nodeId: string, change: Partial<NodeRow> = {}): NodeRow => ({
  nodeId,
  service: 'pages',
  className: 'Pages.v1',
  version: 0,
  phase: 'scheduled',
  target: 1,
  reason: null,
  hostId: 'h1',
  directoryId: nodeId,
  since: 7,
  alive: true,
  ...change,
})
const words = (...rows: NodeRow[]) => judge(rows, 1, defaultGate).map(({ what }) => what)

test('a rollout that goes on as it should has no troubles', (t) => {
  t.deepEqual(
    words(
      row('waits'),
      row('drains', { phase: 'draining' }),
      row('there', { phase: 'current', version: 1, target: null }),
      row('away', { alive: false }),
    ),
    [],
  )
})

test('G1: stalled, rejected and failed nodes are troubles, with their reasons; of another version they are not', (t) => {
  t.deepEqual(
    words(
      row('n1', { phase: 'stalled', reason: 'the TF threw' }),
      row('n2', { phase: 'rejected', reason: 'no bundle' }),
      row('n3', { phase: 'failed', version: 1, target: null, reason: 'disk' }),
      row('n4', { phase: 'stalled', target: 2, reason: 'later' }),
      row('n5', { phase: 'failed', version: 0, target: null, reason: 'it was so before' }),
    ),
    ['node n1 is stalled: the TF threw', 'node n2 is rejected: no bundle', 'node n3 has failed: disk'],
  )
})

test('G2: a node that is not heard of since it went away is a trouble', (t) => {
  t.deepEqual(words(row('n1', { phase: 'transforming', alive: false })), ['node n1 was transforming when it was last heard of'])
})

const figures = (ended: number, threw: number, timed = 0, tookMs = 0) => ({ figures: { ended, threw, timed, tookMs } })
const upgraded = { phase: 'current', version: 1, target: null } as const

test('G3: upgraded nodes whose calls throw more often than the others’ are a trouble of their service', (t) => {
  const pair = (now: [number, number], before: [number, number]) =>
    words(row('n1', { ...upgraded, ...figures(...now) }), row('n2', figures(...before)))
  t.deepEqual(pair([400, 40], [1000, 10]), ['of the calls to upgraded nodes of pages 10.0 % throw, of those to the others 1.0 %'])
  t.deepEqual(pair([400, 20], [1000, 10]), [], 'within what is allowed')
  t.deepEqual(pair([400, 40], [1000, 100]), [], 'it is no worse than it was')
  t.deepEqual(pair([100, 40], [1000, 10]), [], 'too few calls to tell')
  t.is(pair([400, 40], [0, 0]).length, 1, 'with nothing to compare it with')
})

test('G4: upgraded nodes that take longer for a call than the others are a trouble of their service', (t) => {
  const pair = (now: [number, number], before: [number, number], ended = 400) =>
    words(row('n1', { ...upgraded, ...figures(ended, 0, ...now) }), row('n2', figures(ended, 0, ...before)))
  t.deepEqual(pair([50, 3000], [50, 1000]), [
    'a call to an upgraded node of pages takes 60.0 ms on average, one to the others 20.0 ms',
  ])
  t.deepEqual(pair([50, 2000], [50, 1000]), [], 'within what is allowed')
  t.deepEqual(pair([50, 450], [50, 0]), [], 'less than counts')
  t.deepEqual(pair([50, 3000], [50, 1000], 100), [], 'too few calls to tell')
  t.deepEqual(words(row('n1', { ...upgraded, ...figures(400, 0, 50, 3000) })), [], 'with nothing to compare it with')
})

test('the same trouble has the same key; a new one of the same node has another', (t) => {
  const keyOf = (change: Partial<NodeRow>) =>
    judge([row('n1', { phase: 'stalled', reason: 'x', ...change })], 1, defaultGate)[0]!.key
  t.is(keyOf({}), keyOf({ reason: 'in other words' }))
  t.not(keyOf({}), keyOf({ since: 8 }))
})

test('clients are nobody’s nodes, and nodes that do not serve have no figures to compare', (t) => {
  t.deepEqual(words(row('c1', { service: clientService, phase: 'stalled', reason: 'pinned' })), [])
  t.deepEqual(
    words(row('n1', { ...upgraded, phase: 'recovering', ...figures(400, 400) }), row('n2', figures(1000, 0))),
    [],
    'on its way',
  )
})

test('G5: a node that has upgraded and has a reason is a trouble; one of another version, or without a reason, is none', (t) => {
  t.deepEqual(
    words(
      row('n1', { ...upgraded, reason: 'a record can’t be made' }),
      row('n2', { ...upgraded, version: 2, reason: 'later' }),
      row('n3', upgraded),
    ),
    ['node n1: a record can’t be made'],
  )
})

test('a node that went away on its way to another version, or serves, is no trouble of this rollout', (t) => {
  t.deepEqual(
    words(
      row('n1', { phase: 'transforming', alive: false, target: 2 }),
      row('n2', { phase: 'current', alive: false, target: null, version: 1 }),
    ),
    [],
  )
})

test('as many more failures, as much slower, and as few calls as are allowed are no trouble; beyond that they are', (t) => {
  const limits = { moreFailuresMax: 0.5, slowerMax: 2, callsMin: 100 }
  const judged = (now: ReturnType<typeof figures>, before: ReturnType<typeof figures>) =>
    judge([row('n1', { ...upgraded, ...now }), row('n2', before)], 1, limits).map(({ key }) => key)
  t.deepEqual(judged(figures(100, 50), figures(100, 0)), [])
  t.deepEqual(judged(figures(100, 51), figures(100, 0)), ['pages failures'])
  t.deepEqual(judged(figures(99, 99), figures(100, 0)), [])
  t.deepEqual(judged(figures(100, 0, 10, 1000), figures(100, 0, 10, 500)), [])
  t.deepEqual(judged(figures(100, 0, 10, 1010), figures(100, 0, 10, 500)), ['pages time'])
  t.deepEqual(judged(figures(100, 0, 10, 1010), figures(99, 0, 10, 500)), [])
  // Both at once, in this order.
  t.deepEqual(judged(figures(100, 90, 10, 1010), figures(100, 0, 10, 500)), ['pages failures', 'pages time'])
  // One service after the other, as they are met.
  const [worse, before] = [figures(100, 90, 10, 1010), figures(100, 0, 10, 500)]
  const other = { service: 'another' }
  const rows = [row('n1', { ...upgraded, ...worse }), row('n2', before)]
  const others = [row('n3', { ...upgraded, ...other, ...worse }), row('n4', { ...other, ...before })]
  t.deepEqual(
    judge([...rows, ...others], 1, limits).map(({ key }) => key),
    ['pages failures', 'pages time', 'another failures', 'another time'],
  )
  // Less than a call's jitter is no difference, however many times it is as long.
  const jitter = (more: number) => judged(figures(100, 0, 10, 10 * (1 + more)), figures(100, 0, 10, 10))
  t.deepEqual(jitter(slowerMsMin), ['pages time'])
  t.deepEqual(jitter(slowerMsMin - 0.5), [])
})

test('without allowance, no failures at all are still no trouble', (t) => {
  const limits = { moreFailuresMax: -1, slowerMax: 2, callsMin: 1 }
  t.deepEqual(judge([row('n1', { ...upgraded, ...figures(10, 0) }), row('n2', figures(10, 0))], 1, limits), [])
})
