/** Orders in force and events of nodes, out of what the upgrade database has. */
import test from 'ava'
import type { NodeRow } from 'theseus-actors'
import type { Control, Manifest } from 'theseus-actors/operator'
import { NodeEvents } from '../../natsctl/orders/nodeEvents.js'
import { ordersInForce } from '../../natsctl/orders/ordersInForce.js'

const row = (nodeId: string, more: Partial<NodeRow> = {}): NodeRow => ({
  ...{ nodeId, service: 'pages', className: 'Pages.v1', version: 0, phase: 'current', target: null, reason: null, hostId: 'h1' },
  ...{ directoryId: nodeId, since: 0, alive: true, ...more },
})
const installed = (...undoes: readonly (number | null)[]) =>
  undoes.map((each, i) => ({ version: i + 1, undoes: each }) as Manifest)
const pause = (version: number): Control => ({ kind: 'pause', version, reason: 'lunch', since: version })

test('a pause says which nodes it holds, or why it holds nobody', (t) => {
  const rows = [row('p1', { version: 1 }), row('p2')]
  const seen = (controls: readonly Control[], manifests = installed(null, null)) =>
    ordersInForce({ controls, rows, newest: manifests.length, manifests }).map(({ key, concerns, nobody }) => [
      key,
      concerns,
      nobody,
    ])
  t.deepEqual(seen([pause(3), pause(2), pause(1)]), [
    ['pause/1', ['p2'], null],
    ['pause/2', ['p1', 'p2'], null],
    ['pause/3', [], 'nobody: version 3 is not installed yet'],
  ])
  t.deepEqual(seen([pause(1), pause(2)], installed(null, 1)), [
    ['pause/1', [], 'nobody: version 1 is undone, by version 2'],
    ['pause/2', [], 'nobody: version 2 takes another one back'],
  ])
  t.deepEqual(
    seen([
      { kind: 'hold', nodeId: 'p9', reason: '', since: 1 },
      { kind: 'now', nodeId: 'p1', version: 1, since: 2 },
      { kind: 'gate', version: 1, heeded: [], since: 3 },
    ]),
    [
      ['hold/p9', [], 'nobody: node p9 is not registered'],
      ['now/p1', [], 'nobody: node p1 is there'],
    ],
  )
})

test('an event of a node is told once, and nothing of what was there before', (t) => {
  const events = new NodeEvents()
  const seen = (...rows: readonly NodeRow[]) => events.seen(rows, 'now').map(({ event, what }) => `${event}: ${what}`)
  const stalled = row('p1', { phase: 'stalled', target: 1, reason: 'no room' })
  t.deepEqual(seen(row('p1'), row('p2', { phase: 'failed' })), [])
  t.deepEqual(seen(stalled, row('p3')), [
    'trouble: p1 is stalled on its way to version 1: no room',
    'new: p3 is registered: Pages.v1, version 0, host h1',
    'gone: p2 is not registered any more',
  ])
  t.deepEqual(seen(stalled, row('p3', { alive: false })), ['away: p3 is not heard of: host h1'])
  t.deepEqual(seen(row('p1', { version: 1, className: 'Pages.v2' }), row('p3')), [
    'arrived: p1 is at version 1, Pages.v2',
    'back: p3 is back: host h1',
  ])
})
