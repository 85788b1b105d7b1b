/** The pure parts of the chain: which class a version has, who answers it, what is on disk. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { NodeFilter } from '../../core/model/nodeFilter.js'
import {
  checkRecord,
  type Generation,
  generationOf,
  keys,
  stateSlot,
  stateSlotOfKey,
  stateSlotsOf,
} from '../../core/model/nodeRecord.js'
import { type Link, ObjectChain } from '../../core/model/objectChain.js'
import { none, notNeeded } from '../../core/model/simulation.js'
import { compareKeys } from '../../core/ports/stateStore.js'
import { planChain, type Step } from '../../core/upgrade/chainPlan.js'
import { classesAt, classLineage, concerning, newestVersionOf } from '../../core/upgrade/classLineage.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import { reversed } from '../../core/upgrade/reversedUpgrade.js'
import { toV2 } from './notesClasses.js'

const manifest = (...entries: readonly (readonly [old: string, next: string, only?: NodeFilter])[]) =>
  ({
    // Of one type: such a filter makes the lineage fork.
    classUpgrades: entries.map(([oldClass, newClass, only = null]) => ({
      ...{ oldClass, newClass, only, pastSO: 'notNeeded', futureSO: 'notNeeded' },
    })),
  }) as unknown as Manifest
const node = { nodeId: 'n1', facts: {} }

test('a lineage has the class of each version, whichever of its classes one begins with', (t) => {
  const history = [manifest(['A', 'B'], ['X', 'Y']), manifest(['Y', 'Z']), manifest(['B', 'C'])]
  for (const className of ['A', 'B', 'C']) t.deepEqual(classLineage(history, className, node), ['A', 'B', 'B', 'C'])
  for (const className of ['X', 'Y', 'Z']) t.deepEqual(classLineage(history, className, node), ['X', 'Y', 'Z', 'Z'])
  t.deepEqual(classLineage(history, 'Q', node), ['Q', 'Q', 'Q', 'Q'])
  t.deepEqual(classLineage([], 'A', node), ['A'])
})

test('a lineage that goes back to a class and forward again keeps its beginning', (t) => {
  const undone = [manifest(['A', 'B']), manifest(['B', 'A'])]
  t.deepEqual(classLineage(undone, 'A', node), ['A', 'B', 'A'])
  t.deepEqual(classLineage(undone, 'B', node), ['A', 'B', 'A'])
  const again = [...undone, manifest(['A', 'B']), manifest(['B', 'C'])]
  for (const className of ['A', 'B', 'C']) t.deepEqual(classLineage(again, className, node), ['A', 'B', 'A', 'B', 'C'])
  t.is(newestVersionOf(undone, 'A'), 2)
  t.is(newestVersionOf(undone, 'B'), 1)
  t.is(newestVersionOf(again, 'A'), 2)
  t.is(newestVersionOf(again, 'B'), 3)
})

test('a later upgrade made for the first class again does not begin the lineage', (t) => {
  const history = [manifest(['A', 'B']), manifest(['B', 'C']), manifest(['C', 'B'])]
  for (const className of ['A', 'B', 'C']) t.deepEqual(classLineage(history, className, node), ['A', 'B', 'C', 'B'])
  t.is(concerning(history[2]!, 'C', node)!.newClass, 'B')
  t.is(concerning(history[2]!, 'A', node), undefined)
})

test('where an upgrade concerns some nodes only, the lineage forks, and joins again where both classes are named', (t) => {
  const history = [manifest(['A', 'B', { nodes: ['eu-*'] }]), manifest(['X', 'Y']), manifest(['A', 'C'], ['B', 'C'])]
  const european = { nodeId: 'eu-1', facts: {} }
  for (const className of ['A', 'B', 'C']) {
    t.deepEqual(classLineage(history, className, european), ['A', 'B', 'B', 'C'])
    t.deepEqual(classLineage(history, className, node), ['A', 'A', 'A', 'C'])
  }
  t.deepEqual(
    classesAt(history, 'B').map((classes) => [...classes]),
    [['A'], ['A', 'B'], ['A', 'B'], ['C']],
  )
  // Code that was written against either class is served at the newest version that has it.
  t.is(newestVersionOf(history, 'A'), 2)
  t.is(newestVersionOf(history, 'B'), 2)
  t.is(newestVersionOf(history, 'C'), 3)
})

const full = toV2().classUpgrades[0]!
const back = reversed(toV2()).classUpgrades[0]!
const step = (version: number, classUpgrade: Step['classUpgrade'] = 'leavesAlone', undoes: number | null = null): Step => ({
  version,
  classUpgrade,
  undoes,
})
const undo = (version: number, classUpgrade: Step['classUpgrade'] = back) => step(version, classUpgrade, version - 1)
const shape = (plan: ReturnType<typeof planChain>) =>
  plan.links
    .toSorted((a, b) => a.version - b.version)
    .map((link) => {
      if (link.role === 'object') return `${link.version} object`
      if (link.role === 'cut') return `${link.version} ${link.fault.code}`
      const state = 'state' in link && link.state !== link.version ? ` with the state of ${link.state}` : ''
      return `${link.version} ${link.role} over ${link.over}${state}`
    })

test('the plan goes from the object outwards on both sides', (t) => {
  const plan = planChain(2, 0, [step(1, full), step(2), step(3, full), step(4)])
  t.deepEqual(shape(plan), ['0 pastSO over 1', '1 alias over 2', '2 object', '3 futureSO over 2', '4 alias over 3'])
  t.deepEqual(plan.links[0], { version: 2, role: 'object' })
  t.is(plan.below().code, 'version.dead')
  const after = planChain(2, 1, [step(2)])
  t.deepEqual([plan.below().message, after.below().message], ['versions before 0 are dead', 'versions before 1 are dead'])
  t.is(plan.above, undefined)
})

test('`none` cuts what would stand on it, `notNeeded` makes the neighbour answer', (t) => {
  const cutBelow = planChain(2, 0, [step(1, full), step(2, { ...full, pastSO: none })])
  t.deepEqual(shape(cutBelow), ['0 version.cut', '1 version.cut', '2 object'])
  const cutAbove = planChain(0, 0, [step(1, { ...full, futureSO: none }), step(2, full)])
  t.deepEqual(shape(cutAbove), ['0 object', '1 version.cut', '2 version.cut'])
  const subtype = planChain(1, 0, [step(1, { ...full, pastSO: notNeeded }), step(2, { ...full, futureSO: notNeeded })])
  t.deepEqual(shape(subtype), ['0 alias over 1', '1 object', '2 alias over 1'])
})

test('a rejected upgrade is why versions above are not answered', (t) => {
  const rejected = new Fault('version.rejected', 'no')
  t.is(planChain(0, 0, [step(1, full)], rejected).above, rejected)
})

test('an undo means what the version before meant, on a node on either side of it', (t) => {
  const steps = [step(1, full), undo(2)]
  // Not upgraded yet: the object answers both. Upgraded: the past-SO does, with its state.
  t.deepEqual(shape(planChain(0, 0, steps)), ['0 object', '1 futureSO over 0', '2 alias over 0'])
  t.deepEqual(shape(planChain(1, 0, steps)), ['0 pastSO over 1', '1 object', '2 alias over 0'])
  // Gone back: what was the future-SO is the past-SO.
  t.deepEqual(shape(planChain(2, 0, steps)), ['0 alias over 2', '1 pastSO over 2', '2 object'])
  // The version that is meant again is dead as itself: its past-SO answers for the undo alone.
  t.deepEqual(shape(planChain(1, 1, steps.slice(1))), ['1 object', '2 futureSO over 1 with the state of 0'])
})

test('an undo of an older version is one of the version before, with aliases between', (t) => {
  // Versions 2 and 3 are for other services.
  const steps = [step(1, full), step(2), step(3), step(4, back, 1)]
  const aliases = (over: number) => [`2 alias over ${over}`, `3 alias over ${over + 1}`]
  t.deepEqual(shape(planChain(0, 0, steps)), ['0 object', '1 futureSO over 0', ...aliases(1), '4 alias over 0'])
  t.deepEqual(shape(planChain(1, 0, steps)), ['0 pastSO over 1', '1 object', ...aliases(1), '4 alias over 0'])
  t.deepEqual(shape(planChain(3, 0, steps)), [
    '0 pastSO over 1',
    '1 alias over 2',
    '2 alias over 3',
    '3 object',
    '4 alias over 0',
  ])
  t.deepEqual(shape(planChain(4, 0, steps)), [
    '0 alias over 4',
    '1 alias over 2',
    '2 alias over 3',
    '3 pastSO over 4',
    '4 object',
  ])
  t.deepEqual(shape(planChain(3, 2, steps.slice(2))), ['2 alias over 3', '3 object', '4 futureSO over 3 with the state of 0'])
  // A class of another service has gone on meanwhile: nothing of it is meant again.
  const other = [step(1), step(2, full), step(3), step(4)]
  t.deepEqual(shape(planChain(4, 0, other)).slice(0, 3), ['0 alias over 1', '1 pastSO over 2', '2 alias over 3'])
})

test('an undo of an undo means the new version again, and chains go on from there', (t) => {
  const again = reversed(reversed(toV2())).classUpgrades[0]!
  const steps = [step(1, full), undo(2), undo(3, again), step(4)]
  t.deepEqual(shape(planChain(0, 0, steps)), [
    '0 object',
    '1 futureSO over 0',
    '2 alias over 0',
    '3 alias over 1',
    '4 alias over 3',
  ])
  t.deepEqual(shape(planChain(1, 0, steps)), [
    '0 pastSO over 1',
    '1 object',
    '2 alias over 0',
    '3 alias over 1',
    '4 alias over 3',
  ])
  t.deepEqual(shape(planChain(2, 0, steps)), [
    '0 alias over 2',
    '1 pastSO over 2',
    '2 object',
    '3 alias over 1',
    '4 alias over 3',
  ])
  t.deepEqual(shape(planChain(3, 0, steps)), [
    '0 alias over 2',
    '1 alias over 3',
    '2 pastSO over 3',
    '3 object',
    '4 alias over 3',
  ])
})

test('an upgrade that was rejected and undone is a hole in the chain, and nothing else', (t) => {
  const steps = [step(1, full), step(2, 'rejected'), undo(3, 'rejected'), step(4)]
  t.deepEqual(shape(planChain(1, 0, steps)), [
    '0 pastSO over 1',
    '1 object',
    '2 version.rejected',
    '3 alias over 1',
    '4 alias over 3',
  ])
  t.deepEqual(shape(planChain(3, 0, steps)), [
    '0 pastSO over 1',
    '1 alias over 3',
    '2 version.rejected',
    '3 object',
    '4 alias over 3',
  ])
})

test('a simulation object without a state is a cut, and a neighbour that answers without one needs no state', (t) => {
  const steps = [step(1, full), step(2, { ...full, pastSO: notNeeded })]
  const withStateOf = (...versions: readonly number[]) => planChain(2, 0, steps, undefined, (of) => versions.includes(of))
  t.deepEqual(shape(withStateOf(0)), ['0 pastSO over 1', '1 alias over 2', '2 object'])
  t.deepEqual(shape(withStateOf(1)), ['0 version.rejected', '1 alias over 2', '2 object'])
})

test('a plan without the step to a version is a broken invariant', (t) => {
  t.throws(() => planChain(1, 0, [step(2, full)]), { name: 'InvariantViolation' })
})

const link = (version: number, role: Link['role']): Link => ({
  version,
  role,
  className: `C${version}`,
  methods: { level: 0, entries: new Map() },
  receivers: [],
  hears: new Map(),
  tally: { calls: 0 },
})
const dead = new Fault('version.dead', 'dead')
const below = () => dead

test('C1: each version has the link of its number, faults on both sides, and nothing where nobody knows', (t) => {
  const chain = new ObjectChain(4, [link(3, 'pastSO'), link(4, 'object'), link(5, 'futureSO')], below, undefined)
  t.deepEqual([chain.oldest, chain.newest], [3, 5])
  for (const version of [3, 4, 5]) t.is((chain.at(version) as Link).version, version)
  for (const version of [0, 2]) t.is(chain.at(version), dead)
  t.is(chain.at(6), undefined)
  const above = new Fault('version.cut', 'cut')
  t.is(new ObjectChain(0, [link(0, 'object')], below, above).at(1), above)
})

test('C1: a chain with a gap, without an object or with two is a broken invariant', (t) => {
  const wrong: readonly (readonly [number, Link[]])[] = [
    [0, []],
    [0, [link(0, 'alias')]],
    [0, [link(0, 'object'), link(1, 'object')]],
    [0, [link(0, 'object'), link(2, 'futureSO')]],
    [0, [link(1, 'object'), link(0, 'pastSO')]],
    [7, [link(0, 'object')]],
  ]
  for (const [version, links] of wrong)
    t.throws(() => new ObjectChain(version, links, below, undefined), { name: 'InvariantViolation' })
})

const generation: Generation = {
  number: 3,
  version: 2,
  className: 'C',
  object: stateSlot(3, 2),
  simulations: { 1: stateSlot(3, 1), 3: stateSlot(1, 3) },
}

test('slots say which generation made them; a generation names its own', (t) => {
  t.is(stateSlot(12, 7), '12.7')
  t.is(generationOf('12.7'), 12)
  t.deepEqual(stateSlotsOf(generation), ['3.2', '3.1', '1.3'])
})

test('keys: every key of a slot, and of no other slot or node, lies in the slot’s range', (t) => {
  const within = (key: string, [from, to]: readonly [string, string]) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0
  for (const of of [stateSlot(1, 1), stateSlot(1, 10), stateSlot(11, 1), stateSlot(0, 0)]) {
    const own = [keys.root('n1', of), `${keys.collection('n1', of, 'shelf')}é`, `${keys.collection('n1', of, 'shelf')}\u{10ffff}`]
    for (const key of own) {
      t.true(within(key, keys.stateSlot('n1', of)))
      t.true(within(key, keys.allStateSlots('n1')))
      t.is(stateSlotOfKey('n1', key), of)
    }
    const foreign = [
      keys.root('n1', stateSlot(2, 1)),
      keys.root('n1', stateSlot(1, 100)),
      keys.root('n10', of),
      keys.root('n', of),
      keys.root('n1-x', of),
    ]
    for (const key of foreign) t.false(within(key, keys.stateSlot('n1', of)), key)
    for (const node of ['n10', 'n', 'n1-x', 'n1_']) t.false(within(keys.root(node, of), keys.allStateSlots('n1')))
  }
})

test('keys: records and manifests have ranges of their own, manifests in the order of their versions', (t) => {
  const within = (key: string, [from, to]: readonly [string, string]) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0
  t.true(within(keys.record('n1'), keys.allRecords))
  t.false(within(keys.root('n', stateSlot(0, 0)), keys.allRecords))
  const manifests = [1, 9, 10, 99, 2 ** 32 - 1].map((version) => keys.manifest(version))
  t.deepEqual(manifests.toSorted(compareKeys), manifests)
  for (const key of manifests) t.true(within(key, keys.allManifests))
})

test('a record of another layout is refused, saying which one this Theseus reads', (t) => {
  t.throws(() => checkRecord({ format: 3 }), { message: /format 3: this Theseus reads formats 1 to 2/ })
  t.is(checkRecord({ format: 1, nodeId: 'n1' }).nodeId, 'n1')
  t.throws(() => checkRecord(null), { message: /format undefined/ })
})
