/**
 * The trust root on the command line: made once, given to all; orders and upgrades go from one
 * signer to the next as files.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { type BuiltUpgrade, defineUpgrade, draftManifest, type TrustRoot } from 'theseus-actors'
import { newKey, trustIn as trustOf } from 'theseus-actors/nkeys'
import { encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { decodeOrderFile } from '../../natsctl/context/orderFile.js'
import { trustFrom, trustText } from '../../natsctl/context/trust.js'
import { shellWord } from '../../natsctl/up/localSystem.js'
import { readUpConfig } from '../../natsctl/up/upConfig.js'
import { natsctl, newDirectory } from './natsctlProcess.js'
import { startServer, systemWithServers } from './natsctlSystem.js'

const keys = [newKey(), newKey(), newKey()] as const
const [a, b, c] = keys.map(({ publicKey }) => publicKey) as [string, string, string]
const nowhere = { NATS_URL: 'nats://127.0.0.1:1', THESEUS_REDIS: 'redis://127.0.0.1:1', THESEUS_TRUST: '' }

function built(title: string): BuiltUpgrade {
  const bundle = new TextEncoder().encode(`// ${title}`)
  return { manifest: draftManifest(defineUpgrade({ title, classUpgrades: [] }), bundle), bundle }
}

/** A directory with three seeds and a trust root of system shop, which natsctl has made. */
async function rooted(t: ExecutionContext, ...more: readonly string[]) {
  const cwd = newDirectory(t)
  for (const [i, { seed }] of keys.entries()) writeFileSync(join(cwd, `${i}.nk`), seed, { mode: 0o600 })
  const offline = (...args: readonly string[]) => natsctl(t, args, { cwd, env: nowhere })
  const made = await offline('trust', 'new', a, b, c, ...more, '--system', 'shop')
  t.is(made.code, 0, made.stderr)
  const root = JSON.parse(readFileSync(join(cwd, 'shop.trust.json'), 'utf8')) as TrustRoot
  return { cwd, offline, root }
}

/** Servers of a system with this root, and natsctl beside them. */
async function running(t: ExecutionContext, cwd: string, root: TrustRoot) {
  const at = await systemWithServers(t, 'shop')
  await startServer(t, at, { trust: root, gate: 'off' })
  const { env } = at
  const online = (...args: readonly string[]) => natsctl(t, args, { cwd, env: { ...env, THESEUS_TRUST: 'shop.trust.json' } })
  const as = (trust: string, ...args: readonly string[]) => natsctl(t, args, { cwd, env: { ...env, THESEUS_TRUST: trust } })
  return { online, as, redisUrl: env.THESEUS_REDIS }
}

test('a trust root is made with an identity that no other has, and is not written over', async (t) => {
  const { offline, root } = await rooted(t, '--need', 'upgrade=2,final=3', '--since', '4')
  t.like(root, {
    format: 1,
    system: 'shop',
    since: 4,
    keys: [{ key: a }, { key: b }, { key: c }],
    need: { upgrade: 2, final: 3 },
  })
  t.regex(root.identity, /^[0-9a-f]{32}$/)
  const again = await offline('trust', 'new', a, '--system', 'shop')
  t.deepEqual([again.code, again.stderr], [1, 'error: shop.trust.json is there already: a system has one trust root\n'])
  const other = await offline('trust', 'new', `${a}=2027-01-31T00:00:00Z`, '--system', 'shop', '-O', 'other.json', '-o', 'json')
  const document = JSON.parse(other.stdout)
  t.deepEqual(document.keys, [{ key: a, until: '2027-01-31T00:00:00Z' }])
  t.not(document.identity, root.identity)
  const shown = await offline('trust', 'show', 'shop.trust.json')
  t.regex(
    shown.stdout,
    /^shop\.trust\.json: the trust root of system shop\nidentity [0-9a-f]{32}, from version 4 on\n( {2}A\w{55}\n){3}upgrade: 2 have to sign\nfinal: 3 have to sign\n$/,
  )
})

