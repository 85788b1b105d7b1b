/**
 * T4 of core/base/level.ts: a host meets what only a newer release reads. It starts, its nodes serve the
 * versions before and say why, and nothing on disk is lost: the newer release goes on from there.
 */
import test, { type ExecutionContext } from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { formats } from '../../core/base/formats.js'
import { checkRecord, keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notes.js'

const format = formats.manifest.newest + 1

/** A manifest as a newer release writes it, after the newest one. */
async function newerManifest(system: TestSystem): Promise<SignedManifest> {
  const { version, digest } = await system.database.head()
  const whole = { format, release: '9.1.0', version: version + 1, previous: digest, system: system.name, surprise: true }
  return { bytes: new TextEncoder().encode(JSON.stringify(whole)), signature: null }
}

/** The upgrade database has it: a newer upgrade server has installed it. */
async function install(system: TestSystem): Promise<SignedManifest> {
  const manifest = await newerManifest(system)
  t0(await system.database.install(await system.database.head(), digestOf(manifest.bytes), manifest))
  return manifest
}

function t0(isDone: boolean): void {
  if (!isDone) throw new Error('it was not installed')
}

async function atV1(t: ExecutionContext): Promise<{ readonly system: TestSystem; readonly host: TestHost }> {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await host.untilPhase('n1', 'current')
  await until(async () => (await system.database.nodes('notes'))[0]!.version === 1, 'n1 at version 1')
  await system.desk.ref(NotesV2, 'n1').add('kept')
  return { system, host }
}

async function rejectedFor(system: TestSystem): Promise<string> {
  await until(async () => (await system.database.nodes('notes'))[0]!.phase === 'rejected', 'n1 is rejected')
  const [row] = await system.database.nodes('notes')
  return `${row!.version} ${row!.target} ${row!.reason}`
}

test('a version of a newer release is rejected, and its release is named; the node serves the one before', async (t) => {
  const { system } = await atV1(t)
  await install(system)
  t.regex(
    await rejectedFor(system),
    new RegExp(`^1 2 .*format ${format}, and this release reads .*: run release 9\\.1\\.0 or newer`),
  )
  t.deepEqual(await system.desk.ref(NotesV2, 'n1', { version: 1 }).all(), ['kept'])
  await t.throwsAsync(() => system.desk.ref(NotesV2, 'n1', { version: 2 }).all(), { code: 'version.rejected' })
})

test('a host that finds such a version on its disk starts, serves what it has, and leaves it there', async (t) => {
  const { system, host } = await atV1(t)
  const { state } = host
  await host.stop()
  const store = await state.open()
  const manifest = await newerManifest(system)
  // The newer release has kept it, and what comes after it.
  await store.commit([
    [keys.manifest(2), pack([manifest.bytes, null])],
    [keys.manifest(3), pack([manifest.bytes, null])],
  ])
  await store.close()
  await install(system)
  const again = await system.host('h1', { state })
  await again.node(NotesV1, 'n1')
  t.deepEqual(await system.desk.ref(NotesV2, 'n1', { version: 1 }).all(), ['kept'])
  t.regex(await rejectedFor(system), /^1 2 .*run release 9\.1\.0 or newer/)
  await again.stop()
  const left = await state.open()
  t.deepEqual(unpack(left.get(keys.manifest(2))!), [new Uint8Array(manifest.bytes), null])
  t.not(left.get(keys.manifest(3)), undefined)
  await left.close()
})

for (const [title, change] of Object.entries({
  'had learned it': (record: NodeRecord): NodeRecord => ({
    ...record,
    newest: 2,
    generation: { ...record.generation, simulations: { ...record.generation.simulations, 2: '0.2' } },
  }),
  'was stalled on its way there': (record: NodeRecord): NodeRecord => ({
    ...record,
    newest: 2,
    upgrade: { phase: 'stalled', target: 2, reason: 'x' },
  }),
}))
  test(`a node that ${title} under a newer release serves the version before, and keeps the states of the newer one`, async (t) => {
    const { system, host } = await atV1(t)
    const { state } = host
    await host.stop()
    const store = await state.open()
    const manifest = await newerManifest(system)
    const record = change(checkRecord(unpack(store.get(keys.record('n1'))!)))
    await store.commit([
      [keys.manifest(2), pack([manifest.bytes, null])],
      [keys.record('n1'), pack(record)],
      [keys.root('n1', '0.2'), pack({ independent: 'of version 2' })],
    ])
    await store.close()
    await install(system)
    const again = await system.host('h1', { state })
    await again.node(NotesV1, 'n1')
    t.deepEqual(await system.desk.ref(NotesV2, 'n1', { version: 1 }).all(), ['kept'])
    t.regex(await rejectedFor(system), /run release 9\.1\.0 or newer/)
    await again.stop()
    const left = await state.open()
    const kept = checkRecord(unpack(left.get(keys.record('n1'))!))
    t.is(kept.generation.version, 1)
    if (record.generation.simulations[2] !== undefined) {
      t.is(kept.generation.simulations[2], '0.2')
      t.deepEqual(unpack(left.get(keys.root('n1', '0.2'))!), { independent: 'of version 2' })
    }
    await left.close()
  })

test('a node that has gone to such a version does not start, says which release to run, and the others serve', async (t) => {
  const { system, host } = await atV1(t)
  await host.node(NotesV1, 'n2')
  const { state } = host
  await host.stop()
  const store = await state.open()
  const manifest = await newerManifest(system)
  const record = checkRecord(unpack(store.get(keys.record('n1'))!))
  const gone = pack({ ...record, newest: 2, generation: { ...record.generation, version: 2 } })
  await store.commit([
    [keys.manifest(2), pack([manifest.bytes, null])],
    [keys.record('n1'), gone],
  ])
  await store.close()
  const again = await system.host('h1', { state })
  await t.throwsAsync(() => again.node(NotesV1, 'n1'), {
    code: 'upgrade.release',
    message: /^node n1 is at version 2, which this release does not read, so it does not start: .*run release 9\.1\.0 or newer$/,
  })
  await again.node(NotesV1, 'n2')
  t.deepEqual(await system.desk.ref(NotesV2, 'n2', { version: 1 }).all(), [])
  await again.stop()
  const left = await state.open()
  t.deepEqual(left.get(keys.record('n1')), new Uint8Array(gone))
  await left.close()
})

test('a bundle for a newer runtime interface is rejected with the release of this host; the host starts, and serves', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  const built = system.build(toV2())
  const bytes = { ...built.manifest, runtime: formats.runtime.newest + 1 }
  const whole = {
    ...bytes,
    ...{ format: 1, system: system.name, version: 1, previous: null, reason: null, undoes: null },
    ...{ createdAt: '2026-01-01T00:00:00.000Z', upgrader: null, upgraders: null },
  }
  const manifest = { bytes: new TextEncoder().encode(JSON.stringify(whole)), signature: null }
  await system.database.putChunk(built.manifest.bundle.digest, 0, built.bundle, 'kept')
  t0(await system.database.install({ version: 0, digest: null }, digestOf(manifest.bytes), manifest))
  t.regex(await rejectedFor(system), /^0 1 .*built for runtime interface 3; this host has 1 to 2: run a newer release than/)
  const { state } = host
  await host.stop()
  const again = await system.host('h1', { state })
  await again.node(NotesV1, 'n1')
  t.is(await system.desk.ref(NotesV1, 'n1', { version: 0 }).add('kept'), 1)
  t.regex(await rejectedFor(system), /built for runtime interface 3/)
})
