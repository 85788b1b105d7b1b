/**
 * The page's use of what it is sent, without a browser: the rollout, the statechart's state,
 * where boxes and bars are.
 */
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { phases, stageOf } from '../../core/base/phases.js'
import type { Seen, StatechartSeen } from '../../core/inspection/inspection.js'
import { upgradeStatechartDescription as chart } from '../../core/upgrade/statechartDescription.js'
import { edges } from '../../natsctl/inspect/page/chartEdges.js'
import { layout } from '../../natsctl/inspect/page/chartLayout.js'
import { eventTextOf, isShown } from '../../natsctl/inspect/page/eventFormat.js'
import { versionOf } from '../../natsctl/inspect/page/lanesCanvas.js'
import { byName, selectNodes } from '../../natsctl/inspect/page/nodeSelection.js'
import { overview } from '../../natsctl/inspect/page/overview.js'
import { groupOf, type PhaseGroup, phasesOf } from '../../natsctl/inspect/page/phaseGroups.js'
import { phaseOf, Rollout, reasonOf, whatOf } from '../../natsctl/inspect/page/rollout.js'
import { possible, stateAfter, stateOfPhase } from '../../natsctl/inspect/page/statechartState.js'
import { chosenRange, spanLabel, ticks } from '../../natsctl/inspect/page/timeScale.js'
import { bytesMax, Recording, saidMax } from '../../natsctl/inspect/recording.js'
import { isEntry, type RecordingEntry } from '../../natsctl/inspect/recordingEntry.js'
import { openRecording, RecordingFile } from '../../natsctl/inspect/recordingFile.js'
import { header, rollout, statechart } from '../support/rolloutRecording.js'
import { newDirectory } from './natsctlProcess.js'

const phase = (at: number, n: number, to: string, target: number | null, reason: string | null = null) =>
  ({ type: 'phase', at, n, nodeId: 'p1', phase: to, target, reason }) as Seen

const row = (over: object): RecordingEntry =>
  ({
    type: 'row',
    at: 100,
    nodeId: 'p1',
    hostId: 'h1',
    service: 'pages',
    className: 'Pages.v1',
    version: 0,
    ...over,
  }) as RecordingEntry

test('phases that arrive late or twice find their place', (t) => {
  const model = new Rollout()
  model.apply([phase(30, 3, 'scheduled', 1), phase(40, 4, 'draining', 1)])
  model.apply([phase(10, 1, 'current', null), phase(20, 2, 'fetching', 1), phase(30, 3, 'scheduled', 1, 'waits for a permit')])
  const node = model.nodes.get('p1')!
  t.deepEqual(
    node.segments.map(({ at, phase, reason }) => [at, phase, reason]),
    [
      [10, 'current', null],
      [20, 'fetching', null],
      [30, 'scheduled', 'waits for a permit'],
      [40, 'draining', null],
    ],
  )
})

test('a node of a shard is shown with it, and as asleep where no host renews its lease', (t) => {
  const model = new Rollout()
  const change = { nodeId: 'c1', phase: 'current', target: null, reason: null, since: 1, alive: false }
  model.apply([
    row({ ...change, shard: 3 }),
    row({ ...change, nodeId: 'c2', shard: 0, alive: true }),
    row({ ...change, nodeId: 'p1' }),
  ])
  t.deepEqual(
    ['c1', 'c2', 'p1'].map((id) => whatOf(model.nodes.get(id)!)),
    [
      'Pages.v1, version 0 · service pages · shard 3 · host h1, asleep',
      'Pages.v1, version 0 · service pages · shard 0 · host h1',
      'Pages.v1, version 0 · service pages · host h1, not heard of',
    ],
  )
  t.true(isEntry(row({ ...change, shard: 3 })))
  t.false(isEntry(row({ ...change, shard: 'three' })))
})