test('what is wrong with a trust root is said in one line, wherever it is given', async (t) => {
  const { cwd, offline, root } = await rooted(t)
  const wrong = { ...root, need: { upgrade: 9 } }
  writeFileSync(join(cwd, 'wrong.json'), JSON.stringify(wrong))
  writeFileSync(join(cwd, 'seed.json'), keys[0].seed)
  const message = 'trust: need asks for 9 signatures, and there are 3 keys'
  const flagged = await offline('history', '--system', 'shop', '--trust', 'wrong.json')
  t.is(flagged.code, 2)
  t.true(flagged.stderr.includes(`wrong.json: ${message}`), flagged.stderr)
  const inEnv = await natsctl(t, ['history', '--system', 'shop'], { cwd, env: { ...nowhere, THESEUS_TRUST: 'wrong.json' } })
  t.deepEqual([inEnv.code, inEnv.stderr], [2, `error: THESEUS_TRUST: wrong.json: ${message}\n`])
  writeFileSync(join(cwd, 'theseus.json'), JSON.stringify({ system: 'shop', hosts: {}, trust: wrong }))
  const up = await offline('up')
  t.deepEqual([up.code, up.stderr], [2, `error: theseus.json: trust: this: ${message}\n`])
  const seed = await offline('history', '--system', 'shop', '--trust', 'seed.json')
  t.is(seed.code, 2)
  t.false(seed.stderr.includes(keys[0].seed))
  const missing = await offline('trust', 'show', 'nothing.json')
  t.is(missing.code, 1)
  for (const need of ['upgrade', 'install=2', 'upgrade=0', 'upgrade=2,'])
    t.is((await offline('trust', 'new', a, '--system', 'shop', '-O', 'x.json', '--need', need)).code, 2, need)
  t.is((await offline('trust', 'new', `${a}=2027-01-31`, '--system', 'shop', '-O', 'x.json')).code, 2)
})

test('a trust root in the config of up is one, or the path of one from there; what up prints for a shell is one word', async (t) => {
  const { cwd, root } = await rooted(t)
  const config = async (trust: unknown) => {
    writeFileSync(join(cwd, 'theseus.json'), JSON.stringify({ system: 'shop', hosts: {}, trust }))
    return (await readUpConfig(join(cwd, 'theseus.json'), undefined)).trust
  }
  t.deepEqual(await config(root), root)
  t.deepEqual(await config('shop.trust.json'), root)
  t.deepEqual(await config([a]), [a])
  await t.throwsAsync(config('nothing.json'), { message: /theseus\.json: trust: .*no such file/ })
  t.is(shellWord('redis://127.0.0.1:6379'), 'redis://127.0.0.1:6379')
  const word = execFileSync('sh', ['-c', `printf %s ${shellWord(trustText(root))}`], { encoding: 'utf8' })
  t.deepEqual(trustFrom(word), root)
  t.is(shellWord("it's {"), `'it'\\''s {'`)
})

test('a trust root is taken as a file, as JSON, and out of a context', async (t) => {
  const { cwd, root } = await rooted(t)
  t.deepEqual(trustFrom(join(cwd, 'shop.trust.json')), root)
  t.deepEqual(trustFrom(JSON.stringify(root)), root)
  t.is(trustFrom('nobody'), 'nobody')
  t.deepEqual(trustFrom(a), [a])
  t.is(trustFrom(join(cwd, 'nothing.json')), undefined)
  t.deepEqual(trustOf([a, b]), [a, b])
  const config = { XDG_CONFIG_HOME: cwd }
  const contexts = join(cwd, 'nats', 'context')
  mkdirSync(contexts, { recursive: true })
  writeFileSync(join(contexts, 'prod.json'), JSON.stringify({ url: 'nats://127.0.0.1:1' }))
  const saved = await natsctl(t, ['context', 'save', 'prod', '--system', 'shop', '--trust', 'shop.trust.json'], {
    cwd,
    env: { ...config, THESEUS_TRUST: '' },
  })
  t.is(saved.stdout, `kept with context prod: system shop, trust the root of system shop, identity ${root.identity}\n`)
  const shown = await natsctl(t, ['context', 'show', 'prod', '-o', 'json'], { cwd, env: { ...config, THESEUS_TRUST: '' } })
  t.deepEqual(JSON.parse(shown.stdout).trust, root)
})

