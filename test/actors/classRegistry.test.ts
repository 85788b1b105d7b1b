/**
 * Which class a node has at a version, and what has to be loaded for it: a class is that of a version, never
 * a name alone (C7, C11).
 */
import 'reflect-metadata'
import test from 'ava'
import { ClassRegistry, isConcerned, isRejection } from '../../actors/history/classRegistry.js'
import type { UpgradeHistory } from '../../actors/history/upgradeHistory.js'
import { Fault } from '../../core/base/fault.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { LazySlot } from '../../core/model/nodeRecord.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { reversed } from '../../core/upgrade/reversedUpgrade.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'
import { NotesV1, NotesV2, NotesV3, tickerUpgrade, toV2, toV3 } from './notesClasses.js'
import { toShelfV2 } from './shelfClasses.js'

const node = { nodeId: 'n1', facts: {} } as never

/** A history of these upgrades; a number undoes that version. */
function open(...upgrades: readonly (Upgrade | number)[]) {
  const loaded = new Map<number, Upgrade>()
  const rejected = new Map<number, Fault>()
  const asked: number[] = []
  const copies = new Map<string, NodeClass>([['Other.v1', NotesV1]])
  const undone = (version: number): Upgrade => {
    const found = upgrades[version - 1]!
    return typeof found === 'number' ? reversed(undone(found)) : found
  }
  const entries = (version: number) => {
    const found = upgrades[version - 1]!
    if (typeof found !== 'number') return draftManifest(found, new Uint8Array(1)).classUpgrades
    return draftManifest(undone(found), new Uint8Array(1)).classUpgrades.map((entry) => ({
      ...entry,
      oldClass: entry.newClass,
      newClass: entry.oldClass,
    }))
  }
  const undoes = (version: number) => {
    const found = upgrades[version - 1]
    return typeof found === 'number' ? found : null
  }
  const history = {
    manifests: upgrades.map((_, i) => ({ classUpgrades: entries(i + 1) })),
    undoes,
    takesBack: (version: number) => undoes(version) !== null,
    undoOf: (version: number) => (upgrades.includes(version as never) ? upgrades.indexOf(version as never) + 1 : null),
    classUpgrade: (version: number, className: string) =>
      loaded.get(version)?.classUpgrades.find(({ oldClass }) => oldClass.className === className),
    replaced: (className: string) => copies.get(className),
    async load(version: number) {
      asked.push(version)
      await new Promise(setImmediate)
      const fault = rejected.get(version)
      if (fault !== undefined) throw fault
      loaded.set(version, undone(version))
    },
  }
  const classes = new ClassRegistry(history as unknown as UpgradeHistory)
  classes.register(NotesV1)
  const line = classes.lineage('Notes.v1', node)
  return { classes, line, rejected, copies, done: () => asked.splice(0) }
}

const message = (text: string | RegExp) => ({ message: text })

// --- The classes of the host's code

test('two classes of one name are refused once a node of the first has started', (t) => {
  const { classes, line } = open()
  class Another extends NotesV1 {}
  t.is(classes.definitionAt(line, 0), NotesV1)
  classes.register(NotesV1)
  classes.register(Another)
  t.is(classes.definitionAt(line, 0), Another)
  classes.started(Another)
  classes.register(Another)
  t.throws(() => classes.register(NotesV1), {
    code: 'config.invalid',
    message: 'two classes of this host are named Notes.v1: give one of them another className',
  })
  t.is(classes.definitionAt(line, 0), Another)
})

test('a class that the code does not bring is the copy of an upgrade that replaces it, or is not there', (t) => {
  const { classes } = open()
  t.is(classes.definitionAt(['Other.v1'], 0), NotesV1)
  t.throws(() => classes.definitionAt(['Nobody.v1'], 0), {
    code: 'config.invalid',
    message: "class Nobody.v1 is neither in this host's code nor in a loaded upgrade: pass it to host.node()",
  })
})

test('the class that a lineage begins with is the same one until the host ends', (t) => {
  const { classes, copies } = open()
  t.is(classes.definitionAt(['Other.v1'], 0), NotesV1)
  class Copy extends NotesV1 {}
  copies.set('Other.v1', Copy)
  class Late extends NotesV1 {
    static override readonly className = 'Late.v1'
  }
  classes.register(Late)
  t.is(classes.definitionAt(['Late.v1'], 0), Late)
  t.is(classes.definitionAt(['Other.v1'], 0), NotesV1)
})

// --- The classes of versions

test('the class of a version is that of the upgrade which made it, also at later versions that leave it alone', async (t) => {
  const { classes, line } = open(tickerUpgrade(), toV2(), tickerUpgrade(), toV3())
  t.deepEqual(line, ['Notes.v1', 'Notes.v1', 'Notes.v2', 'Notes.v2', 'Notes.v3'])
  t.throws(() => classes.definitionAt(line, 3), {
    code: 'upgrade.fetch',
    message: 'class Notes.v2 came with the upgrade to version 2, which is not loaded here',
  })
  await classes.load(line, 0, 4)
  const found = [0, 1, 2, 3, 4].map((version) => classes.definitionAt(line, version))
  t.deepEqual(found, [NotesV1, NotesV1, NotesV2, NotesV2, NotesV3])
})

test('a class comes back with an undo as it was before the version that is undone', async (t) => {
  class Corrected extends NotesV2 {}
  const { classes, line } = open(toV2(), 1, toV2({ newClass: Corrected }))
  await classes.load(line, 0, 3)
  t.is(classes.definitionAt(line, 1), NotesV2)
  t.is(classes.definitionAt(line, 2), NotesV1)
  t.is(classes.definitionAt(line, 3), Corrected)
})

