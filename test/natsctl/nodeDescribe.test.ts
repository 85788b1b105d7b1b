/** The text of "node describe" about a node, out of its row alone. */
import test from 'ava'
import type { NodeRow } from 'theseus-actors'
import { describeLines, nodeDocument, stateLines } from '../../natsctl/commands/nodeDescribe.js'
import { waitReasonOf } from '../../natsctl/rollout/waitReason.js'

const row = (change: Partial<NodeRow>): NodeRow => ({
  nodeId: 's1',
  service: 'shelf',
  className: 'Shelf.v2',
  version: 1,
  phase: 'current',
  target: null,
  reason: null,
  hostId: 'h1',
  directoryId: 'd1',
  since: 0,
  alive: true,
  ...change,
})
const waiting = (change: Partial<NodeRow>) => waitReasonOf(row(change), { newest: 1, manifests: [], controls: [] })

test('a node in the middle of a lazy transform: how far it has come, and how its calls go', (t) => {
  const figures = { ended: 10, threw: 2, timed: 4, tookMs: 6, records: { passed: 1200, left: { books: 'k42', loans: '' } } }
  t.deepEqual(describeLines(row({ figures }), waiting({}), 90_000), [
    ['node', 's1, of service shelf'],
    ['runs', 'Shelf.v2 at version 1'],
    ['phase', 'current for 1m30s'],
    ['host', 'h1, alive'],
    ['calls', '10 since the phase began, 2 of them threw, 1.5 ms on average'],
    ['records', '1200 passed; still to be made: books from "k42" on, loans'],
  ])
  t.like(nodeDocument(row({ figures }), waiting({})), {
    node: 's1',
    directory: 'd1',
    waitsFor: null,
    calls: { ended: 10, threw: 2, timed: 4, tookMs: 6 },
    records: figures.records,
  })
})

test('a member of a group: its group, and for which members it waits', (t) => {
  const change = { nodeId: 'g_till', group: 'g', version: 0, phase: 'scheduled', target: 1 } as const
  const reason = 'waits for g_drawer of its group'
  const told = describeLines(row({ ...change, reason }), waiting({ ...change, reason }), 0)
  t.deepEqual(told.slice(4), [
    ['group', 'g: it goes through every version with the other members'],
    ['because', reason],
    ['waits for', 'the schedules of g_drawer, of its group'],
    ['moved by', 'natsctl node upgrade g_drawer'],
  ])
  t.is(nodeDocument(row({ ...change, reason }), waiting({ ...change, reason })).group, 'g')
})

test('a node that waits says for what, and what would move it', (t) => {
  const change = { version: 0, phase: 'stalled', target: 1, reason: 'upgrade.transform: no', uses: ['calls Book.v1'] } as const
  const lines = describeLines(row(change), waiting(change), 0).map(([title]) => title)
  t.deepEqual(lines, ['node', 'runs', 'phase', 'host', 'because', 'waits for', 'moved by', 'moved by', 'uses'])
  t.like(nodeDocument(row(change), waiting(change)), { calls: null, records: null, reason: 'upgrade.transform: no' })
})

test('a record that can’t be made is something to wait for', (t) => {
  const { waitsFor, movedBy } = waiting({ reason: 'record "b" of books can’t be made' })
  t.regex(waitsFor!, /a record that it can't make: record "b"/)
  t.is(movedBy[0], 'natsctl rollout undo')
})

test('the state of a node: its object’s, its simulation objects’, and the memory that its class offers', (t) => {
  const values = { fields: ['books', 'open'], values: [{ a: 1 }, true] }
  const states = [
    { version: 1, className: 'Shelf.v2', isObject: true, collections: ['loans', 'old'], ...values },
    { version: 0, className: 'Shelf.v1', isObject: false, collections: [], fields: ['mood'], values: null },
    { version: 2, className: 'Shelf.v3', isObject: false, collections: [], fields: [], values: null },
  ]
  t.deepEqual(stateLines({ states, memory: { fields: ['sockets'], values: [3] } }), [
    ['object', 'Shelf.v2 at version 1: books {"a":1}, open true; collections loans, old'],
    ['SO', 'Shelf.v1 at version 0: mood'],
    ['SO', 'Shelf.v3 at version 2: nothing'],
    ['memory', 'sockets 3'],
  ])
  t.deepEqual(stateLines({ states: [], memory: null }), [])
  t.deepEqual(stateLines(null), [])
})
