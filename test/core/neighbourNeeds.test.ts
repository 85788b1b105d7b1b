/** The versions of its neighbours that a system needs, and whether they are there (N2, N3). */
import test from 'ava'
import { neighbourUseIn, neighbourUsesIn, pinOf, systemOfPin, textOfUse } from '../../core/model/neighbour.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { checkAgreement, introducedEvents } from '../../core/upgrade/agreement.js'
import type { ClassUpgradeEntry } from '../../core/upgrade/manifest.js'
import {
  type NeighbourState,
  neededVersion,
  neighboursNeeded,
  softwareOfAll,
  troubleWith,
  usesBrought,
} from '../../core/upgrade/neighbourNeeds.js'
import { statusOf } from '../contracts/databaseContract.js'

function entry(oldClass: string, newClass: string, oldUses: readonly string[], newUses: readonly string[]): ClassUpgradeEntry {
  const service = oldClass.split('.')[0]!.toLowerCase()
  const same = { pastSO: 'so', futureSO: 'so', only: null, schedule: 'eagerly', inverse: true } as const
  return { service, oldClass, newClass, ...same, oldMethods: {}, newMethods: {}, oldUses, newUses }
}

const upgrade = (...classUpgrades: readonly ClassUpgradeEntry[]) => ({ classUpgrades })
const stock = (version: number) => `Stock.v${version}@warehouse/1`
const till = (from: number) => upgrade(entry(`Till.v${from}`, `Till.v${from + 1}`, [stock(from)], [stock(from + 1)]))
const needed = (...given: Parameters<typeof neighboursNeeded>) => neighboursNeeded(...given).map(textOfUse)
const row = (about: Partial<NodeRow>): NodeRow => ({ ...statusOf('n1'), alive: true, ...about })

test('a need is told as text that no class and no event has, and read again', (t) => {
  const use = { system: 'warehouse', className: 'Stock.v1' }
  t.is(textOfUse(use), 'Stock.v1@warehouse/1')
  t.deepEqual(neighbourUseIn(textOfUse(use)), use)
  for (const other of ['Stock.v1', 'page-changed/1', 'Stock.v1@warehouse', 'Stock.v1@warehouse/2', '@warehouse/1', 'a@b c/1'])
    t.is(neighbourUseIn(other), undefined, other)
  t.deepEqual(neighbourUsesIn([stock(2), 'page-changed/1', stock(1), stock(2)]).map(textOfUse), [stock(1), stock(2)])
})

test('classes agree whatever they call of neighbours, and no event is taken to be introduced by that', (t) => {
  const history = [upgrade(entry('Till.v1', 'Till.v2', [], [stock(1), 'sold/1']), entry('Desk.v1', 'Desk.v2', [], [stock(2)]))]
  t.notThrows(() => checkAgreement(history, [{ className: 'Door.v1', uses: [stock(3)] }]))
  t.deepEqual([...introducedEvents(history).keys()], ['sold'])
})

test('N2: needed is what the newest classes call, and what those before them do while their version lives or can come back', (t) => {
  const history = [till(1), till(2)]
  t.deepEqual(needed(history, [], { dead: 0, final: 0 }), [stock(1), stock(2), stock(3)])
  // Dead, and yet it can be undone.
  t.deepEqual(needed(history, [], { dead: 2, final: 1 }), [stock(2), stock(3)])
  // Final, and yet nodes may run it.
  t.deepEqual(needed(history, [], { dead: 1, final: 2 }), [stock(2), stock(3)])
  t.deepEqual(needed(history, [], { dead: 2, final: 2 }), [stock(3)])
  t.deepEqual(needed([], [], { dead: 0, final: 0 }), [])
})

test('N2: needed is what nodes run, of classes that no upgrade names too', (t) => {
  const rows = [row({ uses: ['Lamp.v1@house/1', 'Other.v1'] }), row({}), row({ uses: [stock(1)] })]
  t.deepEqual(needed([], rows, { dead: 0, final: 0 }), ['Lamp.v1@house/1', stock(1)])
})