test('an undo means the class that nodes had before, not the copy of it that the upgrade brought', async (t) => {
  class Copy extends NotesV1 {}
  const { classes, line } = open(toV2({ oldClass: Copy }), 1)
  await classes.load(line, 0, 2)
  t.is(classes.definitionAt(line, 2), NotesV1)
})

test('how an upgrade concerns a lineage is known where it does, and a step says so', async (t) => {
  const { classes, line } = open(tickerUpgrade(), toV2(), 2)
  t.deepEqual(
    [1, 2, 3].map((version) => isConcerned(line, version)),
    [false, true, true],
  )
  t.deepEqual(classes.step(line, 1), { version: 1, classUpgrade: 'leavesAlone', undoes: null })
  t.deepEqual(classes.step(line, 2), { version: 2, classUpgrade: 'rejected', undoes: null })
  await classes.load(line, 0, 3)
  t.is(classes.classUpgrade(line, 1), undefined)
  t.is(classes.classUpgrade(line, 2)?.newClass, NotesV2)
  t.like(classes.step(line, 3), { version: 3, undoes: 2 })
  t.is(classes.step(line, 2).classUpgrade, classes.classUpgrade(line, 2)!)
})

test('nodes of a lineage can have a class at a version, or not', (t) => {
  const { classes } = open(toV2())
  t.true(classes.isAt(0, 'Notes.v2', 'Notes.v1'))
  t.true(classes.isAt(1, 'Notes.v1', 'Notes.v2'))
  t.false(classes.isAt(1, 'Notes.v1', 'Notes.v1'))
  t.false(classes.isAt(9, 'Notes.v1', 'Notes.v1'))
})

test('how records are made is said by the upgrade that made their slot, for the object and for its past-SO', async (t) => {
  const { classes } = open(toShelfV2(), toV2())
  const line = classes.lineage('Shelf.v1', node)
  const slot = { upgrade: 1, role: 'object' } as LazySlot
  t.throws(() => classes.recordRules(line, slot), message(/the upgrade to version 1 does not say how records are made/))
  await classes.load(line, 0, 1)
  t.deepEqual(Object.keys(classes.recordRules(line, slot)), ['books'])
  t.deepEqual(Object.keys(classes.recordRules(line, { ...slot, role: 'pastSO' })), ['loans'])
  const notes = classes.lineage('Notes.v1', node)
  await classes.load(notes, 1, 2)
  t.throws(() => classes.recordRules(notes, { ...slot, upgrade: 2 }), message(/does not say how records are made/))
  const cut = open(toV2({ cut: 'past' }))
  const past: LazySlot = { ...slot, role: 'pastSO' }
  t.throws(() => cut.classes.recordRules(cut.line, past), message(/does not say how records are made/))
  await cut.classes.load(cut.line, 0, 1)
  t.throws(() => cut.classes.recordRules(cut.line, past), message(/does not say how records are made/))
})

// --- Loading

test('what concerns a lineage is loaded between two versions, with the class that the first one has', async (t) => {
  const { classes, line, done } = open(toV2(), tickerUpgrade(), toV3())
  await classes.load(line, 2, 3)
  t.deepEqual(done(), [1, 3])
  await classes.load(line, 0, 0)
  t.deepEqual(done(), [])
  await classes.loadStep(line, 2)
  t.deepEqual(done(), [])
})

test('an undo needs the class that it means again', async (t) => {
  const { classes, line, done } = open(toV2(), toV3(), 2)
  await classes.loadStep(line, 3)
  t.deepEqual(done(), [3, 1])
})

test('an unfit upgrade is needed unless it is undone; one that could not be had is always', async (t) => {
  const { classes, line, rejected } = open(toV2(), 1)
  rejected.set(1, new Fault('upgrade.invalid', 'unfit'))
  await t.notThrowsAsync(classes.loadStep(line, 1))
  rejected.set(2, new Fault('upgrade.invalid', 'unfit'))
  await t.notThrowsAsync(classes.loadStep(line, 2))
  rejected.set(1, new Fault('upgrade.fetch', 'not now'))
  await t.throwsAsync(classes.loadStep(line, 1), message('not now'))
  const other = open(toV2())
  other.rejected.set(1, new Fault('upgrade.invalid', 'unfit'))
  await t.throwsAsync(other.classes.loadStep(other.line, 1), message('unfit'))
  t.true(isRejection(new Fault('upgrade.invalid', 'unfit')))
  t.false(isRejection(new Fault('upgrade.fetch', 'not now')))
  t.false(isRejection(new Fault('unavailable.storage', 'full')))
  t.false(isRejection(new Error('odd')))
})

test('a load ends once all that it needs is there, and fails where one upgrade of it fails', async (t) => {
  const undoing = open(toV2(), toV3(), 2)
  undoing.rejected.set(1, new Fault('upgrade.fetch', 'not now'))
  await t.throwsAsync(undoing.classes.loadStep(undoing.line, 3), message('not now'))
  await t.throwsAsync(undoing.classes.load(undoing.line, 1, 1), message('not now'))
  const last = open(toV2(), toV3())
  last.rejected.set(2, new Fault('upgrade.fetch', 'not now'))
  await t.throwsAsync(last.classes.load(last.line, 1, 2), message('not now'))
})
