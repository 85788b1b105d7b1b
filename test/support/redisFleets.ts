/** Redis as it is run, by real servers: a primary with replicas that Sentinels watch, and a Redis Cluster. */
import { Redis } from 'ioredis'
import { hashSlot } from '../../transports/redis/hashSlot.js'
import { until } from './eventually.js'
import { startRedisSentinel, startRedisServer, type TestServer } from './servers.js'

export interface RedisFleet {
  readonly url: string
  /** Those with data: the first primary first. */
  readonly servers: readonly TestServer[]
  /** The primary of this system now, as a majority has it. */
  primaryOf(system: string): Promise<TestServer>
  stop(): Promise<void>
}

const primaryName = 'theseus'
const sentinelsOfFleet = 3

/** One primary, two replicas unless told otherwise, and three Sentinels. */
export async function startSentinelFleet({
  replicas = 2,
} = {}): Promise<RedisFleet & { readonly sentinels: readonly TestServer[] }> {
  const primary = await startRedisServer({ appendonly: true })
  const others = await Promise.all(Array.from({ length: replicas }, () => startReplica(primary)))
  await asked(primary.port, (client) => replicasFollow(client, replicas))
  const servers = [primary, ...others]
  const quorum = Math.floor(sentinelsOfFleet / 2) + 1
  const sentinels = await Promise.all(
    Array.from({ length: sentinelsOfFleet }, () => startRedisSentinel(primaryName, primary, quorum)),
  )
  await Promise.all(
    sentinels.map(({ port }) =>
      asked(port, (client) =>
        until(async () => {
          const fields = pairs((await client.call('SENTINEL', 'master', primaryName)) as string[])
          return (
            Number(fields.get('num-slaves')) === replicas && Number(fields.get('num-other-sentinels')) === sentinelsOfFleet - 1
          )
        }, 'a Sentinel knows the others'),
      ),
    ),
  )
  const primaryNow = async () => {
    const named = await Promise.all(
      sentinels.map(({ port }) =>
        asked(port, async (client) => ((await client.call('SENTINEL', 'get-master-addr-by-name', primaryName)) as string[])[1]!),
      ),
    )
    const port = named.find((each, i) => named.indexOf(each) !== i)
    return servers.find((server) => String(server.port) === port)!
  }
  return {
    url: `redis-sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${primaryName}`,
    servers,
    sentinels,
    primaryOf: primaryNow,
    stop: async () => void (await Promise.all([...sentinels, ...servers].map((server) => server.stop()))),
  }
}

async function replicasFollow(client: Redis, count: number): Promise<void> {
  await until(async () => (await client.info('replication')).split('state=online').length - 1 === count, 'replicas follow')
}

export function startReplica(primary: TestServer): Promise<TestServer> {
  return startRedisServer({
    appendonly: true,
    args: ['--replicaof', '127.0.0.1', String(primary.port), '--repl-diskless-sync-delay', '0'],
  })
}

const slotsOfCluster = 16_384
const clusterArgs = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0']

/** So many primaries, each with so many replicas. One primary alone is a cluster too. */
export async function startRedisCluster({
  primaries = 3,
  replicas = 0,
  args = [] as readonly string[],
} = {}): Promise<RedisFleet> {
  const count = primaries * (1 + replicas)
  const servers = await Promise.all(
    Array.from({ length: count }, () => startRedisServer({ appendonly: true, args: [...clusterArgs, ...args] })),
  )
  const first = servers[0]!
  const ids = await Promise.all(
    servers.map(({ port }) => asked(port, (client) => client.call('CLUSTER', 'MYID') as Promise<string>)),
  )
  for (const [i, { port }] of servers.entries())
    await asked(port, async (client) => {
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
      if (i < primaries) {
        const from = Math.floor((i * slotsOfCluster) / primaries)
        await client.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.floor(((i + 1) * slotsOfCluster) / primaries) - 1)
      }
      if (i > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', first.port)
    })
  await Promise.all(
    servers.map(({ port }, i) =>
      asked(port, async (client) => {
        const nodes = () => client.call('CLUSTER', 'NODES') as Promise<string>
        await until(async () => (await nodes()).split('\n').filter(isMet).length === count, 'all have met')
        if (i >= primaries) await client.call('CLUSTER', 'REPLICATE', ids[i % primaries]!)
      }),
    ),
  )
  await Promise.all(
    servers.map(({ port }) =>
      asked(port, async (client) => {
        await until(async () => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), 'the cluster is up')
        if (servers.findIndex((server) => server.port === port) < primaries) await replicasFollow(client, replicas)
      }),
    ),
  )
  return {
    url: `redis-cluster://${servers
      .slice(0, primaries)
      .map(({ port }) => `127.0.0.1:${port}`)
      .join(',')}`,
    servers,
    primaryOf: async (system) => {
      const slot = hashSlot(system)
      for (const server of servers) {
        const ports = await asked(server.port, async (client) => {
          const ranges = (await client.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
          return ranges.filter(([from, to]) => from <= slot && slot <= to).map(([, , [, port]]) => port)
        }).catch(() => [])
        const found = servers.find(({ port }) => port === ports[0])
        if (found !== undefined) return found
      }
      throw new Error('no server of the cluster answers')
    },
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  }
}

/** One question on a connection of its own. */
export async function asked<T>(port: number, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  try {
    await client.connect()
    return await question(client)
  } finally {
    client.disconnect()
  }
}

function isMet(line: string): boolean {
  return line.includes(' connected') && !/handshake|noaddr|fail/.test(line)
}

function pairs(fields: readonly string[]): Map<string, string> {
  return new Map(fields.flatMap((field, i) => (i % 2 === 0 ? [[field, fields[i + 1]!] as const] : [])))
}
