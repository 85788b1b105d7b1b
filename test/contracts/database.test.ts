import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { type AuditBounds, auditKept } from '../../core/control/audit.js'
import type { Clock } from '../../core/ports/clock.js'
import { memoryDatabase, memoryDatabaseKeeping } from '../../transports/memory/memoryDatabase.js'
import { redis } from '../../transports/redis/index.js'
import { redisKeeping } from '../../transports/redis/redisDatabase.js'
import { systemClock } from '../../transports/systemClock.js'
import { lapsedKeptMs } from '../../transports/udbFactory.js'
import { until } from '../support/eventually.js'
import { processMsOf } from '../support/processTime.js'
import { thrownCode } from '../support/rejections.js'
import { startRedisServer, type TestServer } from '../support/servers.js'
import { bundlesContract } from './bundlesContract.js'
import {
  type DatabaseUnderTest,
  databaseContract,
  directiveOf,
  everyMethod,
  type InterruptibleDatabase,
  newSystem,
  nothingInstalled,
  promptMsMax,
  statusOf,
  upgradingNode,
} from './databaseContract.js'
import { edgesContract } from './edgesContract.js'
import { levelContract } from './levelContract.js'
import { pinContract } from './pinContract.js'
import { redisUnderTest } from './redisUnderTest.js'
import { standingContract } from './standingContract.js'

// The memory adapter, on a clock that moves when the test says so.

function onManualClock(audit: AuditBounds = auditKept): InterruptibleDatabase {
  const factory = memoryDatabaseKeeping(audit)
  let nowMs = 1_700_000_000_000
  const clock: Clock = { now: () => nowMs, monotonicMs: () => nowMs, after: () => () => {}, turn: queueMicrotask }
  return {
    open: (system) => factory.open(system, clock),
    elapse: async (ms) => {
      nowMs += ms
    },
    away: async () => factory.away(true),
    back: async () => factory.away(false),
    restart: async () => factory.restart(),
    empty: async () => factory.empty(),
    backup: async () => {
      const backup = factory.backup()
      return async () => factory.restore(backup)
    },
  }
}

databaseContract(
  'memory',
  (audit) => onManualClock(audit),
  async () => onManualClock(),
)
standingContract(
  'memory',
  () => onManualClock(),
  async () => onManualClock(),
)
edgesContract('memory', () => onManualClock())
levelContract('memory', () => onManualClock())
pinContract('memory', () => onManualClock())
bundlesContract('memory', () => onManualClock())

// Redis, on a real server.

let server: TestServer
let client: Redis
test.before(async () => {
  server = await startRedisServer()
  client = new Redis(server.url)
  client.on('error', () => {})
})
test.after.always(async () => {
  client.disconnect()
  await server.stop()
})

function onRedis(audit: AuditBounds = auditKept): DatabaseUnderTest {
  return redisUnderTest(
    () => client,
    (system) => redisKeeping(audit, server.url).open(system, systemClock),
  )
}

async function ownRedis(t: ExecutionContext): Promise<InterruptibleDatabase> {
  const own = await startRedisServer({ appendonly: true })
  const ownClient = new Redis(own.url)
  ownClient.on('error', () => {})
  t.teardown(async () => {
    ownClient.disconnect()
    await own.stop()
  })
  return {
    ...redisUnderTest(
      () => ownClient,
      (system) => redis({ host: '127.0.0.1', port: own.port }).open(system, systemClock),
    ),
    away: async () => own.kill(),
    back: async () => {
      await own.restart()
    },
    restart: async () => {
      await own.kill()
      await own.restart()
    },
  }
}

databaseContract('redis', (audit) => onRedis(audit), ownRedis)
standingContract('redis', () => onRedis(), ownRedis)
edgesContract('redis', () => onRedis())
levelContract('redis', () => onRedis())
pinContract('redis', () => onRedis())
bundlesContract('redis', () => onRedis())

test('memory: a node without a directory is registered no more a day after its lease ran out', async (t) => {
  const memory = onManualClock()
  const database = await memory.open('shop')
  await database.register(statusOf('brief', { directoryId: null }), 1000)
  await memory.elapse(1000 + lapsedKeptMs)
  t.deepEqual(await database.nodes(), [])
  await database.report([statusOf('brief', { directoryId: null })], 1000)
  t.deepEqual(await database.nodes(), [])
})