test('a member of a group is shown and found with its group, which its row names', (t) => {
  const model = new Rollout()
  const change = { nodeId: 'g_till', phase: 'current', target: null, reason: null, since: 1, alive: true }
  model.apply([row({ ...change, group: 'g7' }), row({ ...change, nodeId: 'p2' })])
  const [member, other] = [model.nodes.get('g_till')!, model.nodes.get('p2')!]
  t.is(whatOf(member), 'Pages.v1, version 0 · service pages · group g7 · host h1')
  t.is(whatOf(other), 'Pages.v1, version 0 · service pages · host h1')
  t.deepEqual(selectNodes([member, other], { find: 'g7', groups: new Set(), order: 'name' }), [member])
  t.true(isEntry(row({ ...change, group: 'g7' })))
  t.false(isEntry(row({ ...change, group: 7 })))
})

test('a node whose host says nothing is known by its row; the host’s own word counts more', (t) => {
  const model = new Rollout()
  model.apply([row({ phase: 'scheduled', target: 1, reason: 'waits for the end of its hold', since: 50, alive: false })])
  const node = model.nodes.get('p1')!
  t.is(phaseOf(node), 'scheduled')
  t.false(node.alive)
  t.is(reasonOf(model, node), 'scheduled on its way to version 1: waits for the end of its hold')
  const told = { type: 'node', at: 60, nodeId: 'p1', hostId: 'h1', service: 'pages', className: 'Pages.v2', version: 1 }
  model.apply([{ ...told, phase: 'current', target: null, reason: null, chain: [], calls: [[1, 7]] } as RecordingEntry])
  model.apply([row({ phase: 'scheduled', target: 1, reason: null, since: 50, alive: true })])
  t.is(model.nodes.get('p1')!.version, 1)
  t.is(phaseOf(node), 'current')
})

test('a node that waits for its schedule says which one', (t) => {
  const model = new Rollout()
  const classUpgrades = [{ service: 'pages', oldClass: 'Pages.v1', newClass: 'Pages.v2', schedule: 'gradually, every 10 s' }]
  model.apply([
    { type: 'version', at: 1, version: 1, title: 'x', classUpgrades },
    row({ phase: 'scheduled', target: 1, reason: null, since: 50, alive: true }),
  ])
  const why = reasonOf(model, model.nodes.get('p1')!)
  t.is(why, 'scheduled on its way to version 1: its schedule has not said so yet (gradually, every 10 s)')
})

test('a bar knows the version at which its node was current', (t) => {
  const model = new Rollout()
  model.apply([phase(10, 1, 'current', null), phase(20, 2, 'recovering', 1), phase(30, 3, 'current', null)])
  const node = { ...model.nodes.get('p1')!, version: 1 }
  t.deepEqual([versionOf(node, 0), versionOf(node, 2)], [0, 1])
})

test('nodes are found by words, filtered by phase, and put into order', async (t) => {
  const model = new Rollout()
  model.apply(await rollout({ nodes: 20, upgrades: 1, stalledEvery: 10 }))
  const ids = (choice: object) =>
    selectNodes(byName(model.nodes.values()), { find: '', groups: new Set(), order: 'name', ...choice } as any).map(
      ({ nodeId }) => nodeId,
    )
  t.deepEqual(ids({}).slice(0, 3), ['p1', 'p2', 'p3'])
  t.deepEqual(ids({}).slice(-2), ['p19', 'p20'])
  t.deepEqual(ids({ groups: new Set(['trouble']) }), ['p10', 'p20'])
  t.deepEqual(ids({ order: 'trouble' }).slice(0, 2), ['p10', 'p20'])
  t.deepEqual(ids({ find: 'P7 pages' }), ['p7'])
  t.deepEqual(ids({ find: 'nobody' }), [])
})

test('the band counts each node once at each moment, and a short phase is not lost in it', async (t) => {
  const model = new Rollout()
  model.apply(await rollout({ nodes: 30, upgrades: 1 }))
  const range = chosenRange('rollout', model, model.lastAt)
  const bins = overview(model.nodes.values(), range, 50)
  for (const bin of bins.slice(4))
    t.is(
      Object.values(bin).reduce((sum, count) => sum + count, 0),
      30,
    )
  t.true(bins.some(({ away }) => away > 0))
  t.is(bins.at(-1)!.serving, 30)
})

