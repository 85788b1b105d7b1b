/** Whether an upgrade can be undone though others came after it (§8). */
import test from 'ava'
import type { Generation, NodeRecord } from '../../core/model/nodeRecord.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { none } from '../../core/model/simulation.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { classesAt } from '../../core/upgrade/classLineage.js'
import {
  advanced,
  firstNeeded,
  learned,
  newborn,
  nextGeneration,
  oldestMeant,
  withoutDeadVersions,
} from '../../core/upgrade/generations.js'
import { checkLineage, checkUndo } from '../../core/upgrade/lineageCheck.js'
import type { ClassUpgradeEntry, Manifest } from '../../core/upgrade/manifest.js'
import { groupInTheWay, laterObstacle, obstacleToUndo, passedTo } from '../../core/upgrade/undoable.js'

type Parts = Partial<ClassUpgradeEntry>

const entry = (service: string, oldClass: string, newClass: string, more: Parts = {}): ClassUpgradeEntry => ({
  ...{ service, oldClass, newClass, pastSO: 'so', futureSO: 'so', only: null, schedule: eagerly().describe },
  ...{ oldMethods: {}, newMethods: {}, oldUses: [], newUses: [], inverse: true, ...more },
})

/** Versions 1, 2, …: an upgrade has entries, an undo a number. */
function historyOf(...versions: readonly (readonly ClassUpgradeEntry[] | number)[]): Manifest[] {
  const history: Manifest[] = []
  versions.forEach((each, i) => {
    const undone = typeof each === 'number' ? history[each - 1]! : undefined
    const back = undone?.classUpgrades.map((of) => ({ ...of, oldClass: of.newClass, newClass: of.oldClass }))
    const classUpgrades = typeof each === 'number' ? back! : each
    const undoes = typeof each === 'number' ? each : null
    history.push({ version: i + 1, undoes, classUpgrades, tables: {} } as unknown as Manifest)
  })
  return history
}

const pages = entry('pages', 'Pages.v1', 'Pages.v2')
const desks = entry('desks', 'Desk.v1', 'Desk.v2')
const obstacle = (history: readonly Manifest[], version: number) => obstacleToUndo(history, history[version - 1]!)

test('upgrades of other services, raised levels and the undos of all that came later are in nobody’s way', (t) => {
  t.is(obstacle(historyOf([pages]), 1), undefined)
  t.is(obstacle(historyOf([pages], [desks]), 1), undefined)
  t.is(obstacle(historyOf([pages], []), 1), undefined)
  t.is(obstacle(historyOf([desks], [pages], 1), 2), undefined)
  const next = entry('pages', 'Pages.v2', 'Pages.v3')
  t.is(obstacle(historyOf([pages], [next], 2), 1), undefined)
  t.is(obstacle(historyOf([pages], [next], [desks], 2), 1), undefined)
  // The undo of an undo can be undone as well.
  t.is(obstacle(historyOf([pages], 1, [desks]), 2), undefined)
})

test('an upgrade of one of its services that stands is in the way, and the one that has the last word on it is named', (t) => {
  const next = entry('pages', 'Pages.v2', 'Pages.v3')
  t.is(obstacle(historyOf([pages], [next]), 1), 'version 2 upgrades service pages too: undo version 2 first')
  t.is(obstacle(historyOf([pages], [desks, next]), 1), 'version 2 upgrades service pages too: undo version 2 first')
  t.is(
    obstacle(historyOf([pages], [next], 2, 3), 1),
    'version 2 upgrades service pages too, and version 4 has brought it again: undo version 4 first',
  )
  t.is(obstacle(historyOf([pages], [next], 2, 3, 4), 1), undefined)
  // An undo is in the way of one that came between the upgrade and the undo.
  t.is(obstacle(historyOf([pages], [desks], 1), 2), undefined)
})

test('a version that was undone is not undone once more, and one that was brought again is undone by its last version', (t) => {
  t.is(obstacle(historyOf([pages], [desks], 1), 1), 'version 3 has undone it already')
  t.is(obstacle(historyOf([pages], [desks], 1, [], 3), 1), 'version 5 has brought it again: undo that one')
  t.is(obstacle(historyOf([pages], [desks], 1, [], 3), 5), undefined)
  t.is(obstacle(historyOf([pages], [desks], 1, [], 3, 5), 1), 'version 6 has undone it already')
  // The same word, of the undo: brought again is what was undone last.
  t.is(obstacle(historyOf([pages], [desks], 1, [], 3, 5), 3), 'version 6 has brought it again: undo that one')
  t.is(obstacle(historyOf([pages], [desks], 1, [], 3), 3), 'version 5 has undone it already')
})

