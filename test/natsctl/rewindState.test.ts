/** How far nodes can be rewound, and the reports of a rewind, part by part. */
import test from 'ava'
import type { NodeRow } from 'theseus-actors'
import type { Manifest, ReportedDifference, Seen } from 'theseus-actors/operator'
import { describeLines, nodeDocument } from '../../natsctl/commands/nodeDescribe.js'
import { type Rewindable, rewindableOf, rewindableText, rewindOutcome, rewindText } from '../../natsctl/rollout/rewindState.js'
import { differencesHeldMax, RewoundReports } from '../../natsctl/undo/rewoundReports.js'
import { statusOf } from '../contracts/databaseContract.js'

const noon = Date.parse('2026-12-01T12:00:00Z')
const hour = 3_600_000

const row = (nodeId: string, rewind?: NodeRow['rewind'], version = 1): NodeRow => ({
  ...statusOf(nodeId, { version }),
  alive: true,
  ...(rewind === undefined ? {} : { rewind }),
})

test('a service can be rewound as long as one of its nodes can, and the first and the last end are told', (t) => {
  t.is(rewindableOf([row('a'), row('b', { untilMs: noon }, 0)], 1), null)
  const rows = [row('a', { untilMs: noon + hour }), row('b', { untilMs: noon + 2 * hour }), row('c', { ended: 'too many' })]
  const found = rewindableOf(rows, 1) as Rewindable
  t.deepEqual(found, { version: 1, nodes: 2, ended: 1, untilMs: noon + hour, lastMs: noon + 2 * hour })
  t.is(
    rewindableText(found, noon),
    'version 1 can be rewound until 2026-12-01T13:00:00Z, 1h0m from now, the last node until 2026-12-01T14:00:00Z: 2 nodes, 1 not any more',
  )
  t.is(rewindableText(found, noon + 2 * hour), "version 1 can't be rewound any more")
  t.is(rewindableText(rewindableOf([row('a', { ended: 'x' })], 1)!, noon), "version 1 can't be rewound any more")
})

test('a node says until when it can be rewound, or why it can’t', (t) => {
  t.is(rewindText({ untilMs: noon + hour }, noon), 'until 2026-12-01T13:00:00Z, 1h0m from now')
  t.is(rewindText({ untilMs: noon }, noon), 'not any more: its time is over')
  t.is(rewindText({ ended: 'more than 2 operations' }, noon), 'not any more: more than 2 operations')
  const waiting = { node: 'a', waitsFor: null, on: [], since: 0, movedBy: [] }
  const lines = describeLines(row('a', { ended: 'more than 2 operations' }), waiting, noon)
  t.deepEqual(lines.at(-1), ['rewind', 'not any more: more than 2 operations'])
  t.deepEqual(nodeDocument(row('a', { untilMs: noon }), waiting).rewind, { until: '2026-12-01T12:00:00.000Z' })
  t.is(nodeDocument(row('a'), waiting).rewind, null)
})

test('a node goes back by its recording, else by the inverse, else it would stall; and why is told', (t) => {
  const limits = { forMs: hour, operations: 1, bytes: 1, queries: true }
  const of = (each: NodeRow, entry: object) =>
    rewindOutcome(each, { classUpgrades: [{ service: each.service, ...entry }] } as unknown as Manifest, noon)
  const [both, recorded, inverse] = [{ inverse: true, rewind: limits }, { inverse: false, rewind: limits }, { inverse: true }]
  const whole = row('a', { untilMs: noon + 1 })
  t.deepEqual(of(whole, recorded), { by: 'recording', row: whole, untilMs: noon + 1 })
  t.like(of(row('a', { untilMs: noon }), both), { by: 'inverse', why: 'the time that the upgrade gives for a rewind is over' })
  t.like(of(row('a', { ended: 'too many' }), recorded), { by: 'nothing', why: 'too many' })
  t.like(of(row('a'), both), { by: 'inverse', why: 'it has not passed this flip, or its release records nothing' })
  t.like(of(row('a'), inverse), { by: 'inverse', why: 'its class upgrade says no "rewind"' })
})

const difference = (method: string): ReportedDifference => ({
  ...{ at: 1, label: 1, kind: 'call', method, args: [], caller: null, outcome: 'answer', told: 1, now: 2, reason: null },
})
const part = (nodeId: string, from: number, told: number, methods: readonly string[], target = 1): Seen => ({
  ...{ type: 'rewound', at: 0, nodeId, target, replayed: 9, differing: told, told, from },
  differences: methods.map(difference),
})

test('a report is whole when every host has answered, and every part of every node has come, in any order, once or twice', (t) => {
  const reports = new RewoundReports(1, ['h1', 'h2'])
  reports.hear('h1', [part('a', 2, 3, ['third'])])
  t.deepEqual([reports.isWhole, reports.unheard, reports.partial], [false, ['h2'], ['a']])
  reports.hear('h2', [])
  t.deepEqual([reports.isWhole, reports.unheard, reports.partial], [false, [], ['a']])
  for (let times = 0; times < 2; times++) reports.hear('h1', [part('a', 0, 3, ['first', 'second'])])
  t.true(reports.isWhole)
  t.deepEqual(
    reports.reports.map(({ differences }) => differences.map(({ method }) => method)),
    [['first', 'second', 'third']],
  )
})

test('a report of an older rewind is no part of it', (t) => {
  const reports = new RewoundReports(3, ['h1'])
  reports.hear('h1', [part('a', 0, 1, ['old'], 1)])
  t.deepEqual([reports.isWhole, reports.reports], [true, []])
})

test('a report has so many operations at most: the rest of it is missing', (t) => {
  const reports = new RewoundReports(1, ['h1'])
  const methods = Array.from({ length: 64 }, () => 'm')
  const told = 64 * Math.ceil(differencesHeldMax / 64 + 1)
  for (let from = 0; from < told; from += 64) reports.hear('h1', [part('a', from, told, methods)])
  t.deepEqual(reports.partial, ['a'])
  t.true(reports.reports[0]!.differences.length <= differencesHeldMax)
})