test('marks on the axis are few and speak plainly', (t) => {
  t.deepEqual(
    ticks({ from: 1000, to: 11_000 }, 1000, 5).map(({ label }) => label),
    ['0', '2 s', '4 s', '6 s', '8 s', '10 s'],
  )
  const lengths = [0.2, 7, 999.7, 1500, 9_996, 61_000, 119_700, 3_599_900, 3_720_000, 86_400_000, 277_200_000]
  t.deepEqual(
    lengths.map((ms) => spanLabel(ms)),
    ['0', '7 ms', '1 s', '1.5 s', '10 s', '1 min 1 s', '2 min', '1 h', '1 h 2 min', '1 d', '3 d 5 h'],
  )
})

test('whatever range is shown, from milliseconds to years, the axis has marks enough, not too many, and each its own label', (t) => {
  const origin = 1_764_000_000_000
  fc.assert(
    fc.property(
      fc.double({ min: 1.4, max: 10.8, noNaN: true }),
      fc.nat(1e10),
      fc.integer({ min: 4, max: 20 }),
      (digits, begin, count) => {
        const length = 10 ** digits
        const from = origin + Math.min(begin, length * 1_000)
        const marks = ticks({ from, to: from + length }, origin, count)
        t.true(
          marks.length >= Math.floor(count / 3) && marks.length <= count + 1,
          `${marks.length} for ${count} over ${length} ms`,
        )
        t.is(new Set(marks.map(({ label }) => label)).size, marks.length, marks.map(({ label }) => label).join(', '))
      },
    ),
    { numRuns: 2_000 },
  )
})

test('every state has a box of its own and every transition a line', (t) => {
  const plan = layout(chart)
  const boxes = [...plan.boxes.values()]
  t.deepEqual(boxes.map(({ id }) => id).sort(), chart.states.flatMap(({ id, parent }) => (parent === null ? [] : [id])).sort())
  for (const a of boxes) {
    t.true(a.x >= 0 && a.x + a.width <= plan.width && a.y >= 0 && a.y + a.height <= plan.height, a.id)
    for (const b of boxes) {
      if (a === b || a.id.startsWith(b.id) || b.id.startsWith(a.id)) continue
      const isApart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
      t.true(isApart, `${a.id} lies on ${b.id}`)
    }
  }
  const way = boxes.filter(({ column, id }) => column === 'way' && id.split('.').length === 2).map(({ label }) => label)
  const phases = [
    'fetching',
    'verifying',
    'scheduled',
    'draining',
    'transforming',
    'checking',
    'flipping',
    'recovering',
    'current',
  ]
  t.deepEqual(way, ['boot', ...phases])
  const drawn = edges(chart, plan).flatMap(({ transitions }) => transitions)
  t.deepEqual(drawn.sort(), chart.transitions.flatMap(({ id, to }) => (to === null ? [] : [id])).sort())
})

test('the statechart is shown as it was after each event, with its guards and its context', async (t) => {
  const events = await statechart('p1', 1, 0)
  const states = events.map((_, i) => stateAfter(chart, events, i + 1))
  t.deepEqual(states[0]!.active, ['upgrade.fetching', 'upgrade.fetching.asking'])
  const paused = states.find(({ active }) => active.includes('upgrade.scheduled.pausing'))!
  t.deepEqual(
    paused.guards.map(({ transition, held }) => [transition.guard, held]),
    [['context.drainsFailed + 1 < drainTriesMax', true]],
  )
  t.deepEqual(states.at(-1)!.active, ['upgrade.current'])
  t.is(states.at(-1)!.status, 'done')
  t.like(states.at(-1)!.context as object, { target: 1, drainsFailed: 1, phase: 'current' })
  t.deepEqual(stateOfPhase(chart, 'stalled').active, ['upgrade.stalled'])
  t.deepEqual(
    possible(chart, ['upgrade.draining']).map(({ on, to }) => `${on} → ${to}`),
    ['drain done → upgrade.transforming', 'drain fails → upgrade.scheduled.pausing', 'drain fails → upgrade.stalled'],
  )
})

