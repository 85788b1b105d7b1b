/** Adapters that are written outside of the package: they name nothing but its doors (docs/reference.md). */

import test from 'ava'
import {
  createHost,
  defineUpgrade,
  draftManifest,
  eagerly,
  NodeObject,
  notNeeded,
  query,
  startUpgradeServer,
  upgradeClass,
} from 'theseus-actors'
import { MemoryBroker, memoryDatabase, memoryTransport } from 'theseus-actors/memory'
import {
  type ClassRepository,
  type Clock,
  compareKeys,
  type Message,
  type Random,
  type StateFactory,
  type StateStore,
  type SubscribeOptions,
  type Subscription,
  type Telemetry,
  type Transport,
  type TransportFactory,
  type TransportStatus,
  type Write,
} from 'theseus-actors/ports'
import { until } from '../support/eventually.js'

class GreeterV1 extends NodeObject<{ word: string }> {
  static override readonly className = 'Greeter.v1'
  static override initial() {
    return { word: 'hello' }
  }
  @query greet(): string {
    return this.state.word
  }
}

class GreeterV2 extends NodeObject<{ word: string }> {
  static override readonly className = 'Greeter.v2'
  static override initial() {
    return { word: 'hello' }
  }
  @query greet(): string {
    return `${this.state.word}!`
  }
}

const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
  turn: (action) => void setImmediate(action),
}

const random: Random = { next: () => Math.random() }

class MapStore implements StateStore {
  readonly directoryId = 'a-map'
  readonly durability = 'none'
  readonly #entries = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.#entries.get(key)
  }

  range(from: string, to: string, limit = Number.POSITIVE_INFINITY): Iterable<readonly [string, Uint8Array]> {
    const within = [...this.#entries].filter(([key]) => compareKeys(from, key) <= 0 && compareKeys(key, to) < 0)
    return within.sort(([a], [b]) => compareKeys(a, b)).slice(0, limit)
  }

  async commit(writes: readonly Write[]): Promise<void> {
    for (const [key, value] of writes) {
      if (value === null) this.#entries.delete(key)
      else this.#entries.set(key, value)
    }
  }

  async close(): Promise<void> {}
}

/** Counts what another transport publishes. */
class CountingTransport implements Transport {
  published = 0

  constructor(private readonly inner: Transport) {}

  get payloadBytesMax(): number {
    return this.inner.payloadBytesMax
  }
  get status(): TransportStatus {
    return this.inner.status
  }
  get refused(): readonly string[] {
    return this.inner.refused
  }
  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    this.published++
    this.inner.publish(subject, payload, replyTo)
  }
  subscribe(subject: string, handler: (message: Message) => void, options?: SubscribeOptions): Subscription {
    return this.inner.subscribe(subject, handler, options)
  }
  newInbox(): string {
    return this.inner.newInbox()
  }
  flush(): Promise<void> {
    return this.inner.flush()
  }
  onStatus(listener: (status: TransportStatus) => void): void {
    this.inner.onStatus(listener)
  }
  close(): Promise<void> {
    return this.inner.close()
  }
}

test('a host runs and is upgraded with a clock, a transport, a store, a repository and telemetry that know the doors alone', async (t) => {
  const upgrade = defineUpgrade({
    title: 'Greeters are louder',
    classUpgrades: [
      upgradeClass({
        oldClass: GreeterV1,
        newClass: GreeterV2,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: (old) => old,
        schedule: eagerly(),
      }),
    ],
  })
  const bundle = Buffer.from('louder')
  const broker = new MemoryBroker({ clock, random })
  const transports: CountingTransport[] = []
  const transport: TransportFactory = {
    connect: async (options) => {
      const counting = new CountingTransport(memoryTransport(broker, options))
      transports.push(counting)
      return counting
    },
  }
  const state: StateFactory = { open: async () => new MapStore() }
  const bundles: ClassRepository = { load: async () => upgrade }
  const received: string[] = []
  const telemetry: Telemetry = {
    received: ({ envelope }) => {
      received.push(envelope.method)
      return undefined
    },
  }
  const system = { system: 'own', transport, udb: memoryDatabase(), clock, random }
  const server = await startUpgradeServer(system)
  t.teardown(() => server.stop())
  const host = await createHost({ ...system, state, bundles, telemetry, discovery: false })
  t.teardown(() => host.stop())
  const node = await host.node(GreeterV1, 'g1')
  t.is(await host.ref(GreeterV1, 'g1').greet(), 'hello')
  t.is(await host.publish({ manifest: draftManifest(upgrade, bundle), bundle }), 1)
  await until(() => node.version === 1, 'the node has upgraded')
  t.is(await host.ref(GreeterV2, 'g1').greet(), 'hello!')
  t.deepEqual(received, ['greet', 'greet'])
  t.true(transports.length > 1 && transports.every(({ published }) => published > 0))
})
