/**
 * The library of functions in Redis: who loads it, who may call it, what is said where it is missing, and how
 * it goes on with what was there before.
 */
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { probeRedis, redis } from '../../transports/redis/index.js'
import { functionName, libraryCode, libraryName } from '../../transports/redis/redisFunctions.js'
import { keysOf } from '../../transports/redis/redisKeys.js'
import { scripts } from '../../transports/redis/redisScripts.js'
import { systemClock } from '../../transports/systemClock.js'
import { until } from '../support/eventually.js'
import { refusalOf } from '../support/rejections.js'
import { startRedisServer } from '../support/servers.js'
import { everyMethod, newSystem, Starting, statusOf } from './databaseContract.js'

const loads = '+function|load'

/** A Redis of its own: functions are for all of its systems. */
async function ownRedis(t: ExecutionContext, args: readonly string[] = []) {
  const server = await startRedisServer({ args })
  const client = new Redis(server.url)
  client.on('error', () => {})
  t.teardown(async () => {
    client.disconnect()
    await server.stop()
  })
  const system = newSystem()
  /** All keys and commands but scripts and functions, and these. */
  const login = async (name: string, ...may: readonly string[]) => {
    await client.call('ACL', 'SETUSER', name, 'reset', 'on', '>pw', '~*', '+@all', '-@scripting', '-function', ...may)
  }
  const open = async (username?: string) => {
    const user = username === undefined ? {} : { username, password: 'pw' }
    const database = await redis({ host: '127.0.0.1', port: server.port, ...user }).open(system, systemClock)
    t.teardown(() => database.close())
    return database
  }
  /** How often each command of this name was carried out or refused. */
  const counts = async (): Promise<Record<string, number>> => {
    const stats = (await client.info('commandstats')).matchAll(/^cmdstat_([\w|]+):calls=(\d+),.*rejected_calls=(\d+)/gm)
    return Object.fromEntries([...stats].map(([, name, calls, rejected]) => [name!, Number(calls) + Number(rejected)]))
  }
  const libraries = async () => ((await client.call('FUNCTION', 'LIST')) as string[][]).map((library) => library[1])
  return { server, client, login, open, counts, libraries }
}

test('every script is a function, named by the digest of the library', (t) => {
  const digest = libraryName.split('_').at(-1)!
  t.regex(libraryName, /^theseus_\d+_[0-9a-f]{12}$/)
  const registered = [...libraryCode().matchAll(/function_name = '(\w+)'/g)].map(([, name]) => name!)
  t.deepEqual(
    registered.sort(),
    Object.keys(scripts)
      .map((name) => `${name}_${digest}`)
      .sort(),
  )
})

test('whoever may loads the functions once, and each script is one call of one, and never sent', async (t) => {
  const { login, open, counts, libraries } = await ownRedis(t)
  await login('server', '+fcall', loads)
  const database = await open('server')
  await Promise.all(Array.from({ length: 50 }, (_, i) => database.register(statusOf(`n${i}`), 60_000)))
  t.deepEqual(await libraries(), [libraryName])
  const before = await counts()
  t.deepEqual([before['function|load'], before.eval, before.evalsha], [1, undefined, undefined])
  await database.renew(['n1'], 60_000)
  t.is((await counts()).fcall, before.fcall! + 1)
  for (const [, use] of everyMethod) await use(database)
  const after = await counts()
  t.deepEqual([after['function|load'], after.eval, after.evalsha], [1, undefined, undefined])
})

test('a login that may call functions alone waits for a server to load them, says so, and goes on with the same connection', async (t) => {
  const { login, open, counts } = await ownRedis(t)
  await login('host', '+fcall')
  await login('server', '+fcall', loads)
  const host = await open('host')
  const fault = await refusalOf(t, host.register(statusOf('n1'), 60_000))
  t.is(fault.code, 'unavailable.disconnected')
  t.regex(
    fault.message,
    /^Redis at 127\.0\.0\.1:\d+ does not have the functions theseus_\w+, and this login may not load them: an upgrade server .* \+function\|load$/,
  )
  t.true(fault.retryable)
  for (let i = 0; i < 20; i++) await t.throwsAsync(host.standing())
  t.is((await counts())['function|load'], 1, 'they are not sent again with each try')
  await (await open('server')).attend(new Starting('server', null))
  t.true((await host.register(statusOf('n1'), 60_000)).registered)
})

