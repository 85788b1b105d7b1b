/** Where Redis is, as it is configured: one server, a primary that Sentinels name, or a Redis Cluster. */
import type { RedisOptions } from 'ioredis'
import { Fault } from '../../core/base/fault.js'

/** A server's address. The default port is 6379, and 26379 for a Sentinel. */
export interface RedisAddress {
  readonly host: string
  readonly port?: number
}

interface ReplicaSettings {
  /**
   * How many replicas must have an order or an installed upgrade before it counts as done (`WAIT`). 0 for one
   * server, otherwise 1 by default. docs/redis.md says what a fail-over may lose.
   */
  readonly waitReplicas?: number
}

/** One server. `path` is a Unix socket, instead of host and port. */
export interface RedisServerSettings
  extends Pick<RedisOptions, 'host' | 'port' | 'path' | 'username' | 'password' | 'db' | 'tls'>,
    ReplicaSettings {}

/** A primary that Sentinels watch. List all of them: each can name the primary. */
export interface RedisSentinelSettings extends Pick<RedisOptions, 'username' | 'password' | 'db' | 'tls'>, ReplicaSettings {
  readonly sentinels: readonly RedisAddress[]
  /** The primary's name in the configuration of the Sentinels. */
  readonly name: string
  readonly sentinelUsername?: string
  readonly sentinelPassword?: string
  readonly sentinelTls?: RedisOptions['tls']
}

/** A Redis Cluster. All keys of a system are in one slot; some servers of it are enough to find that. */
export interface RedisClusterSettings extends Pick<RedisOptions, 'username' | 'password' | 'tls'>, ReplicaSettings {
  readonly cluster: readonly RedisAddress[]
}

export type RedisSettings = RedisServerSettings | RedisSentinelSettings | RedisClusterSettings

/** The settings in one form. */
export interface RedisPlace {
  readonly kind: 'server' | 'sentinel' | 'cluster'
  /** For people: without a login. */
  readonly address: string
  /** As ioredis takes it: a URL of one server, or options. */
  readonly options: string | RedisOptions
  /** Those who are asked where the primary is. */
  readonly seeds: readonly Required<RedisAddress>[]
  /** How they are asked. */
  readonly asking: Pick<RedisOptions, 'username' | 'password' | 'tls'>
  /** The primary's name, where Sentinels know it. */
  readonly name?: string
  readonly waitReplicas: number
  readonly isEncrypted: boolean
  /** Nobody is on the way: it is encrypted, or a socket of this machine. */
  readonly isPrivate: boolean
}

const serverPort = 6379
const sentinelPort = 26_379
/** Addresses that are listed. */
const seedsMax = 64
export const waitReplicasMax = 16

const howTo =
  'give a URL like redis://localhost:6379, redis-sentinel://host:26379,host:26379/name or redis-cluster://host:6379,host:6379, or { host, port }, { sentinels, name } or { cluster }'

/** Throws `config.invalid` for what is no place of Redis. */
export function placeOf(settings: string | RedisSettings): RedisPlace {
  if (typeof settings === 'string') return isOfOneServer(settings) ? serverUrl(settings) : placeOf(settingsIn(settings))
  if ('sentinels' in settings) return sentinelPlace(settings)
  if ('cluster' in settings) return clusterPlace(settings)
  const { waitReplicas, ...options } = settings
  return {
    ...{ kind: 'server', options, seeds: [], asking: {}, waitReplicas: replicasOf(waitReplicas, 0) },
    address: settings.path ?? addressText({ host: settings.host ?? 'localhost', port: settings.port ?? serverPort }),
    isEncrypted: settings.tls !== undefined,
    isPrivate: settings.tls !== undefined || settings.path !== undefined,
  }
}

/** Where a URL leads, as people read it: without a login. '?' for none of Redis. */
export function redisUrlAddress(url: string): string {
  try {
    const { kind, address, isEncrypted } = placeOf(url)
    const scheme = isEncrypted ? 'rediss' : 'redis'
    if (kind !== 'server') return `${scheme}-${kind}://${address}`
    const { host, pathname } = new URL(url)
    return `${scheme}://${host}${pathname === '/' ? '' : pathname}`
  } catch {
    return '?'
  }
}

function sentinelPlace(settings: RedisSentinelSettings): RedisPlace {
  const { sentinels, name, sentinelUsername, sentinelPassword, sentinelTls, waitReplicas, ...options } = settings
  if (typeof name !== 'string' || name === '') throw invalid('the primary has no name: Sentinels know it by one')
  const seeds = seedsOf(sentinels, sentinelPort)
  return {
    ...{ kind: 'sentinel', options, seeds, name, waitReplicas: replicasOf(waitReplicas, 1) },
    address: `${seeds.map(addressText).join(',')}/${name}`,
    asking: {
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(sentinelTls === undefined ? {} : { tls: sentinelTls }),
    },
    isEncrypted: settings.tls !== undefined,
    isPrivate: settings.tls !== undefined && sentinelTls !== undefined,
  }
}

