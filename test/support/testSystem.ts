/**
 * A whole system in memory for a test: broker, upgrade database, upgrade server, and hosts that can be
 * killed. Upgrades are given in-process: their bundles are never looked into.
 */
import type { ExecutionContext } from 'ava'
import type { HostSettings } from '../../actors/base/settings.js'
import type { NodeHandle } from '../../actors/node/nodeHandle.js'
import type { BuiltUpgrade } from '../../actors/operator/publisher.js'
import {
  type ConnectionOptions,
  createHost,
  type NeighbourOptions,
  type NeighboursOption,
  type RunningHost,
  type SigningOptions,
  startUpgradeServer,
  type TrustOptions,
} from '../../compose.js'
import { type Level, newestLevel } from '../../core/base/level.js'
import type { Phase } from '../../core/base/phases.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { NodeFacts } from '../../core/model/nodeFilter.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Trust } from '../../core/trust/trust.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import type { ManifestDraft } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'
import {
  MemoryBroker,
  type MemoryDatabaseFactory,
  type MemoryRepository,
  type MemoryState,
  type MemoryTransport,
  memoryDatabase,
  memoryRepository,
  memoryStore,
  memoryTransport,
} from '../../transports/memory/index.js'
import { type MemoryShardClient, type MemoryShardLogs, memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { systemRandom } from '../../transports/systemRandom.js'
import type { UdbFactory } from '../../transports/udbFactory.js'
import { until } from './eventually.js'
import { VirtualClock } from './virtualClock.js'

export { codeOf } from './rejections.js'

export type Settings = Partial<Omit<HostSettings, 'system' | 'hostId' | 'facts'>>
export type PhaseEvent = Extract<HostEvent, { type: 'phase' }>

/** Short pauses, so that tests wait for events and not for the clock. */
const quick: Settings = {
  backoffMs: 4,
  backoffMsMax: 16,
  slotPauseMs: 4,
  retryPauseMs: 2,
  retryPauseMsMax: 10,
  serverDeadlineMs: 10_000,
  chunkDeadlineMs: 2_000,
  chunkResendMs: 200,
  announcedWithinMs: 10,
  heldAnswerMs: 40,
  unknownVersionMs: 100,
  // A test whose messages are lost says so: on a busy machine a query would be asked again, and run twice.
  queryResendMs: 60_000,
}

/**
 * When the upgrade server looks for versions that nobody runs, and when they die; what it makes
 * of rollouts in trouble.
 */
export type Deaths = Pick<
  Parameters<typeof startUpgradeServer>[0],
  'deathDelay' | 'deathRound' | 'gate' | 'gateRound' | 'observe'
>

export interface ServerOptions {
  /** Instead of the system's; null: it trusts anybody. */
  readonly trust: Trust | 'nobody' | null
  /** Another database than that of the hosts, as if theirs had been lost. */
  readonly udb: UdbFactory
}

let systems = 0

interface Told extends SigningOptions, Named, NeighboursOption {
  /** The time of another system, beside which it lives. */
  readonly clock?: VirtualClock
  readonly trust?: TrustFor
  /** By default one that no other system has. */
  readonly name?: string
  /** T2. The level at version 0; by default the newest. */
  readonly level?: Level
}

/** The keys that a system trusts; a trust root names it. */
export type TrustFor = Trust | ((system: string) => Trust)

/** Under which name a host calls, and whose calls it takes. */
export type Named = Pick<ConnectionOptions, 'as' | 'callers'>

export class TestSystem {
  readonly name: string
  /** The time of the whole system; it passes as fast as things happen. */
  readonly clock: VirtualClock
  readonly broker: MemoryBroker
  readonly udb: MemoryDatabaseFactory
  readonly repository: MemoryRepository = memoryRepository()
  readonly shardLogs: MemoryShardLogs
  private readonly isOwnClock: boolean
  private readonly isOfLevel: boolean
  /** The upgrade database as an operator sees it. */
  database!: UpgradeDatabase
  /** Subjects on which upgrade servers may not listen. */
  denied: readonly string[] = []
  /** A host without nodes: publishes and calls. */
  desk!: TestHost
  readonly #hosts: TestHost[] = []
  #stopServer: () => Promise<void> = async () => {}

  private readonly trust: TrustOptions & SigningOptions & Named & NeighboursOption

  private constructor(
    private readonly settings: Settings,
    private readonly deaths: Deaths,
    { trust, name = `test-${++systems}`, clock, level, ...more }: Told,
  ) {
    this.isOwnClock = clock === undefined
    this.isOfLevel = level !== undefined
    this.clock = clock ?? new VirtualClock()
    this.broker = new MemoryBroker({ clock: this.clock, random: systemRandom })
    this.name = name
    this.shardLogs = memoryShardLogs({ clock: this.clock })
    this.udb = level === undefined ? memoryDatabase() : { ...memoryDatabase(), level }
    const told = typeof trust === 'function' ? trust(name) : trust
    this.trust = { ...more, trust: told ?? 'nobody' }
  }

  static async start(t: ExecutionContext, settings: Settings = {}, deaths: Deaths = {}, told: Told = {}): Promise<TestSystem> {
    const system = new TestSystem({ ...quick, ...settings }, deaths, told)
    t.teardown(() => system.stop())
    system.database = await system.udb.open(system.name, system.clock)
    await system.startServer()
    system.desk = await system.host('desk')
    return system
  }

  async startServer({ trust = this.trust.trust ?? null, udb = this.udb }: Partial<ServerOptions> = {}): Promise<void> {
    const server = await startUpgradeServer({
      system: this.name,
      transport: {
        connect: async (options) => {
          const transport = memoryTransport(this.broker, options)
          transport.deny(this.denied)
          return transport
        },
      },
      udb: this.isOfLevel ? udb : ofLaterRelease(udb),
      clock: this.clock,
      ...this.deaths,
      trust: trust ?? 'nobody',
      ...neighboursOf(this.trust),
      ...namedAs(this.trust, 'upgrade-server'),
    })
    this.#stopServer = () => server.stop()
  }

  /** To the world of this system, for a host or a server that is started by hand. */
  ways(): ConnectionOptions & Required<Pick<ConnectionOptions, 'transport' | 'udb' | 'clock'>> {
    return {
      system: this.name,
      transport: { connect: async (options) => memoryTransport(this.broker, options) },
      udb: this.udb,
      clock: this.clock,
    }
  }

  /** This system as another one's neighbour. */
  asNeighbour(): NeighbourOptions {
    const { transport, udb } = this.ways()
    return { transport, udb, ...(this.trust.trust === undefined ? {} : { trust: this.trust.trust }) }
  }

  stopServer(): Promise<void> {
    return this.#stopServer()
  }

  async host(
    name: string,
    options: { state?: MemoryState; settings?: Settings; repository?: MemoryRepository; facts?: NodeFacts } & TrustOptions &
      SigningOptions &
      NeighboursOption &
      Named = {},
  ) {
    const settings = { ...this.settings, ...options.settings }
    const { state = memoryStore({ turn: this.clock.turn.bind(this.clock) }), repository = this.repository, facts = {} } = options
    const trust = { ...this.trust, ...options }
    const host = await TestHost.start(this, name, state, repository, settings, facts, trust)
    this.#hosts.push(host)
    return host
  }

  /**
   * Installs an upgrade as the next version. `change` makes the manifest say something else than the bundle.
   */
  async publish(upgrade: Upgrade, change: (draft: ManifestDraft) => ManifestDraft = (draft) => draft): Promise<number> {
    const { manifest, bundle } = this.build(upgrade)
    return await this.desk.publish({ manifest: change(manifest), bundle })
  }

  /** An upgrade with a bundle of its own, which the hosts' repository knows. */
  build(upgrade: Upgrade): BuiltUpgrade {
    const bundle = new TextEncoder().encode(`${this.name} ${upgrade.title} ${Math.random()}`)
    const manifest = draftManifest(upgrade, bundle)
    this.repository.add(manifest.bundle.digest, upgrade)
    return { manifest, bundle }
  }

  async stop(): Promise<void> {
    for (const host of this.#hosts) if (!host.isDead) await host.stop()
    await this.#stopServer()
    if (this.isOwnClock) this.clock.stop()
  }
}

/** A server that installs what no host here can load: tests have upgrades rejected by it. */
function ofLaterRelease(udb: UdbFactory): UdbFactory {
  return { ...udb, level: { ...newestLevel, runtime: 99 } }
}

/** Takes a host's clock, connection and database away in one stroke, as kill -9 does. */
interface ProcessFault {
  dead: boolean
  stoodStillMs: number
  /** The host's database with the changes that the test makes. */
  readonly changed: Partial<UpgradeDatabase>
}

export class TestHost {
  private constructor(
    readonly running: RunningHost,
    readonly state: MemoryState,
    readonly transport: MemoryTransport,
    private readonly processFault: ProcessFault,
    readonly events: readonly HostEvent[],
    private readonly logs: MemoryShardClient,
  ) {}

  static async start(
    system: TestSystem,
    name: string,
    state: MemoryState,
    repository: MemoryRepository,
    settings: Settings,
    facts: NodeFacts,
    { trust, upgrader, gather, neighbours, ...named }: TrustOptions & SigningOptions & Named & NeighboursOption,
  ): Promise<TestHost> {
    const processFault: ProcessFault = { dead: false, stoodStillMs: 0, changed: {} }
    const clock: Clock = {
      now: () => system.clock.now(),
      monotonicMs: () => system.clock.monotonicMs() + processFault.stoodStillMs,
      after: (ms, action) => system.clock.after(ms, () => void (processFault.dead || action())),
      turn: (action) => system.clock.turn(() => void (processFault.dead || action())),
    }
    let transport!: MemoryTransport
    const events: HostEvent[] = []
    const client = system.shardLogs.client(name)
    const running = await createHost({
      system: system.name,
      hostId: name,
      transport: {
        connect: async (options) => {
          transport = memoryTransport(system.broker, options)
          return transport
        },
      },
      udb: {
        ...(system.udb.level === undefined ? {} : { level: system.udb.level }),
        open: async (systemName, at) => mortal(await system.udb.open(systemName, at), processFault),
      },
      state,
      shards: client,
      bundles: repository,
      clock,
      settings,
      facts,
      ...(trust === undefined ? {} : { trust }),
      ...(upgrader === undefined ? {} : { upgrader }),
      ...(gather === undefined ? {} : { gather }),
      ...neighboursOf({ neighbours }),
      ...namedAs(named, name),
      observe: (event) => void (processFault.dead || events.push(event)),
    })
    return new TestHost(running, state, transport, processFault, events, client)
  }

  get isDead(): boolean {
    return this.processFault.dead
  }

  /** So much time has passed, and it knows nothing of it. */
  standStill(ms: number): void {
    this.processFault.stoodStillMs += ms
  }

  /** From now on some methods of the host's database do something else. */
  changeDatabase(changed: Partial<UpgradeDatabase>): void {
    Object.assign(this.processFault.changed, changed)
  }

  readonly nodes = new Map<string, NodeHandle>()

  async node(definition: NodeClass, nodeId: string): Promise<NodeHandle> {
    const handle = await this.running.node(definition, nodeId)
    this.nodes.set(nodeId, handle)
    return handle
  }

  get ref(): RunningHost['ref'] {
    return this.running.ref
  }

  get sender(): RunningHost['sender'] {
    return this.running.sender
  }

  get publish(): RunningHost['publish'] {
    return this.running.publish
  }

  get offer(): RunningHost['offer'] {
    return this.running.offer
  }

  async stop(): Promise<void> {
    await this.running.stop()
    this.processFault.dead = true
  }

  /** kill -9: nothing that was under way goes on, and nobody is told. The state can be opened again. */
  kill(): MemoryState {
    this.processFault.dead = true
    this.state.kill()
    this.logs.abandon()
    this.transport.disconnect()
    return this.state
  }

  /** Kills the host when the event happens; resolves then. */
  killedAt(when: (event: HostEvent) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.running.observe((event) => {
        if (this.isDead || !when(event)) return
        this.kill()
        resolve()
      })
    })
  }

  phases(nodeId: string): readonly Phase[] {
    return this.events.flatMap((event) => (event.type === 'phase' && event.nodeId === nodeId ? [event.phase] : []))
  }

  /** The newest phase of a node, with its reason. */
  last(nodeId: string): PhaseEvent | undefined {
    return this.events.findLast((event): event is PhaseEvent => event.type === 'phase' && event.nodeId === nodeId)
  }

  async untilPhase(nodeId: string, phase: Phase, target?: number): Promise<PhaseEvent> {
    const found = await until(() => {
      const last = this.last(nodeId)
      return last?.phase === phase && (target === undefined || last.target === target) ? last : undefined
    }, `${nodeId} is ${phase}`).catch((error) => {
      throw new Error(`${error.message}; it was ${this.phases(nodeId).join(', ')}: ${this.last(nodeId)?.reason}`)
    })
    return found!
  }

  warnings(): readonly string[] {
    return this.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  }
}

