/** The audit at the command line: listed, exported, verified, and tampered with in Redis. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { defineUpgrade, draftManifest } from 'theseus-actors'
import { newKey, signer } from 'theseus-actors/nkeys'
import { redis } from 'theseus-actors/redis'
import { digestOf } from '../../core/base/digest.js'
import { encodeDirective } from '../../core/control/directive.js'
import { encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { systemClock } from '../../transports/systemClock.js'
import { signedAfter } from '../support/signedManifests.js'
import { runnerOf, startTrusting, systemsOf } from './natsctlSystem.js'

const nextSystem = systemsOf('audit')
const alice = newKey()

/** A system in which Alice has published version 1 and paused it; somebody without a key was refused. */
async function audited(t: ExecutionContext) {
  const next = nextSystem()
  const { system, env } = next
  const cwd = await startTrusting(t, next, { alice })
  const bundle = new TextEncoder().encode(system)
  const manifest = draftManifest(defineUpgrade({ title: 'One', classUpgrades: [] }), bundle)
  writeFileSync(join(cwd, 'One.upgrade'), encodeUpgradeFile({ manifest, bundle }))
  const { run, json } = runnerOf(t, { ...env, THESEUS_TRUST: '' }, cwd)
  await json('upgrade', 'publish', 'One.upgrade', '--key', 'alice.nk')
  t.is((await run('rollout', 'pause', '1', '--key', 'alice.nk')).code, 0)
  t.is((await run('rollout', 'resume', '1')).code, 1)
  const client = new Redis(env.THESEUS_REDIS)
  t.teardown(() => client.quit())
  const key = (name: string) => `theseus:{${system}}:${name}`
  return { cwd, system, env, run, json, client, key, verify: () => run('audit', '--verify', '--trust', alice.publicKey) }
}

test('the audit says who ordered what and what came of it, and verifies', async (t) => {
  const { json, run, verify } = await audited(t)
  const listed = await json('audit')
  t.deepEqual(
    listed.map((entry: any) => [entry.number, entry.what.act, entry.outcome, entry.by]),
    [
      [1, 'install', 'done', [alice.publicKey]],
      [2, 'order', 'done', [alice.publicKey]],
      [3, 'order', 'upgrade.signature', []],
    ],
  )
  const table = await run('audit', '--limit', '2')
  t.regex(table.stdout, /^NUMBER +AT +WHAT +OUTCOME +BY +FROM\n2 .* directive 1: pause\/1 +done +A/)
  t.is((await json('audit', '--since', '1h')).length, 3)
  t.is((await json('audit', '--since', '2099-01-01T00:00:00Z')).length, 0)
  t.is((await run('audit', '--since', 'yesterday')).code, 2)
  t.is((await run('audit', '--limit', '0')).code, 2)
  const verified = await verify()
  t.is(verified.code, 0, verified.stderr)
  t.regex(verified.stdout, /^3 entries of system audit\d+ verified; the newest is [0-9a-f]{64}\n$/)
  const known = (hash: string) => run('audit', '--verify', '--trust', alice.publicKey, '--known', hash)
  t.is((await known(listed[1].hash)).code, 0)
  t.regex((await known('0'.repeat(64))).stderr, /has no entry with the hash 0/)
  t.is((await run('audit', '--verify')).code, 2)
})

