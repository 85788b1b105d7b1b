import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { natsContextOf } from '../../natsctl/context/natsContext.js'
import { merge, type Source } from '../../natsctl/context/target.js'
import { newKey } from '../../transports/nkeys/index.js'
import { makeCertificates } from '../support/certificates.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
import { natsctl, newDirectory, type ProcessResult } from './natsctlProcess.js'

// The source that counts

test('each field is of the strongest source that has it', (t) => {
  const flags: Source = { url: 'nats://flags' }
  const context: Source = {
    name: 'prod',
    url: 'nats://context',
    system: 'shop',
    login: { kind: 'nkey', nkey: 'prod.nk' },
    tls: { caFile: 'ca' },
  }
  const environment: Source = { url: 'nats://environment', system: 'other', redis: 'redis://environment' }
  const { connectTimeoutMs, ...nats } = merge([flags, context, environment]).nats
  t.deepEqual(nats, { servers: ['nats://flags:4222'], nkey: 'prod.nk', tls: { caFile: 'ca' } })
  t.like(merge([flags, context, environment]), { system: 'shop', redis: 'redis://environment', context: 'prod' })
  t.like(merge([environment, context]), { system: 'other', context: 'prod' })
  // One of which nothing is used is not named.
  t.is(merge([{ ...context, name: 'flags' }, context]).context, 'flags')
  t.is(
    merge([
      { system: 's', url: 'nats://one', redis: 'redis://one', login: { kind: 'token', token: 't' } },
      { name: 'other', system: 'o' },
    ]).context,
    undefined,
  )
  t.like(merge([]), { system: undefined, redis: 'redis://127.0.0.1:6379', context: undefined })
})

test('a login in an address counts where that address does, and nowhere else', (t) => {
  const context: Source = { url: 'nats://me:secret@prod', login: { kind: 'creds', creds: 'prod.creds' } }
  t.like(merge([{ url: 'nats://a:b@one' }, context]).nats, { user: 'a', pass: 'b', creds: undefined })
  t.like(merge([context]).nats, { creds: 'prod.creds', user: undefined })
  t.like(merge([{ system: 's' }, { login: { kind: 'nkey', nkey: 'a.nk' } }, context]).nats, { nkey: 'a.nk', user: undefined })
  t.like(merge([{ url: 'nats://one' }, { url: 'nats://me:secret@prod' }]).nats, {
    servers: ['nats://one:4222'],
    user: undefined,
    pass: undefined,
  })
})

// The contexts of the NATS command line

const parsed = (fields: Record<string, unknown>, env = {}) => natsContextOf(fields, env, 'prod.json')

test('a context gives its address, login, TLS and inbox, and empty texts are nothing', (t) => {
  const empty = { description: '', socks_proxy: '', token: '', user: '', nkey: '', nsc: '', jetstream_domain: '' }
  t.deepEqual(
    parsed({ ...empty, url: 'tls://one', creds: '$HOME/x.creds', ca: 'file:///ca.pem', inbox_prefix: '_I' }, { HOME: '/me' }),
    {
      url: 'tls://one',
      login: { kind: 'creds', creds: '/me/x.creds' },
      tls: { caFile: '/ca.pem' },
      inboxPrefix: '_I',
    },
  )
  t.deepEqual(parsed({ user: 'me', password: 'env://SECRET', creds: 'x' }, { SECRET: 'p:w' }).login, {
    kind: 'user',
    user: 'me',
    pass: 'p:w',
  })
  t.deepEqual(parsed({ user_jwt: 'j', user_seed: 's' }).login, { kind: 'jwt', jwt: 'j', seed: 's' })
  t.deepEqual(parsed({ token: 't', tls_first: true }), { login: { kind: 'token', token: 't' }, tls: { handshakeFirst: true } })
  t.deepEqual(parsed({}), {})
})

