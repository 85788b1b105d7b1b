import test from 'ava'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { undoDraft } from '../../core/upgrade/draftManifest.js'
import { checkClasses, checkFits, checkLineage, checkNew, checkUndo } from '../../core/upgrade/lineageCheck.js'
import type { ClassUpgradeEntry, Manifest } from '../../core/upgrade/manifest.js'

const get = { get: 'query' } as const
const entry = (oldClass: string, newClass: string, more: Partial<ClassUpgradeEntry> = {}): ClassUpgradeEntry => ({
  service: 'pages',
  oldClass,
  newClass,
  pastSO: 'notNeeded',
  futureSO: 'notNeeded',
  only: null,
  schedule: 'eagerly',
  oldMethods: get,
  newMethods: get,
  oldUses: [],
  newUses: [],
  inverse: false,
  ...more,
})
const manifest = (version: number, ...classUpgrades: ClassUpgradeEntry[]) =>
  ({ version, bundle: { digest: `digest of ${version}` }, classUpgrades, tables: {} }) as unknown as Manifest
const only = { nodes: ['n1'] }
const none: ReadonlySet<string> = new Set()

test('an upgrade of an older class of the lineage is refused, with the class that there is', (t) => {
  const history = [manifest(1, entry('A', 'B'))]
  t.notThrows(() => checkLineage(history, none, manifest(2, entry('B', 'C')), 'pages'))
  t.throws(() => checkLineage(history, none, manifest(2, entry('A', 'C')), 'pages'), {
    code: 'upgrade.invalid',
    message: 'at version 1 service pages has B, not A: the upgrade was written against an older version',
  })
})

test('an old class that no version has is refused: by the history, or by what nodes run', (t) => {
  const history = [manifest(1, entry('A', 'B'))]
  t.throws(() => checkLineage(history, none, manifest(2, entry('Z', 'C')), 'pages'), {
    message: 'at version 1 service pages has B, not Z: no version has that class',
  })
  t.throws(() => checkLineage([], new Set(['A']), manifest(1, entry('Z', 'C')), 'pages'), {
    message: 'at version 0 service pages has A, not Z: no version has that class',
  })
  t.notThrows(() => checkLineage([], none, manifest(1, entry('Z', 'C')), 'pages'))
})

test('the same upgrade again is told which version it is', (t) => {
  const history = [manifest(1, entry('A', 'B'))]
  const again = { ...manifest(2, entry('A', 'B')), bundle: { digest: 'digest of 1', bytes: 1 } }
  t.throws(() => checkLineage(history, none, again, 'pages'), { message: 'this upgrade is version 1 already' })
})

test('after an upgrade of some nodes only, the next one names both classes', (t) => {
  const history = [manifest(1, entry('A', 'B', { only }))]
  const other = { newMethods: { get: 'query', put: 'command' } } as const
  t.notThrows(() => checkLineage(history, none, manifest(2, entry('A', 'C', other), entry('B', 'C', other)), 'pages'))
  t.throws(() => checkLineage(history, none, manifest(2, entry('B', 'C', other)), 'pages'), {
    message: 'some nodes of service pages would have A and others C, which are of different types: name A and B in the upgrade',
  })
  // Of the same type it may go on forked, or be joined by taking the others along.
  t.notThrows(() => checkLineage(history, none, manifest(2, entry('B', 'C')), 'pages'))
  t.notThrows(() => checkLineage(history, none, manifest(2, entry('A', 'B')), 'pages'))
})

test('an undo is the upgrade before it, turned round, and nothing else', (t) => {
  const back = { inverse: true, pastSO: 'none', oldUses: ['X'], newUses: ['Y'] } as const
  const undone = { ...manifest(1, entry('A', 'B', back)), title: 'On' }
  const turned = entry('B', 'A', {
    ...back,
    schedule: 'eagerly',
    pastSO: 'notNeeded',
    futureSO: 'none',
    oldUses: ['Y'],
    newUses: ['X'],
  })
  const undo = { ...manifest(2, turned), bundle: undone.bundle, undoes: 1 }
  t.deepEqual(undoDraft(undone).classUpgrades, [turned])
  t.is(undoDraft(undone).title, 'Undo of “On”')
  t.notThrows(() => checkUndo(undo, undone, 0))
  t.throws(() => checkUndo({ ...undo, classUpgrades: [{ ...turned, newClass: 'C' }] }, undone, 0), {
    message: /does something else/,
  })
  t.throws(() => checkUndo({ ...undo, bundle: { digest: 'other', bytes: 1 } }, undone, 0), { message: /does something else/ })
  t.throws(() => checkUndo({ ...undo, runtime: undone.runtime + 98 }, undone, 0), { message: /does something else/ })
  t.throws(() => checkUndo(undo, { ...undone, classUpgrades: [entry('A', 'B')] }, 0), { message: /A → B has no inverse/ })
  t.throws(() => checkUndo(undo, undone, 1), { message: /version 1 is final/ })
  t.throws(() => checkUndo(undo, undefined, 0), { message: /no version 1/ })
})

