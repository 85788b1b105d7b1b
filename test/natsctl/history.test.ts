/** A signed history at the command line: published, listed, exported, verified, and tampered with. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { defineUpgrade, draftManifest } from 'theseus-actors'
import { newKey } from 'theseus-actors/nkeys'
import { digestOf } from '../../core/base/digest.js'
import { encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { decodeHistoryFile, encodeHistoryFile } from '../../natsctl/history/historyFile.js'
import { natsctl } from './natsctlProcess.js'
import { type Runner, runnerOf, type SystemOfTest, startTrusting, systemsOf } from './natsctlSystem.js'

interface Context extends Runner, Pick<SystemOfTest, 'system' | 'env'> {
  readonly cwd: string
}

const nextSystem = systemsOf('trust')
const alice = newKey()
const bob = newKey()

/**
 * A system that trusts Alice, who has published version 1 and handed over to Bob with version 2, who has
 * published version 3.
 */
async function published(t: ExecutionContext): Promise<Context> {
  const next = nextSystem()
  const { system, env } = next
  const cwd = await startTrusting(t, next, { alice, bob })
  for (const title of ['One', 'Three']) {
    const bundle = new TextEncoder().encode(`${system} ${title}`)
    const manifest = draftManifest(defineUpgrade({ title, classUpgrades: [] }), bundle)
    writeFileSync(join(cwd, `${title}.upgrade`), encodeUpgradeFile({ manifest, bundle }))
  }
  const { run, json } = runnerOf(t, { ...env, THESEUS_TRUST: '' }, cwd)
  await json('upgrade', 'publish', 'One.upgrade', '--key', 'alice.nk', '--reason', 'the first')
  await json('upgrader', 'set', bob.publicKey, '--key', 'alice.nk')
  await json('upgrade', 'publish', 'Three.upgrade', '--key', 'bob.nk')
  return { system, env, cwd, run, json }
}

test('the history says who installed what, when and why, and verifies from the database', async (t) => {
  const { json, run } = await published(t)
  const listed = await json('history')
  t.deepEqual(
    listed.map((entry: any) => [entry.version, entry.title, entry.upgrader, entry.reason]),
    [
      [1, 'One', alice.publicKey, 'the first'],
      [2, `Upgraders: ${bob.publicKey}`, alice.publicKey, null],
      [3, 'Three', bob.publicKey, null],
    ],
  )
  const whole = await json('history', '--trust', alice.publicKey)
  t.true(whole.every((entry: any) => entry.verified) && listed.every((entry: any) => !entry.verified))
  const verified = await json('history', '--verify', '--trust', alice.publicKey)
  t.like(verified, { verified: true, upgraders: [bob.publicKey], digest: listed[2].digest })
  t.deepEqual(verified.versions, whole)
  const table = await run('history', '--verify', '--trust', alice.publicKey)
  t.regex(table.stdout, /3 versions of system trust\d+ verified; the newest manifest is [0-9a-f]{64}\n$/)
  t.deepEqual(await json('upgrader', 'ls'), { since: 2, upgraders: [bob.publicKey], verified: false })
  t.like(await json('upgrader', 'ls', '--trust', alice.publicKey), { verified: true })
  const nobody = await run('history', '--verify')
  t.is(nobody.code, 2)
  t.regex(nobody.stderr, /^error: who may have signed\? give --trust <keys>/)
})

test('a key that is not trusted any more, none at all, or the wrong first list, is told', async (t) => {
  const { run } = await published(t)
  const late = await run('upgrade', 'publish', 'Three.upgrade', '--key', 'alice.nk')
  t.is(late.code, 1)
  t.regex(late.stderr, /^upgrade\.signature: the manifest of version 4 is by A[A-Z2-7]+, who is not a trusted upgrader/)
  const unsigned = await run('upgrade', 'publish', 'Three.upgrade')
  t.is(unsigned.code, 1)
  t.regex(unsigned.stderr, /^upgrade\.signature: .* is not signed/)
  const wrong = await run('history', '--verify', '--trust', bob.publicKey)
  t.is(wrong.code, 1)
  t.regex(wrong.stderr, /upgrade\.signature: the manifest of version 1 is by .*; 0 versions before it verified/)
})

