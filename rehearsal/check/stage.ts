/**
 * A real system in memory on virtual time, with the upgrades published and nobody upgraded: histories are
 * played on its nodes. Nothing of the semantics of simulation objects is made again here.
 */
import {
  createHost,
  draftManifest,
  isFault,
  type MethodKind,
  type NodeClass,
  type NodeHandle,
  type RunningHost,
  startUpgradeServer,
  type Upgrade,
  type Version,
} from 'theseus-actors'
import {
  MemoryBroker,
  type MemoryTransport,
  memoryDatabase,
  memoryRepository,
  memoryStore,
  memoryTransport,
  seededRandom,
} from 'theseus-actors/memory'
import type { NodeFacts } from '../../core/model/nodeFilter.js'
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import type { ObjectState } from '../../core/model/objectState.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { decode, pack, unpack } from '../../core/wire/codec.js'
import type { NeighbourSystems } from '../neighbourSystems.js'
import { type Outcome, outcomeOf } from './outcomes.js'
import { VirtualClock } from './virtualClock.js'
import { ThrownErrors, WatchedUpgrades } from './watchedUpgrade.js'

/** 2026-01-01: a history is the same whenever it is played. */
const beginsMs = 1_767_225_600_000
const settings = {
  backoffMs: 4,
  backoffMsMax: 16,
  slotPauseMs: 2,
  retryPauseMs: 2,
  retryPauseMsMax: 10,
  announcedWithinMs: 1,
  unknownVersionMs: 100,
  queryResendMs: 60_000,
  callDeadlineMs: 5_000,
  limit: { percent: 100 },
  upgradesAtOnceMax: 1_000,
} as const

export interface StageOptions {
  readonly upgrades: readonly Upgrade[]
  readonly seed: number
  readonly facts?: NodeFacts
  readonly neighbours?: NeighbourSystems
}

let stages = 0

export class Stage {
  readonly clock = new VirtualClock(beginsMs)
  readonly #broker: MemoryBroker
  readonly #thrown = new ThrownErrors()
  readonly #watched = new WatchedUpgrades(this.#thrown)
  readonly #nodes = new Map<string, { handle: NodeHandle; readonly definition: NodeClass }>()
  readonly #ends: (() => Promise<void>)[] = []
  /** Node ids that somebody has called and nobody has, with the first such call. */
  readonly missing = new Map<string, { readonly callerClass: string; readonly method: string }>()
  #host!: RunningHost
  #store!: StateStore
  #wallMs = beginsMs

  private constructor(
    private readonly system: string,
    private readonly options: StageOptions,
  ) {
    this.#broker = new MemoryBroker({ clock: this.clock, random: seededRandom(options.seed) })
  }

  static async open(options: StageOptions, nodes: Readonly<Record<string, NodeClass>>): Promise<Stage> {
    const stage = new Stage(`check-${++stages}`, options)
    try {
      await stage.#open(nodes)
      return stage
    } catch (error) {
      await stage.close()
      throw error
    }
  }

