/** The raise of the level, as an operator asks for it (actors/operator/publisher.ts). */
import test from 'ava'
import { Documents } from '../../actors/operator/documents.js'
import { Publisher } from '../../actors/operator/publisher.js'
import { Fault } from '../../core/base/fault.js'
import { newestLevel } from '../../core/base/level.js'
import { decodeManifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { ManualClock } from '../support/manualClock.js'

function open(refusal?: Fault) {
  const installed: SignedManifest[] = []
  const clock = new ManualClock()
  const server = {
    head: async () => ({
      version: installed.length,
      digest: null,
      directives: 0,
      log: null,
      dead: 0,
      final: 0,
      wanted: [],
      nonsense: null,
    }),
    manifests: async () => installed,
    putBundle: async () => {},
    direct: async () => undefined,
    async install(manifest: SignedManifest) {
      if (refusal !== undefined) throw refusal
      installed.push(manifest)
    },
  }
  const signing = { upgraders: [], trust: undefined, gather: undefined }
  const documents = new Documents({ clock, server, signing })
  const publisher = new Publisher({ clock, settings: { system: 'shop' }, server: server as never, signing, documents })
  return { publisher, installed }
}

test('a version that raises the level is a manifest of format 3 that changes nothing else', async (t) => {
  const { publisher, installed } = open()
  t.is(await publisher.raiseLevel(newestLevel, { reason: 'all are new' }), 1)
  t.like(decodeManifest(installed[0]!.bytes), {
    ...{
      format: 3,
      runtime: 1,
      version: 1,
      classUpgrades: [],
      tables: {},
      gate: null,
      identity: null,
      upgraders: null,
      need: null,
    },
    ...{ level: newestLevel, reason: 'all are new', undoes: null },
  })
})

test('an upgrade server of an older release that does not read the manifest is what has to be replaced', async (t) => {
  const older = open(new Fault('upgrade.invalid', 'manifest: format is missing or wrong', { field: 'format' }))
  await t.throwsAsync(() => older.publisher.raiseLevel(newestLevel), {
    code: 'upgrade.level',
    message: 'the level is not raised: an upgrade server of an older release runs, which does not read it: replace it',
  })
  for (const other of [
    new Fault('upgrade.invalid', 'x', { field: 'title' }),
    new Fault('upgrade.signature', 'x', { field: 'format' }),
  ])
    t.is(await t.throwsAsync(() => open(other).publisher.raiseLevel(newestLevel)), other as never)
})