test('an exported history verifies offline, and not when a byte, an order or an end of it was changed', async (t) => {
  const { json, cwd, system } = await published(t)
  const exported = await json('history', 'export', 'history.bin')
  t.like(exported, { system, versions: 3 })
  // Without servers: the addresses lead nowhere.
  const nowhere = { NATS_URL: 'nats://127.0.0.1:1', THESEUS_REDIS: 'redis://127.0.0.1:1' }
  const offline = (file: string, ...more: readonly string[]) =>
    natsctl(t, ['history', '--file', file, '--verify', '--trust', alice.publicKey, ...more], { cwd, env: nowhere })
  const whole = await offline('history.bin', '--head', exported.digest)
  t.is(whole.code, 0, whole.stderr)

  const bytes = readFileSync(join(cwd, 'history.bin'))
  const history = decodeHistoryFile(bytes)
  const [one, two, three] = history.manifests as [any, any, any]
  const flipped = (of: Uint8Array, at: number) => of.map((byte, i) => (i === at ? byte ^ 1 : byte))
  const changes: Record<string, [readonly any[], RegExp]> = {
    'a byte of a manifest': [[one, { ...two, bytes: flipped(two.bytes, 200) }, three], /^upgrade\.\w+: .*1 version before it/m],
    'a byte of a signature': [
      [one, two, { ...three, signature: flipped(three.signature, 40) }],
      /^upgrade\.signature: .*2 versions/m,
    ],
    'the order': [[one, three, two], /^upgrade\.predecessor: /m],
    'the first one left out': [[two, three], /^upgrade\.predecessor: /m],
    'the last one left out': [[one, two], /^upgrade\.predecessor: the newest manifest has the digest/m],
    'a signature left out': [[{ ...one, signature: null }, two, three], /^upgrade\.signature: /m],
  }
  for (const [what, [manifests, line]] of Object.entries(changes)) {
    writeFileSync(join(cwd, 'changed.bin'), encodeHistoryFile({ system, manifests }))
    const ended = await offline('changed.bin', '--head', exported.digest)
    t.is(ended.code, 1, what)
    t.regex(ended.stderr, line, what)
  }
  writeFileSync(join(cwd, 'other.bin'), encodeHistoryFile({ ...history, system: 'other' }))
  t.regex((await offline('other.bin')).stderr, /it is for system/)
  writeFileSync(join(cwd, 'cut.bin'), bytes.subarray(0, bytes.length - 100))
  t.regex((await offline('cut.bin')).stderr, /^upgrade\.invalid: cut\.bin: this is no exported history/m)
})

test('a version with two manifests is told by the history and by whoever publishes, until an operator removes it', async (t) => {
  const { run } = await published(t)
  t.is((await run('table', 'set', 'theseus-forks', '2', 'aa here and bb on a host', '--key', 'bob.nk')).code, 0)
  const listed = await run('history')
  t.is(listed.code, 0)
  t.regex(listed.stderr, /^upgrade\.forked: version 2 has two manifests, aa here and bb on a host/m)
  t.is((await run('history', '--verify', '--trust', alice.publicKey)).code, 1)
  const refused = await run('upgrade', 'publish', 'Three.upgrade', '--key', 'bob.nk')
  t.is(refused.code, 1)
  t.regex(refused.stderr, /^upgrade\.forked: nothing is installed: version 2 has two manifests/)
  t.is((await run('table', 'rm', 'theseus-forks', '2', '--key', 'bob.nk')).code, 0)
  t.is((await run('history', '--verify', '--trust', alice.publicKey)).code, 0)
})

test('a history that was changed in Redis, or cut off there, does not verify', async (t) => {
  const { run, system, env } = await published(t)
  const database = new Redis(env.THESEUS_REDIS)
  t.teardown(() => database.quit())
  const key = (name: string) => `theseus:{${system}}:${name}`
  const verify = () => run('history', '--verify', '--trust', alice.publicKey)

  const second = (await database.hgetBuffer(key('manifests'), '2'))!
  await database.hset(key('manifests'), '2', Buffer.from(second.toString().replace(bob.publicKey, alice.publicKey)))
  t.regex((await verify()).stderr, /^upgrade\.signature: the manifest of version 2 was not signed like this/m)
  await database.hset(key('manifests'), '2', second)
  t.is((await verify()).code, 0)

  await database.hset(key('head'), 'version', '2')
  t.regex((await verify()).stderr, /^upgrade\.predecessor: the head of the upgrade database is version 2/m)
  await database.hset(key('head'), 'digest', digestOf(second))
  // A history that ends earlier is a history: who was told the newest digest finds out.
  t.is((await verify()).code, 0)
})
