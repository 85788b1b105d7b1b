/**
 * The questions of lookers and the reports of hosts: well-formed ones are taken as they are,
 * and nothing else is believed.
 */
import test from 'ava'
import { phases } from '../../core/base/phases.js'
import { timeBuckets } from '../../core/base/timeBuckets.js'
import {
  endingLeaseMs,
  inspectionLeaseMsMax,
  isSeen,
  isWanted,
  readInspectionRequest,
  readSeenBatch,
  reasonSeen,
  type Seen,
} from '../../core/inspection/inspection.js'

type Fields = Readonly<Record<string, unknown>>

const link = { version: 3, className: 'Pages.v2', role: 'object' }
const node = {
  ...{ type: 'node', at: 5, nodeId: 'n1', hostId: 'h1', service: 'pages', className: 'Pages.v2', version: 3 },
  ...{ phase: 'draining', target: 4, reason: 'slow', chain: [link], calls: [[3, 7]] },
}
const gone = { type: 'gone', at: 5, nodeId: 'n1' }
const phase = { type: 'phase', at: 5, n: 0, nodeId: 'n1', phase: 'current', target: null, reason: null }
const calls = { type: 'calls', at: 5, nodeId: 'n1', calls: [[0, 0]] }
const event = { type: '@xstate.event', actor: 'x:0', source: null, event: {} }
const statechart = { type: 'statechart', at: 5, nodeId: 'n1', target: 4, run: 0, manager: 'x:0', event }
const told: readonly Fields[] = [node, gone, phase, calls, statechart]

const counted = { version: 3, calls: 9, simulated: 2, refused: 0, failed: 1, times: [0, 1] }
const figures = { at: 5, service: 'pages', limit: { nodes: 1, percent: 25 }, versions: [counted] }
const batch = { hostId: 'h1', epoch: 0, number: 0, dropped: 0, seen: [gone], figures: [figures] }

const look = { looker: 'tower', leaseMs: 500, afresh: ['h1'], types: ['phase'], nodes: ['n1'], figures: true }

const without = (fields: Fields, name: string) => Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name))
const notObjects = [undefined, null, 'text', 7, [], [{}], ...[gone, batch, look].map((fields) => Object.assign([], fields))]
const notCounts = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', null]
const notVersions = [-1, 1.5, 2 ** 32, '1', undefined]
const notNames = ['', 'a b', 'a.b', '-a', 7, null, undefined]

test('each kind of thing that hosts tell is believed, whole', (t) => {
  for (const item of told) t.true(isSeen(item), `${item.type}`)
})

test('something of a kind that is not known here is not taken', (t) => {
  t.false(isSeen({ ...gone, type: 'moon' }))
  t.false(isSeen(without(gone, 'type')))
  for (const value of notObjects) t.false(isSeen(value))
})

test('whatever is told has a time and the name of its node', (t) => {
  for (const item of told) {
    t.false(isSeen({ ...item, at: '5' }), `${item.type}`)
    for (const nodeId of notNames) t.false(isSeen({ ...item, nodeId }), `${item.type} of ${nodeId}`)
  }
})

test('a node is told with all its fields, and each of them is checked', (t) => {
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    version: notVersions,
    hostId: notNames,
    service: notNames,
    className: [7, null],
    phase: ['asleep', 7],
    target: notVersions,
    reason: [7],
    chain: [null, {}, [link, null], [link, [link]]],
    calls: [null, {}],
  }
  for (const [name, values] of Object.entries(wrong)) {
    t.false(isSeen(without(node, name)), `without ${name}`)
    for (const value of values) t.false(isSeen({ ...node, [name]: value }), `${name} ${JSON.stringify(value)}`)
  }
})

test('texts and lists that hosts tell are bounded, and nothing is kept of what is not known', (t) => {
  const long = (length: number) => 'x'.repeat(length)
  const links = (count: number) => Array.from({ length: count }, () => link)
  const pairs = (count: number) => Array.from({ length: count }, () => [1, 2])
  for (const [item, name, most, more] of [
    [node, 'reason', long(4096), long(4097)],
    [node, 'className', long(256), long(257)],
    [node, 'chain', links(1024), links(1025)],
    [node, 'chain', [{ ...link, className: long(256) }], [{ ...link, className: long(257) }]],
    [node, 'calls', pairs(1024), pairs(1025)],
    [phase, 'reason', long(4096), long(4097)],
    [calls, 'calls', pairs(1024), pairs(1025)],
    [statechart, 'manager', long(256), long(257)],
    [statechart, 'event', { ...event, actor: long(256) }, { ...event, actor: long(257) }],
    [statechart, 'event', { ...event, type: '@xstate.a' }, { ...event, type: `@xstate.${long(256)}` }],
  ] as const) {
    t.true(isSeen({ ...item, [name]: most }), name)
    t.false(isSeen({ ...item, [name]: more }), name)
  }
  const more = { junk: long(1_000_000) }
  const seen = told.map((item) => ({
    ...item,
    ...more,
    ...('chain' in item ? { chain: [{ ...link, ...more }] } : {}),
    ...('calls' in item ? { calls: (item.calls as number[][]).map((pair) => [...pair, more]) } : {}),
  }))
  t.deepEqual(readSeenBatch({ ...batch, ...more, seen })?.seen as unknown, told)
})