test('an upgrade is in the way that has replaced what the class which comes back calls', (t) => {
  const rid = entry('desks', 'Desk.v1', 'Desk.v2', { oldUses: ['Pages.v1', 'page-changed/1'] })
  const says = 'version 2 has brought Pages.v2 in place of Pages.v1, which Desk.v1 calls: undo version 2 first'
  t.is(obstacle(historyOf([rid], [pages]), 1), says)
  t.is(obstacle(historyOf([rid], [pages], 2), 1), undefined)
  // A subtype stands for it, and what replaces that does not.
  const subtype = { ...pages, pastSO: 'notNeeded' } as const
  t.is(obstacle(historyOf([rid], [subtype]), 1), undefined)
  t.is(
    obstacle(historyOf([rid], [subtype], [entry('pages', 'Pages.v2', 'Pages.v3')]), 1),
    'version 3 has brought Pages.v3 in place of Pages.v1, which Desk.v1 calls: undo version 3 first',
  )
  // An undo stands as well, of what the class calls that would come again.
  const caller = entry('desks', 'Desk.v1', 'Desk.v2', { newUses: ['Pages.v2'] })
  const undone = historyOf([pages], [caller], 2, 1)
  undone[2] = { ...undone[2]!, classUpgrades: [{ ...undone[2]!.classUpgrades[0]!, oldUses: ['Pages.v2'] }] } as Manifest
  t.is(obstacle(undone, 3), 'version 4 has brought Pages.v1 in place of Pages.v2, which Desk.v2 calls: undo version 4 first')
})

test('a class that calls the new class is in the way, where the old one can’t stand for it', (t) => {
  const caller = entry('desks', 'Desk.v1', 'Desk.v2', { newUses: ['Pages.v2'] })
  const says = 'version 2 has brought Desk.v2, which calls Pages.v2: undo version 2 first'
  t.is(obstacle(historyOf([pages], [caller]), 1), says)
  t.is(obstacle(historyOf([{ ...pages, futureSO: 'notNeeded' }], [caller]), 1), undefined)
  t.is(obstacle(historyOf([pages], [{ ...caller, newUses: ['Pages.v1', 'Other.v2'] }]), 1), undefined)
  // A class of a neighbour has the name by chance.
  t.is(obstacle(historyOf([pages], [{ ...caller, newUses: ['Pages.v2@warehouse/1'] }]), 1), undefined)
  // Another class has replaced it since.
  t.is(obstacle(historyOf([pages], [caller], [entry('desks', 'Desk.v2', 'Desk.v3')]), 1), undefined)
  t.is(obstacle(historyOf([pages], [caller], 2), 1), undefined)
  // It calls only what the old class does as well.
  const some = { ...pages, delegated: { 'Pages.v2': ['get'] } }
  const limited = (...methods: readonly string[]) => ({
    ...caller,
    newUses: ['Pages.v2', ...methods.map((method) => `Pages.v2:${method}/1`)],
  })
  t.is(obstacle(historyOf([some], [limited('get')]), 1), undefined)
  t.is(obstacle(historyOf([some], [limited('get', 'put')]), 1), says)
  t.is(obstacle(historyOf([some], [caller]), 1), says)
  t.is(obstacle(historyOf([pages], [limited('get')]), 1), says)
})

test('a class that has another revision of an event than the old one is in the way', (t) => {
  const event = { oldUses: ['page-changed/1'], newUses: ['page-changed/2'] }
  const hearer = (newUses: readonly string[]) => [entry('desks', 'Desk.v1', 'Desk.v2', { newUses })]
  t.is(
    obstacle(historyOf([{ ...pages, ...event }], hearer(['page-changed/2'])), 1),
    'version 2 has brought Desk.v2, which has revision 2 of event page-changed, and Pages.v1 has 1: undo version 2 first',
  )
  t.is(obstacle(historyOf([{ ...pages, ...event }], hearer(['page-changed/1', 'other/2'])), 1), undefined)
  t.is(obstacle(historyOf([{ ...pages, newUses: ['page-changed/2'] }], hearer(['page-changed/2'])), 1), undefined)
})

test('an upgrade that sets the same table entry is in the way: its own undo would set it again', (t) => {
  const [first, second] = historyOf([pages], [desks]) as [Manifest, Manifest]
  const one = { ...first, tables: { authorized: { n1: 'yes' } } }
  const with_ = (tables: Manifest['tables']) => obstacleToUndo([one, { ...second, tables }], one)
  t.is(with_({ authorized: { n1: 'no' } }), 'version 2 sets n1 of table authorized too: undo version 2 first')
  t.is(with_({ authorized: { n2: 'yes' }, other: { n1: 'no' } }), undefined)
  // An entry that an undo has taken back is not brought again over one that was set since.
  const undone = historyOf([pages], 1, [desks])
  undone[0] = one
  undone[2] = { ...undone[2]!, tables: { authorized: { n1: 'no' } } }
  t.is(obstacle(undone, 2), 'version 3 sets n1 of table authorized too: undo version 3 first')
})

