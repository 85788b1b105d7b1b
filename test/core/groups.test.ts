/** A group as its host keeps it, and what its members' records are after a crash. */
import test from 'ava'
import { checkGroup, checkSameMembers, memberId, partsOfId } from '../../core/model/groupRecord.js'
import { NodeObject } from '../../core/model/nodeObject.js'
import type { Generation, NodeRecord, UpgradeProgress } from '../../core/model/nodeRecord.js'
import { groupAfterCrash } from '../../core/upgrade/generations.js'

class Till extends NodeObject {
  static override readonly className = 'Till.v1'
}
class Drawer extends NodeObject {
  static override readonly className = 'Drawer.v1'
}

test('the id of a member names its group and the member, also where the group’s name has the sign between them', (t) => {
  t.is(memberId('till-7', 'drawer'), 'till-7_drawer')
  t.deepEqual(partsOfId('a_b_drawer'), { group: 'a_b', member: 'drawer' })
  t.is(partsOfId('till7'), undefined)
  t.is(partsOfId('_drawer'), undefined)
})

test('a group is kept with the service of each member, and taken with the same ones only', (t) => {
  const kept = checkGroup('g', { till: Till, drawer: Drawer })
  t.deepEqual(kept, { format: 1, members: { till: 'till', drawer: 'drawer' } })
  t.notThrows(() => checkSameMembers('g', kept, checkGroup('g', { drawer: Drawer, till: Till })))
  t.throws(() => checkSameMembers('g', { ...kept, format: 2 }, kept), { message: /in format 2: this Theseus reads format 1$/ })
  t.throws(() => checkSameMembers('g', null, kept), { message: /in format undefined/ })
})

const at = (version: number): Generation => ({
  number: version,
  version,
  className: `Till.v${version + 1}`,
  object: `${version}.${version}`,
  simulations: {},
})
const record = (nodeId: string, change: Partial<NodeRecord>): NodeRecord => ({
  format: 2,
  nodeId,
  service: nodeId,
  facts: {},
  incarnation: 1,
  oldest: 0,
  newest: 1,
  generation: at(0),
  previous: null,
  upgrade: null,
  ...change,
})
const recovering = (startsFailed: number) => ({
  generation: at(1),
  previous: at(0),
  upgrade: { phase: 'recovering', target: 1, startsFailed } as const,
})
const told = (records: readonly NodeRecord[]) =>
  groupAfterCrash(records, 3).map(({ generation, previous, upgrade }) => [
    generation.version,
    previous?.version ?? null,
    ...of(upgrade),
  ])
const of = (upgrade: UpgradeProgress | null) => {
  if (upgrade === null) return []
  return upgrade.phase === 'recovering' ? [upgrade.phase, upgrade.startsFailed] : [upgrade.phase, upgrade.reason]
}

test('members that were starting are all tried once more; the starts that failed of one count for all', (t) => {
  t.deepEqual(told([record('a', recovering(0)), record('b', recovering(1))]), [
    [1, 0, 'recovering', 2],
    [1, 0, 'recovering', 2],
  ])
})

test('after three starts all members go back, though one of them has counted fewer', (t) => {
  const reason = 'the host ended 3 times while the new object was starting'
  t.deepEqual(told([record('a', recovering(0)), record('b', recovering(2))]), [
    [0, null, 'stalled', reason],
    [0, null, 'stalled', reason],
  ])
})

test('a member that is at the old version takes the others back', (t) => {
  const stalled = { upgrade: { phase: 'stalled', target: 1, reason: 'a: no' } } as const
  t.deepEqual(told([record('a', recovering(0)), record('b', stalled)]), [
    [0, null, 'stalled', 'a: no'],
    [0, null, 'stalled', 'a: no'],
  ])
  const reason = 'another member of its group is at the old version'
  t.deepEqual(told([record('a', recovering(0)), record('b', {})]), [
    [0, null, 'stalled', reason],
    [0, null, 'stalled', reason],
  ])
})

test('an upgrade that has stalled for one member has stalled for those that are at its version, and no others', (t) => {
  const stalled = { upgrade: { phase: 'stalled', target: 1, reason: 'a: no' } } as const
  t.deepEqual(told([record('a', stalled), record('b', {}), record('c', { generation: at(1) })]), [
    [0, null, 'stalled', 'a: no'],
    [0, null, 'stalled', 'a: no'],
    [1, null],
  ])
})

test('members that rest are as they were', (t) => {
  const records = [record('a', {}), record('b', { generation: at(1) })]
  t.deepEqual(groupAfterCrash(records, 3), records)
})