test('N2: a class that is restricted to some nodes leaves the one before it in use', (t) => {
  const only = { ...entry('Till.v2', 'Till.v3', [stock(2)], [stock(3)]), only: { nodeIds: ['t1'] } }
  t.deepEqual(needed([till(1), upgrade(only as never)], [], { dead: 2, final: 2 }), [stock(2), stock(3)])
})

test('N2: after an undo the class is that of before', (t) => {
  const back = upgrade(entry('Till.v2', 'Till.v1', [stock(2)], [stock(1)]))
  t.deepEqual(needed([till(1), back], [], { dead: 2, final: 2 }), [stock(1)])
})

const lineage = [upgrade(entry('Stock.v1', 'Stock.v2', [], [])), upgrade(entry('Lamp.v1', 'Lamp.v2', [], []))]
const warehouse: NeighbourState = { history: lineage, running: new Set(['Shelf.v1']), death: { below: 0, inForce: 0 } }

test('N1: the version of a class is the newest that has it', (t) => {
  t.deepEqual(neededVersion(warehouse, 'Stock.v1'), { is: 'alive', version: 0 })
  t.deepEqual(neededVersion(warehouse, 'Lamp.v1'), { is: 'alive', version: 1 })
  t.deepEqual(neededVersion(warehouse, 'Stock.v2'), { is: 'alive', version: 2 })
  // Named by no upgrade, and run by a node.
  t.deepEqual(neededVersion(warehouse, 'Shelf.v1'), { is: 'alive', version: 2 })
})

test('N3: a class that no version has is missing; one whose newest version is dead is dead', (t) => {
  t.deepEqual(neededVersion(warehouse, 'Stock.v9'), { is: 'missing', newest: 2 })
  const death = { below: 2, inForce: 1 }
  t.deepEqual(neededVersion({ ...warehouse, death }, 'Stock.v1'), { is: 'dead', version: 0, oldest: 1 })
  t.deepEqual(neededVersion({ ...warehouse, death }, 'Lamp.v1'), { is: 'dying', version: 1 })
  t.deepEqual(neededVersion({ ...warehouse, death }, 'Stock.v2'), { is: 'alive', version: 2 })
})

test('N3: trouble is a class that is missing or dead, and says what must come first', (t) => {
  const use = { system: 'warehouse', className: 'Stock.v1' }
  t.is(troubleWith('Till.v1', use, { is: 'alive', version: 0 }), undefined)
  t.is(troubleWith('Till.v1', use, { is: 'dying', version: 0 }), undefined)
  t.regex(
    troubleWith('Till.v1', use, { is: 'missing', newest: 4 })!,
    /its newest is 4\. The upgrade of warehouse that brings Stock\.v1 must/,
  )
  t.regex(
    troubleWith('Till.v1', use, { is: 'dead', version: 0, oldest: 3 })!,
    /version 0 there, and that version is dead: .* is 3\. Till\.v1/,
  )
})

test('T3: the row of a system reads what all of its processes read', (t) => {
  const own = { release: '0.3.0', reads: { envelope: 3, manifest: 2 }, since: 7 }
  const of = (release: string, envelope: number) => ({
    software: { release, reads: { envelope, manifest: 2, other: 9 }, since: 1 },
  })
  t.deepEqual(softwareOfAll([], own), own)
  t.deepEqual(softwareOfAll([of('0.4.0', 4), of('0.2.0', 2), of('0.3.0', 3)], own), {
    ...{ release: '0.2.0', reads: { envelope: 2, manifest: 2 }, since: 7 },
  })
  t.like(softwareOfAll([of('0.2.0', 2), {}], own), { release: '0.1.0', reads: { envelope: 1 } })
})

test('an upgrade brings the needs of its new classes, each by its class', (t) => {
  t.deepEqual(usesBrought(till(1).classUpgrades), [{ system: 'warehouse', className: 'Stock.v2', by: 'Till.v2' }])
})

test('a pin is the row of a system, and of no node', (t) => {
  t.is(systemOfPin({ nodeId: pinOf('shop'), className: 'Neighbour' }), 'shop')
  t.is(systemOfPin({ nodeId: pinOf('shop'), className: 'Client' }), undefined)
  t.is(systemOfPin({ nodeId: 'shop', className: 'Neighbour' }), undefined)
  t.throws(() => pinOf('s'.repeat(64)), { message: /its name is too long for that/ })
})
