/**
 * docs/security.md, applied to real servers as it stands: every role can do its part through TLS, logins,
 * permissions and ACLs, and no more.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { Redis } from 'ioredis'
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats'
import { createUser } from 'nkeys.js'
import { createHost, type HostEvent, isFault, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { type NatsOptions, nats } from 'theseus-actors/nats'
import { newKey } from 'theseus-actors/nkeys'
import { redis } from 'theseus-actors/redis'
import { controlKey } from '../../core/control/control.js'
import { encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { PagesV2 } from '../../samples/02-pages-comments/pages.v2.js'
import { functionName } from '../../transports/redis/redisFunctions.js'
import { keysOf, type RedisKeys } from '../../transports/redis/redisKeys.js'
import { systemClock } from '../../transports/systemClock.js'
import { natsctl } from '../natsctl/natsctlProcess.js'
import { type Certificates, makeCertificates } from '../support/certificates.js'
import { until } from '../support/eventually.js'
import { makeCredentials } from '../support/natsJwt.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'

const test = anyTest.serial as TestFn
const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')

/** The one block of this language on the page. */
function block(language: string): string {
  const found = [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1]!)
  if (found.length !== 1) throw new Error(`docs/security.md has ${found.length} blocks of ${language}`)
  return found[0]!
}

const system = 'shop'
const roles = ['host', 'client', 'upgrade-server', 'operator'] as const
type Role = (typeof roles)[number]
const inboxes: Partial<Record<Role, string>> = { host: '_INBOX.host', client: '_INBOX.client' }

const variable = (role: Role) => `${role.toUpperCase().replace('-', '_')}_KEY`
const passwordOf = (role: Role) => `secret-of-${role}`

let directory: string
let certificates: Certificates
let natsServer: TestServer
let redisServer: TestServer
const seeds = Object.fromEntries(roles.map((role) => [role, createUser()])) as Record<Role, ReturnType<typeof createUser>>
const upgrader = newKey()

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'theseus-security-'))
  certificates = makeCertificates()
  const { ca, cert, key } = certificates
  writeFileSync(join(directory, 'ca.pem'), ca)
  writeFileSync(join(directory, 'upgrader.nk'), upgrader.seed, { mode: 0o600 })
  for (const role of roles)
    writeFileSync(join(directory, `${role}.nk`), `${new TextDecoder().decode(seeds[role].getSeed())}\n`, { mode: 0o600 })

  natsServer = await startNatsServer({
    args: ['-c', 'nats.conf'],
    files: { 'nats.conf': block('nats'), 'server.pem': cert, 'server-key.pem': key },
    env: Object.fromEntries(roles.map((role) => [variable(role), seeds[role].getPublicKey()])),
  })
  const acl = roles.reduce(
    (text, role) => text.replace(`>${role.toUpperCase()}-PASSWORD `, `>${passwordOf(role)} `),
    block('acl'),
  )
  redisServer = await startRedisServer({
    ca,
    login: { username: 'theseus-operator', password: passwordOf('operator') },
    files: { 'redis.pem': cert, 'redis-key.pem': key, 'ca.pem': ca, 'users.acl': acl },
    args: [
      ...['--tls-cert-file', 'redis.pem', '--tls-key-file', 'redis-key.pem', '--tls-ca-cert-file', 'ca.pem'],
      ...['--tls-auth-clients', 'no', '--aclfile', 'users.acl'],
    ],
  })
})

