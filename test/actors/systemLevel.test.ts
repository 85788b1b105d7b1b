/** T1 to T3 of core/base/level.ts, with hosts, an upgrade server and an operator at work. */
import test from 'ava'
import { release } from '../../core/base/formats.js'
import { firstLevel, newestLevel } from '../../core/base/level.js'
import { statusOf } from '../contracts/databaseContract.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notes.js'

const older = { level: firstLevel }

test('rows say the release of their hosts, the formats that these read, and since when', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  const [row] = await system.database.nodes('notes')
  t.like(row!.software, { release, reads: newestLevel })
  t.true(row!.software!.since <= system.clock.now())
  await until(async () => (await system.database.servers()).length > 0, 'the server is heard')
  t.like((await system.database.servers())[0]!.software, { release, reads: newestLevel })
})

test('the level is raised as a signed version, which every node passes, and hosts take it from their history', async (t) => {
  const system = await TestSystem.start(t, {}, {}, older)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  const { operator } = system.desk.running
  t.deepEqual((await operator.systemLevel()).level, firstLevel)
  t.deepEqual((await operator.systemLevel()).behind, [])
  t.is(await operator.raiseLevel({ reason: 'all are new' }), 1)
  t.deepEqual((await operator.systemLevel()).level, newestLevel)
  await until(async () => (await system.database.nodes('notes'))[0]!.version === 1, 'n1 at version 1')
  t.deepEqual((await system.database.level())!.numbers, newestLevel)
  const [manifest] = await operator.history()
  t.like(manifest, { format: 3, release, level: newestLevel, classUpgrades: [], reason: 'all are new' })
  await t.throwsAsync(() => operator.undo(), { code: 'upgrade.invalid', message: /raised the level/ })
})

test('a level that somebody does not read is not raised, and the refusal names it', async (t) => {
  const system = await TestSystem.start(t, {}, {}, older)
  await system.database.register(statusOf('old', { hostId: 'h0', service: 'notes', className: 'Notes.v1' }), 60_000)
  const { operator } = system.desk.running
  const { behind } = await operator.systemLevel()
  t.like(behind[0], { role: 'host', id: 'h0', release: '0.1.0', nodes: ['old'] })
  await t.throwsAsync(() => operator.raiseLevel(), {
    code: 'upgrade.level',
    message: /not read by host h0 of release 0\.1\.0 \(old\)/,
  })
  t.is((await system.database.head()).version, 0)
  await system.database.forget('old')
  t.is(await operator.raiseLevel(), 1)
})

test('an upgrade for a newer runtime interface is refused below its level, by a plan too, and taken at it', async (t) => {
  const system = await TestSystem.start(t, {}, {}, older)
  const built = system.build(toV2())
  const newer = { ...built, manifest: { ...built.manifest, runtime: 2 } }
  const { operator } = system.desk.running
  await t.throwsAsync(() => operator.check(newer), { code: 'upgrade.level' })
  await t.throwsAsync(() => operator.publish(newer), { code: 'upgrade.level', message: /needs runtime interface 2/ })
  await operator.raiseLevel()
  await operator.check(newer)
  t.is(await operator.publish(newer), 2)
})

test('a start that does not read the level gets one error, which says which release to run', async (t) => {
  const system = await TestSystem.start(t)
  await system.database.restoreLevel({ release: '9.1.0', numbers: { envelope: 9 } })
  const host = await system.host('h1')
  await t.throwsAsync(() => host.node(NotesV1, 'n1'), {
    code: 'config.release',
    message: `n1 is not registered: the system's level is envelope 9, which release ${release} does not read: run release 9.1.0 or newer`,
  })
  t.deepEqual(await system.database.nodes('notes'), [])
})

test('a database that has lost the level gets it back with the history', async (t) => {
  const system = await TestSystem.start(t, {}, { deathRound: 100 }, older)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  await system.desk.running.operator.raiseLevel()
  await until(async () => (await system.database.nodes('notes'))[0]?.version === 1, 'n1 at version 1')
  system.udb.empty()
  await until(async () => (await system.database.level()) !== null, 'the level is back')
  t.deepEqual((await system.database.level())!.numbers, newestLevel)
  t.is((await system.database.head()).version, 1)
})

test('an embedded system begins at the newest level: it has one release', async (t) => {
  const system = await TestSystem.start(t)
  t.deepEqual((await system.desk.running.operator.systemLevel()).level, newestLevel)
})

test('a client that does not read the level is not registered either, and hears why', async (t) => {
  const system = await TestSystem.start(t)
  await system.database.restoreLevel({ release: '9.1.0', numbers: { shard: 1 } })
  system.desk.ref(NotesV1, 'n1', { version: 0 })
  const failed = () => system.desk.events.find((event) => event.type === 'nodeFailed')
  await until(() => failed() !== undefined, 'the refusal')
  t.like(failed(), { nodeId: 'desk-v0' })
  t.regex(
    String((failed() as { readonly error?: Error }).error?.message),
    /level is shard 1, which release .* does not read: run release 9\.1\.0/,
  )
  t.deepEqual(await system.database.nodes('client'), [])
})