  async #open(nodes: Readonly<Record<string, NodeClass>>): Promise<void> {
    const { system, options } = this
    // The time of day stands still but for the waits of a history: both orders of a call and a flip see one.
    const clock = this.clock.with({ now: () => this.#wallMs })
    const ways = {
      transport: { connect: async (how?: object) => this.#noticing(memoryTransport(this.#broker, how)) },
      udb: memoryDatabase(),
      trust: 'nobody' as const,
      clock,
    }
    const server = await startUpgradeServer({ system, ...ways, ...options.neighbours?.option })
    this.#ends.push(() => server.stop())
    const repository = memoryRepository()
    const memory = memoryStore({ turn: (action) => this.clock.turn(action) })
    const state = { open: async () => (this.#store = await memory.open()) }
    this.#host = await createHost({
      ...{ system, ...ways, state, settings, bundles: repository, hostId: 'check', discovery: false },
      random: seededRandom(options.seed),
      facts: options.facts ?? {},
      ...options.neighbours?.option,
      observe: (event) => {
        if (event.type === 'warning') this.#thrown.note(event.error)
      },
    })
    this.#ends.push(() => this.#host.stop())
    for (const [nodeId, definition] of Object.entries(nodes)) await this.enter(nodeId, definition)
    for (const [index, upgrade] of options.upgrades.entries()) {
      const watched = this.#watched.watched(upgrade)
      const bundle = new TextEncoder().encode(`${system} ${index} ${upgrade.title}`)
      const manifest = draftManifest(watched, bundle)
      repository.add(manifest.bundle.digest, watched)
      await this.#host.publish({ manifest, bundle })
    }
    // Any answer at the newest version shows that the node knows all.
    for (const nodeId of this.#nodes.keys()) await this.call(nodeId, options.upgrades.length, 'nothing', [], 'query')
  }

  /** Notices calls to nodes that are not there. */
  #noticing(transport: MemoryTransport): MemoryTransport {
    const toNode = `theseus.${this.system}.node.`
    const publish = transport.publish.bind(transport)
    return Object.assign(transport, {
      publish: (subject: string, ...rest: [Uint8Array, string?]) => {
        const nodeId = subject.startsWith(toNode) ? subject.slice(toNode.length) : undefined
        if (nodeId !== undefined && !this.#nodes.has(nodeId)) this.#miss(nodeId, rest[0])
        publish(subject, ...rest)
      },
    })
  }

  #miss(nodeId: string, payload: Uint8Array): void {
    const [call] = decode(payload)
    if (call !== undefined && 'callerClass' in call && !this.missing.has(nodeId)) this.missing.set(nodeId, call)
  }

  async enter(nodeId: string, definition: NodeClass): Promise<void> {
    this.#nodes.set(nodeId, { handle: await this.#host.node(definition, nodeId), definition })
  }

  async leave(nodeId: string): Promise<void> {
    await this.#node(nodeId).handle.stop()
    this.#nodes.delete(nodeId)
  }

  async call(nodeId: string, version: Version, method: string, args: readonly unknown[], kind: MethodKind): Promise<Outcome> {
    try {
      return { is: 'answer', value: await this.#host.operator.call({ node: nodeId }, method, args, { version, kind }) }
    } catch (error) {
      return outcomeOf(error, (message) => this.#thrown.nameOf(message))
    }
  }

  /** Undefined once it serves at `version`; else why it does not get there. */
  async flip(nodeId: string, version: Version): Promise<Outcome | undefined> {
    const { handle } = this.#node(nodeId)
    this.#watched.signal(nodeId, version)
    try {
      await handle.reached(version)
      return undefined
    } catch (error) {
      const message = isFault(error)
        ? error.message.replace(/^node \S+ is (\w+) on its way to version \d+: /, '$1: ')
        : String(error)
      const inner = message.replace(/^\w+: (?:[\w-]+\.[\w-]+: )?/, '')
      return { is: 'threw', code: 'upgrade', name: this.#thrown.nameOf(inner), message }
    }
  }

  /** Undoes the newest upgrade: nodes go back, or on, without being told to. */
  async undo(): Promise<void> {
    await this.#host.operator.undo()
  }

  /** Undefined once the node serves at `version`; else why it does not get there. */
  async reached(nodeId: string, version: Version): Promise<Outcome | undefined> {
    try {
      await this.#node(nodeId).handle.reached(version)
      return undefined
    } catch (error) {
      return outcomeOf(error, (message) => this.#thrown.nameOf(message))
    }
  }

  /** The object and its SOs are built anew from what is committed, as after a crash between two calls. */
  async restart(nodeId: string): Promise<void> {
    const node = this.#node(nodeId)
    await node.handle.stop()
    node.handle = await this.#host.node(node.definition, nodeId)
  }

  /** A node that was just born has this state, as if it had always had it: nothing of its own is left. */
  async become(nodeId: string, { state, collections }: ObjectState): Promise<void> {
    const node = this.#node(nodeId)
    await node.handle.stop()
    const record = checkRecord(unpack(this.#store.get(keys.record(nodeId))!))
    const { object, version } = record.generation
    const old = [...this.#store.range(...keys.allStateSlots(nodeId))].map(([key]): Write => [key, null])
    const records = Object.entries(collections).flatMap(([name, all]) => {
      const under = keys.collection(nodeId, object, name)
      return all.map(([key, each]): Write => [under + key, pack(each)])
    })
    // It learns the versions after its own anew: their simulation objects begin with this state.
    const young = { ...record, newest: version, generation: { ...record.generation, simulations: {} } }
    const root: Write = [keys.root(nodeId, object), pack(state)]
    await this.#store.commit([...old, root, ...records, [keys.record(nodeId), pack(young)]])
    node.handle = await this.#host.node(node.definition, nodeId)
  }

  /** Time passes, also that of day: timers run, lazy records are made. */
  async wait(ms: number): Promise<void> {
    this.#wallMs += ms
    await this.clock.passes(ms)
  }

  /** Resolves when all that nodes have sent one another has arrived. */
  async settle(): Promise<void> {
    await this.#host.flush()
    await this.clock.passes(settleMs)
  }

  /** All that is committed of a node: of its object, and of its SOs. Null where no upgrade concerns it. */
  stateOf(nodeId: string): { readonly object: unknown; readonly simulations: Readonly<Record<string, unknown>> } | null {
    const view = this.#watched.viewOf(nodeId)
    if (view === undefined) return null
    const whole = (part: Pick<typeof view, 'state' | 'collections' | 'collection'>) => ({
      ...part.state,
      ...Object.fromEntries(part.collections().map((name) => [`collection ${name}`, [...part.collection(name).entries()]])),
    })
    const simulations = view.simulations().map((so) => [`${so.version} ${so.className}`, whole(so)] as const)
    return { object: whole(view), simulations: Object.fromEntries(simulations) }
  }

  async close(): Promise<void> {
    for (const { handle } of [...this.#nodes.values()].reverse()) await handle.stop().catch(() => {})
    for (const end of this.#ends.splice(0).reverse()) await end().catch(() => {})
    this.clock.stop()
  }

  #node(nodeId: string) {
    const node = this.#nodes.get(nodeId)
    if (node === undefined) throw new Error(`there is no node ${nodeId} on this stage`)
    return node
  }
}

const settleMs = 3
