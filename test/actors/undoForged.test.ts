/** A manifest says that it undoes a version, and does not: an upgrade server would refuse it. */
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { decodeManifest, encodeManifest, type Manifest } from '../../core/upgrade/manifest.js'
import { schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'
import { ShelfV1, toShelfV2 } from './shelfClasses.js'

const forgeries: readonly (readonly [says: string, forge: (undone: Manifest) => Manifest['classUpgrades']])[] = [
  ['changes no class', () => []],
  [
    'goes on to another class',
    ({ classUpgrades: [entry] }) => [{ ...entry!, oldClass: 'Notes.v2', newClass: 'Notes.other', pastSO: 'so', futureSO: 'so' }],
  ],
]

for (const [says, forge] of forgeries)
  test(`a node does not pass over an upgrade to an undo that ${says}`, async (t) => {
    const system = await TestSystem.start(t, { askServerMs: 10, limit: { percent: 100 } })
    const host = await system.host('h1')
    const [node, shelf] = [await host.node(NotesV1, 'n1'), await host.node(ShelfV1, 's1')]
    const call = (version: number, method: string, ...args: readonly unknown[]) =>
      system.desk.running.operator.call({ node: 'n1' }, method, args, { version })
    const go = gate()
    await system.publish(toV2({ schedule: schedule('when the test says so', () => go.pass()) }))
    await system.publish(toShelfV2())
    await host.untilPhase('n1', 'scheduled')
    await shelf.reached(2)
    await call(0, 'add', 'first')
    const [undone, before] = (await system.database.manifests(1, 2)).map(({ bytes }) => decodeManifest(bytes)) as [
      Manifest,
      Manifest,
    ]
    const forged = {
      ...undone,
      ...{ format: 3, identity: null, until: {}, need: null, release: '9.0.0', level: null },
      ...{ version: 3, previous: (await system.database.head()).digest, undoes: 1, createdAt: before.createdAt },
      classUpgrades: forge(undone),
    } as Manifest
    const bytes = encodeManifest(forged)
    t.true(await system.database.install(await system.database.head(), digestOf(bytes), { bytes, signature: null }))
    await until(() => host.events.some((event) => event.type === 'learned' && event.version === 3), 'the host has learned it')
    await shelf.reached(3)
    t.is(node.version, 0)
    go.open()
    await node.reached(2)
    t.is(node.className, 'Notes.v2')
    t.deepEqual(await call(2, 'all'), ['first'])
  })