test('memory: a database that is emptied, restored or failed over has what it had then, for those who have it open', async (t) => {
  const factory = memoryDatabase()
  const database = await factory.open('shop', systemClock)
  await database.setInTable('authorized', 'n1', 'yes')
  const backup = factory.backup()
  const failOver = factory.losingReplica()
  await database.setInTable('authorized', 'n1', 'no')
  await database.setInTable('authorized', 'n2', 'no')
  const entries = async () => [...(await database.table('authorized'))].flat()
  failOver()
  t.deepEqual(await entries(), ['n1', 'yes'])
  factory.empty()
  t.deepEqual(await entries(), [])
  await database.setInTable('authorized', 'n3', 'yes')
  factory.restore(backup)
  t.deepEqual(await entries(), ['n1', 'yes'])
  await database.setInTable('authorized', 'n1', 'changed')
  factory.restore(backup)
  t.deepEqual(await entries(), ['n1', 'yes'], 'a backup does not change with what is restored from it')
})

test('redis: a node without a directory is registered no more a day after its lease ran out', async (t) => {
  const system = newSystem()
  const database = await onRedis().open(system)
  const client = new Redis(server.url)
  t.teardown(() => Promise.all([database.close(), client.quit()]))
  for (const id of ['brief', 'kept']) await database.register(statusOf(id, id === 'brief' ? { directoryId: null } : {}), 1000)
  for (const key of ['leases', 'transient'])
    await client.zadd(`theseus:{${system}}:${key}`, 'XX', Date.now() - lapsedKeptMs - 60_000, 'brief')
  await client.zadd(`theseus:{${system}}:leases`, 'XX', Date.now() - lapsedKeptMs - 60_000, 'kept')
  t.deepEqual(await database.nodes(), [{ ...statusOf('kept'), alive: false }])
  t.deepEqual(await client.hkeys(`theseus:{${system}}:registrations`), ['kept'])
  t.deepEqual(await client.hkeys(`theseus:{${system}}:rows`), ['kept'])
  await database.report([statusOf('brief', { directoryId: null })], 1000)
  t.is((await database.nodes()).length, 1)
})

test('redis: a row that can’t be read is left out, and the other rows are read', async (t) => {
  const system = newSystem()
  const database = await onRedis().open(system)
  const client = new Redis(server.url)
  t.teardown(() => Promise.all([database.close(), client.quit()]))
  const garbage = ['not JSON', '[]', 'null', '{"nodeId":"n2"}', JSON.stringify(statusOf('n4', { phase: 'dancing' as never }))]
  for (let i = 0; i <= garbage.length; i++) await database.register(statusOf(`n${i}`), 60_000)
  for (const [i, row] of garbage.entries()) await client.hset(`theseus:{${system}}:rows`, `n${i}`, row)
  t.deepEqual(
    (await database.nodes()).map((row) => row.nodeId),
    ['n5'],
  )
  await database.report([statusOf('n0')], 60_000)
  t.is((await database.nodes()).length, 2)
})

test('redis: a head that can’t be read is an error, and not version 0', async (t) => {
  const system = newSystem()
  const database = await onRedis().open(system)
  const client = new Redis(server.url)
  t.teardown(() => Promise.all([database.close(), client.quit()]))
  await client.hset(`theseus:{${system}}:head`, 'version', 'three')
  t.is(thrownCode(await t.throwsAsync(database.head())), 'upgrade.invalid')
  t.false(await database.install({ version: 0, digest: null }, 'd', { bytes: new Uint8Array([1]), signature: null }))
})

test('redis: a death that can’t be read is an error, and neither no death nor a reason for another', async (t) => {
  const system = newSystem()
  const database = await onRedis().open(system)
  const client = new Redis(server.url)
  t.teardown(() => Promise.all([database.close(), client.quit()]))
  const key = `theseus:{${system}}:dead`
  for (const [below, sinceMs, before] of [
    ['three', '0', '0'],
    ['3', 'yesterday', '0'],
    ['3', '0', 'two'],
  ]) {
    await client.hset(key, { below, sinceMs, before })
    t.is(thrownCode(await t.throwsAsync(database.dead())), 'upgrade.invalid')
    t.is(thrownCode(await t.throwsAsync(database.declareDead(3, 0))), 'upgrade.invalid')
    t.deepEqual(await client.hgetall(key), { below, sinceMs, before })
  }
})

