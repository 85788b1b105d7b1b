/** An order that takes one row after the other says the same as one that is made of all rows anew. */
import test from 'ava'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { NodeOrder } from '../../core/schedules/nodeOrder.js'
import { seededRandom } from '../../transports/seededRandom.js'

const row = (nodeId: string, more: Partial<NodeRow> = {}): NodeRow => ({
  ...{ nodeId, service: 'pages', className: 'Pages.v1', version: 0, phase: 'scheduled', target: 1, reason: null, hostId: 'h1' },
  ...{ directoryId: nodeId, since: 0, alive: true, ...more },
})

const changes: readonly Partial<NodeRow>[] = [
  { version: 1, phase: 'current' },
  { version: 1, phase: 'recovering' },
  { phase: 'draining' },
  { phase: 'scheduled', settled: 1 },
  { alive: false },
  { alive: true },
]

function answers(order: NodeOrder, nodeIds: readonly string[]) {
  const places = [0, 1, 2, 5, 9, Number.POSITIVE_INFINITY]
  return {
    size: order.size,
    unfinished: order.unfinished,
    places: nodeIds.map((nodeId) => [order.has(nodeId), order.placeOf(nodeId)]),
    done: places.map((first) => order.areDone(first)),
    since: places.map((first) => order.since(first)),
  }
}

test('an order that takes row after row has the answers of one that is made of all of them', (t) => {
  const random = seededRandom(7)
  const pick = <T>(from: readonly T[]) => from[Math.floor(random.next() * from.length)]!
  const nodeIds = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  for (let round = 0; round < 200; round++) {
    const rows = new Map(nodeIds.map((nodeId) => [nodeId, row(nodeId, pick(changes))]))
    let order = new NodeOrder([...rows.values()], 1)
    for (let change = 1; change < 20; change++) {
      const changed = { ...rows.get(pick(nodeIds))!, ...pick(changes), since: change }
      rows.set(changed.nodeId, changed)
      const fresh = new NodeOrder([...rows.values()], 1)
      const isSame = order.take(changed)
      if (!isSame) order = fresh
      t.deepEqual(answers(order, [...nodeIds, 'bb', 'z']), answers(fresh, [...nodeIds, 'bb', 'z']), `round ${round}`)
    }
  }
})

test('a dead node that is not done has no place, and one that has a place no more ends the order', (t) => {
  const order = new NodeOrder([row('c'), row('a', { alive: false }), row('b', { alive: false, version: 1, phase: 'current' })], 1)
  t.deepEqual([order.size, order.has('a'), order.has('b'), order.placeOf('c')], [2, false, true, 1])
  t.is(order.unfinished, 1)
  t.false(order.take(row('c', { alive: false })))
  t.true(order.take(row('a', { alive: false, since: 3 })))
})