test('functions that are lost are loaded again by who may, and FLUSHALL loses none', async (t) => {
  const { client, login, open, libraries } = await ownRedis(t)
  await login('host', '+fcall')
  await login('server', '+fcall', loads)
  const [server, host] = [await open('server'), await open('host')]
  await server.attend(new Starting('server', null))
  await client.flushall()
  t.true((await host.register(statusOf('n1'), 60_000)).registered)
  await client.call('FUNCTION', 'FLUSH')
  await t.throwsAsync(host.renew(['n1'], 60_000), { message: /does not have the functions/ })
  await server.attend(new Starting('server', null))
  t.deepEqual((await host.renew(['n1'], 60_000)).unknown, [])
  t.deepEqual(await libraries(), [libraryName])
})

test('a Redis that comes back as a new one gets the functions again', async (t) => {
  const { server, open, libraries } = await ownRedis(t)
  const database = await open()
  await database.register(statusOf('n1'), 60_000)
  await server.restart()
  t.deepEqual(
    await until(
      () =>
        database.renew(['n1'], 60_000).then(
          (heard) => heard.unknown,
          () => false,
        ),
      'it answers again',
    ),
    ['n1'],
  )
  t.deepEqual(await until(() => libraries().catch(() => false), 'it lists them'), [libraryName])
})

test('a library of another release stays, and its functions are not taken for those of this one', async (t) => {
  const { client, open, libraries } = await ownRedis(t)
  const digest = libraryName.split('_').at(-1)!
  const older = libraryCode().replaceAll(digest, '0'.repeat(12)).replaceAll("redis.call('HSET', rows, id, row)", '')
  await client.call('FUNCTION', 'LOAD', older)
  const database = await open()
  await database.register(statusOf('n1'), 60_000)
  t.is((await database.nodes()).length, 1)
  t.deepEqual((await libraries()).sort(), [libraryName, libraryName.replace(digest, '0'.repeat(12))].sort())
})

test('a login of release 0.1.0, which may run scripts and call no functions, works, also while its permissions change', async (t) => {
  const { login, open, counts } = await ownRedis(t)
  await login('host', '+eval', '+evalsha')
  const host = await open('host')
  for (const [, use] of everyMethod) await use(host)
  t.is((await counts()).fcall, 1, 'it is tried once')
  await login('host', '+fcall')
  t.regex((await refusalOf(t, host.standing())).message, /does not have the functions/)
  await (await open()).standing()
  await host.standing()
  t.true((await counts()).fcall! > 2)
  await login('host', '+eval', '+evalsha')
  await host.standing()
})

test('where the functions are missing, a login that may run scripts sends them', async (t) => {
  const { login, open, libraries } = await ownRedis(t)
  await login('host', '+fcall', '+eval', '+evalsha')
  t.true((await (await open('host')).register(statusOf('n1'), 60_000)).registered)
  t.deepEqual(await libraries(), [])
})

test('a Redis older than 7, which knows no functions, is sent the scripts', async (t) => {
  const { open, counts } = await ownRedis(t, ['--rename-command', 'FCALL', '', '--rename-command', 'FUNCTION', ''])
  const database = await open()
  for (const [, use] of everyMethod) await use(database)
  t.true((await counts()).eval! > 0)
})

test('a login that may neither call functions nor run scripts is told what it needs', async (t) => {
  const { login, open } = await ownRedis(t)
  await login('nobody')
  const fault = await refusalOf(t, (await open('nobody')).standing())
  t.is(fault.code, 'unavailable.disconnected')
  t.regex(fault.message, /^the login to Redis at 127\.0\.0\.1:\d+ may not call functions: give it \+fcall/)
})

