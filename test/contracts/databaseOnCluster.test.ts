/** The upgrade database on a Redis Cluster keeps the contract of the port. */
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { type AuditBounds, auditKept } from '../../core/control/audit.js'
import { hashSlot } from '../../transports/redis/hashSlot.js'
import { redis } from '../../transports/redis/index.js'
import { redisKeeping } from '../../transports/redis/redisDatabase.js'
import { systemClock } from '../../transports/systemClock.js'
import { type RedisFleet, startRedisCluster } from '../support/redisFleets.js'
import { refusalOf } from '../support/rejections.js'
import type { TestServer } from '../support/servers.js'
import { bundlesContract } from './bundlesContract.js'
import { type DatabaseUnderTest, databaseContract, type InterruptibleDatabase, Starting } from './databaseContract.js'
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

databaseContract('cluster', (audit) => onCluster(audit), ownCluster)
standingContract('cluster', () => onCluster(), ownCluster)
edgesContract('cluster', () => onCluster())
levelContract('cluster', () => onCluster())
pinContract('cluster', () => onCluster())
bundlesContract('cluster', () => onCluster())
