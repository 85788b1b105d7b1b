/**
 * Sharded services on the real thing: three nats-servers with JetStream and three replicas, host processes,
 * Redis. Hosts and servers are killed for good, frozen and restarted under load. Nothing that was
 * acknowledged is lost, and nothing is there twice.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { createHost, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { until } from '../support/eventually.js'
import { type NatsCluster, startNatsCluster } from '../support/natsCluster.js'
import { startRedisServer } from '../support/servers.js'
import { CartsV1 } from './carts/carts.v1.js'
import { CartsV2 } from './carts/carts.v2.js'
import type { CartsOrder } from './carts/hostProcess.js'

const entry = fileURLToPath(new URL('./carts/hostProcess.js', import.meta.url))
const upgrade = new URL('./carts/upgrade.js', import.meta.url)
const carts = Array.from({ length: 12 }, (_, i) => `cart${i}`)

class Shop {
  readonly hosts = new Map<string, ChildProcess>()

  private constructor(
    readonly system: string,
    readonly cluster: NatsCluster,
    private readonly redisUrl: string,
    readonly directory: string,
    readonly desk: RunningHost,
  ) {}

  static async start(t: ExecutionContext, name: string, size: number): Promise<Shop> {
    const cluster = await startNatsCluster({ size })
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
    const shop = new Shop(system, cluster, udb.url, directory, desk)
    t.teardown(() => {
      for (const child of shop.hosts.values()) child.kill('SIGKILL')
    })
    return shop
  }

  async startHost(hostId: string): Promise<void> {
    const { system, cluster, redisUrl } = this
    const order: CartsOrder = {
      ...{ system, hostId, redisUrl, servers: cluster.urls, replicas: cluster.urls.length },
      directory: join(this.directory, hostId),
    }
    const env = { ...process.env, CARTS_ORDER: JSON.stringify(order) }
    const child = fork(entry, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.hosts.set(hostId, child)
    await once(child, 'message')
  }

  async shardsOf(hostId: string): Promise<readonly number[]> {
    const child = this.hosts.get(hostId)!
    const answer = once(child, 'message')
    child.send('shards')
    return (await answer)[0].shards
  }

  async spread(hosts: readonly string[]): Promise<void> {
    await until(async () => {
      const all = (await Promise.all(hosts.map((hostId) => this.shardsOf(hostId)))).flat()
      return all.length === 6 && new Set(all).size === 6
    }, `${hosts} have all shards`)
  }

  /** SIGKILL, and its disk is gone. */
  async lose(hostId: string): Promise<void> {
    await this.#end(hostId, 'SIGKILL')
    await rm(join(this.directory, hostId), { recursive: true, force: true })
  }

  restart(hostId: string): Promise<void> {
    return this.#end(hostId, 'SIGTERM').then(() => this.startHost(hostId))
  }

  async #end(hostId: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.hosts.get(hostId)!
    this.hosts.delete(hostId)
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
}

/** Adds items all the time, and knows which were acknowledged. */
class Load {
  readonly acknowledged = new Map<string, string[]>()
  readonly unknown = new Map<string, Set<string>>()
  readonly failures: string[] = []
  calls = 0
  #isOver = false
  readonly #running: Promise<void>[]

  constructor(private readonly desk: RunningHost) {
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

  async #run(cart: string): Promise<void> {
    const ref = this.desk.ref(CartsV1, cart, { deadline: '8s' })
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
      const items = await this.desk.ref(CartsV1, cart, { deadline: '30s' }).items()
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

test.serial(
  'hosts and servers are lost for good, frozen and restarted in the middle of an upgrade: nothing is lost',
  async (t) => {
    t.timeout(240_000)
    const shop = await Shop.start(t, 'carts', 3)
    await Promise.all(['a', 'b', 'c'].map((hostId) => shop.startHost(hostId)))
    await shop.spread(['a', 'b', 'c'])
    const load = new Load(shop.desk)
    await load.goesOn()

    // Rolling restarts fail no call.
    await shop.restart('a')
    await load.goesOn()
    t.deepEqual([load.failures, [...load.unknown.values()].flatMap((items) => [...items])], [[], []])

    // A machine is lost while an upgrade is under way.
    t.is(await shop.desk.publish(await buildUpgrade(upgrade)), 1)
    await shop.lose('b')
    await shop.spread(['a', 'c'])
    await load.goesOn()
    await until(async () => {
      const rows = await shop.desk.operator.database.nodes('carts')
      return rows.length === carts.length && rows.every(({ version, phase }) => version === 1 && phase === 'current')
    }, 'all carts are at version 1')

    // A host that was frozen for longer than its lease has lost its shards, and says nothing of them.
    shop.hosts.get('a')!.kill('SIGSTOP')
    await shop.spread(['c'])
    await load.goesOn()
    shop.hosts.get('a')!.kill('SIGCONT')
    await load.goesOn()

    // A server is lost: the others have all entries.
    const [, second] = shop.cluster.servers
    await second!.stop()
    await load.goesOn()
    await load.end()

    t.deepEqual(load.failures, [])
    await load.check(t)
    t.is(await shop.desk.ref(CartsV2, 'cart0', { deadline: '30s' }).last(), load.acknowledged.get('cart0')!.at(-1)!)
    t.log(`${load.calls} calls, ${[...load.unknown.values()].reduce((sum, { size }) => sum + size, 0)} of unknown outcome`)
  },
)