test('the doctor’s look at Redis tells functions that are missing from a login that may not call them', async (t) => {
  const { server, login, open } = await ownRedis(t)
  const probe = (username: string) => probeRedis({ host: '127.0.0.1', port: server.port, username, password: 'pw' }, newSystem())
  await login('operator', '+fcall')
  await login('nobody')
  const missing = await probe('operator')
  t.regex(missing.withoutFunctions!, /does not have the functions/)
  t.deepEqual(missing.refused, [])
  await (await open()).standing()
  t.deepEqual([(await probe('operator')).withoutFunctions, (await probe('operator')).refused], [undefined, []])
  const { refused, withoutFunctions } = await probe('nobody')
  t.deepEqual([refused.map(({ what }) => what), withoutFunctions], [['call functions'], undefined])
})

test('what Redis refuses for another reason is passed on, and not tried another way', async (t) => {
  const { client, login, open, counts } = await ownRedis(t)
  await login('host', '+fcall', '+eval', '+evalsha', '-hset')
  await (await open()).standing()
  const database = await open('host')
  await t.throwsAsync(database.register(statusOf('n1'), 60_000), { message: /NOPERM|can't run this command/ })
  await client.call('ACL', 'SETUSER', 'host', 'resetkeys', '~nothing')
  await t.throwsAsync(database.register(statusOf('n1'), 60_000), { message: /^NOPERM .*keys? / })
  const { evalsha, eval: sent } = await counts()
  t.deepEqual([evalsha ?? 0, sent ?? 0], [0, 0])
})

test('nodes are forgotten and slots are given back while Redis has no memory left', async (t) => {
  const { client, open } = await ownRedis(t)
  const database = await open()
  await database.register(statusOf('n1'), 60_000)
  await client.config('SET', 'maxmemory', '1')
  await t.throwsAsync(database.register(statusOf('n2'), 60_000), { message: /OOM/ })
  await database.releasePermit('pages', 'n1')
  await database.forget('n1')
  await client.config('SET', 'maxmemory', '0')
  t.deepEqual(await database.nodes(), [])
  t.regex(functionName('theseusForget'), /^theseusForget_/)
})

const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')
const documented = /^```acl\n(.*?)^```$/ms.exec(page)![1]!.replaceAll(/>[A-Z-]+-PASSWORD/g, '>pw')
const of010 = readFileSync(new URL('../../../test/fixtures/releases/0.1.0/users.acl', import.meta.url), 'utf8')
/** The rules of a role, by the lines of a release. */
const lineOf = (lines: string, role: string) =>
  lines
    .split('\n')
    .find((line) => line.startsWith(`user theseus-${role} `))!
    .split(' ')
    .slice(2)

const methods: Record<'host' | 'client' | 'operator' | 'upgrade-server', readonly string[]> = {
  host: [
    ...[
      'register',
      'report',
      'renew',
      'reportGone',
      'claimPermit',
      'releasePermit',
      'restorePermit',
      'controls',
      'nodes',
      'table',
      'standing',
    ],
  ],
  client: ['register', 'report', 'renew', 'reportGone'],
  operator: [...['head', 'manifests', 'controls', 'nodes', 'table', 'tables', 'dead', 'finalized', 'standing', 'forget']],
  'upgrade-server': [
    ...[
      'head',
      'manifests',
      'install',
      'putChunk',
      'getChunk',
      'nodes',
      'controls',
      'setControl',
      'directiveLog',
      'direct',
      'table',
    ],
    ...['setInTable', 'removeFromTable', 'dead', 'declareDead', 'finalized', 'restoreEnded', 'standing', 'attend', 'doubt'],
  ],
}

test('an operator’s login reads what others read, without what has run out, and changes nothing', async (t) => {
  const { server, client } = await ownRedis(t)
  for (const role of ['operator', 'upgrade-server'])
    await client.call('ACL', 'SETUSER', `theseus-${role}`, 'reset', ...lineOf(documented, role))
  const as = async (role: string) => {
    const at = { host: '127.0.0.1', port: server.port, username: `theseus-${role}`, password: 'pw' }
    const database = await redis(at).open('shop', systemClock)
    t.teardown(() => database.close())
    return database
  }
  const operator = await as('operator')
  t.regex((await refusalOf(t, operator.nodes())).message, /does not have the functions/)
  const upgradeServer = await as('upgrade-server')
  await upgradeServer.register(statusOf('n1'), 60_000)
  await upgradeServer.register({ ...statusOf('gone'), directoryId: null }, 1)
  await upgradeServer.register({ ...statusOf('here'), directoryId: null }, 60_000)
  await upgradeServer.declareDead(0, 0)
  const everything = async () => {
    const all: Record<string, string> = {}
    for (const key of await client.keys('*')) all[key] = ((await client.dumpBuffer(key)) ?? '').toString('hex')
    return all
  }
  const before = await until(async () => {
    const rows = await operator.nodes()
    return rows.length === 2 ? await everything() : undefined
  }, 'the lease has run out')
  const read = {
    nodes: await operator.nodes(),
    pages: await operator.nodes('pages'),
    dead: await operator.dead(),
    standing: await operator.standing(),
  }
  t.deepEqual(await everything(), before)
  t.deepEqual(
    read.nodes.map(({ nodeId }) => nodeId),
    ['here', 'n1'],
  )
  t.deepEqual(read.nodes, await upgradeServer.nodes(), 'as for who removes it')
  t.notDeepEqual(await everything(), before)
  t.deepEqual(read.pages, await upgradeServer.nodes('pages'))
  t.like(await upgradeServer.dead(), { below: read.dead.below, inForce: read.dead.inForce })
  t.is(read.standing?.epoch, (await upgradeServer.standing())?.epoch)
  // Redis itself refuses functions that write, whatever the login may do.
  const writes = client.call('FCALL_RO', functionName('theseusForget'), 6, ...keysOf('shop').nodes, 'n1', 'x')
  await t.throwsAsync(writes, { message: /Can not execute a script with write flag/ })
})

test('each role does its part with the lines of release 0.1.0, with those of the change, and with those of now, without a new connection', async (t) => {
  const { server, client, counts } = await ownRedis(t)
  const roles = Object.keys(methods) as (keyof typeof methods)[]
  const change = (role: string) => [...lineOf(documented, role), '+eval', '+evalsha']
  const set = (role: string, rules: readonly string[]) => client.call('ACL', 'SETUSER', `theseus-${role}`, 'reset', ...rules)
  for (const role of roles) await set(role, lineOf(of010, role))
  const databases = new Map<string, UpgradeDatabase>()
  for (const role of roles) {
    const at = { host: '127.0.0.1', port: server.port, username: `theseus-${role}`, password: 'pw' }
    const database = await redis(at).open('shop', systemClock)
    t.teardown(() => database.close())
    databases.set(role, database)
  }
  const all = async (when: string) => {
    // The upgrade server first: it loads what the others call.
    for (const role of roles.toReversed())
      for (const [name, use] of everyMethod)
        if (methods[role].includes(name)) await t.notThrowsAsync(use(databases.get(role)!), `${role}, ${name}: ${when}`)
  }
  await all('the lines of release 0.1.0')
  await set('upgrade-server', change('upgrade-server'))
  await all('the upgrade server’s line is new')
  for (const role of roles) await set(role, lineOf(documented, role))
  await t.throwsAsync(databases.get('operator')!.forget('nobody'), { message: /may not call functions/ })
  // It is an order now, which the upgrade server carries out.
  methods.operator = methods.operator.filter((name) => name !== 'forget')
  await all('all lines are new')
  const before = await counts()
  await all('again')
  const after = await counts()
  t.deepEqual([after.eval, after.evalsha], [before.eval, before.evalsha], 'no script is sent any more')
})