const row = (service: string, className: string, uses?: readonly string[]) =>
  ({ service, className, ...(uses === undefined ? {} : { uses }) }) as unknown as NodeRow

test('an upgrade fits what nodes run, each service for itself', (t) => {
  const both = manifest(1, entry('A', 'B'), entry('X', 'Y', { service: 'desks' }))
  t.notThrows(() => checkFits([], both, []))
  t.notThrows(() => checkFits([], both, [row('pages', 'A'), row('desks', 'X'), row('other', 'Q')]))
  t.throws(() => checkFits([], both, [row('pages', 'A'), row('desks', 'Z')]), {
    message: 'at version 0 service desks has Z, not X: no version has that class',
  })
})

test('an upgrade leaves nobody behind who runs and calls it, unless that one is no part of the newest version', (t) => {
  const change = { pastSO: 'none', newUses: [] } as const
  const upgrade = manifest(2, entry('A', 'B', change))
  t.throws(() => checkFits([], upgrade, [row('clients', 'Client', ['A'])]), { message: /^Client calls A, whose type B changes/ })
  t.notThrows(() => checkFits([], upgrade, [row('clients', 'Client')]))
  // A node that has not come to version 1 yet is on its way to the next class.
  const history = [manifest(1, entry('Client', 'Client2', { service: 'clients' }))]
  t.notThrows(() => checkFits(history, upgrade, [row('clients', 'Client', ['A'])]))
  t.throws(() => checkFits(history, upgrade, [row('clients', 'Client2', ['A'])]), { message: /^Client2 calls A/ })
  // Older versions of it do not matter: what the manifests before said counts too.
  t.throws(() => checkFits([manifest(1, entry('Client', 'A0', { service: 'clients' }))], upgrade, [row('c', 'C', ['A'])]), {
    message: /^C calls A/,
  })
})

test('an upgrade that is in force already is told which version it is; one that was undone may come again', (t) => {
  const of = (version: number, digest: string, undoes: number | null, more: object = {}) =>
    ({ ...manifest(version, entry('A', 'B')), bundle: { digest, bytes: 1 }, undoes, ...more }) as unknown as Manifest
  const installed = (version: number) => ({
    code: 'upgrade.invalid' as const,
    message: `this upgrade is version ${version} already`,
  })
  const one = of(1, 'one', null)
  t.throws(() => checkNew([one], of(2, 'one', null)), installed(1))
  t.notThrows(() => checkNew([one], of(2, 'two', null)))
  t.notThrows(() => checkNew([one], of(2, 'one', 1)))
  // One that concerns no class may be published as often as one likes: to exchange keys, say.
  t.notThrows(() => checkNew([one], of(2, 'one', null, { classUpgrades: [] })))
  const undone = [one, of(2, 'one', 1)]
  t.notThrows(() => checkNew(undone, of(3, 'one', null)))
  // An undo of the undo brought it again, and one more takes it back again.
  const again = [...undone, of(3, 'one', 2)]
  t.throws(() => checkNew(again, of(4, 'one', null)), installed(3))
  t.notThrows(() => checkNew([...again, of(4, 'one', 3)], of(5, 'one', null)))
  // It is among all that is asked of the classes, and alone tells of an upgrade of some nodes.
  const some = (version: number) => of(version, 'one', null, { classUpgrades: [entry('A', 'B', { only })] })
  t.throws(() => checkClasses([some(1)], some(2), [], 0), installed(1))
  // The newest of its bundle counts.
  t.throws(() => checkNew([...undone, of(3, 'one', null)], of(4, 'one', null)), installed(3))
  t.throws(() => checkNew([of(1, 'zero', null), of(2, 'one', null)], of(3, 'one', null)), installed(2))
})