test('redis: a registered node whose row is missing or can’t be read holds every version alive', async (t) => {
  const system = newSystem()
  const database = await onRedis().open(system)
  const client = new Redis(server.url)
  t.teardown(() => Promise.all([database.close(), client.quit()]))
  await database.register(statusOf('n1', { version: 5 }), 60_000)
  const rows = `theseus:{${system}}:rows`
  for (const row of ['not JSON', '[]', 'null', '{"version":"5"}']) {
    await client.hset(rows, 'n1', row)
    t.is((await database.declareDead(1, 0)).below, 0, row)
  }
  await client.del(rows)
  t.is((await database.declareDead(1, 0)).below, 0)
  await database.report([statusOf('n1', { version: 5 })], 60_000)
  t.is((await database.declareDead(5, 0)).below, 5)
})

test('redis: a death is counted by the clock of the Redis server', async (t) => {
  const database = await onRedis().open(newSystem())
  const client = new Redis(server.url)
  t.teardown(() => Promise.all([database.close(), client.quit()]))
  const serverMs = async () => {
    const [seconds, micros] = await client.time()
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }
  const before = await serverMs()
  const { sinceMs } = await database.declareDead(1, 5000)
  t.true(before + 5000 <= sinceMs && sinceMs <= (await serverMs()) + 5000)
})

test('memory: a death is counted by the clock that the database was opened with', async (t) => {
  const memory = onManualClock()
  const database = await memory.open('shop')
  const first = await database.declareDead(1, 0)
  await memory.elapse(1000)
  t.deepEqual(await database.declareDead(2, 500), { below: 2, sinceMs: first.sinceMs + 1500, inForce: 1 })
})

test('redis: every key of a system carries its hash tag, so that a Redis Cluster keeps them together', async (t) => {
  const system = newSystem()
  const database = await onRedis().open(system)
  const client = new Redis(server.url)
  t.teardown(() => Promise.all([database.close(), client.quit()]))
  await database.claimPermit('pages', upgradingNode('n1'), { percent: 50 })
  // Before there are nodes that hold a version alive.
  await database.declareDead(1, 0)
  for (const [name, use] of everyMethod) if (name !== 'releasePermit') await use(database)
  await database.install({ version: 0, digest: null }, 'd', { bytes: new Uint8Array([1]), signature: new Uint8Array([2]) })
  await database.register(statusOf('brief', { directoryId: null }), 60_000)
  const names = [
    ...['bundle:d', 'controls', 'dead', 'directiveLog', 'head', 'leases', 'manifests', 'members', 'registrations', 'rows'],
    ...['signatures', 'slots', 'table:authorized', 'tables', 'transient'],
  ]
  t.deepEqual(
    (await client.keys(`*${system}}*`)).sort(),
    names.map((name) => `theseus:{${system}}:${name}`),
  )
})

test('redis: the log of directives begins anew when Redis was restarted or emptied, and goes on from what release 0.1.0 counted', async (t) => {
  const own = await startRedisServer({ appendonly: true })
  t.teardown(() => own.stop())
  const system = newSystem()
  const client = new Redis(own.url)
  t.teardown(() => client.disconnect())
  await client.set(`theseus:{${system}}:directiveCount`, '7')
  await client.rpush(`theseus:{${system}}:directives`, JSON.stringify(['AQ==', null]))
  const database = await redis(own.url).open(system, systemClock)
  t.teardown(() => database.close())
  const signed = { bytes: new Uint8Array([2]), signature: null }
  const direct = async (number: number) => {
    const directed = await database.direct(directiveOf(number), signed, nothingInstalled)
    return directed.done ? 'done' : directed.why
  }
  t.is(await direct(7), 'number')
  t.is(await direct(8), 'done')
  const first = await database.directiveLog()
  t.is(first.count, 8)
  t.is((await database.recentDirectives()).length, 2)

  await own.restart()
  await until(
    () =>
      database
        .directiveLog()
        .then((log) => log.id !== first.id)
        .catch(() => false),
    'another log',
  )
  t.is((await database.directiveLog()).count, 8)
  // From before the restart: it may have been carried out, and lost.
  t.is(await direct(9), 'older')

  const seen = await database.directiveLog()
  await until(
    () =>
      client
        .flushall()
        .then(() => true)
        .catch(() => false),
    'Redis is emptied',
  )
  const emptied = await database.directiveLog(seen)
  t.not(emptied.id, seen.id)
  t.is(await direct(1), 'older')
})

