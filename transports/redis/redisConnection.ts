/**
 * One connection to Redis that fails promptly and comes back by itself.
 *
 * Nothing is queued while Redis is away, and nothing is sent twice: a command that was sent and not answered
 * has an unknown outcome (`timeout.deadline`), one that was not sent has none (`unavailable.disconnected`). A
 * refusal of Redis itself is passed on as it is.
 */

import { Redis, type RedisOptions } from 'ioredis'
import { Fault, isFault, reasonOf } from '../../core/base/fault.js'
import { SharedTask } from '../../core/base/sharedWork.js'
import { hashSlot } from './hashSlot.js'
import { type PrimarySearch, primarySearch } from './primaryConnector.js'
import { isForAnother, isFromNoPrimary, isRefusal } from './redisErrors.js'
import { functionName, libraryCode, libraryName } from './redisFunctions.js'
import { type ScriptName, scripts } from './redisScripts.js'
import { placeOf, type RedisPlace, type RedisSettings } from './redisSettings.js'
import { ReplicaWait } from './replicaWait.js'

type Argument = string | number | Buffer
type Script = (keys: number, ...keysAndArguments: readonly Argument[]) => Promise<unknown>
type ScriptedRedis = Redis & Readonly<Record<ScriptName, Script>>

interface Kept {
  readonly answer: unknown
  readonly unreplicated: () => Promise<string | undefined>
}

/**
 * By functions that are loaded, or, where the login may not call these or Redis is older than
 * 7, as scripts that it sends.
 */
type Way = 'functions' | 'scripts'

const connectTimeoutMs = 1500
const commandTimeoutMs = 1500
/** A peer that vanished without a word: the connection is given up and made anew. */
const silenceMsMax = 5000
const reconnectMsMax = 1000
/** A login that may not load the functions tries no more often. */
const loadAgainMs = 5000
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
  // After a fail-over the old primary answers as a replica: look again who is the primary.
  reconnectOnError: isFromNoPrimary,
  scripts,
} as const satisfies RedisOptions

export class RedisConnection {
  #closed = false
  #way: Way = 'functions'
  /** Found out when it is refused to do more. */
  #onlyReads = false
  readonly #loading = new SharedTask<void>()
  #loadAgainAt = Number.NEGATIVE_INFINITY
  #connections = 0
  readonly #replicas: ReplicaWait

