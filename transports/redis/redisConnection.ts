/**
 * One connection to Redis that fails promptly and comes back by itself.
 *
 * Nothing is queued while Redis is away, and nothing is sent twice: a command that was sent and not answered has an unknown outcome
 * (`timeout.deadline`), one that was not sent has none (`unavailable.disconnected`). What Redis itself refuses is passed on as it is.
 */
import { Redis, type RedisOptions } from 'ioredis'
import { Fault, reasonOf } from '../../core/fault.js'
import { type ScriptName, scripts } from './redisScripts.js'

/** Where Redis is. `path` is a Unix socket, instead of host and port. */
export type RedisSettings = Pick<RedisOptions, 'host' | 'port' | 'path' | 'username' | 'password' | 'db' | 'tls'>

type Argument = string | number | Buffer
type Script = (...keysAndArguments: readonly Argument[]) => Promise<unknown>
export type ScriptedRedis = Redis & Readonly<Record<ScriptName, Script>>

const connectTimeoutMs = 1500
const commandTimeoutMs = 1500
/** A peer that vanished without a word: the connection is given up and made anew. */
const silenceMsMax = 5000
const reconnectMsMax = 1000
/** How long a peer may take to agree to the end of a connection. */
const partingMsMax = 250

const behaviour = {
  lazyConnect: true,
  connectTimeout: connectTimeoutMs,
  commandTimeout: commandTimeoutMs,
  socketTimeout: silenceMsMax,
  disconnectTimeout: partingMsMax,
  maxLoadingRetryTime: reconnectMsMax,
  retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, reconnectMsMax),
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // Without this, ioredis drops unanswered commands after a reconnect and never rejects them.
  maxRetriesPerRequest: 0,
  // After a failover the old primary answers as a replica: look again who is the primary.
  reconnectOnError: (error) => error.message.startsWith('READONLY'),
  scripts,
} as const satisfies RedisOptions

/** Throws `config.invalid` for a string that is no URL of Redis. */
export function addressOf(settings: string | RedisSettings): string {
  if (typeof settings !== 'string') return settings.path ?? `${settings.host ?? 'localhost'}:${settings.port ?? 6379}`
  const url = URL.canParse(settings) ? new URL(settings) : undefined
  if (url === undefined || !/^rediss?:$/.test(url.protocol)) {
    // Not the string itself: it may hold a password.
    throw new Fault('config.invalid', 'redis: give a URL like redis://localhost:6379, or { host, port }')
  }
  return `${url.hostname}:${url.port || 6379}`
}

export class RedisConnection {
  #closed = false

  private constructor(
    private readonly client: ScriptedRedis,
    private readonly address: string,
  ) {}

  /** Tries once, and after that for ever. Throws `unavailable.disconnected`, or `config.invalid` when Redis refuses the settings. */
  static async open(settings: string | RedisSettings, name: string): Promise<RedisConnection> {
    const address = addressOf(settings)
    const options = { ...behaviour, connectionName: name }
    const client = (
      typeof settings === 'string' ? new Redis(settings, options) : new Redis({ ...settings, ...options })
    ) as ScriptedRedis
    let last: Error | undefined
    // An 'error' event without a listener would be printed. What it says reaches callers by way of their commands.
    client.on('error', (error) => {
      last = error
    })
    try {
      await client.connect()
      // A wrong `db` is only an event, and Redis goes on with db 0.
      if (last !== undefined && isRefusal(last)) throw last
    } catch (thrown) {
      client.disconnect()
      const cause = last ?? thrown
      if (isRefusal(cause))
        throw new Fault('config.invalid', `Redis at ${address} refuses: ${reasonOf(cause)}`, { address }, { cause })
      throw new Fault(
        'unavailable.disconnected',
        `can't reach Redis at ${address}: is redis-server running there?`,
        { address },
        { cause },
      )
    }
    return new RedisConnection(client, address)
  }

  async call<T>(command: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    const { address, client } = this
    const status = this.#closed ? 'closed' : client.status
    if (status !== 'ready')
      throw new Fault('unavailable.disconnected', `no connection to Redis at ${address} (${status})`, { address })
    try {
      return await command(client)
    } catch (cause) {
      if (isRefusal(cause)) throw cause
      throw new Fault('timeout.deadline', `no answer from Redis at ${address}`, { address }, { cause })
    }
  }

  /** What was sent before is still answered. */
  async close(): Promise<void> {
    this.#closed = true
    try {
      if (this.client.status === 'ready') await this.client.quit()
    } catch {
      // Gone meanwhile: nothing is left to close on its side.
    }
    this.client.disconnect()
  }
}

/** An error that Redis sent as its answer. */
function isRefusal(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'ReplyError'
}
