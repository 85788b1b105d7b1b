import test from 'ava'
import type { NodeRow } from 'theseus-actors'
import { summarize } from '../../natsctl/rollout/rolloutSummary.js'

function row(nodeId: string, about: Partial<NodeRow>): NodeRow {
  return {
    ...{ nodeId, service: 'pages', className: `Pages.v${(about.version ?? 0) + 1}`, version: 0, phase: 'current' },
    ...{ target: null, reason: null, hostId: 'h', directoryId: 'd', since: 0, alive: true },
    ...about,
  }
}

test('a rollout is done when every node serves at the goal or past it', (t) => {
  const rollout = summarize([row('a', { version: 2 }), row('b', { version: 3, phase: 'stalled', target: 4 })], 4, 2)
  t.like(rollout, { state: 'done', settled: true, nodes: 2, there: 2 })
})

test('a node whose new object is still starting is not there yet', (t) => {
  const rollout = summarize([row('a', { version: 1, phase: 'recovering', target: 1 })], 1, 1)
  t.like(rollout, { state: 'moving', settled: false, there: 0 })
})

test('one stalled node makes a rollout degraded, but not settled while others move', (t) => {
  const stalled = row('a', { phase: 'stalled', target: 1, reason: 'why' })
  t.like(summarize([stalled, row('b', { phase: 'scheduled', target: 1 })], 1, 1), { state: 'degraded', settled: false })
  t.like(summarize([stalled, row('b', { version: 1 })], 1, 1), { state: 'degraded', settled: true, there: 1 })
})

test('without a node nothing is done: the name may be wrong, or the database empty', (t) => {
  const pin = row('host-v0', { service: 'client', className: 'Client', directoryId: null })
  for (const rows of [[], [pin]])
    for (const newest of [0, 2]) t.like(summarize(rows, newest, newest), { state: 'empty', settled: false, nodes: 0, there: 0 })
})

test('a failed node is in trouble whatever its version', (t) => {
  t.like(summarize([row('a', { version: 1, phase: 'failed' })], 1, 1), { state: 'degraded', there: 0 })
})

test('versions and nodes are counted for each service, and pinned callers are left out', (t) => {
  const rows = [
    row('a', { version: 1 }),
    row('b', { phase: 'scheduled', target: 1, alive: false }),
    row('m', { service: 'mail', version: 1 }),
    row('host-v0', { service: 'client', className: 'Client', directoryId: null }),
  ]
  const { services, nodes } = summarize(rows, 1, 1)
  t.is(nodes, 3)
  t.like(services[0], { service: 'mail', nodes: 1, there: 1 })
  t.like(services[1], {
    service: 'pages',
    nodes: 2,
    there: 1,
    versions: [
      { version: 1, nodes: 1 },
      { version: 0, nodes: 1 },
    ],
  })
  t.deepEqual(
    services[1]!.away.map(({ nodeId }) => nodeId),
    ['b'],
  )
})

test('a node that is asleep is not away: the owner of its shard wakes it', (t) => {
  const asleep = row('a', { shard: 2, alive: false })
  const gone = row('b', { alive: false })
  const [service] = summarize([asleep, gone], 1, 1).services
  t.deepEqual(
    service!.away.map(({ nodeId }) => nodeId),
    ['b'],
  )
})