test('the newest version alone is rewound, and a refusal is one line', (t) => {
  const history = historyOf([pages], [desks], [entry('pages', 'Pages.v2', 'Pages.v3')])
  const why = (version: number, rewinds: boolean) => laterObstacle(history, history[version - 1]!, rewinds)
  t.is(why(3, true), undefined)
  t.is(why(3, false), undefined)
  t.is(why(2, false), undefined)
  t.regex(why(2, true)!, /^version 2 can't be rewound: version 3 came after it, and nodes that went on have ended/)
  t.is(why(1, false), "version 1 can't be undone: version 3 upgrades service pages too: undo version 3 first")
  t.throws(() => checkUndo({ ...history[2]!, version: 4, undoes: 1 }, history[0], 0, history), {
    code: 'upgrade.invalid',
    message: why(1, false)!,
  })
})

test('a group that has not gone there is in the way where an upgrade between is for another of its members', (t) => {
  const row = (nodeId: string, service: string, version: number, group?: string) =>
    ({ nodeId, service, version, hostId: 'h1', ...(group === undefined ? {} : { group }) }) as NodeRow
  const history = historyOf([pages], [desks])
  const why = (...rows: readonly NodeRow[]) => groupInTheWay(history, history[0]!, rows)
  const says =
    'group g has not gone there, and version 2 upgrades service desks, which is in it too: let it go to version 1, or undo version 2 first'
  t.is(why(row('g_p', 'pages', 0, 'g'), row('g_d', 'desks', 0, 'g')), says)
  // It goes on and back again.
  t.is(why(row('g_p', 'pages', 1, 'g'), row('g_d', 'desks', 1, 'g')), undefined)
  t.is(why(row('p', 'pages', 0), row('d', 'desks', 0)), undefined)
  t.is(why(row('g_p', 'pages', 0, 'g'), row('h_d', 'desks', 0, 'h')), undefined)
  t.is(why(row('g_t', 'tills', 0, 'g'), row('g_d', 'desks', 0, 'g')), undefined)
  const undone = historyOf([pages], [desks], 2)
  t.is(groupInTheWay(undone, undone[0]!, [row('g_p', 'pages', 0, 'g'), row('g_d', 'desks', 0, 'g')]), undefined)
})

test('a node passes over an upgrade to its undo, unless one between is for the node and stands', (t) => {
  const to = (undos: Readonly<Record<number, number>>, concerned: readonly number[], target: number) =>
    passedTo(
      (version) => undos[version] ?? null,
      (version) => concerned.includes(version),
      target,
    )
  t.is(to({}, [1], 1), null)
  t.is(to({ 1: 2 }, [1, 2], 1), 2)
  t.is(to({ 1: 4 }, [1, 4], 1), 4)
  t.is(to({ 1: 4 }, [1, 3, 4], 1), null)
  t.is(to({ 1: 4, 2: 3 }, [1, 2, 3, 4], 1), 4)
  t.is(to({ 1: 5, 2: 3 }, [1, 2, 3, 4, 5], 1), null)
  t.is(to({ 1: 6, 2: 4, 3: 5 }, [1, 2, 3, 4, 5, 6], 1), null)
  t.is(to({ 1: 6, 2: 5, 3: 4 }, [1, 2, 3, 4, 5, 6], 1), 6)
  // Undone after the undo.
  t.is(to({ 1: 3, 2: 4 }, [1, 2, 3, 4], 1), null)
  // It came again.
  t.is(to({ 1: 5, 2: 3, 3: 4 }, [1, 2, 3, 4, 5], 1), null)
})

test('a birth begins before all that is undone later, and states are kept for the undos that a node has before it', (t) => {
  const undoes = (undos: Readonly<Record<number, number>>) => (version: number) => undos[version] ?? null
  t.is(firstNeeded(5, 0, 6, undoes({})), 5)
  t.is(firstNeeded(5, 0, 6, undoes({ 6: 2 })), 1)
  t.is(firstNeeded(5, 0, 6, undoes({ 6: 3, 4: 1 })), 0)
  t.is(firstNeeded(5, 0, 6, undoes({ 6: 3, 2: 1 })), 2)
  t.is(firstNeeded(3, 0, 6, undoes({ 6: 4, 5: 2 })), 1)
  t.is(oldestMeant(3, 6, undoes({ 6: 2 })), 1)
  t.is(oldestMeant(3, 6, undoes({ 2: 1 })), 3)
  const simulations = { 0: '1.0', 1: '1.1', 2: '2.2' } as const
  const generation: Generation = { number: 2, version: 3, className: 'B', object: '2.3', simulations }
  const record = newborn({ nodeId: 'n1', service: 's', facts: {} }, generation, 3)
  const kept = (meant: number) => Object.keys(withoutDeadVersions(record, 3, 6, meant).generation.simulations).map(Number)
  t.deepEqual(kept(3), [2])
  t.deepEqual(kept(1), [1, 2])
})

test('a record that is made lazily knows which upgrade is undone, where that is not the one before', (t) => {
  const old: Generation = { number: 4, version: 3, className: 'B', object: '4.3', simulations: { 0: '4.0' } }
  const upgrade = { newClass: { className: 'A' }, pastSO: none, records: { books: {} }, rewind: null } as never
  t.like(nextGeneration(old, upgrade, 1), {
    simulations: {},
    lazy: { '5.4': { upgrade: 4, undoes: true, undone: 1, beside: '4.0' } },
  })
  t.is(nextGeneration(old, upgrade, 3).lazy!['5.4']!.undone, undefined)
  // A node that was born later has no state for the version that is meant again.
  const late = newborn({ nodeId: 'n1', service: 's', facts: {} }, { ...old, simulations: {} }, 3)
  const kind = { undoes: 1, takesBack: true }
  t.deepEqual(learned(late, 4, true, kind)!.made, ['4.0'])
  t.deepEqual(learned({ ...late, generation: old }, 4, true, kind)!.made, [])
  // One that is still before it has the object, or what stands for it.
  const behind = { ...late, generation: { ...old, version: 0, simulations: {} } }
  t.deepEqual(learned(behind, 4, true, kind)!.made, [])
  t.deepEqual(
    learned({ ...behind, generation: { ...behind.generation, version: 0 } }, 4, true, { undoes: 2, takesBack: true })!.made,
    [],
  )
})

test('a node that passes over undone upgrades keeps the state of each SO for the undo of its upgrade', (t) => {
  const undos: Readonly<Record<number, number>> = { 4: 2, 6: 1, 8: 7 }
  const undoes = (version: number) => undos[version] ?? null
  const at = (version: number, simulations: Generation['simulations']) =>
    newborn({ nodeId: 'n1', service: 's', facts: {} }, { number: 0, version, className: 'A', object: '0.0', simulations }, 0)
  const passed = (from: NodeRecord, to: number) => advanced(from, to, undoes).generation.simulations
  // Version 2 over version 1: both are undone, the inner one first.
  t.deepEqual(passed(at(0, { 1: '0.1', 2: '0.2' }), 6), { 3: '0.2', 5: '0.1' })
  t.deepEqual(passed(at(1, { 0: '1.0', 2: '1.2' }), 4), { 0: '1.0', 3: '1.2' })
  // One version on nothing is passed over, be it an undo.
  t.deepEqual(passed(at(3, { 0: '1.0', 1: '2.1' }), 4), { 0: '1.0', 1: '2.1' })
  t.deepEqual(passed(at(6, { 7: '0.7' }), 8), { 7: '0.7' })
})

test('an undo brings back the classes of before, also where its upgrade was for some nodes only', (t) => {
  const some = entry('pages', 'Pages.v2', 'Pages.v3', { only: { nodes: ['a'] }, pastSO: 'notNeeded', futureSO: 'notNeeded' })
  const history = historyOf([pages], [some], 2)
  t.deepEqual([...classesAt(history, 'Pages.v1')[2]!], ['Pages.v2', 'Pages.v3'])
  t.deepEqual([...classesAt(history, 'Pages.v1')[3]!], ['Pages.v2'])
  const types = { oldMethods: {}, newMethods: { put: 'command' } } as const
  const next = (undoes: number | null, ...entries: readonly ClassUpgradeEntry[]) =>
    ({ version: 4, undoes, classUpgrades: entries, bundle: { digest: 'x', bytes: 0 } }) as never
  // Nobody has the class that was for some only: neither the next upgrade nor the undo below names it.
  t.notThrows(() => checkLineage(history, new Set(), next(null, entry('pages', 'Pages.v2', 'Pages.v4', types)), 'pages'))
  t.notThrows(() => checkLineage(history, new Set(), next(1, entry('pages', 'Pages.v2', 'Pages.v1', types)), 'pages'))
  // An undo of another service leaves them.
  t.deepEqual([...classesAt(historyOf([desks], [pages], 1), 'Pages.v1')[3]!], ['Pages.v2'])
})