test('a link of a chain has a version, the name of a class, and one of the four roles', (t) => {
  for (const role of ['object', 'pastSO', 'futureSO', 'alias'])
    t.true(isSeen({ ...node, chain: [link, { ...link, role }] }), role)
  const wrong = [
    { role: 'cut' },
    { role: '' },
    { version: -1 },
    { version: undefined },
    { className: 7 },
    { className: undefined },
  ]
  for (const part of wrong) t.false(isSeen({ ...node, chain: [link, { ...link, ...part }] }), JSON.stringify(part))
})

test('a phase is one of the upgrade’s, with a target and a reason or none of them', (t) => {
  for (const name of phases) t.true(isSeen({ ...phase, phase: name }), name)
  t.true(isSeen({ ...phase, target: 4 }))
  t.true(isSeen({ ...phase, reason: '' }))
  t.false(isSeen({ ...phase, phase: 'asleep' }))
  t.false(isSeen({ ...phase, target: -1 }))
  t.false(isSeen({ ...phase, reason: 7 }))
  t.false(isSeen(without(phase, 'target')))
  t.false(isSeen(without(phase, 'reason')))
  for (const n of notCounts) t.false(isSeen({ ...phase, n }), `${n}`)
})

test('calls are told as pairs of a version and a count', (t) => {
  for (const pairs of [
    [],
    [[3, 7]],
    [
      [3, 7],
      [4, 0],
    ],
  ])
    t.true(isSeen({ ...calls, calls: pairs }), JSON.stringify(pairs))
  for (const pair of [null, 3, {}, [], [3], [-1, 7], ['3', 7], [3, -1], [3, 1.5], [3, '7']])
    t.false(isSeen({ ...calls, calls: [[3, 7], pair] }), JSON.stringify(pair))
  t.false(isSeen({ ...calls, calls: 'none' }))
})

test('an event of a statechart is XState’s, with the actor that it came to', (t) => {
  const wrong: readonly Fields[] = [
    ...notVersions.map((target) => ({ target })),
    ...notCounts.map((run) => ({ run })),
    { manager: 7 },
    { event: null },
    { event: [] },
    { event: { ...event, type: 'event' } },
    { event: { ...event, type: 7 } },
    { event: { ...event, actor: 7 } },
    { event: without(event, 'actor') },
  ]
  for (const part of wrong) t.false(isSeen({ ...statechart, ...part }), JSON.stringify(part))
})

test('a batch is read with everything in it', (t) => {
  t.deepEqual(readSeenBatch({ ...batch, seen: told, more: 1 }), { ...batch, seen: told } as never)
})

test('a batch that does not say whose it is, and how many came before, is not read', (t) => {
  for (const value of notObjects) t.is(readSeenBatch(value), undefined)
  for (const hostId of notNames) t.is(readSeenBatch({ ...batch, hostId }), undefined, `host ${hostId}`)
  for (const name of ['epoch', 'number', 'dropped'])
    for (const count of notCounts) t.is(readSeenBatch({ ...batch, [name]: count }), undefined, `${name} ${count}`)
  t.is(readSeenBatch({ ...batch, seen: {} }), undefined)
  t.is(readSeenBatch(without(batch, 'seen')), undefined)
})

test('something in a batch that is not understood is left out, and the rest is read', (t) => {
  const read = readSeenBatch({ ...batch, seen: [null, gone, { ...gone, type: 'moon' }, phase], figures: [{}, figures, null] })
  t.deepEqual(read?.seen, [gone, phase] as never)
  t.deepEqual(read?.figures, [figures])
})

test('a batch without figures has none, and a batch with too many services neither', (t) => {
  t.deepEqual(readSeenBatch(without(batch, 'figures'))?.figures, [])
  t.deepEqual(readSeenBatch({ ...batch, figures: {} })?.figures, [])
  t.is(readSeenBatch({ ...batch, figures: Array(1024).fill(figures) })?.figures?.length, 1024)
  t.deepEqual(readSeenBatch({ ...batch, figures: Array(1025).fill(figures) })?.figures, [])
})

const readFigures = (part: Fields) => readSeenBatch({ ...batch, figures: [{ ...figures, ...part }] })?.figures?.length === 1