test('the events are told in words', async (t) => {
  const events = await statechart('p1', 1, 0)
  const told = events.filter((event) => isShown(event)).map((event) => eventTextOf(chart, event))
  t.is(told[0]!.text, 'the upgrade manager goes to version 1')
  t.deepEqual(
    told.filter(({ kind }) => kind === 'transition').map(({ text }) => text),
    [
      'fetching.asking → verifying',
      'verifying → scheduled',
      'scheduled.deciding → scheduled.claiming',
      'scheduled.claiming → draining',
      'draining → scheduled.pausing',
      'scheduled.pausing → scheduled.claiming',
      'scheduled.claiming → draining',
      'draining → transforming',
      'transforming → checking',
      'checking → flipping',
      'flipping → recovering',
      'recovering.starting → current',
    ],
  )
  t.true(told.some(({ text, detail }) => text === 'drain fails' && detail === 'the running call did not finish in 5000 ms'))
})

test('what is kept of a look is bounded, and what is true now is kept', (t) => {
  const recording = new Recording(header())
  const event = { type: '@xstate.event', actor: 'x:0', source: null, event: { type: 'retry' } }
  const of = (nodeId: string) =>
    ({ type: 'statechart', at: 1, nodeId, target: 1, run: 1, manager: 'x:0', event }) as unknown as StatechartSeen
  for (let node = 0; node < 300; node++) recording.add(Array.from({ length: 1_500 }, () => of(`p${node}`)))
  t.true(recording.statecharts().length <= 200_000)
  t.is(recording.statechart('p299').length, 1_500)
  t.is(recording.statechart('p0').length, 0)
  for (let i = 0; i < 25; i++) recording.add(Array.from({ length: 10_000 }, (_, n) => phase(i, n, 'current', null)))
  recording.add([row({ phase: 'current', target: null, reason: null, since: 50, alive: true })])
  t.true(recording.rollout().length <= 221_000)
  t.is(recording.rollout()[0]!.type, 'row')
})

test('whoever speaks in the names of hosts and nodes fills no memory: what is new is left out, and rows never', (t) => {
  const recording = new Recording(header())
  const reason = 'x'.repeat(4096)
  const node = (nodeId: string, more: object = {}) =>
    ({
      ...{ type: 'node', at: 1, nodeId, hostId: 'h1', service: 'pages', className: 'Pages.v1', version: 0 },
      ...{ phase: 'current', target: null, reason: null, chain: [], calls: [], ...more },
    }) as unknown as RecordingEntry
  const has = (nodeId: string) => recording.rollout().some((entry) => 'nodeId' in entry && entry.nodeId === nodeId)
  recording.add([node('first')])
  for (let i = 0; i < 3; i++) recording.add(Array.from({ length: 30_000 }, (_, n) => node(`forged-${i}-${n}`)))
  recording.add(
    Array.from({ length: 90_000 }, (_, n) => ({ type: 'lost', at: 1, hostId: `forged-${n}`, messages: 1, dropped: 0 })),
  )
  t.is(recording.rollout().length, saidMax)
  recording.add([row({ phase: 'current', target: null, reason: null, since: 50, alive: true })])
  t.is(recording.rollout().length, saidMax + 1)
  recording.add([node('first', { version: 7 })])
  t.true(recording.rollout().some((entry) => entry.type === 'node' && entry.nodeId === 'first'))
  // One that goes makes room.
  recording.add([{ type: 'unregistered', at: 2, nodeId: 'forged-0-0' }, node('late')])
  t.is(has('late'), recording.rollout().length <= saidMax + 1)

  const long = new Recording(header())
  const chain = Array.from({ length: 1024 }, (_, version) => ({ version, className: 'X'.repeat(256), role: 'object' }))
  long.add(Array.from({ length: 1_000 }, (_, n) => node(`forged-${n}`, { chain })))
  t.true(long.rollout().length * 1024 * 320 <= bytesMax)
  long.add(Array.from({ length: 100_000 }, (_, n) => ({ ...phase(1, n, 'current', null), reason }) as unknown as RecordingEntry))
  const phases = long.rollout().filter(({ type }) => type === 'phase').length
  t.true(phases > 1_000 && phases * 4096 <= bytesMax, `${phases}`)
  const event = { type: '@xstate.event', actor: 'x:0', source: null, event: { type: 'retry', junk: 'x'.repeat(100_000) } }
  const of = (nodeId: string) =>
    ({ type: 'statechart', at: 1, nodeId, target: 1, run: 1, manager: 'x:0', event: { ...event } }) as unknown as StatechartSeen
  for (let n = 0; n < 2_000; n++) long.add([of(`p${n}`)])
  t.true(long.statecharts().length * 100_000 <= bytesMax)
  t.is(long.statechart('p1999').length, 1)
})