function clusterPlace({ cluster, waitReplicas, ...options }: RedisClusterSettings): RedisPlace {
  // Not typed, but written: a Redis Cluster has no other.
  if (((options as RedisOptions).db ?? 0) !== 0) throw invalid('a Redis Cluster has database 0 alone')
  const seeds = seedsOf(cluster, serverPort)
  const isEncrypted = options.tls !== undefined
  return {
    ...{ kind: 'cluster', options, seeds, asking: options, waitReplicas: replicasOf(waitReplicas, 1), isEncrypted },
    address: seeds.map(addressText).join(','),
    isPrivate: isEncrypted,
  }
}

function isOfOneServer(url: string): boolean {
  return URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol)
}

function serverUrl(text: string): RedisPlace {
  const url = new URL(text)
  const isEncrypted = url.protocol === 'rediss:'
  return {
    ...{ kind: 'server', options: text, seeds: [], asking: {}, isEncrypted, isPrivate: isEncrypted },
    address: `${url.hostname}:${url.port || serverPort}`,
    waitReplicas: replicasOf(replicasIn(url.searchParams), 0),
  }
}

/**
 * `redis-sentinel://user:password@host:26379,host:26379/name/db?sentinelUsername=…&sentinelPassword=…`,
 * `redis-cluster://user:password@host:6379,host:6379`; with `rediss-` all is by TLS.
 */
function settingsIn(text: string): RedisSentinelSettings | RedisClusterSettings {
  const [, tlsMark, kind, login, hosts, path, query] =
    /^redis(s?)-(sentinel|cluster):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(text) ?? []
  if (kind === undefined || hosts === undefined) throw invalid()
  const tls = tlsMark === 's' ? { tls: {} } : {}
  const seeds = hosts.split(',').map(addressIn)
  const params = new URLSearchParams(query ?? '')
  const waitReplicas = replicasIn(params)
  const common = { ...loginIn(login), ...tls, ...(waitReplicas === undefined ? {} : { waitReplicas }) }
  const [name = '', db = ''] = (path ?? '').slice(1).split('/').map(decoded)
  if (kind === 'cluster') {
    if (name !== '' && name !== '0') throw invalid('a Redis Cluster has database 0 alone')
    return { cluster: seeds, ...common }
  }
  if (db !== '' && !/^\d{1,9}$/.test(db)) throw invalid('the database is no number')
  const [username, password] = [params.get('sentinelUsername'), params.get('sentinelPassword')]
  return {
    ...{ sentinels: seeds, name, ...common },
    ...(db === '' ? {} : { db: Number(db) }),
    ...(username === null ? {} : { sentinelUsername: username }),
    ...(password === null ? {} : { sentinelPassword: password }),
    ...(tlsMark === 's' ? { sentinelTls: {} } : {}),
  }
}

function loginIn(login: string | undefined): Pick<RedisOptions, 'username' | 'password'> {
  if (login === undefined || login === '') return {}
  const colon = login.indexOf(':')
  const [username, password] = colon === -1 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)]
  return {
    ...(username === '' ? {} : { username: decoded(username) }),
    ...(password === '' ? {} : { password: decoded(password) }),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid()
  }
}

function addressIn(text: string): RedisAddress {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/.exec(text.trim()) ?? []
  if (host === undefined) throw invalid()
  return { host: host.replace(/^\[(.*)\]$/, '$1'), ...(port === undefined ? {} : { port: Number(port) }) }
}

function seedsOf(addresses: readonly RedisAddress[], defaultPort: number): readonly Required<RedisAddress>[] {
  if (!Array.isArray(addresses) || addresses.length === 0) throw invalid('no server is listed')
  if (addresses.length > seedsMax) throw invalid(`at most ${seedsMax} servers are listed`)
  return addresses.map(({ host, port = defaultPort }) => {
    if (typeof host !== 'string' || host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) throw invalid()
    return { host, port }
  })
}

function replicasIn(params: URLSearchParams): number | undefined {
  const text = params.get('waitReplicas')
  return text === null ? undefined : /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
}

function replicasOf(given: number | undefined, otherwise: number): number {
  const replicas = given ?? otherwise
  if (Number.isInteger(replicas) && replicas >= 0 && replicas <= waitReplicasMax) return replicas
  throw invalid(`waitReplicas: use a whole number from 0 to ${waitReplicasMax}`)
}

function addressText({ host, port }: Required<RedisAddress>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Not what was given: there may be a password in it. */
function invalid(why?: string): Fault {
  return new Fault('config.invalid', `redis: ${why === undefined ? howTo : why}`)
}
