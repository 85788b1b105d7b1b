/**
 * Upgrades that are for some nodes only, between classes of different types: who waits outside, and how long.
 */
import test from 'ava'
import { classesAt, classLineage, isHeldBack, oldestHeldAt, settledAt } from '../../core/upgrade/classLineage.js'
import type { Manifest } from '../../core/upgrade/manifest.js'

type Entry = Partial<Manifest['classUpgrades'][number]>

const only = { nodes: ['in*'] }
const entry = (oldClass: string, newClass: string, more: Entry = {}) =>
  ({
    service: 'pages',
    oldClass,
    newClass,
    pastSO: 'so',
    futureSO: 'so',
    only: null,
    ...more,
  }) as Manifest['classUpgrades'][number]
const versions = (...all: readonly (readonly [number | null, ...ReturnType<typeof entry>[]])[]) =>
  all.map(([undoes, ...classUpgrades], i) => ({ version: i + 1, undoes, classUpgrades }))
const node = (nodeId: string) => ({ nodeId, facts: {} })

const held = (history: ReturnType<typeof versions>, nodeId: string) => {
  const lineage = classLineage(history, 'A', node(nodeId))
  return history.map(({ version }) => isHeldBack(history, lineage, version, node(nodeId)))
}

test('callers find the new class at all nodes; nodes outside wait before it', (t) => {
  const history = versions([null, entry('A', 'B', { only })])
  t.deepEqual(
    classesAt(history, 'A').map((each) => [...each]),
    [['A'], ['B']],
  )
  t.deepEqual(classLineage(history, 'A', node('out')), ['A', 'B'])
  t.deepEqual([held(history, 'in1'), held(history, 'out')], [[false], [true]])
})

test('where no simulation object is needed the lineage forks, and nobody waits', (t) => {
  const history = versions([null, entry('A', 'B', { only, pastSO: 'notNeeded', futureSO: 'notNeeded' })])
  t.deepEqual(classLineage(history, 'A', node('out')), ['A', 'A'])
  t.deepEqual(held(history, 'out'), [false])
})

test('a later upgrade takes them along, if it stands and is for them', (t) => {
  const first = [null, entry('A', 'B', { only })] as const
  t.deepEqual(held(versions(first, [null, entry('B', 'C')]), 'out'), [false, false])
  t.deepEqual(held(versions(first, [null, entry('B', 'C', { only })]), 'out'), [true, true])
  t.deepEqual(held(versions(first, [null, entry('B', 'C', { only: { nodes: ['out'] } })]), 'out'), [false, false])
  t.deepEqual(held(versions(first, [null, entry('X', 'Y', { service: 'desks' })]), 'out'), [true, false])
  // It is undone: then it takes nobody along.
  t.deepEqual(held(versions(first, [null, entry('B', 'C')], [2, entry('C', 'B')]), 'out'), [true, false, false])
})

test('a node outside is settled for all versions that ask nothing of it', (t) => {
  const desks = entry('X', 'Y', { service: 'desks' })
  const history = versions([null, entry('A', 'B', { only })], [null, desks], [null, entry('B', 'C', { only })], [null, desks])
  t.is(settledAt(history, classLineage(history, 'A', node('out')), 1, node('out')), 4)
})

test('the version where nodes are held does not die, until an upgrade takes all along or the filter is undone (C8)', (t) => {
  const first = [null, entry('A', 'B', { only })] as const
  const before = [null, entry('X', 'Y', { service: 'desks' })] as const
  t.is(oldestHeldAt(versions(before)), undefined)
  t.is(oldestHeldAt(versions(before, first)), 1)
  t.is(oldestHeldAt(versions(before, first, [null, entry('B', 'C', { only })])), 1)
  t.is(oldestHeldAt(versions(before, first, [null, entry('B', 'C')])), undefined)
  t.is(oldestHeldAt(versions(before, first, [2, entry('B', 'A', { only })])), undefined)
})