test('figures of a service have a time, a name, a limit and versions', (t) => {
  for (const limit of [{}, { nodes: 1 }, { percent: 0.5 }]) t.true(readFigures({ limit }), JSON.stringify(limit))
  for (const limit of [
    null,
    25,
    { nodes: 0 },
    { nodes: -1 },
    { percent: '25' },
    { percent: Number.POSITIVE_INFINITY },
    { nodes: 1, percent: 0 },
  ])
    t.false(readFigures({ limit }), JSON.stringify(limit))
  t.false(readFigures({ at: '5' }))
  for (const service of notNames) t.false(readFigures({ service }), `${service}`)
  for (const versions of [null, {}, [null], [counted, {}]]) t.false(readFigures({ versions }), JSON.stringify(versions))
  t.true(readFigures({ versions: Array(1024).fill(counted) }))
  t.false(readFigures({ versions: Array(1025).fill(counted) }))
})

test('figures of a version are counts, and times as many as there are counters, or fewer', (t) => {
  const reads = (part: Fields) => readFigures({ versions: [{ ...counted, ...part }] })
  for (const name of ['calls', 'simulated', 'refused', 'failed'])
    for (const count of [...notCounts, undefined]) t.false(reads({ [name]: count }), `${name} ${count}`)
  for (const version of notVersions) t.false(reads({ version }), `${version}`)
  t.true(reads({ times: [] }))
  t.true(reads({ times: Array(timeBuckets).fill(1) }))
  t.false(reads({ times: Array(timeBuckets + 1).fill(1) }))
  for (const times of [null, {}, [1, -1], ['1']]) t.false(reads({ times }), JSON.stringify(times))
})

test('a question is read with its filters', (t) => {
  const only = { types: ['phase'], nodes: ['n1'], figures: true }
  t.deepEqual(readInspectionRequest(look), { looker: 'tower', leaseMs: 500, afresh: ['h1'], only })
})

test('a question without filters asks for everything but the figures', (t) => {
  const all = { looker: 'tower', leaseMs: 500, afresh: [], only: { figures: false } }
  t.deepEqual(readInspectionRequest({ looker: 'tower', leaseMs: 500 }), all)
  t.deepEqual(readInspectionRequest({ looker: 'tower', leaseMs: 500, types: null, nodes: null, figures: 'yes' }), all)
})

test('nobody is told for longer than a minute, or for no time', (t) => {
  t.is(inspectionLeaseMsMax, 60_000)
  t.is(readInspectionRequest({ ...look, leaseMs: 60_001 })?.leaseMs, 60_000)
  t.is(readInspectionRequest({ ...look, leaseMs: endingLeaseMs })?.leaseMs, 1)
  t.is(readInspectionRequest({ ...look, leaseMs: 0.5 })?.leaseMs, 0.5)
  for (const leaseMs of [0, -1, Number.NaN, '500', undefined])
    t.is(readInspectionRequest({ ...look, leaseMs }), undefined, `${leaseMs}`)
})

test('something that is no question, or names what can be no name, is not answered', (t) => {
  for (const value of notObjects) t.is(readInspectionRequest(value), undefined)
  for (const looker of notNames) t.is(readInspectionRequest({ ...look, looker }), undefined, `${looker}`)
  for (const name of ['afresh', 'types', 'nodes'])
    for (const list of ['n1', {}, ['n1', 'a b'], ['n1', 7]])
      t.is(readInspectionRequest({ ...look, [name]: list }), undefined, `${name} ${JSON.stringify(list)}`)
})

test('a question’s lists are bounded', (t) => {
  for (const [name, most] of [
    ['afresh', 1024],
    ['types', 64],
    ['nodes', 64],
  ] as const) {
    t.truthy(readInspectionRequest({ ...look, [name]: Array(most).fill('a') }), `${most} ${name}`)
    t.is(readInspectionRequest({ ...look, [name]: Array(most + 1).fill('a') }), undefined, `more ${name}`)
  }
})

test('a looker is told of the types and the nodes that it asked for, and of all where it named none', (t) => {
  const seen = phase as Seen
  for (const filter of [{}, { types: ['phase'] }, { nodes: ['n1'] }, { types: ['gone', 'phase'], nodes: ['n2', 'n1'] }])
    t.true(isWanted(seen, filter), JSON.stringify(filter))
  for (const filter of [
    { types: [] },
    { nodes: [] },
    { types: ['gone'] },
    { types: ['phase'], nodes: ['n2'] },
    { types: ['gone'], nodes: ['n1'] },
  ])
    t.false(isWanted(seen, filter), JSON.stringify(filter))
})

test('a long reason is cut, and half a surrogate pair does not travel', (t) => {
  t.is(reasonSeen(null), null)
  t.is(reasonSeen('slow'), 'slow')
  t.is(reasonSeen('a'.repeat(4096)), 'a'.repeat(4096))
  t.is(reasonSeen('a'.repeat(5000)), 'a'.repeat(4096))
  t.is(reasonSeen(`${'a'.repeat(4095)}😀`), `${'a'.repeat(4095)}\ufffd`)
})
