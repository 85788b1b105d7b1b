/** An upgrade server keeps the level, and tells those who don't read it (actors/server/levelRounds.ts). */
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { release } from '../../core/base/formats.js'
import { firstLevel, newestLevel, unreadOf } from '../../core/base/level.js'
import { signed } from '../../core/trust/signed.js'
import { encodeManifest, type Manifest } from '../../core/upgrade/manifest.js'
import { alice, manifestAfter } from '../support/signedManifests.js'
import { started } from './upgradeServerFixture.js'

function raising(more: object = {}) {
  const whole = {
    ...manifestAfter(undefined, { upgrader: alice.publicKey }),
    ...{ format: 3, identity: null, until: {}, need: null, release, level: newestLevel },
    ...more,
  }
  return signed('manifest', encodeManifest(whole as unknown as Manifest), alice)
}

/** Installed before the server starts. */
const installed = (manifest: ReturnType<typeof raising>) => ({
  before: (_: unknown, stored: { install(...args: readonly unknown[]): Promise<boolean> }) =>
    stored.install({ version: 0, digest: null }, digestOf(manifest.bytes), manifest),
})

test('a host that does not read the level is refused its questions, and told which release does', async (t) => {
  const { tell, inbox, settle, outcomeOf } = await started(t, installed(raising()) as never)
  const asked = async (args: readonly unknown[], callerClass: string) => {
    const of = tell('server', 'head', args, { callerClass }, inbox)
    await settle(1_000)
    return outcomeOf(of) as { readonly code?: string; readonly message?: string; readonly value?: unknown }
  }
  for (const args of [[], [{ dead: 0, final: 0 }], [{ release: '0.1.5', reads: firstLevel }], [{ reads: 'all' }]]) {
    const { code, message } = await asked(args, 'Host')
    t.is(code, 'config.release')
    t.regex(message!, /envelope|manifest/)
    t.true(message!.endsWith(`: run release ${release} or newer`), message)
  }
  t.regex((await asked([{ release: '0.1.5', reads: firstLevel }], 'Host')).message!, /which release 0\.1\.5 does not read/)
  t.like((await asked([{ release, reads: newestLevel }], 'Host')).value, { version: 1 })
  // A stranger reads what it likes.
  t.like((await asked([], 'Client')).value, { version: 1 })
})

test('a version that another server has installed counts as soon as a host asks', async (t) => {
  const { stored, tell, inbox, settle, outcomeOf } = await started(t)
  const asked = async () => {
    const of = tell('server', 'head', [], { callerClass: 'Host' }, inbox)
    await settle(200)
    return outcomeOf(of) as { readonly code?: string }
  }
  t.is((await asked()).code, undefined)
  const manifest = raising()
  t.true(await stored.install({ version: 0, digest: null }, digestOf(manifest.bytes), manifest))
  t.is((await asked()).code, 'config.release')
})

test('while nobody has raised the level, everybody is answered', async (t) => {
  const { tell, inbox, settle, outcomeOf } = await started(t)
  const of = tell('server', 'head', [], { callerClass: 'Host' }, inbox)
  await settle()
  t.like(outcomeOf(of), { value: { version: 0 } })
})

test('a server gives the database a level that it has lost', async (t) => {
  const { stored, settle } = await started(t, { ...installed(raising()), options: { deathRoundMs: 50 } } as never)
  t.deepEqual(await stored.level(), { release, numbers: newestLevel })
  await settle(200)
  t.deepEqual(await stored.level(), { release, numbers: newestLevel })
})

test('a level that no history says goes, whether or not one was raised', async (t) => {
  const wrong = { release: '9.1.0', numbers: { envelope: 9, shard: 1 } }
  const one = await started(t, { ...installed(raising()), options: { deathRoundMs: 50 } } as never)
  await one.stored.restoreLevel(wrong)
  await one.settle(200)
  t.deepEqual(await one.stored.level(), { release, numbers: newestLevel })

  const manifest = signed('manifest', encodeManifest(manifestAfter(undefined, { upgrader: alice.publicKey })), alice)
  const other = await started(t, { ...installed(manifest), options: { deathRoundMs: 50 } } as never)
  await other.stored.restoreLevel(wrong)
  await other.settle(200)
  const { numbers } = (await other.stored.level())!
  t.true(Object.values(numbers).length > 0)
  t.deepEqual(unreadOf(numbers as never, firstLevel), [], 'everybody reads it')
})

test('a server of a release that does not read the level does not start, and says which release to run', async (t) => {
  const manifest = raising({ level: { ...newestLevel, envelope: 9 }, release: '9.1.0' })
  await t.throwsAsync(() => started(t, installed(manifest) as never), {
    code: 'config.release',
    message: /this upgrade server can't serve: .*envelope 9.*run release 9\.1\.0 or newer/,
  })
})
