/**
 * Nobody who may write to Redis brings code to an operator's machine by that: installed code runs there only
 * when it is verified, and is shown as it is.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { type BuiltUpgrade, draftManifest } from 'theseus-actors'
import { newKey } from 'theseus-actors/nkeys'
import { digestOf } from '../../core/base/digest.js'
import { encodeManifest, type Manifest } from '../../core/upgrade/manifest.js'
import { buildUpgrade } from '../../natsctl/build/upgradeBuild.js'
import { encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { merge } from '../../natsctl/context/target.js'
import { trustIn, withOneTrust } from '../../natsctl/context/trust.js'
import { knownHistory } from '../../natsctl/history/knownHistory.js'
import upgrade from '../../samples/02-pages-comments/upgrades/1-comments.js'
import { alice, bob, manifestAfter, signedAfter } from '../support/signedManifests.js'
import { natsctl, newDirectory, type ProcessResult } from './natsctlProcess.js'
import { startServer, systemsOf } from './natsctlSystem.js'

const key = newKey()
const comments = new URL('../../samples/02-pages-comments/upgrades/1-comments.js', import.meta.url)
const systems = systemsOf('trust')
let database: Redis
let built: BuiltUpgrade

test.before(async () => {
  database = new Redis(systems().env.THESEUS_REDIS)
  systems.file.teardown(() => database.disconnect())
  built = await buildUpgrade(comments)
})

interface Attacked {
  readonly run: (...args: readonly string[]) => Promise<ProcessResult>
  readonly key: (name: string) => string
  readonly evil: Buffer
  /** Whether the attacker's code ran on this machine. */
  hasRun(): boolean
}

/** A system whose upgrades Alice signs, and code of somebody who may write to its Redis. */
async function attacked(t: ExecutionContext): Promise<Attacked> {
  const at = systems()
  const { system } = at
  const cwd = newDirectory(t)
  await startServer(t, at, { trust: [key.publicKey] })
  writeFileSync(join(cwd, 'key.nk'), key.seed, { mode: 0o600 })
  writeFileSync(join(cwd, '1.upgrade'), encodeUpgradeFile(built))
  const loot = join(cwd, 'loot')
  const evil = Buffer.from(
    `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(loot)}, '')\nexport default {}\n`,
  )
  return {
    run: (...args) => natsctl(t, args, { cwd, env: { ...at.env, THESEUS_TRUST: '' } }),
    key: (name) => `theseus:{${system}}:${name}`,
    evil,
    hasRun: () => existsSync(loot),
  }
}

/** Puts a manifest there as version 1, which nobody has signed, with the attacker's bundle. */
async function forge({ key, evil }: Attacked): Promise<void> {
  const bundle = { digest: digestOf(evil), bytes: evil.length }
  const system = /\{(.*)\}/.exec(key(''))![1]!
  const bytes = encodeManifest({ ...manifestAfter(undefined), ...built.manifest, bundle, system, title: 'Comments' } as Manifest)
  await database.hset(key('manifests'), '1', Buffer.from(bytes))
  await database.hset(key(`bundle:${bundle.digest}`), '0', evil)
  await database.hset(key('head'), 'version', '1', 'digest', digestOf(bytes))
}

test('without a list of upgraders installed code does not run: plan and diff say in one line what to do', async (t) => {
  const system = await attacked(t)
  await forge(system)
  for (const args of [
    ['upgrade', 'plan', '1.upgrade'],
    ['upgrade', 'diff', '0', '1'],
  ]) {
    const { code, stdout, stderr } = await system.run(...args)
    t.deepEqual([code, stdout, system.hasRun()], [2, '', false], args.join(' '))
    t.regex(stderr, /^error: upgrade (plan|diff) runs code that is installed .*give --trust <keys>, .*--trust nobody.*\n$/)
  }
})

test('with a list, code that nobody of it signed does not run, whichever of manifest and bundle was exchanged', async (t) => {
  const system = await attacked(t)
  await forge(system)
  for (const args of [
    ['upgrade', 'plan', '1.upgrade'],
    ['upgrade', 'diff', '0', '1'],
  ]) {
    const { code, stdout, stderr } = await system.run(...args, '--trust', key.publicKey)
    t.deepEqual([code, stdout, system.hasRun()], [1, '', false], args.join(' '))
    t.regex(stderr, /^upgrade\.signature: the manifest of version 1 is not signed, .* runs only code that is verified\n$/)
  }
  // Signed by Alice; then the bundle is another one.
  await database.del(...['manifests', 'head', 'signatures'].map(system.key))
  t.is((await system.run('upgrade', 'publish', '1.upgrade', '--key', 'key.nk')).code, 0)
  const whole = await system.run('upgrade', 'diff', '--trust', key.publicKey, '0', '1', '-o', 'json')
  t.is(whole.code, 1, whole.stderr)
  t.is(JSON.parse(whole.stdout).classUpgrades[0].newClass, 'Pages.v2')
  const chunks = system.key(`bundle:${built.manifest.bundle.digest}`)
  await database.hset(chunks, '0', Buffer.concat([system.evil, Buffer.alloc(built.bundle.length - system.evil.length, ' ')]))
  const { code, stderr } = await system.run('upgrade', 'diff', '0', '1', '--trust', key.publicKey)
  t.deepEqual([code, system.hasRun()], [1, false])
  t.regex(stderr, /^upgrade\.digest: the bundle of version 1 has another digest/)
})

