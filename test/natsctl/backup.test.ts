/**
 * An upgrade database is backed up and restored, on real servers: an order like the others, and nothing is
 * believed of the file.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { defineUpgrade, draftManifest } from 'theseus-actors'
import { newKey, signer } from 'theseus-actors/nkeys'
import { redis } from 'theseus-actors/redis'
import { digestOf } from '../../core/base/digest.js'
import { encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { type Backup, decodeBackup, encodeBackup } from '../../natsctl/commands/backupFile.js'
import { signedAfter } from '../support/signedManifests.js'
import { runnerOf, startTrusting, systemsOf } from './natsctlSystem.js'

const nextSystem = systemsOf('backup')
const alice = newKey()

/** A system in which Alice has published version 1, which sets a table, and paused it; its backup. */
async function backedUp(t: ExecutionContext) {
  const next = nextSystem()
  const { system, env } = next
  const cwd = await startTrusting(t, next, { alice })
  const bundle = new Uint8Array(300_000).fill(7)
  const manifest = draftManifest(
    defineUpgrade({ title: 'One', classUpgrades: [], tables: { authorized: { n1: 'yes' } } }),
    bundle,
  )
  writeFileSync(join(cwd, 'One.upgrade'), encodeUpgradeFile({ manifest, bundle }))
  const { run } = runnerOf(t, { ...env, THESEUS_TRUST: alice.publicKey }, cwd)
  const ordered = async (...args: readonly string[]) => {
    const ended = await run(...args, '--key', 'alice.nk', '-o', 'json')
    t.is(ended.code, 0, ended.stderr)
    return JSON.parse(ended.stdout)
  }
  await ordered('upgrade', 'publish', 'One.upgrade')
  await ordered('rollout', 'pause', '1', '--reason', 'lunch')
  await ordered('table', 'set', 'authorized', 'n2', 'yes')
  const client = new Redis(env.THESEUS_REDIS)
  t.teardown(() => client.quit())
  const database = await redis(env.THESEUS_REDIS).open(system, { now: Date.now } as never)
  t.teardown(() => database.close())
  const file = join(cwd, 'shop.backup')
  const told = await ordered('backup', 'shop.backup')
  const read = () => decodeBackup(readFileSync(file))
  const rewrite = (change: (backup: Backup) => Partial<Backup>) => {
    const backup = read()
    writeFileSync(file, encodeBackup({ ...backup, ...change(backup) }))
  }
  const lose = async () => {
    const keys = await client.keys(`theseus:{${system}}:*`)
    await client.del(keys)
  }
  // Of a database that has lost all nobody knows the system any more.
  const acts = async () => JSON.parse((await run('audit', '-o', 'json')).stdout || '[]').map((entry: any) => entry.what)
  return { system, cwd, run, ordered, database, file, told, read, rewrite, lose, acts, manifest }
}

test('a backup is an order: signed, in the audit with its digest, and written for its user alone', async (t) => {
  const { file, told, run, acts, read, cwd, system, manifest } = await backedUp(t)
  const bytes = readFileSync(file)
  t.like(told, { system, versions: 1, digest: digestOf(bytes), missing: [] })
  t.is(statSync(file).mode & 0o777, 0o600)
  const { bundles, tables, controls, final, audit, manifests } = read()
  t.deepEqual([...bundles.keys()], [manifest.bundle.digest])
  t.deepEqual(
    tables,
    new Map([
      [
        'authorized',
        new Map([
          ['n1', 'yes'],
          ['n2', 'yes'],
        ]),
      ],
    ]),
  )
  t.deepEqual([manifests.length, controls.map(({ kind }) => kind), final, audit.length], [1, ['pause'], 0, 3])
  t.like((await acts()).at(-1), { act: 'order', words: `backup ${told.digest}, up to version 1` })
  const stranger = newKey()
  writeFileSync(join(cwd, 'stranger.nk'), stranger.seed, { mode: 0o600 })
  for (const key of [[], ['--key', 'stranger.nk']]) {
    const refused = await run('backup', 'other.backup', ...key)
    t.is(refused.code, 1)
    t.regex(refused.stderr, /^upgrade\.signature: /)
    t.throws(() => readFileSync(join(cwd, 'other.backup')), { code: 'ENOENT' }, 'what the audit does not tell of is not written')
  }
  const dry = await run('backup', 'other.backup', '--dry-run')
  t.is(dry.code, 0, dry.stderr)
  t.throws(() => readFileSync(join(cwd, 'other.backup')), { code: 'ENOENT' })
})