test.after.always(async () => {
  await natsServer?.stop()
  await redisServer?.stop()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

/** How a role reaches the servers, as the page says. */
function natsOptions(role: Role): NatsOptions {
  const prefix = inboxes[role]
  return {
    servers: natsServer.url,
    tls: { caFile: join(directory, 'ca.pem') },
    nkey: join(directory, `${role}.nk`),
    ...(prefix === undefined ? {} : { inboxPrefix: prefix }),
  }
}

function redisOptions(role: Role) {
  const login = { username: `theseus-${role}`, password: passwordOf(role) }
  return { host: '127.0.0.1', port: redisServer.port, tls: { ca: certificates.ca }, ...login }
}

function waysOf(role: Role) {
  return {
    system,
    transport: nats(natsOptions(role)),
    udb: redis(redisOptions(role)),
  }
}

/** natsctl as the operator, who signs with the upgrader's key. */
function operate(t: ExecutionContext, ...args: readonly string[]) {
  return runAs(t, 'operator', args)
}

function runAs(t: ExecutionContext, role: Role, args: readonly string[]) {
  return natsctl(t, args, {
    cwd: directory,
    env: {
      THESEUS_SYSTEM: system,
      NATS_URL: natsServer.url.replace('nats:', 'tls:'),
      NATS_NKEY: `${role}.nk`,
      THESEUS_REDIS: redisServer.url.replace('//', `//theseus-${role}:${passwordOf(role)}@`),
      NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'),
      THESEUS_UPGRADER_SEED_FILE: 'upgrader.nk',
    },
  })
}

test('a signed upgrade is published and rolled out through TLS, logins, permissions and ACLs, and no role objects', async (t) => {
  const objections: string[] = []
  const observe = (event: HostEvent) => {
    if (event.type === 'warning' || event.type === 'nodeFailed')
      objections.push(`${JSON.stringify(event)} ${String(event.error)}`)
  }
  const trust = [upgrader.publicKey]
  const server = await startUpgradeServer({ ...waysOf('upgrade-server'), trust, observe, deathDelay: '1ms', deathRound: '200ms' })
  t.teardown(() => server.stop())
  const start = async (role: 'host' | 'client', name: string) => {
    const bundles = join(directory, name)
    const ways = { ...waysOf(role), discovery: role === 'host' }
    const host = await createHost({ ...ways, hostId: name, trust, state: memoryStore(), bundles, observe })
    t.teardown(() => host.stop())
    return host
  }
  const host = await start('host', 'h1')
  for (const id of ['p1', 'p2']) await host.node(PagesV1, id)
  const client = await start('client', 'c1')
  const before = client.ref(PagesV1, 'p1', { version: 0, deadline: '10s' })
  await before.put('/a', 'A')
  t.is(await client.ref(PagesV1, undefined, { version: 0 }).get('/none'), null)

  const built = await buildUpgrade(new URL('../../samples/02-pages-comments/upgrades/1-comments.js', import.meta.url))
  const withTable = { ...built, manifest: { ...built.manifest, tables: { authorized: { p1: 'yes' } } } }
  writeFileSync(join(directory, '1.upgrade'), encodeUpgradeFile(withTable))
  const published = await operate(t, 'upgrade', 'publish', '1.upgrade', '--reason', 'comments')
  t.is(published.code, 0, published.stderr)

  const done = await operate(t, 'rollout', 'status', '--wait', '--timeout', '60s')
  t.is(done.code, 0, done.stderr + done.stdout)
  const after = client.ref(PagesV2, 'p1', { version: 1, deadline: '10s' })
  await after.comment('/a', 'good')
  t.is(await before.get('/a'), 'A')

  for (const args of [
    ['node', 'ls'],
    ['version', 'ls'],
    ['table', 'get', 'authorized', 'p1'],
    ['table', 'set', 'authorized', 'p2', 'yes'],
    ['table', 'rm', 'authorized', 'p1'],
    ['table', 'ls'],
    ['history', '--verify', '--trust', upgrader.publicKey],
    ['upgrade', 'ls'],
    ['upgrader', 'set', upgrader.publicKey, newKey().publicKey],
    ['call', 'p2', 'get', '/a'],
    ['rollout', 'pause', '1'],
    ['rollout', 'resume', '1'],
    ['version', 'finalize', '1', '--yes'],
    ['node', 'hold', 'p2'],
  ]) {
    const ended = await operate(t, ...args)
    t.is(ended.code, 0, `${args.join(' ')}: ${ended.stderr}`)
  }
  const unsigned = await operate(t, 'upgrade', 'publish', '1.upgrade', '--key', 'host.nk')
  t.regex(unsigned.stderr, /config\.invalid: host\.nk: .*it is a login to NATS/)

  const doctor = await operate(t, 'doctor', '-o', 'json')
  t.is(doctor.code, 0, doctor.stdout + doctor.stderr)
  const found = JSON.parse(doctor.stdout).checks as { check: string; status: string; found: string }[]
  t.deepEqual(
    found.filter(({ status }) => status !== 'ok').map(({ check }) => check),
    ['Redis keeps'],
  )
  t.regex(found.find(({ check }) => check === 'NATS')!.found, /, TLS$/)
  t.is(found.find(({ check }) => check === 'NATS permissions')!.found, 'asks, orders, calls, looks')

  await client.stop()
  const operator = await redis(redisOptions('operator')).open(system, systemClock)
  t.teardown(() => operator.close())
  t.deepEqual((await operator.controls()).map(controlKey), ['hold/p2'])
  t.truthy(await operator.getChunk(built.manifest.bundle.digest, 0), 'it reads bundles, for upgrade plan and diff')
  const forgot = await operate(t, 'node', 'forget', 'p2', '--yes', '--force')
  t.is(forgot.code, 0, forgot.stderr)
  t.deepEqual(await operator.controls(), [])
  const backup = await operate(t, 'backup', 'shop.backup')
  t.is(backup.code, 0, backup.stderr)
  const trusting = ['--trust', upgrader.publicKey]
  const restored = await operate(t, 'restore', 'shop.backup', '--dry-run', ...trusting)
  t.is(restored.stdout, 'nothing of shop.backup is missing in system shop\n', restored.stderr)
  const audit = await operate(t, 'audit', '--verify', ...trusting)
  t.is(audit.code, 0, audit.stderr)
  t.is(audit.stderr, '', 'versions and directives all have an entry')
  t.deepEqual(objections, [])
})

test('the doctor tells a login that is no operator’s what it may not do', async (t) => {
  const ended = await runAs(t, 'client', ['doctor', '-o', 'json'])
  t.is(ended.code, 1, ended.stderr)
  const found = JSON.parse(ended.stdout).checks as { check: string; status: string; found: string }[]
  const failed = new Map(found.filter(({ status }) => status === 'failure').map((check) => [check.check, check.found]))
  t.regex(failed.get('Redis permissions') ?? '', /^the login may not read the head, .*: NOPERM/)
  t.deepEqual((failed.get('NATS permissions') ?? '').split('; ').sort(), [
    'the login may not publish to theseus.shop.install',
    'the login may not publish to theseus.shop.look',
    'the login may not subscribe to _INBOX.*.*',
    'the login may not subscribe to theseus.shop.looker.*',
  ])
})

const subjects = {
  'calls to a node': 'theseus.shop.node.p1',
  'calls to a service': 'theseus.shop.service.pages',
  events: 'theseus.shop.event.page-changed',
  announcements: 'theseus.shop.upgrades',
  'questions to the upgrade server': 'theseus.shop.server',
  installations: 'theseus.shop.install',
  'what a lost history is given back by': 'theseus.shop.teach',
  'questions of lookers': 'theseus.shop.look',
  'what lookers are told': 'theseus.shop.looker.alice',
  'questions who is there': '$SRV.PING.theseus-shop',
  'answers to a host': '_INBOX.host.abc.1',
  'answers to a client': '_INBOX.client.abc.1',
  'answers to an operator': '_INBOX.abc.1',
  'everything of another system': 'theseus.bakery.node.p1',
  'everything there is': '>',
} as const
type Subject = keyof typeof subjects

const mayPublish: Record<Role, readonly Subject[]> = {
  host: [
    ...(['calls to a node', 'calls to a service', 'events', 'questions to the upgrade server', 'what lookers are told'] as const),
    'what a lost history is given back by',
  ],
  client: ['calls to a node', 'calls to a service', 'questions to the upgrade server', 'what lookers are told'],
  'upgrade-server': ['announcements'],
  operator: ['calls to a node', 'calls to a service', 'questions to the upgrade server', 'installations', 'questions of lookers'],
}

/** Without a queue group: services and the upgrade server's subjects are heard in their groups only. */
const mayHear: Record<Role, readonly Subject[]> = {
  host: ['calls to a node', 'events', 'announcements', 'questions of lookers', 'questions who is there', 'answers to a host'],
  client: ['announcements', 'questions of lookers', 'answers to a client'],
  'upgrade-server': [],
  operator: ['answers to an operator', 'what lookers are told'],
}

function login(role: Role): Promise<NatsConnection> {
  const { tls, inboxPrefix } = natsOptions(role)
  const authenticator = nkeyAuthenticator(seeds[role].getSeed())
  return connect({ servers: natsServer.url, tls: tls!, authenticator, ...(inboxPrefix === undefined ? {} : { inboxPrefix }) })
}

/** The subjects to which nats-server objects while `act` does something with each. */
async function objections(connection: NatsConnection, act: (subject: string) => void): Promise<readonly string[]> {
  const refused: string[] = []
  void (async () => {
    for await (const status of connection.status()) {
      const { permissionContext } = status as { permissionContext?: { subject: string } }
      if (permissionContext !== undefined) refused.push(permissionContext.subject)
    }
  })()
  for (const subject of Object.values(subjects)) act(subject)
  // The server objects in order: to this one always, and then it has objected to all before.
  connection.publish('the.last')
  await until(() => refused.includes('the.last'), 'nats-server has objected to what it objects to')
  await connection.close()
  return refused
}

for (const role of roles) {
  const named = (refused: readonly string[]) =>
    Object.entries(subjects).flatMap(([name, subject]) => (refused.includes(subject) ? [] : [name]))

  test(`NATS lets the role ${role} publish where it has to, and nowhere else`, async (t) => {
    const connection = await login(role)
    const refused = await objections(connection, (subject) => connection.publish(subject === '>' ? 'any.thing' : subject))
    t.deepEqual(
      named(refused.map((subject) => (subject === 'any.thing' ? '>' : subject))).toSorted(),
      mayPublish[role].toSorted(),
    )
  })

  test(`NATS lets the role ${role} listen where it has to, and nowhere else`, async (t) => {
    const connection = await login(role)
    const refused = await objections(connection, (subject) => void connection.subscribe(subject, { callback: () => {} }))
    t.deepEqual(named(refused).toSorted(), mayHear[role].toSorted())
  })
}

/** The commands that each role must not do in Redis, and a word that it must be able to do. */
const key = (name: string) => `theseus:{${system}}:${name}`
const refusedByRedis: Record<Role, readonly (readonly [string, ...string[]])[]> = {
  host: [
    ['HSET', key('manifests'), '1', 'forged'],
    ['HSET', key('head'), 'version', '0'],
    ['HSET', key('signatures'), '1', 'forged'],
    ['HSET', key('bundle:00'), '0', 'forged'],
    ['HSET', key('dead'), 'below', '9'],
    ['HSET', key('controls'), 'now/p1', '{}'],
    ['HDEL', key('controls'), 'pause/1'],
    ['SET', key('final'), '9'],
    ['HSET', key('table:authorized'), 'p1', 'yes'],
    ['FUNCTION', 'LOAD', '#!lua name=mine'],
  ],
  client: [
    ['HSET', key('manifests'), '1', 'forged'],
    ['HGETALL', key('table:authorized')],
    ['HGET', key('head'), 'version'],
    ['HSET', key('controls'), 'pause/1', '{}'],
    ['HSET', key('dead'), 'below', '9'],
    ['SET', key('final'), '9'],
    ['FUNCTION', 'LOAD', '#!lua name=mine'],
  ],
  'upgrade-server': [['HSET', 'theseus:{bakery}:head', 'version', '0']],
  operator: [
    ['HSET', key('manifests'), '1', 'forged'],
    ['HSET', key('head'), 'version', '0'],
    ['HSET', key('bundle:00'), '0', 'forged'],
    ['HSET', key('dead'), 'below', '9'],
    ['HDEL', key('dead'), 'below'],
    ['HSET', key('registrations'), 'p1', 'pages/forged'],
    ['HDEL', key('registrations'), 'p1'],
    ['HDEL', key('rows'), 'p1'],
    ['ZADD', key('leases'), '0', 'p1'],
    ['ZREM', key('slots'), 'pages/p1'],
    ['ZREM', key('members'), 'pages/p1'],
    ['FCALL', functionName('theseusForget'), '6', ...keysOf(system).nodes, 'p1', 'x'],
    ['HSET', key('controls'), 'pause/1', '{}'],
    ['HDEL', key('controls'), 'pause/1'],
    ['SET', key('final'), '9'],
    ['HSET', key('table:authorized'), 'p1', 'yes'],
    ['FUNCTION', 'LOAD', '#!lua name=mine'],
  ],
}

/** Scripts and functions of somebody's own making: an endless one would stop Redis for everybody. */
const ownScripts = [
  ['EVAL', 'return 1', '0'],
  ['EVAL_RO', 'return 1', '0'],
  ['EVALSHA', '0'.repeat(40), '0'],
  ['SCRIPT', 'LOAD', 'return 1'],
  ['SCRIPT', 'KILL'],
  ['FUNCTION', 'DELETE', 'theseus'],
  ['FUNCTION', 'FLUSH'],
  ['FUNCTION', 'RESTORE', ''],
] as const

function installKeys({ head, manifests, signatures, tables, final, bundle }: RedisKeys): readonly string[] {
  return [head, manifests, signatures, tables, final, bundle('d')]
}

for (const role of roles) {
  test(`Redis refuses the role ${role} what it must not do, in functions too`, async (t) => {
    const client = new Redis({
      ...redisOptions(role),
      maxRetriesPerRequest: 0,
    })
    t.teardown(() => client.disconnect())
    t.is(await client.hget(key('rows'), 'nobody'), null)
    const everybody = [
      ['FLUSHALL'],
      ['KEYS', '*'],
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
      ['DEL', key('rows')],
      ['GET', 'other'],
    ] as const
    for (const [command, ...args] of [...refusedByRedis[role], ...ownScripts, ...everybody])
      await t.throwsAsync(client.call(command, ...args), { message: /^NOPERM/ }, `${role}: ${command} ${args.join(' ')}`)
    // A function runs with the permissions of who calls it.
    const others = role === 'upgrade-server' ? keysOf('bakery') : keysOf(system)
    const install = client.call(
      'FCALL',
      functionName('theseusInstall'),
      6,
      ...installKeys(others),
      '0',
      '',
      '1',
      'd',
      'm',
      '',
      '',
    )
    await t.throwsAsync(install, { message: /^NOPERM/ })
  })
}

test('nobody gets in without a login, with a wrong one, or to a server that is not certified, and each says why', async (t) => {
  const { tls, servers } = natsOptions('host')
  const stranger = join(directory, 'stranger.nk')
  writeFileSync(stranger, new TextDecoder().decode(createUser().getSeed()))
  writeFileSync(join(directory, 'empty.nk'), '')
  const { ca } = certificates
  const at = { host: '127.0.0.1', port: redisServer.port }
  const attempts: readonly [string, () => Promise<unknown>, string][] = [
    ['NATS without a login', () => nats({ servers, tls: tls! }).connect(), 'config.invalid'],
    ['NATS with a stranger’s key', () => nats({ servers, tls: tls!, nkey: stranger }).connect(), 'config.invalid'],
    [
      'NATS with an upgrader’s key',
      () => nats({ servers, tls: tls!, nkey: join(directory, 'upgrader.nk') }).connect(),
      'config.invalid',
    ],
    ['NATS with a file that is not there', () => nats({ servers, tls: tls!, nkey: 'nowhere.nk' }).connect(), 'config.invalid'],
    [
      'NATS with an empty file',
      () => nats({ servers, tls: tls!, creds: join(directory, 'empty.nk') }).connect(),
      'config.invalid',
    ],
    [
      'NATS by an authority that is not known',
      () => nats({ servers, tls: {}, nkey: stranger }).connect(),
      'unavailable.disconnected',
    ],
    ['Redis without a login', () => openRedis({ ...at, tls: { ca } }), 'config.invalid'],
    [
      'Redis with a wrong password',
      () => openRedis({ ...at, tls: { ca }, username: 'theseus-host', password: 'x' }),
      'config.invalid',
    ],
    ['Redis by an authority that is not known', () => openRedis({ ...at, tls: {} }), 'unavailable.disconnected'],
    ['Redis without TLS', () => openRedis(at), 'unavailable.disconnected'],
  ]
  for (const [what, attempt, code] of attempts) {
    const error = await t.throwsAsync(attempt(), undefined, what)
    t.true(isFault(error) && error.code === code, `${what}: ${error}`)
  }
})

async function openRedis(settings: Parameters<typeof redis>[0]): Promise<void> {
  const database = await redis(settings).open(system, {
    now: () => 0,
    monotonicMs: () => 0,
    after: () => () => {},
    turn: () => {},
  })
  try {
    await database.nodes()
  } finally {
    await database.close()
  }
}

test('a host logs in with credentials whose JWT has the permissions, and again after nats-server was restarted', async (t) => {
  const publish = ['theseus.jwt.>', '_INBOX.>']
  const { config, creds } = makeCredentials({ publish, subscribe: ['theseus.jwt.>', '_INBOX.>'] })
  const server = await startNatsServer({ args: ['-c', 'nats.conf'], files: { 'nats.conf': `${config}\n` } })
  t.teardown(() => server.stop())
  const file = join(directory, 'host.creds')
  writeFileSync(file, creds, { mode: 0o600 })
  const transport = await nats({ servers: server.url, creds: file }).connect()
  t.teardown(() => transport.close())
  const heard: string[] = []
  transport.subscribe('theseus.jwt.node.p1', ({ payload }) => void heard.push(new TextDecoder().decode(payload)))
  const say = async (text: string) => {
    transport.publish('theseus.jwt.node.p1', new TextEncoder().encode(text))
    await until(() => heard.includes(text), `${text} arrives`)
  }
  await say('one')
  await server.restart()
  await until(
    () =>
      transport.status === 'connected' &&
      transport.flush().then(
        () => true,
        () => false,
      ),
    'the connection is back',
  )
  await say('two')
  const error = await t.throwsAsync(nats({ servers: server.url }).connect(), { code: 'config.invalid' })
  t.regex(error!.message, /refuses the login/)
})