test('an audit that somebody changed in Redis does not verify, and the first broken entry is named', async (t) => {
  const { client, key, verify, run } = await audited(t)
  const second = (await client.lindexBuffer(key('audit'), 1))!
  const changed = Buffer.from(second.toString().replace('pause/1', 'pause/2'))
  const brokenAt = async (number: number, why: RegExp) => {
    const ended = await verify()
    t.is(ended.code, 1)
    t.regex(ended.stderr, new RegExp(`broken at entry ${number}: `))
    t.regex(ended.stderr, why)
  }
  await client.lset(key('audit'), 1, changed)
  await brokenAt(3, /follows another entry/)
  await client.lset(key('audit'), 1, 'nonsense')
  await brokenAt(2, /not JSON/)
  t.regex((await run('audit')).stderr, /1 entry can't be read/)
  await client.lset(key('audit'), 1, second)
  t.is((await verify()).code, 0)
  const third = (await client.rpopBuffer(key('audit')))!
  await brokenAt(3, /missing: the newest entry is 3/)
  await client.rpush(key('audit'), third)
  await client.lpop(key('audit'))
  await brokenAt(1, /entry 2 is in its place/)
})

test('an exported audit is hashed line by line, and verifies from the file', async (t) => {
  const { cwd, json, run, system } = await audited(t)
  t.like(await json('audit', 'export', 'audit.jsonl'), { system, entries: 3 })
  const lines = readFileSync(join(cwd, 'audit.jsonl'), 'utf8').trimEnd().split('\n')
  const listed = await json('audit')
  const hash = (line: string) => createHash('sha256').update(line).digest('hex')
  t.deepEqual(
    lines.map(hash),
    listed.map((entry: any) => entry.hash),
  )
  const fromFile = () => run('audit', '--file', 'audit.jsonl', '--verify', '--trust', alice.publicKey)
  t.is((await fromFile()).code, 0)
  writeFileSync(join(cwd, 'audit.jsonl'), `${[lines[0], lines[2]].join('\n')}\n`)
  t.regex((await fromFile()).stderr, /broken at entry 2/)
})

test('a version or a directive that somebody wrote past the upgrade servers has no entry, and is named', async (t) => {
  const { client, key, system, env, verify, run, json } = await audited(t)
  const { hash } = (await json('audit')).at(-1)
  const database = await redis(env.THESEUS_REDIS).open(system, systemClock)
  t.teardown(() => database.close())
  const [first] = await database.manifests(1, 1)
  const second = signedAfter(first, signer(alice.seed), { system })
  t.true(await database.install(await database.head(), digestOf(second.bytes), second))
  const unnamed = await verify()
  t.is(unnamed.code, 1)
  t.regex(
    unnamed.stderr,
    /^upgrade\.invalid: version 2 \([0-9a-f]{12}\) has no entry: somebody wrote it past .*; 3 entries verified\n$/,
  )
  const directive = encodeDirective({
    ...{ format: 1, system, number: 2, createdAt: '2099-01-01T00:00:00.000Z', upgrader: null },
    what: { order: 'forget', nodeId: 'n1' },
  })
  await client.rpush(key('directives'), JSON.stringify([Buffer.from(directive).toString('base64'), null, true]))
  t.regex((await verify()).stderr, /version 2 .* has no entry.*; directive 2 .* has no entry/)
  await client.rpush(key('directives'), 'nonsense')
  t.regex((await verify()).stderr, /; a directive that can't be read \([0-9a-f]{12}\) has no entry/)
  await client.rpop(key('directives'))
  // Something is ordered after it, and the auditor has looked at it and notes the newest entry.
  t.is((await run('rollout', 'resume', '1')).code, 1)
  const looked = (await json('audit')).at(-1).hash
  t.not(looked, hash)
  await client.rpop(key('directives'))
  const known = await run('audit', '--verify', '--trust', alice.publicKey, '--known', looked)
  t.is(known.code, 0, known.stderr)
  t.regex(known.stderr, /version 2 .* has no entry: it had none at the known entry/)
})

test('a history from before the audit began verifies, and says which versions that are', async (t) => {
  const { client, key, verify, run } = await audited(t)
  await client.del(key('audit'), key('auditHead'))
  t.is((await run('rollout', 'resume', '1', '--key', 'alice.nk')).code, 0)
  const ended = await verify()
  t.is(ended.code, 0, ended.stderr)
  t.regex(ended.stderr, /version 1 .* has no entry: it may be from before the audit began\ndirective 1 .* before the audit began/)
  t.regex(ended.stdout, /entr(y|ies) of system audit\d+ verified/)
})

test('a login that may not read the directives is told that they are not compared', async (t) => {
  const { client, key, env, run } = await audited(t)
  await client.acl('SETUSER', 'auditor', 'on', '>secret', '+@all', '%R~*')
  const url = new URL(env.THESEUS_REDIS)
  url.username = 'auditor'
  url.password = 'secret'
  const verify = () => run('audit', '--verify', '--trust', alice.publicKey, '--redis', url.href)
  t.is((await verify()).stderr, '')
  await client.acl(
    'SETUSER',
    'auditor',
    'resetkeys',
    ...['head', 'manifests', 'signatures', 'audit', 'auditHead'].map((name) => `%R~${key(name)}`),
  )
  const ended = await verify()
  t.is(ended.code, 0, ended.stderr)
  t.regex(ended.stderr, /may not read the directives, which are not compared/)
})

test('orders say who, when, why, and whether they were carried out; those in force say whom they concern', async (t) => {
  const { json, run } = await audited(t)
  for (const args of [
    ['rollout', 'pause', '2', '--reason', 'after lunch'],
    ['table', 'set', 'authorized', 'p1', 'yes', '--reason', 'p1 is ours'],
    ['rollout', 'resume', '1', '--reason', 'all is well'],
    ['rollout', 'retry', '1', '--reason', 'the disk has room'],
  ])
    t.is((await run(...args, '--key', 'alice.nk')).code, 0, args.join(' '))
  const orders = await json('orders')
  t.deepEqual(
    orders.map((one: any) => [one.order, one.isDone, one.outcome, one.by, one.reason]),
    [
      ['install version 1', true, 'done', [alice.publicKey], null],
      ['pause/1', true, 'done', [alice.publicKey], null],
      ['no pause/1', false, 'upgrade.signature', [], null],
      ['pause/2', true, 'done', [alice.publicKey], 'after lunch'],
      ['authorized: p1 = yes', true, 'done', [alice.publicKey], 'p1 is ours'],
      ['no pause/1', true, 'done', [alice.publicKey], 'all is well'],
      ['retry/1', true, 'done', [alice.publicKey], 'the disk has room'],
    ],
  )
  const table = await run('orders', '--limit', '2')
  t.regex(table.stdout, /^AT +WHO +ORDER +CARRIED OUT +WHY\n.* A\S{11} +directive 4: no pause\/1 +yes +all is well\n/)
  t.is((await json('orders', '--since', '2099-01-01T00:00:00Z')).length, 0)

  const inForce = await json('orders', '--in-force')
  t.like(inForce, [
    { order: 'pause/2', kind: 'pause', reason: 'after lunch', nobody: 'nobody: version 2 is not installed yet' },
    { order: 'retry/1' },
  ])
  t.is((await run('orders', '--in-force', '--limit', '2')).code, 2)

  const events = await json('events', '--limit', '2')
  t.like(events, [
    { event: 'order', what: 'directive 4: no pause/1: all is well' },
    { event: 'order', node: null },
  ])
  t.is((await run('events', '--follow', '-o', 'yaml')).code, 2)
})