test('an upgrade for some nodes between classes of different types needs both simulation objects', (t) => {
  const types = { only, oldMethods: get, newMethods: { get: 'query', put: 'command' } } as const
  const both = entry('A', 'B', { ...types, pastSO: 'so', futureSO: 'so' })
  t.notThrows(() => checkLineage([], new Set(['A']), manifest(1, both), 'pages'))
  t.notThrows(() => checkLineage([], new Set(['A']), manifest(1, { ...both, pastSO: 'notNeeded' }), 'pages'))
  for (const role of ['pastSO', 'futureSO'])
    t.throws(() => checkLineage([], new Set(['A']), manifest(1, { ...both, [role]: 'none' }), 'pages'), {
      message: /class upgrade A → B is for some nodes only: it needs a past-SO and a future-SO/,
    })
  // The next one goes on from the new class alone.
  t.notThrows(() => checkLineage([manifest(1, both)], none, manifest(2, entry('B', 'C')), 'pages'))
  t.throws(() => checkLineage([manifest(1, both)], none, manifest(2, entry('A', 'C')), 'pages'), { message: /has B, not A/ })
})

test('the lineage of a service is its own: other services’ class upgrades are not looked at', (t) => {
  const desks = entry('X', 'Y', { service: 'desks' })
  t.notThrows(() => checkLineage([], new Set(['A']), manifest(1, entry('A', 'B'), desks), 'pages'))
  t.notThrows(() => checkLineage([manifest(1, desks)], new Set(['A']), manifest(2, entry('A', 'B')), 'pages'))
  t.throws(() => checkLineage([manifest(1, desks)], new Set(['Q']), manifest(2, entry('A', 'B')), 'pages'), {
    message: 'at version 1 service pages has Q, not A: no version has that class',
  })
})

test('two classes are of one type where their methods are the same, in whatever order they are written', (t) => {
  const both = { get: 'query', put: 'command' } as const
  const turned = { put: 'command', get: 'query' } as const
  const some = entry('A', 'B', { only, oldMethods: both, newMethods: turned })
  t.notThrows(() => checkLineage([], new Set(['A']), manifest(1, some), 'pages'))
  t.notThrows(() => checkLineage([], new Set(['A']), manifest(1, { ...some, oldMethods: turned, newMethods: both }), 'pages'))
  // Nothing is known of what nodes run.
  t.throws(() => checkLineage([], none, manifest(1, entry('A', 'B', { only, newMethods: both })), 'pages'), {
    message: /^some nodes of service pages would have A and others B, which are of different types/,
  })
})

test('an undo is compared with its bundle, its schedule and its gate; release 0.1.0 writes each as eager and without a gate', (t) => {
  const gate = { moreFailuresMax: 0, slowerMax: 1, callsMin: 1 }
  const back = { inverse: true, schedule: 'whenIdle(1m)' } as const
  const there = {
    ...manifest(1, entry('A', 'B', back)),
    title: 'On',
    undoes: null,
    gate,
    tables: {},
    bundle: { digest: 'd', bytes: 5 },
  } as unknown as Manifest
  const undo = { ...there, version: 2, undoes: 1, gate: null, classUpgrades: undoDraft(there).classUpgrades } as Manifest
  const otherwise = { message: 'version 2 says that it undoes version 1, and does something else' }
  t.notThrows(() => checkUndo(undo, there, 0))
  t.throws(() => checkUndo({ ...undo, bundle: { digest: 'd', bytes: 6 } }, there, 0), otherwise)
  t.throws(() => checkUndo({ ...undo, bundle: { digest: 'e', bytes: 5 } }, there, 0), otherwise)
  t.throws(() => checkUndo({ ...undo, gate }, there, 0), otherwise)
  t.throws(() => checkUndo({ ...undo, tables: { authorized: { mallory: 'yes' } } }, there, 0), otherwise)
  const again = { ...there, version: 3, undoes: 2 } as Manifest
  const history = [there, undo]
  t.notThrows(() => checkUndo(again, undo, 0, history))
  const eager = { ...again, gate: null, classUpgrades: again.classUpgrades.map((each) => ({ ...each, schedule: 'eagerly' })) }
  t.notThrows(() => checkUndo(eager, undo, 0, history))
  t.throws(() => checkUndo({ ...eager, gate }, undo, 0, history), { message: /does something else/ })
})
