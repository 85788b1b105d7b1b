/**
 * Finds the primary before each connection: Sentinels are asked for the one of a name, servers of a Redis
 * Cluster for the one that has the system's slot. There is one connection, to that primary, as with a single
 * server: so what holds of one holds here, and nothing is sent twice.
 *
 * M1. Another seed is asked first each time: one that is cut off from the others goes on naming a primary
 *     that is none any more.
 */
import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis'
import { reasonOf } from '../../core/base/fault.js'
import { isRefusal } from './redisErrors.js'
import type { RedisAddress, RedisPlace } from './redisSettings.js'

type Address = Required<RedisAddress>

/** How long one of them may take to answer. */
const askTimeoutMs = 1000
const pauseMsMin = 25
const pauseMsMax = 1000
/** Servers of a cluster that are remembered, beside those that are configured. */
const learnedMax = 64

/** `finds` answers until the first connection is there; after that it is looked for until it is found. */
export interface PrimarySearch {
  readonly Connector: NonNullable<RedisOptions['Connector']>
  isForEver: boolean
}

/** @param slot the system's, in a cluster */
export function primarySearch(place: RedisPlace, slot: number): PrimarySearch {
  const search: PrimarySearch = {
    isForEver: false,
    Connector: class extends PrimaryConnector {
      constructor(options: unknown) {
        super(options as RedisOptions, place, slot, () => search.isForEver)
      }
    },
  }
  return search
}

class PrimaryConnector extends AbstractConnector {
  #learned: readonly Address[] = []
  #first = -1
  #endPause: () => void = () => {}

  constructor(
    private readonly options: RedisOptions,
    private readonly place: RedisPlace,
    private readonly slot: number,
    private readonly isForEver: () => boolean,
  ) {
    super(options.disconnectTimeout!)
  }

  /** One that is a replica by now is left: it names itself in `INFO`, where the login may ask. */
  override check(info: unknown): boolean {
    const { role } = (info ?? {}) as { readonly role?: string }
    return role === undefined || role === 'master'
  }

  override disconnect(): void {
    super.disconnect()
    this.#endPause()
  }

  async connect(): Promise<Socket> {
    this.connecting = true
    const primary = await this.#find()
    if (!this.connecting) throw new Error('Connection is closed.')
    const { tls } = this.options
    const stream = tls === undefined || tls === null ? createConnection(primary) : connectTls({ ...primary, ...tls })
    this.stream = stream
    stream.once('error', (error) => {
      this.firstError = error
    })
    return stream
  }

  async #find(): Promise<Address> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#ask()
      } catch (error) {
        if (!this.connecting || !this.isForEver()) throw error
        await this.#pause(Math.min(pauseMsMin * 2 ** tries, pauseMsMax))
        if (!this.connecting) throw error
      }
    }
  }

  /** M1. */
  async #ask(): Promise<Address> {
    const { seeds } = this.place
    const known = [...seeds, ...this.#learned]
    this.#first = (this.#first + 1) % known.length
    const errors: unknown[] = []
    const reasons: string[] = []
    for (const seed of [...known.slice(this.#first), ...known.slice(0, this.#first)]) {
      try {
        return await this.#askOne(seed)
      } catch (error) {
        errors.push(error)
        reasons.push(`${seed.host}:${seed.port}: ${reasonOf(error)}`)
        if (!this.connecting) break
      }
    }
    const none = new Error(reasons.slice(0, seeds.length).join('; '))
    // Where all of them refuse, waiting does not help.
    if (errors.every(isRefusal)) none.name = 'ReplyError'
    throw none
  }

  async #askOne(seed: Address): Promise<Address> {
    const client = new Redis({
      ...{ ...this.place.asking, ...seed, lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false },
      ...{ connectTimeout: askTimeoutMs, commandTimeout: askTimeoutMs, disconnectTimeout: this.options.disconnectTimeout! },
      ...{ maxRetriesPerRequest: 0, disableClientInfo: true },
    })
    let last: Error | undefined
    client.on('error', (error) => {
      last = error
    })
    try {
      await client.connect()
      return await (this.place.kind === 'sentinel' ? this.#askSentinel(client) : this.#askCluster(client, seed))
    } catch (error) {
      throw last ?? error
    } finally {
      client.disconnect()
    }
  }

  async #askSentinel(client: Redis): Promise<Address> {
    const answer = await client.call('SENTINEL', 'get-master-addr-by-name', this.place.name!)
    const [host, port] = Array.isArray(answer) ? (answer as unknown[]) : []
    if (typeof host !== 'string') throw new Error(`this Sentinel knows no primary named ${this.place.name}`)
    return { host, port: Number(port) }
  }

  async #askCluster(client: Redis, seed: Address): Promise<Address> {
    const ranges = (await client.call('CLUSTER', 'SLOTS')) as readonly SlotRange[]
    const addressOf = ([host, port]: SlotServer): Address => ({
      host: host && host !== '?' ? host : seed.host,
      port: Number(port),
    })
    const servers = ranges.flatMap(([, , ...of]) => of.map(addressOf))
    this.#learned = notIn(this.place.seeds, servers).slice(0, learnedMax)
    const range = ranges.find(([from, to]) => from <= this.slot && this.slot <= to)
    if (range === undefined) throw new Error(`no server of this cluster has slot ${this.slot}`)
    return addressOf(range[2])
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

type SlotServer = readonly [host: string | null, port: number, ...rest: unknown[]]
type SlotRange = readonly [from: number, to: number, primary: SlotServer, ...replicas: SlotServer[]]

/** Each once. */
function notIn(seeds: readonly Address[], found: readonly Address[]): readonly Address[] {
  const known = new Set(seeds.map(({ host, port }) => `${host}:${port}`))
  return found.filter(({ host, port }) => {
    const isNew = !known.has(`${host}:${port}`)
    known.add(`${host}:${port}`)
    return isNew
  })
}