  private constructor(
    private readonly client: ScriptedRedis,
    private readonly address: string,
    replicas: number,
  ) {
    const connections = () => this.#connections
    this.#replicas = new ReplicaWait({
      ...{ address, replicas },
      get connection() {
        return connections()
      },
      wait: async (count, ms) => Number(await this.call((each) => each.call('WAIT', count, ms))),
    })
    // It may be another Redis, or have other permissions.
    client.on('ready', () => {
      this.#connections++
      this.#way = 'functions'
      this.#onlyReads = false
      this.#loadAgainAt = Number.NEGATIVE_INFINITY
    })
  }

  /**
   * Tries once, and after that for ever. `part`: a word that tells it from other connections of the system.
   * Throws `unavailable.disconnected`, or `config.invalid` when Redis refuses the settings.
   */
  static async open(settings: string | RedisSettings, system: string, part?: string): Promise<RedisConnection> {
    const place = placeOf(settings)
    const { address } = place
    const search = place.kind === 'server' ? undefined : primarySearch(place, hashSlot(system))
    const connectionName = `theseus:${system}${part === undefined ? '' : `:${part}`}`
    const client = clientOf(place, { ...behaviour, connectionName, ...connectorOf(search) })
    let last: Error | undefined
    // An 'error' event without a listener would be printed. Its reason reaches callers by way
    // of their commands.
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
      const why = place.kind === 'server' ? 'is redis-server running there?' : reasonOf(cause)
      throw new Fault('unavailable.disconnected', `can't reach Redis at ${address}: ${why}`, { address }, { cause })
    }
    if (search !== undefined) search.isForEver = true
    return new RedisConnection(client, address, place.waitReplicas)
  }

  /**
   * Carries out one of the scripts, in one round trip. Loads the functions first where they are
   * missing and the login may load them. Throws `unavailable.disconnected` where it may do
   * nothing of that, which others can mend.
   */
  async run(name: ScriptName, keys: readonly string[], ...args: readonly Argument[]): Promise<unknown> {
    const first = this.#way
    try {
      return await this.#runBy(first, name, keys, args)
    } catch (error) {
      const why = whyNot(error)
      if (why === undefined) throw error
      const second = first === 'functions' ? 'scripts' : 'functions'
      try {
        const answer = await this.#runBy(second, name, keys, args)
        this.#way = second
        return answer
      } catch (other) {
        const whyNeither = whyNot(other)
        if (whyNeither === undefined) throw other
        throw this.#nothingToRun(first === 'functions' ? why : whyNeither)
      }
    }
  }

  /** The same of what must not go back: `unreplicated` waits until replicas have it. */
  async runKept(name: ScriptName, keys: readonly string[], ...args: readonly Argument[]): Promise<Kept> {
    const connection = this.#connections
    const answer = await this.run(name, keys, ...args)
    return { answer, unreplicated: () => this.#replicas.missing(connection) }
  }

  /** Waits until replicas have all that was written here until now. Answers why not, in words. */
  unreplicated(): Promise<string | undefined> {
    return this.#replicas.missing()
  }

  /**
   * The same of what is read. `reading` is what a login that may only read calls in place of `name`, with
   * `keys` and `readKeys`.
   */
  async read(
    [name, reading]: readonly [name: ScriptName, reading: ScriptName],
    keys: readonly string[],
    args: readonly Argument[] = [],
    readKeys: readonly string[] = keys,
  ): Promise<unknown> {
    let refusal: unknown
    if (!this.#onlyReads) {
      try {
        return await this.run(name, keys, ...args)
      } catch (error) {
        if (!isRefusedFault(error)) throw error
        refusal = error
      }
    }
    try {
      const answer = await this.call((client) =>
        client.call('FCALL_RO', functionName(reading), readKeys.length, ...readKeys, ...args),
      )
      this.#onlyReads = true
      return answer
    } catch (error) {
      const why = whyNot(error)
      if (why === undefined) throw error
      this.#onlyReads = false
      if (why === 'refused' && refusal !== undefined) throw refusal
      throw this.#nothingToRun(why)
    }
  }

  async #runBy(way: Way, name: ScriptName, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    if (way === 'scripts') return await this.call((client) => client[name](keys.length, ...keys, ...args))
    const call = () => this.call((client) => client.call('FCALL', functionName(name), keys.length, ...keys, ...args))
    try {
      return await call()
    } catch (error) {
      if (whyNot(error) !== 'missing' || !(await this.#load())) throw error
      return await call()
    }
  }

  /** Many may find them missing at once. False where the login may not load them. */
  async #load(): Promise<boolean> {
    if (!this.#loading.isUnderWay && performance.now() < this.#loadAgainAt) return false
    try {
      await this.#loading.run(() => this.#sendLibrary())
      return true
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#loadAgainAt = performance.now() + loadAgainMs
      return false
    }
  }

  /** Another one may have loaded it meanwhile. */
  async #sendLibrary(): Promise<void> {
    try {
      await this.call((client) => client.call('FUNCTION', 'LOAD', libraryCode()))
    } catch (error) {
      if (!(isRefusal(error) && /already exists/.test(error.message))) throw error
    }
  }

  #nothingToRun(why: WhyNot): Fault {
    const { address } = this
    const found =
      why === 'missing'
        ? `Redis at ${address} does not have the functions ${libraryName}, and this login may not load them: an upgrade server of this release does that when it runs; its login needs +function|load`
        : `the login to Redis at ${address} may not call functions: give it +fcall, an operator's +fcall_ro (Redis older than 7: +eval +evalsha)`
    return new Fault('unavailable.disconnected', found, { address, why })
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
      if (isForAnother(cause))
        throw new Fault(
          'unavailable.disconnected',
          `Redis at ${address} can't take it now: ${reasonOf(cause)}`,
          { address },
          { cause },
        )
      throw new Fault('timeout.deadline', `no answer from Redis at ${address}`, { address }, { cause })
    }
  }

  /** Commands that were sent before are still answered. */
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

/**
 * `missing`: the function is not loaded. `refused`: the login may not run anything this way, or
 * Redis does not know it.
 */
type WhyNot = 'missing' | 'refused'

function isRefusedFault(thrown: unknown): boolean {
  return isFault(thrown) && thrown.details.why === 'refused'
}

/** Undefined for anything else: then it may have been carried out, or another way would not help. */
function whyNot(thrown: unknown): WhyNot | undefined {
  if (!isRefusal(thrown)) return undefined
  if (/^ERR Function not found/.test(thrown.message)) return 'missing'
  const isUnknown = /^ERR unknown command [`']?(fcall|fcall_ro|eval|evalsha)\b/i.test(thrown.message)
  return isUnknown || /^NOPERM .*run the '(fcall|fcall_ro|eval|evalsha)' command/i.test(thrown.message) ? 'refused' : undefined
}

function clientOf({ options }: RedisPlace, how: RedisOptions): ScriptedRedis {
  return (typeof options === 'string' ? new Redis(options, how) : new Redis({ ...options, ...how })) as ScriptedRedis
}

function connectorOf(search: PrimarySearch | undefined): Pick<RedisOptions, 'Connector'> {
  return search === undefined ? {} : { Connector: search.Connector }
}

/** ioredis sends the bytes of a Buffer, but the text of any other Uint8Array. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
