/** nats-servers with JetStream that form one cluster, for tests that kill, freeze and restart them. */
import { connect } from 'nats'
import { until } from './eventually.js'
import { freePort } from './freePort.js'
import { startNatsServer, type TestServer } from './servers.js'

export interface NatsCluster {
  readonly servers: readonly TestServer[]
  readonly urls: readonly string[]
  /** The server that leads a stream now, as the servers but `except` say. */
  leaderOf(stream: string, except?: TestServer): Promise<TestServer>
  /** The servers whose own replica does not have the entries yet that its leader has, after so long. */
  laggards(stream: string, waitMs: number): Promise<readonly TestServer[]>
  stop(): Promise<void>
}

interface ClusterOptions {
  /** 3, if left out. One alone is no cluster. */
  readonly size?: number
  /** The servers that a client knows of: those that it is given alone, or all. */
  readonly knows?: 'given' | 'all'
  /** A configuration file for each: permissions, limits. */
  readonly conf?: string
  /** Of a login that may use JetStream, where `conf` has logins. */
  readonly login?: { readonly user: string; readonly pass: string }
}

const jetStream = ['--jetstream', '--store_dir', 'jetstream']

export async function startNatsCluster({ size = 3, conf, login, knows = 'all' }: ClusterOptions = {}): Promise<NatsCluster> {
  const ports = await Promise.all(Array.from({ length: size }, freePort))
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`)
  const servers = await Promise.all(
    ports.map((port) => {
      const cluster = [
        '--cluster_name',
        'c',
        '--cluster',
        `nats://127.0.0.1:${port}`,
        '--routes',
        routes.join(','),
        ...(knows === 'given' ? ['--no_advertise'] : []),
      ]
      return startNatsServer({
        args: [...jetStream, ...(size > 1 ? cluster : []), ...(conf === undefined ? [] : ['-c', 'nats.conf'])],
        files: conf === undefined ? {} : { 'nats.conf': conf },
      })
    }),
  )
  const cluster: NatsCluster = {
    servers,
    urls: servers.map(({ url }) => url),
    leaderOf: (stream, except) => leaderOf(servers, stream, except, login),
    async laggards(stream, waitMs) {
      const info = await api(await leaderOf(servers, stream, undefined, login), `STREAM.INFO.${stream}`, {}, login)
      const { last_seq: last = 0 } = info?.state ?? {}
      const deadlineMs = performance.now() + waitMs
      const lags = await Promise.all(servers.map((server) => lagsBehind(server, stream, last, deadlineMs)))
      return servers.filter((_, n) => lags[n])
    },
    async stop() {
      await Promise.all(servers.map((server) => server.stop()))
    },
  }
  await formed(cluster, login)
  return cluster
}

/** Resolves when a stream can have a replica on each. */
async function formed({ servers }: NatsCluster, login: ClusterOptions['login']): Promise<void> {
  const config = { name: 'formed', subjects: ['formed'], storage: 'memory', num_replicas: servers.length }
  await until(async () => {
    const made = await api(servers[0]!, 'STREAM.CREATE.formed', config, login)
    return made !== undefined && made.error === undefined
  }, 'the servers form a cluster')
  await until(async () => (await api(servers[0]!, 'STREAM.DELETE.formed', {}, login))?.success === true, 'its stream is gone')
}

async function leaderOf(
  servers: readonly TestServer[],
  stream: string,
  except: TestServer | undefined,
  login: ClusterOptions['login'],
): Promise<TestServer> {
  const [asked, ...others] = servers.filter((server) => server !== except)
  if (others.length === 0 && except === undefined) return asked!
  return until(async () => {
    const info = await api(asked!, `STREAM.INFO.${stream}`, {}, login)
    const leader: unknown = info?.cluster?.leader
    return servers.find(({ port }) => String(leader).endsWith(`-${port}`))
  }, `${stream} has a leader`) as Promise<TestServer>
}

/** A server that has a replica answers a direct get from it. */
async function lagsBehind(server: TestServer, stream: string, last: number, deadlineMs: number): Promise<boolean> {
  for (;;) {
    try {
      const connection = await connect({ servers: server.url, reconnect: false, timeout: 1_000 })
      try {
        const query = JSON.stringify({ seq: last })
        const found = await connection.request(`$JS.API.DIRECT.GET.${stream}`, query, { timeout: 1_000 })
        if (last === 0 || Number(found.headers?.get('Nats-Sequence')) === last) return false
      } finally {
        await connection.close()
      }
    } catch {}
    if (performance.now() > deadlineMs) return true
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs))
  }
}

const lookAgainMs = 50

/** Undefined: no answer. */
async function api(server: TestServer, name: string, body: object, login: ClusterOptions['login']): Promise<any> {
  try {
    const connection = await connect({ servers: server.url, reconnect: false, timeout: 1_000, ...login })
    try {
      return (await connection.request(`$JS.API.${name}`, JSON.stringify(body), { timeout: 1_000 })).json()
    } finally {
      await connection.close()
    }
  } catch {
    return undefined
  }
}
