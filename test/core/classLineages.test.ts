/** Lines of classes where several entries of one upgrade name a class. */
import test from 'ava'
import { classLineage, concerning, isNamed } from '../../core/upgrade/classLineage.js'
import type { Manifest } from '../../core/upgrade/manifest.js'

const manifest = (...entries: readonly (readonly [oldClass: string, newClass: string])[]) =>
  ({ classUpgrades: entries.map(([oldClass, newClass]) => ({ oldClass, newClass, only: null })) }) as unknown as Manifest

test('of several entries that would concern a node the first one does', (t) => {
  t.is(concerning(manifest(['A', 'B'], ['A', 'C']), 'A', { nodeId: 'n1', facts: {} })?.newClass, 'B')
})

test('a class that two others become has the lineage of the first of them', (t) => {
  const history = [manifest(['X', 'A']), manifest(['A', 'C'], ['B', 'C'])]
  t.deepEqual(classLineage(history, 'C', { nodeId: 'n1', facts: {} }), ['X', 'A', 'C'])
})

test('a class is named by an upgrade from it or to it, beside others', (t) => {
  const history = [manifest(['A', 'B'], ['X', 'Y'])]
  t.deepEqual(
    ['A', 'B', 'X', 'Y', 'Z'].map((name) => isNamed(history, name)),
    [true, true, true, true, false],
  )
})
