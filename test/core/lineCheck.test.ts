import test from 'ava'
import { undoDraft } from '../../core/draftManifest.js'
import { checkLine, checkUndo } from '../../core/lineCheck.js'
import type { ClassUpgradeEntry, Manifest } from '../../core/manifest.js'

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
  ({ version, bundle: { digest: `digest of ${version}` }, classUpgrades }) as unknown as Manifest
const only = { nodes: ['n1'] }
const none: ReadonlySet<string> = new Set()

test('an upgrade of an older class of the line is refused, with the class that there is', (t) => {
  const history = [manifest(1, entry('A', 'B'))]
  t.notThrows(() => checkLine(history, none, manifest(2, entry('B', 'C')), 'pages'))
  t.throws(() => checkLine(history, none, manifest(2, entry('A', 'C')), 'pages'), {
    code: 'upgrade.invalid',
    message: 'at version 1 service pages has B, not A: the upgrade was written against an older version',
  })
})

test('an old class that no version has is refused: by the history, or by what nodes run', (t) => {
  const history = [manifest(1, entry('A', 'B'))]
  t.throws(() => checkLine(history, none, manifest(2, entry('Z', 'C')), 'pages'), {
    message: 'at version 1 service pages has B, not Z: no version has that class',
  })
  t.throws(() => checkLine([], new Set(['A']), manifest(1, entry('Z', 'C')), 'pages'), {
    message: 'at version 0 service pages has A, not Z: no version has that class',
  })
  t.notThrows(() => checkLine([], none, manifest(1, entry('Z', 'C')), 'pages'))
})

test('the same upgrade again is told which version it is', (t) => {
  const history = [manifest(1, entry('A', 'B'))]
  const again = { ...manifest(2, entry('A', 'B')), bundle: { digest: 'digest of 1', bytes: 1 } }
  t.throws(() => checkLine(history, none, again, 'pages'), { message: 'this upgrade is version 1 already' })
})

test('after an upgrade of some nodes only, the next one names both classes', (t) => {
  const history = [manifest(1, entry('A', 'B', { only }))]
  const other = { newMethods: { get: 'query', put: 'command' } } as const
  t.notThrows(() => checkLine(history, none, manifest(2, entry('A', 'C', other), entry('B', 'C', other)), 'pages'))
  t.throws(() => checkLine(history, none, manifest(2, entry('B', 'C', other)), 'pages'), {
    message: 'some nodes of service pages would have A and others C, which are of different types: name A and B in the upgrade',
  })
  // Of the same type it may go on forked, or be joined by taking the others along.
  t.notThrows(() => checkLine(history, none, manifest(2, entry('B', 'C')), 'pages'))
  t.notThrows(() => checkLine(history, none, manifest(2, entry('A', 'B')), 'pages'))
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
  t.throws(() => checkUndo(undo, { ...undone, classUpgrades: [entry('A', 'B')] }, 0), { message: /A → B has no inverse/ })
  t.throws(() => checkUndo(undo, undone, 1), { message: /version 1 is final/ })
  t.throws(() => checkUndo(undo, undefined, 0), { message: /no version 1/ })
})