test('what natsctl can not use of a context is told, and not passed over', (t) => {
  t.throws(() => parsed({ socks_proxy: 'socks5://x' }), { message: /prod\.json: socks_proxy is nothing that natsctl can use/ })
  t.throws(() => parsed({ creds: 'op://vault/x' }), { message: /creds is kept as op:\/\/, which natsctl can't read/ })
  t.throws(() => parsed({ cert: 'cert.pem' }), { message: /cert and key go together/ })
  t.throws(() => parsed({ url: 4222 }), { message: /url is no text/ })
  t.throws(() => parsed({ user: 'me', password: 'env://NOWHERE' }), { message: /password is in NOWHERE of the environment/ })
})

// The commands

interface Config {
  readonly path: (name: string) => string
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<ProcessResult>
}

function config(t: ExecutionContext, contexts: Readonly<Record<string, unknown>>): Config {
  const directory = newDirectory(t)
  const path = (name: string): string => join(directory, 'nats', name)
  mkdirSync(path('context'), { recursive: true })
  for (const [name, fields] of Object.entries(contexts)) writeFileSync(path(`context/${name}.json`), JSON.stringify(fields))
  return { path, run: (args, env) => natsctl(t, args, { env: { THESEUS_TRUST: '', ...env, XDG_CONFIG_HOME: directory } }) }
}

test('a context keeps whom to believe, and what is no list of keys is refused', async (t) => {
  const { run, path } = config(t, { prod: { url: 'nats://localhost' } })
  const { publicKey } = newKey()
  const kept = await run(['context', 'save', 'prod', '--system', 'shop', '--trust', publicKey, '-o', 'json'])
  t.like(JSON.parse(kept.stdout), { system: 'shop', as: null, trust: [publicKey] })
  const named = await run(['context', 'save', 'prod', '--as', 'alice', '-o', 'json'])
  t.like(JSON.parse(named.stdout), { system: 'shop', as: 'alice', trust: [publicKey] })
  t.regex((await run(['context', 'save', 'prod', '--as', 'a.b'])).stderr, /--as <name>/)
  t.is((await run(['context', 'save', 'prod', '--redis', 'redis://r'])).stdout.includes(publicKey), true)
  t.like(JSON.parse((await run(['context', 'show', 'prod', '-o', 'json'])).stdout), { trust: [publicKey] })
  const flag = await run(['context', 'save', 'prod', '--trust', 'somebody'])
  t.deepEqual([flag.code, flag.stdout], [2, ''])
  t.regex(
    (await run(['node', 'ls', '--context', 'prod'], { THESEUS_TRUST: 'somebody' })).stderr,
    /^error: THESEUS_TRUST is neither/,
  )
  writeFileSync(path('context/theseus/prod.json'), JSON.stringify({ trust: ['nobody'] }))
  t.regex(
    (await run(['context', 'show', 'prod'])).stderr,
    /prod\.json: trust is neither a list of public keys nor a trust root nor "nobody"/,
  )
})

test('contexts are listed, selected and shown as the NATS command line has them, without a secret', async (t) => {
  const { run, path } = config(t, {
    prod: { url: 'tls://me:s3cret@one,tls://two', description: 'the shop' },
    dev: { url: 'nats://localhost', user: 'me', password: 's3cret' },
    broken: { url: 'nats://localhost', socks_proxy: 's' },
  })
  writeFileSync(path('context/notes.txt'), '')
  const kept = await run(['context', 'save', 'prod', '--system', 'shop', '--redis', 'rediss://op:s3cret@redis:6380'])
  t.is(kept.stdout, 'kept with context prod: system shop, Redis at rediss://redis:6380\n')
  // The file of the NATS command line is its own, and it passes over folders.
  t.deepEqual(JSON.parse(readFileSync(path('context/prod.json'), 'utf8')), {
    url: 'tls://me:s3cret@one,tls://two',
    description: 'the shop',
  })
  t.deepEqual(JSON.parse(readFileSync(path('context/theseus/prod.json'), 'utf8')), {
    system: 'shop',
    redis: 'rediss://op:s3cret@redis:6380',
  })

  t.is((await run(['context', 'select', 'dev'])).code, 0)
  const selected = await run(['context', 'select', 'prod'], { NATS_URL: 'nats://x' })
  t.deepEqual(
    [selected.stdout, selected.stderr],
    ['selected context prod\n', 'NATS_URL in the environment go before the selected context\n'],
  )
  t.is(readFileSync(path('context.txt'), 'utf8'), 'prod')
  t.is(readFileSync(path('previous-context.txt'), 'utf8'), 'dev')

  const listed = await run(['context', 'ls', '-o', 'json'])
  t.regex(listed.stderr, /broken\.json: socks_proxy/)
  const [dev, prod] = JSON.parse(listed.stdout)
  t.like(dev, { context: 'dev', selected: false, url: 'nats://localhost:4222', login: 'user', system: null, redis: null })
  t.like(prod, {
    context: 'prod',
    selected: true,
    url: 'tls://one:4222,tls://two:4222',
    system: 'shop',
    redis: 'rediss://redis:6380',
  })
  t.is((await run(['context', 'ls', '-o', 'name'])).stdout, 'context/dev\ncontext/prod\n')
  t.regex((await run(['context', 'show'])).stdout, /^context: +prod\nselected: +true\n(.*\n)*system: +shop\n/)
  for (const form of ['table', 'wide', 'json', 'yaml'])
    t.false((await run(['context', 'ls', '-o', form])).stdout.includes('s3cret'))

  t.is((await run(['context', 'rm', 'prod', '--dry-run'])).stdout, 'would forget the settings kept with context prod\n')
  t.true(existsSync(path('context/theseus/prod.json')))
  t.is((await run(['context', 'rm', 'prod'])).code, 0)
  t.false(existsSync(path('context/theseus/prod.json')))
  t.true(existsSync(path('context/prod.json')))
})

test('a context that is not there gets the nearest ones, and a selection that leads nowhere stops nobody', async (t) => {
  const { run, path: at } = config(t, { prod: {}, production: {} })
  for (const args of [
    ['context', 'select', 'prd'],
    ['node', 'ls', '--system', 's', '--context', 'prd'],
  ]) {
    const ended = await run(args)
    t.is(ended.code, 2)
    t.regex(ended.stderr, /^error: there is no context prd in .*; did you mean prod\?\n$/)
  }
  t.is((await run(['context', 'show', '../prod'])).code, 2)
  // A path is for `--context` alone: selected, it would lead the NATS command line nowhere.
  const path = join(newDirectory(t), 'other.json')
  writeFileSync(path, '{"url":"nats://127.0.0.1:1"}')
  t.is((await run(['context', 'select', path])).code, 2)
  const order = await run(['rollout', 'pause', '--system', 's', '--context', path])
  t.is(order.target, `system s (context ${path}): NATS at nats://127.0.0.1:1, Redis at redis://127.0.0.1:6379\n`)
  t.is((await run(['context', 'save', 'prod'])).code, 2)
  t.is((await run(['context', 'rm', 'prod'])).code, 1)
  writeFileSync(at('context.txt'), 'gone\n')
  const ended = await run(['rollout', 'pause', '--system', 's', '--nats', 'nats://127.0.0.1:1'])
  t.regex(ended.stderr, /^the selected context gone is not there any more: .*\nsystem s: NATS at nats:\/\/127\.0\.0\.1:1, .*\n/)
  t.is(ended.code, 1)
})

test('a context leads to servers with TLS on both sides; its flag goes before the environment, its selection after', async (t) => {
  const { ca, cert, key } = makeCertificates()
  const files = { 'ca.pem': ca, 'cert.pem': cert, 'key.pem': key }
  const conf = `tls { cert_file: "cert.pem", key_file: "key.pem", ca_file: "ca.pem", verify: true }
authorization { user: me, password: s3cret }`
  const directory = newDirectory(t)
  const paths = Object.entries(files).map(([name, text]) => {
    const file = join(directory, name)
    writeFileSync(file, text)
    return [name, file] as const
  })
  const { 'ca.pem': caFile, 'cert.pem': certFile, 'key.pem': keyFile } = Object.fromEntries(paths)
  writeFileSync(join(directory, 'nats.conf'), conf.replaceAll(/"(\w+\.pem)"/g, `"${directory}/$1"`))
  const [natsServer, redisServer] = await Promise.all([
    startNatsServer({ args: ['-c', join(directory, 'nats.conf')] }),
    startRedisServer(),
  ])
  t.teardown(() => Promise.all([natsServer.stop(), redisServer.stop()]))
  const url = natsServer.url.replace('nats:', 'tls:')
  const { run, path } = config(t, { prod: { url, user: 'me', password: 's3cret', ca: caFile, cert: certFile, key: keyFile } })
  t.is((await run(['context', 'save', 'prod', '--system', 'shop', '--redis', redisServer.url])).code, 0)
  t.is(dirname(path('context/prod.json')), path('context'))

  // That of the context was asked.
  const noShop = 'error: there is no system shop: nobody was ever heard of there\n'
  const named = await run(['node', 'ls', '--context', 'prod'], { NATS_URL: 'nats://127.0.0.1:1', THESEUS_SYSTEM: 'other' })
  t.deepEqual([named.code, named.stderr], [6, noShop])
  t.is((await run(['context', 'select', 'prod'])).code, 0)
  const chosen = await run(['node', 'ls'])
  t.deepEqual([chosen.code, chosen.stderr], [6, noShop])
  t.regex((await run(['node', 'ls'], { NATS_URL: 'nats://127.0.0.1:1' })).stderr, /can't reach NATS at nats:\/\/127\.0\.0\.1:1/)
  t.is((await run(['node', 'ls', '--nats', 'nats://127.0.0.1:1', '--context', 'prod'])).code, 1)
  const order = await run(['rollout', 'pause'])
  t.is(order.target, `system shop (context prod): NATS at ${url}, Redis at ${redisServer.url}\n`)
})
