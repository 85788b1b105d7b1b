/** The upgrade database on a Redis Cluster keeps the contract of the port. */
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { type AuditBounds, auditKept } from '../../core/control/audit.js'
import { hashSlot } from '../../transports/redis/hashSlot.js'
import { redis } from '../../transports/redis/index.js'
import { redisKeeping } from '../../transports/redis/redisDatabase.js'
import { systemClock } from '../../transports/systemClock.js'
import { until } from '../support/eventually.js'
import { type RedisFleet, startRedisCluster } from '../support/redisFleets.js'
import { refusalOf } from '../support/rejections.js'
import type { TestServer } from '../support/servers.js'
import { bundlesContract } from './bundlesContract.js'
import {
  type DatabaseUnderTest,
  databaseContract,
  type InterruptibleDatabase,
  manifestOf,
  newSystem,
  nothingInstalled,
  Starting,
} from './databaseContract.js'
import { edgesContract } from './edgesContract.js'
import { levelContract } from './levelContract.js'
import { pinContract } from './pinContract.js'
import { redisUnderTest } from './redisUnderTest.js'
import { standingContract } from './standingContract.js'

const primaries = 3
const slotsOfCluster = 16_384

let fleet: RedisFleet
let clients: readonly Redis[]
test.before(async () => {
  fleet = await startRedisCluster({ primaries })
  clients = fleet.servers.map(clientOf)
})
test.after.always(async () => {
  for (const client of clients) client.disconnect()
  await fleet.stop()
})

function clientOf({ url }: TestServer): Redis {
  const client = new Redis(url)
  client.on('error', () => {})
  return client
}

let turn: Promise<unknown> = Promise.resolve()

/** A hundred tests that connect at once, each twice, would wait for each other longer than a command may. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work)
  turn = mine.catch(() => {})
  return mine
}

/** No replicas: there is nobody to wait for. */
function onCluster(audit: AuditBounds = auditKept): DatabaseUnderTest {
  const at = (system: string) => clients[Math.floor((hashSlot(system) * primaries) / slotsOfCluster)]!
  return redisUnderTest(at, (system) =>
    inTurn(() => redisKeeping(audit, `${fleet.url}?waitReplicas=0`).open(system, systemClock)),
  )
}

/** A cluster of one server, which has all slots. */
async function ownCluster(t: ExecutionContext): Promise<InterruptibleDatabase> {
  const own = await startRedisCluster({ primaries: 1 })
  const [server] = own.servers as [TestServer]
  const client = clientOf(server)
  t.teardown(async () => {
    client.disconnect()
    await own.stop()
  })
  const cluster = [{ host: '127.0.0.1', port: server.port }]
  const open = (system: string) => redisKeeping(auditKept, { cluster, waitReplicas: 0 }).open(system, systemClock)
  return {
    ...redisUnderTest(() => client, open),
    away: async () => server.kill(),
    back: () => server.restart(),
    restart: async () => {
      server.kill()
      await server.restart()
    },
  }
}

test('cluster: the logins of the page on security do with one more right what they do on one server', async (t) => {
  const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')
  const line = /^user (theseus-upgrade-server) on >(\S+) (.*)$/m.exec(page)!
  const system = 'shop'
  for (const client of clients) await client.call('ACL', 'SETUSER', line[1]!, 'on', `>${line[2]}`, ...line[3]!.split(' '))
  const opening = (url: string) => redis(url).open(system, systemClock)
  const url = `${fleet.url.replace('//', `//${line[1]}:${line[2]}@`)}?waitReplicas=0`
  t.regex((await refusalOf(t, opening(url))).message, /no permissions to run the 'cluster\|slots' command/)
  for (const client of clients) await client.call('ACL', 'SETUSER', line[1]!, '+cluster|slots')
  const database = await opening(url)
  t.teardown(() => database.close())
  t.is((await database.attend(new Starting('server', 'none'))).probation, null)
  t.is((await database.directiveLog()).count, 0)
})

test('cluster: while the slot of a system moves the database is away, and it is found where the slot went', async (t) => {
  const system = newSystem()
  const database = await redis(`${fleet.url}?waitReplicas=0`).open(system, systemClock)
  t.teardown(() => database.close())
  t.true(await database.install(nothingInstalled, 'd1', manifestOf('one').manifest))
  const by = new Starting('server', null)
  const { epoch } = await database.attend(by)
  const slot = hashSlot(system)
  const at = Math.floor((slot * primaries) / slotsOfCluster)
  const [from, to] = [at, (at + 1) % primaries]
  const id = async (i: number) => (await clients[i]!.call('CLUSTER', 'MYID')) as string
  await clients[to]!.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await id(from))
  await clients[from]!.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await id(to))
  const keys = (await clients[from]!.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[]
  await clients[from]!.call('MIGRATE', '127.0.0.1', fleet.servers[to]!.port, '', 0, 5000, 'KEYS', ...keys)
  const away = await refusalOf(t, database.head())
  t.is(away.code, 'unavailable.disconnected')
  t.regex(away.message, /can't take it now: ASK/)
  for (const i of [to, from]) await clients[i]!.call('CLUSTER', 'SETSLOT', slot, 'NODE', await id(to))
  await until(async () => (await database.head().catch(() => nothingInstalled)).version === 1, 'it is found')
  // Another process answers: nobody can tell that nothing was lost.
  const standing = await database.attend(by)
  t.like(standing, { probation: { doubt: 'restarted' } })
  t.not(standing.epoch, epoch)
})

databaseContract('cluster', (audit) => onCluster(audit), ownCluster)
standingContract('cluster', () => onCluster(), ownCluster)
edgesContract('cluster', () => onCluster())
levelContract('cluster', () => onCluster())
pinContract('cluster', () => onCluster())
bundlesContract('cluster', () => onCluster())