test('what is not verified is shown as that, and never run', async (t) => {
  const system = await attacked(t)
  await forge(system)
  for (const args of [['history'], ['version', 'ls'], ['explain'], ['rollout', 'status']]) {
    const { stderr } = await system.run(...args)
    t.regex(stderr, /^not verified: version 1 of system trust\d+: no upgraders are named; give --trust/m, args.join(' '))
  }
  const [entry] = JSON.parse((await system.run('history', '-o', 'json', '--trust', key.publicKey)).stdout)
  t.is(entry.verified, false)
  const table = await system.run('history', '--trust', key.publicKey)
  t.regex(table.stdout, /VERIFIED.*\n1 .* no$/m)
  t.regex(table.stderr, /^not verified: version 1 of system trust\d+: upgrade\.signature: /m)
  const doctor = async (...more: string[]) =>
    JSON.parse((await system.run('doctor', '-o', 'json', ...more)).stdout).checks.find(({ check }: any) => check === 'signatures')
  t.like(await doctor(), { status: 'warning', found: 'not verified: 1 version' })
  t.like(await doctor('--trust', key.publicKey), { status: 'failure' })
  t.false(system.hasRun())
})

test('what an upgrade server says is verified as well, where somebody says whom to believe', async (t) => {
  const system = await attacked(t)
  t.is((await system.run('upgrade', 'publish', '1.upgrade', '--key', 'key.nk')).code, 0)
  const listed = async (...more: string[]) => {
    const { stdout, stderr } = await system.run('upgrade', 'ls', '-o', 'json', ...more)
    return [JSON.parse(stdout)[0].verified, stderr]
  }
  t.deepEqual(await listed('--trust', key.publicKey), [true, ''])
  t.deepEqual((await listed())[0], false)
  const [isVerified, why] = await listed('--trust', newKey().publicKey)
  t.is(isVerified, false)
  t.regex(why, /^not verified: version 1 of .*: upgrade\.signature: .* who is not a trusted upgrader there\n$/)
})

test('a history verifies up to the first manifest that does not, and code of any is refused then', (t) => {
  const one = signedAfter(undefined, alice)
  const two = signedAfter(one, alice)
  const three = signedAfter(two, bob)
  const head = { version: 3, digest: digestOf(three.bytes) }
  const known = knownHistory('shop', [alice.publicKey], [one, two, three], head)
  t.is(known.verified, 2)
  t.is(known.manifests.length, 3)
  t.regex(known.doubt!, /^not verified: version 3 of system shop: upgrade\.signature: /)
  t.throws(() => known.needed('plan'), { message: /^upgrade\.signature: .*; plan runs only code that is verified$/ })
  // One that was cut off is found out by the head.
  const cut = knownHistory('shop', [alice.publicKey], [one], { version: 2, digest: digestOf(two.bytes) })
  t.regex(cut.doubt!, /the head of the upgrade database is version 2/)
  t.throws(() => cut.needed('plan'))
  const well = knownHistory('shop', [alice.publicKey], [one, two], { version: 2, digest: digestOf(two.bytes) })
  t.is(well.doubt, undefined)
  t.is(well.needed('plan').at(2)!.manifest.version, 2)
  // Nobody is asked where nothing is installed; nobody is believed unless that is written.
  t.is(knownHistory('shop', undefined, [], { version: 0, digest: null }).doubt, undefined)
  t.throws(() => knownHistory('shop', undefined, [one]).needed('plan'))
  t.is(knownHistory('shop', 'nobody', [one]).verified, 1)
  t.is(knownHistory('other', 'nobody', [one]).verified, 0)
})

test('--trust takes keys one by one, with commas, before and after other words', (t) => {
  const [a, b] = [alice.publicKey, bob.publicKey]
  const both = [`--trust=${a},${b}`, 'upgrade', 'plan', 'x.upgrade']
  t.deepEqual(withOneTrust(['upgrade', 'plan', '--trust', a, b, 'x.upgrade']), both)
  t.deepEqual(withOneTrust(['upgrade', '--trust', a, 'plan', 'x.upgrade', `--trust=${b}`]), both)
  t.deepEqual(withOneTrust(['call', 'p1', 'put', '--', '--trust', 'x']), ['call', 'p1', 'put', '--', '--trust', 'x'])
  t.deepEqual(withOneTrust(['history', '--trust']), ['history', '--trust'])
  t.deepEqual(trustIn([`${a}, ${b}`, a]), [a, b])
  t.is(trustIn(['nobody']), 'nobody')
  for (const wrong of [[], [''], ['somebody'], [a, 'nobody'], [a.slice(1)]]) t.is(trustIn(wrong), undefined)
})

test('trust in nobody is of the system that is named beside it, and of no other', (t) => {
  const trust = [alice.publicKey]
  t.is(merge([{ system: 'shop' }, { system: 'dev', trust: 'nobody' }]).trust, undefined)
  t.is(merge([{}, { system: 'dev', trust: 'nobody' }]).trust, 'nobody')
  t.is(merge([{ trust: 'nobody' }, { system: 'shop', trust }]).trust, 'nobody')
  t.is(merge([{ system: 'shop' }, { system: 'dev', trust: 'nobody' }, { trust }]).trust, trust)
  t.is(merge([{ system: 'shop' }, { system: 'dev', trust }]).trust, trust)
})

test('an upgrade file whose bundle is not the one that its manifest names is neither planned nor compared', async (t) => {
  const system = await attacked(t)
  const bundle = system.evil
  const manifest = { ...draftManifest(upgrade, built.bundle), bundle: { ...built.manifest.bundle, bytes: bundle.length } }
  const cwd = newDirectory(t)
  writeFileSync(join(cwd, 'x.upgrade'), encodeUpgradeFile({ manifest, bundle }))
  const { code, stderr } = await natsctl(t, ['upgrade', 'diff', 'x.upgrade'], { cwd })
  t.is(code, 1)
  t.regex(stderr, /its bundle is not the one that its manifest names/)
  t.false(system.hasRun())
})