test('two sign an upgrade and an order, each on a machine of its own, and then they are taken', async (t) => {
  const { cwd, offline, root } = await rooted(t, '--need', 'upgrade=2,final=2,order=2')
  const { online, as } = await running(t, cwd, root)
  writeFileSync(join(cwd, 'one.upgrade'), encodeUpgradeFile(built('One')))
  const sign = (key: string, ...more: readonly string[]) =>
    offline('upgrade', 'sign', 'one.upgrade', '--key', key, '--trust', 'shop.trust.json', ...more)
  const first = await sign('0.nk', '--system', 'shop', '--for', '1', '--after', 'none')
  t.true(first.stdout.includes(`signed for version 1 of system shop (identity ${root.identity}), after nothing\n`), first.stdout)
  const early = await online('upgrade', 'publish', 'one.upgrade')
  t.is(early.code, 1)
  t.regex(
    early.stderr,
    /^upgrade\.signature: the manifest of version 1 is signed by 1 of those who are trusted, A\w{55}, and 2 have to sign\n$/,
  )
  t.is((await sign('1.nk')).code, 0)
  t.is((await online('upgrade', 'publish', 'one.upgrade')).code, 0)
  const [entry] = JSON.parse((await online('history', '--verify', '-o', 'json')).stdout).versions
  t.like(entry, { version: 1, signedBy: [a, b], identity: root.identity, verified: true })
  const table = await online('history', '--verify', '-o', 'wide')
  t.true(table.stdout.includes(`${a} ${b}`), table.stdout)
  const doctor = JSON.parse((await online('doctor', '-o', 'json')).stdout).checks.find(({ check }: any) => check === 'signatures')
  t.is(doctor.found, `1 version verified; the newest is signed by ${a} and ${b}`)

  // One alone makes nothing final.
  const alone = await online('version', 'finalize', '1', '--key', '0.nk', '--yes')
  t.is(alone.code, 1)
  t.regex(alone.stderr, /^upgrade\.signature: directive 1 is signed by 1 of those/)
  const order = await online('version', 'finalize', '1', '--key', '0.nk', '--yes', '--to', 'final.order')
  t.is(order.code, 0, order.stderr)
  t.is(
    order.stdout,
    `final.order: for system shop, identity ${root.identity}\ndirective 1: version 1 is final\n  signed by ${a}\n`,
  )
  t.regex(
    order.stderr,
    /not sent: others sign it with "natsctl order sign final\.order", then "natsctl order send final\.order"\n$/,
  )
  t.is((await online('order', 'send', 'final.order')).code, 1)
  const second = await offline('order', 'sign', 'final.order', '--key', '1.nk', '--trust', 'shop.trust.json', '-o', 'json')
  t.deepEqual(JSON.parse(second.stdout).signedBy, [a, b])
  const sent = await online('order', 'send', 'final.order', '-o', 'json')
  t.like(JSON.parse(sent.stdout), { sent: 'directive 1', result: 1 })
  // The same again is answered as done, and another one needs new signatures.
  t.is((await online('order', 'send', 'final.order')).code, 0)
  t.is((await online('table', 'set', 'authorized', 'p1', 'yes', '--key', '2.nk', '--to', 'table.order')).code, 0)
  t.is((await offline('order', 'sign', 'table.order', '--key', '1.nk')).code, 0)
  t.is((await online('order', 'send', 'table.order')).code, 0)
  t.is((await online('table', 'get', 'authorized', 'p1')).stdout, 'yes\n')

  // A signer that has only the list of keys signs for no system that has an identity.
  const listed = await as(`${a},${b},${c}`, 'rollout', 'pause', '1', '--key', '0.nk')
  t.is(listed.code, 1)
  t.regex(
    listed.stderr,
    /^upgrade\.signature: directive 3 names no identity, and system shop has one: sign it anew, with the trust root/m,
  )
})

test('a key is taken away by two, and says when another one ends and how many have to sign', async (t) => {
  const { cwd, offline, root } = await rooted(t, '--need', 'upgrade=2')
  const { online, as } = await running(t, cwd, root)
  const set = (key: string, ...args: readonly string[]) => online('upgrader', 'set', ...args, '--key', key, '--to', 'keys.order')
  const made = await set('0.nk', a, `${b}=2099-01-31T00:00:00Z`, '--need', 'upgrade=2,final=2', '--reason', 'Carol leaves')
  t.is(made.code, 0, made.stderr)
  t.regex(
    made.stdout,
    /version 1: Upgraders: .*\nupgrader A\w{55}\nupgrader A\w{55} until 2099-01-31T00:00:00Z\nupgrade: 2 have to sign\nfinal: 2 have to sign\n/,
  )
  t.is((await offline('order', 'sign', 'keys.order', '--key', '1.nk')).code, 0)
  t.is((await online('order', 'send', 'keys.order')).code, 0)
  const listed = JSON.parse((await online('upgrader', 'ls', '-o', 'json')).stdout)
  t.like(listed, {
    since: 1,
    upgraders: [a, b],
    until: { [b]: '2099-01-31T00:00:00Z' },
    need: { upgrade: 2, final: 2 },
    identity: root.identity,
  })
  t.regex(
    (await online('upgrader', 'ls')).stdout,
    /UPGRADER +UNTIL +LAST INSTALLED\nA\w{55} +- +version 1\nA\w{55} +2099-01-31T00:00:00Z +-\n/,
  )
  // Ends that are not said again stay with rm.
  const gone = await online('upgrader', 'rm', a, '--key', '0.nk', '--to', 'rm.order', '-o', 'json')
  t.like(JSON.parse(gone.stdout).manifest, { upgraders: [b], until: { [b]: '2099-01-31T00:00:00Z' } })
  t.regex(
    (await online('upgrader', 'rm', c, '--key', '0.nk')).stderr,
    /^error: A\w{55} is not a trusted upgrader of system shop$/m,
  )
  t.is((await as('', 'upgrader', 'rm', a, '--key', '0.nk')).code, 1)
  // Carol's counts no more, and fewer than two are not left.
  t.is((await set('0.nk', a, b, c)).code, 0)
  t.is((await offline('order', 'sign', 'keys.order', '--key', '2.nk')).code, 0)
  const carols = await online('order', 'send', 'keys.order')
  t.regex(carols.stderr, /^upgrade\.signature: the manifest of version 2 is signed by 1 of those/m)
  t.is((await set('0.nk', a)).code, 0)
  t.is((await offline('order', 'sign', 'keys.order', '--key', '1.nk')).code, 0)
  const tooFew = await online('order', 'send', 'keys.order')
  t.regex(tooFew.stderr, /^upgrade\.invalid: the manifest of version 2 leaves 1 of the keys that sign, and 2 have to/m)
})