test('redis: a login that may not ask Redis who it is, or look into the list, can direct all the same', async (t) => {
  const system = newSystem()
  const client = new Redis(server.url)
  t.teardown(() => client.quit())
  await client.call('ACL', 'SETUSER', 'narrow', 'on', '>pw', '~*', '+@all', '-lindex')
  t.teardown(() => client.call('ACL', 'DELUSER', 'narrow'))
  const options = { host: '127.0.0.1', port: server.port, username: 'narrow', password: 'pw' }
  const database = await redis(options).open(system, systemClock)
  t.teardown(() => database.close())
  await client.call('ACL', 'SETUSER', 'narrow', '-info')
  const signed = { bytes: new Uint8Array([2]), signature: null }
  t.true((await database.direct(directiveOf(1), signed, nothingInstalled)).done)
  t.like(await database.direct(directiveOf(1), signed, nothingInstalled), { done: false, why: 'number', earlier: undefined })
  const { id } = await database.directiveLog()
  t.is((await database.directiveLog()).id, id)
})

test.serial('redis: the first connection says where nobody answers', async (t) => {
  const own = await startRedisServer()
  await own.stop()
  const opened = redis(`redis://user:secret@127.0.0.1:${own.port}`).open('shop', systemClock)
  t.true((await processMsOf(() => opened)) < promptMsMax)
  const thrown = await t.throwsAsync(opened)
  t.is(thrownCode(thrown), 'unavailable.disconnected')
  t.is(thrown?.message, `can't reach Redis at 127.0.0.1:${own.port}: is redis-server running there?`)
})

test('redis: settings that Redis refuses are a fault of the settings', async (t) => {
  const own = await startRedisServer()
  t.teardown(() => own.stop())
  t.is(
    thrownCode(await t.throwsAsync(redis({ port: own.port, host: '127.0.0.1', db: 99 }).open('shop', systemClock))),
    'config.invalid',
  )
  const client = new Redis(own.url)
  await client.config('SET', 'requirepass', 'secret')
  await client.quit()
  for (const password of ['', ':wrong@']) {
    const thrown = await t.throwsAsync(redis(`redis://${password}127.0.0.1:${own.port}`).open('shop', systemClock))
    t.is(thrownCode(thrown), 'config.invalid')
    t.notRegex(thrown?.message ?? '', /:wrong/)
  }
  const database = await redis(`redis://:secret@127.0.0.1:${own.port}`).open('shop', systemClock)
  t.deepEqual(await database.nodes(), [])
  await database.close()
  t.is(thrownCode(t.throws(() => redis('localhost:6379'))), 'config.invalid')
  t.is(thrownCode(await t.throwsAsync(redis(own.url).open('shop}:{x', systemClock))), 'config.invalid')
})

test.serial('redis: a server that hangs makes every method reject promptly, and they work when it goes on', async (t) => {
  const own = await startRedisServer()
  t.teardown(() => own.stop())
  const database = await redis(own.url).open('shop', systemClock)
  t.teardown(() => database.close())
  process.kill(own.pid, 'SIGSTOP')
  const tries = Promise.allSettled(everyMethod.map(([, use]) => use(database)))
  t.true((await processMsOf(() => tries)) < promptMsMax)
  for (const tried of await tries) t.is(tried.status === 'rejected' ? thrownCode(tried.reason) : tried.status, 'timeout.deadline')
  process.kill(own.pid, 'SIGCONT')
  await until(
    () =>
      database.head().then(
        () => true,
        () => false,
      ),
    'Redis answers again',
  )
  for (const [, use] of everyMethod) await use(database)
})

test.serial('redis: what was under way when Redis is killed rejects at once, as of unknown outcome', async (t) => {
  const own = await startRedisServer()
  t.teardown(() => own.stop())
  const database = await redis(own.url).open('shop', systemClock)
  t.teardown(() => database.close())
  process.kill(own.pid, 'SIGSTOP')
  const tries = Promise.allSettled(everyMethod.map(([, use]) => use(database)))
  own.kill()
  for (const tried of await tries) {
    t.is(tried.status === 'rejected' ? thrownCode(tried.reason) : tried.status, 'timeout.deadline')
    t.notRegex(String((tried as PromiseRejectedResult).reason?.cause), /timed out/i)
  }
})

test.serial('redis: a server that accepts connections and says nothing is not taken for Redis', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const opened = redis({ host: '127.0.0.1', port }).open('shop', systemClock)
  t.true((await processMsOf(() => opened)) < promptMsMax)
  t.is(thrownCode(await t.throwsAsync(opened)), 'unavailable.disconnected')
})
