/** A sharded service as it is run: servers with JetStream, Redis, host processes, and calls all the time. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { createHost, type NodeClass, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { until } from '../../support/eventually.js'
import { type NatsCluster, startNatsCluster } from '../../support/natsCluster.js'
import { startRedisServer } from '../../support/servers.js'
import { type TcpPath, tcpPath } from '../../support/tcpPath.js'
import type { CartsOrder, CartsWord, Trap } from './hostProcess.js'

const entry = fileURLToPath(new URL('./hostProcess.js', import.meta.url))
export const carts = Array.from({ length: 12 }, (_, i) => `cart${i}`)
const shards = 6

export class Shop {
  readonly hosts = new Map<string, ChildProcess>()
  /** From each host to each server. */
  readonly paths = new Map<string, readonly TcpPath[]>()

  private constructor(
    readonly system: string,
    readonly cluster: NatsCluster,
    private readonly redisUrl: string,
    readonly directory: string,
    readonly desk: RunningHost,
    private readonly classes: CartsOrder['classes'],
  ) {}

  static async start(t: ExecutionContext, name: string, size: number, classes: CartsOrder['classes'] = 'carts'): Promise<Shop> {
    const cluster = await startNatsCluster({ size, knows: 'given' })
    t.teardown(() => cluster.stop())
    const udb = await startRedisServer()
    t.teardown(() => udb.stop())
    const directory = await mkdtemp(join(tmpdir(), 'theseus-shards-'))
    t.teardown(() => rm(directory, { recursive: true, force: true }))
    const system = `${name}${process.pid}`
    const ways = { system, transport: nats({ servers: cluster.urls }), udb: redis(udb.url) }
    const server = await startUpgradeServer(ways)
    t.teardown(() => server.stop())
    const desk = await createHost({ ...ways, hostId: 'desk', state: memoryStore(), bundles: join(directory, 'desk') })
    t.teardown(() => desk.stop())
    const shop = new Shop(system, cluster, udb.url, directory, desk, classes)
    t.teardown(async () => {
      for (const child of shop.hosts.values()) child.kill('SIGKILL')
      for (const paths of shop.paths.values()) await Promise.all(paths.map((path) => path.stop()))
    })
    return shop
  }

  async startHost(hostId: string): Promise<void> {
    const { system, cluster, redisUrl, classes } = this
    if (!this.paths.has(hostId)) this.paths.set(hostId, await Promise.all(cluster.servers.map(tcpPath)))
    const order: CartsOrder = {
      ...{ system, hostId, redisUrl, classes, replicas: cluster.urls.length },
      servers: this.paths.get(hostId)!.map(({ port }) => `nats://127.0.0.1:${port}`),
      directory: join(this.directory, hostId),
    }
    const env = { ...process.env, CARTS_ORDER: JSON.stringify(order) }
    const child = fork(entry, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.hosts.set(hostId, child)
    await heard(child, 'ready')
  }

  async shardsOf(hostId: string): Promise<readonly number[]> {
    const child = this.hosts.get(hostId)!
    const answer = heard(child, 'shards')
    child.send({ type: 'shards' })
    return (await answer).shards
  }

  /** Resolves when it is set, with a wait until it springs. */
  async trap(hostId: string, trap: Trap): Promise<() => Promise<void>> {
    const child = this.hosts.get(hostId)!
    const set = heard(child, 'set')
    const reached = heard(child, 'reached')
    child.send({ type: 'trap', trap })
    await set
    return async () => void (await reached)
  }

  async spread(hosts: readonly string[]): Promise<void> {
    await until(async () => {
      const each = await Promise.all(hosts.map((hostId) => this.shardsOf(hostId)))
      const all = each.flat()
      return all.length === shards && new Set(all).size === shards
    }, `${hosts} have all shards`)
  }

  /** The host that has most of the nodes now. */
  async busiest(): Promise<string> {
    const rows = await this.desk.operator.database.nodes(this.classes)
    const counts = Map.groupBy(rows, ({ hostId }) => hostId)
    return [...counts].sort(([, a], [, b]) => b.length - a.length)[0]![0]
  }

  /** The desk finds all nodes at that version, and none of them is under way. */
  async reached(version: number): Promise<void> {
    await until(async () => {
      const rows = await this.desk.operator.database.nodes(this.classes)
      return rows.length === carts.length && rows.every((row) => row.version === version && row.phase === 'current')
    }, `all carts are at version ${version}`)
  }

  /** SIGKILL, and its disk is gone. */
  async lose(hostId: string): Promise<void> {
    await this.end(hostId, 'SIGKILL')
    await rm(join(this.directory, hostId), { recursive: true, force: true })
  }

  restart(hostId: string): Promise<void> {
    return this.end(hostId, 'SIGTERM').then(() => this.startHost(hostId))
  }

  async end(hostId: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.hosts.get(hostId)!
    this.hosts.delete(hostId)
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    child.kill(signal)
    await ended
  }
}

/** The next word of that type. */
function heard<T extends CartsWord['type']>(child: ChildProcess, type: T): Promise<Extract<CartsWord, { type: T }>> {
  return new Promise((resolve) => {
    const hear = (word: CartsWord) => {
      if (word.type !== type) return
      child.off('message', hear)
      resolve(word as Extract<CartsWord, { type: T }>)
    }
    child.on('message', hear)
  })
}

interface Cart {
  add(item: string): Promise<number>
  items(): Promise<string[]>
}

/** Adds items all the time, and knows which were acknowledged. */
export class Load {
  readonly acknowledged = new Map<string, string[]>()
  readonly unknown = new Map<string, Set<string>>()
  readonly failures: string[] = []
  calls = 0
  #isOver = false
  readonly #running: Promise<void>[]

  constructor(
    private readonly desk: RunningHost,
    private readonly cartClass: NodeClass,
  ) {
    this.#running = carts.map((cart) => this.#run(cart))
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  /** Resolves when each cart has got something more. */
  async goesOn(): Promise<void> {
    const before = carts.map((cart) => this.acknowledged.get(cart)?.length ?? 0)
    await until(() => carts.every((cart, i) => (this.acknowledged.get(cart)?.length ?? 0) > before[i]! + 1), 'all carts answer')
  }

  get unknownCount(): number {
    return [...this.unknown.values()].reduce((sum, { size }) => sum + size, 0)
  }

  #ref(cart: string, deadline: '8s' | '30s'): Cart {
    return this.desk.ref(this.cartClass, cart, { deadline }) as unknown as Cart
  }

  async #run(cart: string): Promise<void> {
    const ref = this.#ref(cart, '8s')
    const acknowledged: string[] = []
    const unknown = new Set<string>()
    this.acknowledged.set(cart, acknowledged)
    this.unknown.set(cart, unknown)
    for (let i = 0; !this.#isOver; i++) {
      const item = `${cart} ${i}`
      this.calls++
      try {
        await ref.add(item)
        acknowledged.push(item)
      } catch (error) {
        const { code } = error as { code: string }
        if (code === 'timeout.deadline') unknown.add(item)
        else this.failures.push(`${item}: ${error}`)
      }
    }
  }

  /** All that was acknowledged is there once and in its order; what is unknown is there once, or not. */
  async check(t: ExecutionContext): Promise<void> {
    for (const cart of carts) {
      const items = await this.#ref(cart, '30s').items()
      const unknown = this.unknown.get(cart)!
      t.deepEqual(
        items.filter((item) => !unknown.has(item)),
        this.acknowledged.get(cart),
        cart,
      )
      t.is(new Set(items).size, items.length, cart)
    }
  }
}