test('what was lost comes back from the backup, as orders that the audit tells of; what is there stays as it is', async (t) => {
  const { run, ordered, database, lose, acts, told } = await backedUp(t)
  const before = await database.manifests(1, 9)
  t.regex((await run('restore', 'shop.backup', '--yes', '--key', 'alice.nk')).stdout, /^nothing of shop\.backup is missing/)
  await lose()
  await ordered('table', 'set', 'authorized', 'n2', 'no')
  const dry = await run('restore', 'shop.backup', '--dry-run')
  t.is(dry.code, 0, dry.stderr)
  t.is(dry.stdout, 'would restore 1 version; 1 entry of tables; pause/1\n')
  t.is(dry.stderr, 'authorized: n1 = yes\nauthorized: n2 has another value now, and keeps it\n')
  t.is((await database.head()).version, 0)
  t.is((await run('restore', 'shop.backup', '--key', 'alice.nk', '--no-input')).code, 2)
  const restored = await ordered('restore', 'shop.backup', '--yes', '--digest', told.digest)
  t.like(restored, { digest: told.digest, versions: [1], kept: ['authorized: n2'], final: null })
  t.deepEqual(await database.manifests(1, 9), before)
  t.deepEqual(
    await database.table('authorized'),
    new Map([
      ['n1', 'yes'],
      ['n2', 'no'],
    ]),
  )
  t.like(await database.controls(), [{ kind: 'pause', version: 1, reason: 'lunch' }])
  const what = await acts()
  t.true(what.some(({ act }: { act: string }) => act === 'lost'))
  const order = what.findIndex(({ words }: { words?: string }) => words === `restore from backup ${told.digest}, up to version 1`)
  const install = what.findIndex(({ act }: { act: string }) => act === 'install')
  t.true(order !== -1 && order < install, 'it is told before anything is changed')
  t.is((await run('audit', '--verify')).code, 0)
  t.regex((await run('restore', 'shop.backup', '--yes', '--key', 'alice.nk')).stdout, /^nothing of shop\.backup is missing/)
})

test('a backup that somebody has changed, or that is of another history or system, restores nothing', async (t) => {
  const { run, rewrite, lose, database, acts, file, system } = await backedUp(t)
  const original = readFileSync(file)
  const refusal = async (why: RegExp, ...args: readonly string[]) => {
    const ended = await run('restore', 'shop.backup', '--yes', '--key', 'alice.nk', ...args)
    t.not(ended.code, 0, String(why))
    t.regex(ended.stderr, why)
    t.is((await database.head()).version, 0)
    writeFileSync(file, original)
  }
  await lose()
  const mallory = signer(newKey().seed)
  rewrite(() => ({ manifests: [signedAfter(undefined, mallory, { system })] }))
  await refusal(/^upgrade\.signature: shop\.backup: .*: nothing is restored\n$/)
  rewrite(({ bundles }) => ({ bundles: new Map([...bundles].map(([digest]) => [digest, new Uint8Array(3)])) }))
  await refusal(/^upgrade\.digest: bundle [0-9a-f]{64} of shop\.backup has another digest/)
  rewrite(() => ({ tables: new Map([['authorized', new Map([['mallory', 'yes']])]]) }))
  await refusal(/^upgrade\.digest: shop\.backup has the digest/, '--digest', digestOf(original))
  rewrite(() => ({ system: 'other' }))
  await refusal(/^upgrade\.\w+: |is of system other/)
  for (const nonsense of [new Uint8Array(0), new Uint8Array([1]), original.subarray(0, 1_000), new Uint8Array([0x92, 2, 0x80])]) {
    writeFileSync(file, nonsense)
    await refusal(/^upgrade\.invalid: shop\.backup: this is no backup: /)
  }
  t.false((await acts()).some(({ words }: { words?: string }) => words?.startsWith('restore')))
  // The system has gone on from another version 1.
  const other = signedAfter(undefined, signer(alice.seed), { system })
  t.true(await database.install(await database.head(), digestOf(other.bytes), other))
  const forked = await run('restore', 'shop.backup', '--yes', '--key', 'alice.nk')
  t.regex(forked.stderr, /^upgrade\.forked: version 1 of the backup is another one/)
})
