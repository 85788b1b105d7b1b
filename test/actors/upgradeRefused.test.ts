/**
 * The refusals of the upgrade server since the service's line of classes is known: one error for the
 * upgrader, none for the nodes.
 */
import test from 'ava'
import { draftManifest, eagerly, isFault, none, type Upgrade, upgradeClass } from '../../index.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, tickerUpgrade, toV2, toV3 } from './notesClasses.js'

class NotesV7 extends NotesV2 {
  static override readonly className: string = 'Notes.v7'
}

class NotesV8 extends NotesV2 {
  static override readonly className: string = 'Notes.v8'
}

/** A class upgrade of the tests' line, whatever its classes. */
function notes(oldClass: typeof NotesV2, newClass: typeof NotesV2): Upgrade {
  const classUpgrade = upgradeClass({
    oldClass,
    newClass,
    futureSO: none,
    pastSO: none,
    transform: (old) => ({ notes: old.notes, stars: old.stars }),
    schedule: eagerly(),
  })
  return { ...toV2(), title: `${oldClass.className} → ${newClass.className}`, classUpgrades: [classUpgrade] }
}

async function refusalOf(publication: Promise<number>): Promise<string> {
  return publication.then(
    (version) => `installed as version ${version}`,
    (error) => (isFault(error) ? `${error.code}: ${error.message}` : String(error)),
  )
}

test('an upgrade from a class that no version has is refused with one error, and no node hears of it', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)

  const refusal = await refusalOf(system.publish(notes(NotesV7, NotesV8)))

  const reason = 'at version 1 service notes has Notes.v2, not Notes.v7: no version has that class'
  t.is(refusal, `upgrade.invalid: ${reason}`)
  t.is((await system.database.head()).version, 1)
  t.is(await system.publish(toV3()), 2)
  await node.reached(2)
  t.is(node.className, 'Notes.v3')
})

test('the first upgrade of a service is held against what its nodes run', async (t) => {
  const system = await TestSystem.start(t)
  const node = await (await system.host('h1')).node(NotesV1, 'n1')

  const refusal = await refusalOf(system.publish(notes(NotesV7, NotesV8)))

  t.is(refusal, 'upgrade.invalid: at version 0 service notes has Notes.v1, not Notes.v7: no version has that class')
  await system.publish(toV2())
  await node.reached(1)
})

test('an upgrade from a class that the service has left behind is refused, whatever other services did meanwhile', async (t) => {
  const system = await TestSystem.start(t)
  await system.publish(toV2())
  await system.publish(tickerUpgrade())

  const refusal = await refusalOf(system.publish({ ...toV2(), title: 'Once more' }))

  const reason = 'at version 2 service notes has Notes.v2, not Notes.v1: the upgrade was written against an older version'
  t.is(refusal, `upgrade.invalid: ${reason}`)
  t.is((await system.database.head()).version, 2)
})

test('an upgrade that is installed already is refused, and told which version it is', async (t) => {
  const system = await TestSystem.start(t)
  const bundle = new TextEncoder().encode('the same bundle')
  const built = { manifest: draftManifest(toV2(), bundle), bundle }
  await system.desk.publish(built)
  await system.publish(tickerUpgrade())

  const refusal = await refusalOf(system.desk.publish(built))

  t.is(refusal, 'upgrade.invalid: this upgrade is version 1 already')
})
