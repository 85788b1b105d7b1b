/** Modules that tools read in a build by their paths are where 0.1.0 had them, with the names of then. */
import 'reflect-metadata'
import test from 'ava'

const former: Readonly<Record<string, readonly string[]>> = {
  'core/codec.js': ['decode', 'encodeAnnouncement', 'encodeCall', 'encodeFault', 'encodeReply', 'pack', 'unpack'],
  'core/signed.js': ['checkSigned', 'signed'],
  'core/manifest.js': ['decodeManifest', 'digestOf', 'encodeManifest', 'isDigest'],
  'core/directive.js': ['decodeDirective', 'encodeDirective'],
  'actors/timerWheel.js': ['TimerWheel', 'WheelEntry'],
  'natsctl/main.js': [],
  'natsctl/upgradeBuild.js': ['buildUpgrade'],
  'natsctl/upgradeFile.js': ['encodeUpgradeFile'],
  'transports/nats/index.js': ['nats'],
  'transports/redis/index.js': ['redis'],
  'transports/lmdb/index.js': ['lmdb'],
  'transports/memory/index.js': ['memoryDatabase', 'memoryStore'],
  'transports/memory/memoryStore.js': ['memoryStore'],
  'transports/nkeys/index.js': ['newKey', 'signer'],
  'transports/systemClock.js': ['systemClock'],
  'transports/systemRandom.js': ['systemRandom'],
  'test/actors/manualClock.js': ['ManualClock'],
  'test/actors/notes.js': ['NotesV1', 'NotesV2', 'toV2'],
  'test/support/eventually.js': ['until'],
  'test/support/servers.js': ['startNatsServer', 'startRedisServer'],
  'test/support/testSystem.js': ['TestSystem'],
}

for (const [path, names] of Object.entries(former)) {
  test(`${path} is where tools look for it`, async (t) => {
    const url = new URL(`../../${path}`, import.meta.url)
    // The command line runs when it is imported.
    if (names.length === 0) {
      t.true((await import('node:fs')).existsSync(url))
      return
    }
    const module = (await import(url.href)) as Record<string, unknown>
    t.deepEqual(
      names.filter((name) => module[name] === undefined),
      [],
    )
  })
}