/** The database of a host that is killed never answers again. */
function mortal(database: UpgradeDatabase, processFault: ProcessFault): UpgradeDatabase {
  return new Proxy(database, {
    get(target, key) {
      const method: unknown = Reflect.get(processFault.changed, key) ?? Reflect.get(target, key)
      // Not `then`: the database is no promise.
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => (processFault.dead ? new Promise(() => {}) : method.apply(target, args))
    },
  })
}

/** Something that a test holds until it lets go. */
export interface Gate {
  readonly opened: Promise<void>
  readonly waiting: number
  open(): void
  fail(error: Error): void
  /** Waits at the gate. */
  pass(): Promise<void>
}

export function gate(): Gate {
  let waiting = 0
  let open!: () => void
  let fail!: (error: Error) => void
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  opened.catch(() => {})
  return {
    opened,
    get waiting() {
      return waiting
    },
    open,
    fail,
    async pass() {
      waiting++
      await opened
    },
  }
}

/** Where a system's callers have names, everybody has one: by default its own. */
function namedAs({ as, callers }: Named, otherwise: string): Named {
  if (callers === undefined || callers === 'unnamed') return as === undefined ? {} : { as }
  return { as: as ?? otherwise, callers }
}

function neighboursOf({ neighbours }: { readonly neighbours?: NeighboursOption['neighbours'] | undefined }): NeighboursOption {
  return neighbours === undefined ? {} : { neighbours }
}