test('a recording is written, is not written over, and is read again; what is broken in it is left out', async (t) => {
  const path = join(newDirectory(t), 'rollout.ndjson')
  const entries = await rollout({ nodes: 5, upgrades: 1 })
  const file = await RecordingFile.create(path, header())
  file.add(entries)
  await file.close()
  t.is(statSync(path).mode & 0o077, 0)
  await t.throwsAsync(RecordingFile.create(path, header()), { message: /there already/ })
  appendFileSync(path, '{"type":"phase","at":"now"}\n{"type":"somethingNew","at":1}\n\n{"type":"phase","at":12')
  const read = await openRecording(path)
  const both = [new Rollout(), new Rollout()]
  both[0]!.apply(entries)
  both[1]!.apply(read.rollout())
  t.deepEqual(
    [...both[1]!.nodes.values()].map(({ nodeId, segments }) => [nodeId, segments]),
    [...both[0]!.nodes.values()].map(({ nodeId, segments }) => [nodeId, segments]),
  )
  t.is(read.statechart('p1').length, entries.filter((entry) => entry.type === 'statechart' && entry.nodeId === 'p1').length)
})

test('what is no recording is refused in one line', async (t) => {
  const directory = newDirectory(t)
  const missing = join(directory, 'missing')
  await t.throwsAsync(openRecording(missing), { message: `error: can't read ${missing}: there is no such file` })
  t.false(existsSync(missing))
  for (const [name, text] of [
    ['empty', ''],
    ['other', '{"format":"something else"}\n'],
    ['binary', '\u0000\u0001\n'],
  ] as const) {
    writeFileSync(join(directory, name), text)
    await t.throwsAsync(openRecording(join(directory, name)), { message: /is empty|no recording/ })
    t.is(readFileSync(join(directory, name), 'utf8'), text)
  }
})

test('what a file says is an entry only if it is one', (t) => {
  for (const wrong of [
    null,
    1,
    [],
    {},
    { type: 'row', at: 1 },
    { type: 'node', at: 1, nodeId: 'p1', chain: 7 },
    { type: 'phase', at: 1, nodeId: 'a b' },
  ])
    t.false(isEntry(wrong), JSON.stringify(wrong))
})

test('the page groups the phases as their stages do', (t) => {
  const groups = {
    idle: 'serving',
    preparing: 'preparing',
    waiting: 'waiting',
    changing: 'away',
    stuck: 'trouble',
    failed: 'trouble',
  }
  for (const phase of phases) t.is(groupOf(phase), groups[stageOf(phase)] as PhaseGroup, phase)
  t.deepEqual(phasesOf('preparing'), ['fetching', 'verifying'])
  t.is(groupOf('a phase of a later release'), 'trouble')
})