test('an undo that several have to sign goes as a file too', async (t) => {
  const { cwd, offline, root } = await rooted(t, '--need', 'undo=2')
  const { online } = await running(t, cwd, root)
  writeFileSync(join(cwd, 'one.upgrade'), encodeUpgradeFile(built('One')))
  t.is((await online('upgrade', 'publish', 'one.upgrade', '--key', '0.nk')).code, 0)
  t.is((await online('rollout', 'undo', '--yes', '--key', '0.nk')).code, 1)
  t.is((await online('rollout', 'undo', '--yes', '--key', '0.nk', '--to', 'undo.order')).code, 0)
  t.is((await offline('order', 'sign', 'undo.order', '--key', '2.nk')).code, 0)
  const sent = await online('order', 'send', 'undo.order')
  t.deepEqual([sent.code, sent.stdout], [0, 'version 2 of system shop is carried out\n'])
})

test('staging’s orders and upgrades are refused in production, also the first ones of a Redis that was emptied', async (t) => {
  const production = await rooted(t)
  const staging = await rooted(t)
  const here = await running(t, production.cwd, production.root)
  const there = await running(t, staging.cwd, staging.root)
  writeFileSync(join(staging.cwd, 'one.upgrade'), encodeUpgradeFile(built('One')))
  t.is((await there.online('table', 'set', 'authorized', 'p1', 'yes', '--key', '0.nk', '--to', 'first.order')).code, 0)
  t.is((await there.online('upgrade', 'sign', 'one.upgrade', '--key', '0.nk')).code, 0)
  const file = (name: string) => join(staging.cwd, name)
  const empty = new Redis(here.redisUrl)
  t.teardown(() => empty.disconnect())
  for (const isEmptied of [false, true]) {
    if (isEmptied) await empty.flushall()
    for (const args of [
      ['order', 'send', file('first.order')],
      ['upgrade', 'publish', file('one.upgrade')],
    ]) {
      const { code, stderr } = await here.online(...args)
      t.is(code, 1)
      t.regex(
        stderr,
        /^upgrade\.signature: .* is signed for another system with the same name: it names the identity [0-9a-f]{32}, and this one is [0-9a-f]{32}\n$/m,
      )
    }
  }
  // Nor is anything signed there by one who has the root of here.
  const signing = await here.online('order', 'sign', file('first.order'), '--key', '0.nk')
  t.is(signing.code, 1)
  t.regex(
    signing.stderr,
    /^upgrade\.signature: .*first\.order is for system shop, identity [0-9a-f]{32}, and the trust root is of system shop, identity/,
  )
  const upgrade = await here.online('upgrade', 'sign', file('one.upgrade'), '--key', '1.nk')
  t.regex(upgrade.stderr, /^upgrade\.signature: .*another system with the same name\n$/)
})

test('what is no order is refused, and so is one that was changed', async (t) => {
  const { cwd, offline, root } = await rooted(t)
  const { online } = await running(t, cwd, root)
  t.is((await online('table', 'set', 'authorized', 'p1', 'yes', '--key', '0.nk', '--to', 'table.order')).code, 0)
  const whole = readFileSync(join(cwd, 'table.order'))
  t.like(decodeOrderFile(whole), { purpose: 'directive', directive: { number: 1, format: 3, identity: root.identity } })
  const text = whole.toString('latin1')
  for (const [changed, code] of [
    [text.replace('yes', 'no!'), 'upgrade.signature'],
    [text.slice(0, -9), 'config.invalid'],
    [text.replace('directive', 'directivx'), 'config.invalid'],
    ['not an order', 'config.invalid'],
    ['', 'config.invalid'],
  ] as const) {
    writeFileSync(join(cwd, 'changed.order'), Buffer.from(changed, 'latin1'))
    const { code: exit, stderr } = await offline('order', 'sign', 'changed.order', '--key', '1.nk')
    t.is(exit, 1)
    t.true(stderr.startsWith(`${code}: changed.order: `), stderr)
  }
  t.is((await offline('order', 'show', 'nothing.order')).code, 1)
  // Without a key there is nothing to gather.
  t.is((await online('table', 'set', 'authorized', 'p1', 'yes', '--to', 'x.order')).code, 2)
})
