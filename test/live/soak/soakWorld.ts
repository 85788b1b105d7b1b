/**
 * A system of real processes under the deterministic world's oracle: the same classes, upgrades, model, audit
 * and rest, on nats-server, redis-server and LMDB. Nothing here replays exactly, for time is real; what must
 * always hold is the same.
 *
 * S1. The reports of the hosts are held against the rules in the order of the machine's clock, when all is
 *     over: a report that arrives late was not late.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuiltUpgrade, createHost, type HostEvent, type RunningHost, type Version } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { audit } from '../../../rehearsal/world/audit.js'
import { makeCall } from '../../../rehearsal/world/calls.js'
import { takesBack } from '../../../rehearsal/world/classSpecs.js'
import type { RunningNode } from '../../../rehearsal/world/cluster.js'
import { CodeCheckers } from '../../../rehearsal/world/code/codeCheckers.js'
import { opOf } from '../../../rehearsal/world/code/operationIds.js'
import { ControlChecker } from '../../../rehearsal/world/controlChecker.js'
import { DeadVersionChecker } from '../../../rehearsal/world/deadVersionChecker.js'
import { EventChecker } from '../../../rehearsal/world/eventChecker.js'
import { ExecutionOracle } from '../../../rehearsal/world/executionOracle.js'
import { Limits } from '../../../rehearsal/world/limits.js'
import { Model } from '../../../rehearsal/world/model.js'
import { type Observed, observe } from '../../../rehearsal/world/observer.js'
import { LeaseChecker } from '../../../rehearsal/world/operations/leaseChecker.js'
import { OrderChecker } from '../../../rehearsal/world/operations/orderChecker.js'
import { RetryChecker } from '../../../rehearsal/world/operations/retryChecker.js'
import { Operators, type OperatorsContext } from '../../../rehearsal/world/operators.js'
import type { NodePlan } from '../../../rehearsal/world/plan.js'
import { callsDrawn } from '../../../rehearsal/world/planGenerator.js'
import { plannedClassesOf } from '../../../rehearsal/world/plannedClasses.js'
import type { PlanRandom } from '../../../rehearsal/world/planRandom.js'
import { type AuditContext, untilQuiescent } from '../../../rehearsal/world/quiescence.js'
import type { TestServer } from '../../support/servers.js'
import { RealTime } from './realTime.js'
import type { SoakDirective, SoakMessage, SoakOrder } from './soakHost.js'
import type { SoakPlan } from './soakPlan.js'
import { soakSettings } from './soakSettings.js'

type Tale = Extract<SoakMessage, { type: 'tale' }>

interface Ways {
  readonly nats: TestServer
  readonly redis: TestServer
}

const hostEntry = fileURLToPath(new URL('./soakHost.js', import.meta.url))
const upgradesModule = fileURLToPath(new URL('../../../rehearsal/world/plannedClasses.js', import.meta.url))
/** So many calls of one client are open at once, and the pause of each before the next. */
const workersPerClient = 6
const pauseMs = 15
const linesMax = 2_000

export class SoakWorld implements AuditContext, Observed, OperatorsContext {
  readonly time = new RealTime()
  readonly violations: string[] = []
  /** The end of what happened, as a failure shows it. */
  readonly lastLines: string[] = []
  readonly limits: Limits
  readonly controls: ControlChecker
  readonly deaths: DeadVersionChecker
  readonly events: EventChecker
  /** In processes of their own: what they run, their handles tell. */
  readonly hosts = new Map<string, never>()
  readonly moving = new Set<string>()
  readonly leases = new LeaseChecker(() => this.time.elapsedMs)
  leaves(): void {}
  /** Asked at a release of a slot alone, and it hears of none: the database is another process. */
  isAlive(): boolean {
    return true
  }
  readonly retries: RetryChecker
  /** Hears of no order: the database is another process. */
  readonly orders = new OrderChecker(
    () => 0,
    () => {},
  )
  readonly code: CodeCheckers
  readonly model: Model
  readonly planned
  readonly operators: Operators
  readonly #clients = new Map<string, RunningHost>()
  readonly #children = new Map<string, ChildProcess>()
  readonly #standings = new Map<string, RunningNode>()
  readonly #tales: (Tale & { readonly host: string })[] = []
  #openCalls = 0
  #answered = 0
  #published: Version = 0
  #isHealed = false
  #isLoaded = true

  private constructor(
    readonly system: string,
    readonly plan: SoakPlan,
    private readonly ways: Ways,
    private readonly directory: string,
    built: readonly (BuiltUpgrade | undefined)[],
  ) {
    const violated = (rule: string, what: string) => this.violated(rule, what)
    this.model = new Model(violated)
    this.planned = plannedClassesOf(plan, idleOracle)
    this.limits = new Limits(plan, (service) => plan.nodes.filter((node) => node.service === service).length, violated)
    this.controls = new ControlChecker(
      (version) => takesBack(plan, version),
      // The scheduling functions run in other processes: here nobody hears them.
      true,
      () => this.time.elapsedMs,
      violated,
    )
    // Whether a client renews its leases, only its own process knows.
    this.deaths = new DeadVersionChecker(
      () => this.time.now(),
      () => false,
      () => false,
      violated,
    )
    this.events = new EventChecker(plan)
    // The nodes' disks are their hosts' own: what they forget, nobody sees here.
    this.retries = new RetryChecker(true, 0, () => this.time.elapsedMs, violated)
    this.code = new CodeCheckers(plan, () => this.time.elapsedMs, violated)
    this.operators = new Operators(this, built)
  }

  static async open(system: string, plan: SoakPlan, ways: Ways): Promise<SoakWorld> {
    const directory = await mkdtemp(join(tmpdir(), 'theseus-soak-'))
    const world = new SoakWorld(system, plan, ways, directory, await builtOf(plan, directory))
    for (const client of plan.clients) {
      world.#clients.set(
        client,
        await createHost({
          system,
          hostId: client,
          transport: nats(ways.nats.url),
          udb: redis(ways.redis.url),
          state: memoryStore(),
          bundles: join(directory, client),
          settings: soakSettings(plan),
        }),
      )
    }
    return world
  }

  /** Resolves when its nodes are up, or it is killed before that. */
  async startHost(name: string): Promise<void> {
    const order: SoakOrder = {
      system: this.system,
      hostId: name,
      natsUrl: this.ways.nats.url,
      redisUrl: this.ways.redis.url,
      directory: join(this.directory, name),
      plan: { ...this.plan, steps: [] },
      isHealed: this.#isHealed,
    }
    const child = fork(hostEntry, {
      env: { ...process.env, SOAK_ORDER: JSON.stringify(order) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#children.set(name, child)
    child.on('message', (message: SoakMessage) => this.#hears(name, child, message))
    await new Promise<void>((resolve) => {
      child.on('message', ({ type }: SoakMessage) => void (type === 'ready' && resolve()))
      child.once('exit', (code, signal) => {
        if (this.#children.get(name) === child) this.violated('world', `${name} ended by itself with ${signal ?? code}`)
        resolve()
      })
    })
  }

  /** SIGKILL; resolves when the process is gone. */
  async killHost(name: string): Promise<void> {
    const child = this.#children.get(name)
    this.#children.delete(name)
    for (const { nodeId, host } of this.plan.nodes) if (host === name) this.#standings.delete(nodeId)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  #hears(host: string, child: ChildProcess, message: SoakMessage): void {
    if (message.type === 'violated') this.violated(message.rule, message.what)
    if (message.type !== 'tale') return
    this.#tales.push({ ...message, host })
    const { nodeId, told } = message
    if (nodeId === null || told === null || this.#children.get(host) !== child) return
    this.#standings.set(nodeId, { ...told, retry: () => this.#direct(host, { type: 'retry', nodeId }) })
  }

  #direct(host: string, directive: SoakDirective): void {
    this.#children.get(host)?.send(directive)
  }

  /** Calls of every kind, from clients at every version that is published, until the load is over. */
  load(random: PlanRandom): void {
    const draw = callsDrawn(random, { ...this.plan, steps: [] }, this.plan.nodes)
    for (const client of this.plan.clients) for (let i = 0; i < workersPerClient; i++) void this.#work(client, draw)
  }

  async #work(client: string, draw: ReturnType<typeof callsDrawn>): Promise<void> {
    while (this.#isLoaded) {
      const step = { ...draw(this.time.elapsedMs, this.#published), client }
      const op = opOf(this.plan.steps.push(step) - 1)
      this.#openCalls++
      await makeCall(this, this.#clients.get(client)!, op, step).catch((error) =>
        this.violated('world', String(error?.stack ?? error)),
      )
      this.#openCalls--
      if (this.model.wasAnswered(op)) this.#answered++
      await this.time.sleep(pauseMs)
    }
  }

  /** Publishes the next version, until it is there. */
  async publishNext(): Promise<void> {
    if (this.#published === this.plan.upgrades.length) return
    await this.operators.publish(this.plan.clients[0]!, ++this.#published)
  }

  get published(): Version {
    return this.#published
  }

  /** Calls that were answered. */
  get answered(): number {
    return this.#answered
  }

  /** The troubles are over: all must come to rest, and tell one history. */
  async verdict(): Promise<void> {
    this.#isLoaded = false
    this.#isHealed = true
    for (const host of this.#children.keys()) this.#direct(host, { type: 'healed' })
    await untilQuiescent(this)
    if (this.violations.length === 0) await audit(this)
    const newest = this.plan.upgrades.length
    if (this.violations.length === 0 && this.allNodes().every(({ handle }) => handle?.version === newest)) {
      await this.operators.finish(this.auditor()!, (rule, what) => this.violated(rule, what))
      await audit(this)
    }
    this.#holdTales()
  }

  #holdTales(): void {
    this.#standings.clear()
    for (const { host, event, nodeId, told } of inOrder(this.#tales)) {
      if (nodeId !== null && told === null) this.#standings.delete(nodeId)
      if (nodeId !== null && told !== null) this.#standings.set(nodeId, { ...told, retry() {} })
      if (event !== null) observe(this, host, revived(event))
    }
  }

  /** Through the upgrade database only: the nodes' handles are in other processes. */
  retry(): void {}

  async close(): Promise<void> {
    this.#isLoaded = false
    for (const name of [...this.#children.keys()]) await this.killHost(name)
    await Promise.all([...this.#clients.values()].map((client) => client.stop()))
    await rm(this.directory, { recursive: true, force: true })
  }

  // --- What the oracle asks

  get database() {
    return this.auditor()!.operator.database
  }

  host(name: string) {
    return { running: this.#clients.get(name) }
  }

  auditor() {
    return this.#clients.get(this.plan.clients[0]!)
  }

  node(nodeId: string) {
    const plan = this.plan.nodes.find((node) => node.nodeId === nodeId)
    return plan && this.#standing(plan)
  }

  allNodes() {
    return this.plan.nodes.map((plan) => this.#standing(plan))
  }

  #standing(plan: NodePlan) {
    return { plan, handle: this.#standings.get(plan.nodeId) }
  }

  openCalls(): number {
    return this.#openCalls
  }

  calledDead(op: string, version: Version): void {
    this.deaths.called(op, version)
  }

  violated(rule: string, what: string): void {
    this.violations.push(`${rule} at ${Math.round(this.time.elapsedMs)} ms: ${what}`)
  }

  /** Plans of live systems rewind nothing. */
  replays(): void {}

  trace(line: string): void {
    this.lastLines.push(`${Math.round(this.time.elapsedMs)} ${line}`)
    if (this.lastLines.length > linesMax) this.lastLines.shift()
  }
}

/** Here only the classes' shapes are asked for: nothing of them runs. */
const idleOracle = new ExecutionOracle({
  isAlive: () => false,
  begins() {},
  runs() {},
  signalled() {},
  pause: async () => {},
  violated() {},
  ticked() {},
  hangs() {},
})

/** A module for each upgrade, which makes it of the plan in the process that loads it. */
function builtOf(plan: SoakPlan, directory: string): Promise<readonly (BuiltUpgrade | undefined)[]> {
  return Promise.all(
    plan.upgrades.map(async ({ undoes }, i) => {
      if (undoes) return undefined
      const source = join(directory, `upgrade${i + 1}.mjs`)
      const lines = [
        `import { plannedClassesOf } from ${JSON.stringify(upgradesModule)}`,
        `const plan = ${JSON.stringify(plan)}`,
        `export default plannedClassesOf(plan, globalThis[Symbol.for('theseus.soak.oracle')]).upgrades[${i}]`,
      ]
      await writeFile(source, lines.join('\n'))
      return buildUpgrade(source)
    }),
  )
}

/** A node tells so much later at most that it serves, and has given its permit back. */
const servesBeforeNs = 500_000_000n

/**
 * The hosts' tales by their times. Where a node tells that it serves, it did so a moment before: by then
 * another one may have been let go in its place.
 */
function inOrder<T extends Tale>(tales: readonly T[]): readonly T[] {
  const byTime = (a: { readonly at: bigint }, b: { readonly at: bigint }) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)
  const toldAt = new Map<string, bigint>()
  return tales
    .toSorted(byTime)
    .map((tale) => {
      const { event, at } = tale
      if (event?.type !== 'phase') return { tale, at }
      const before = toldAt.get(event.nodeId) ?? 0n
      toldAt.set(event.nodeId, at)
      const serves = at - servesBeforeNs
      return { tale, at: event.phase === 'current' ? (serves > before ? serves : before) : at }
    })
    .toSorted(byTime)
    .map(({ tale }) => tale)
}

function revived(event: HostEvent): HostEvent {
  const error = 'error' in event ? (event.error as Error | undefined) : undefined
  if (error === undefined) return event
  const { name, message } = error
  return { ...event, error: Object.assign(new Error(message), { name }) } as HostEvent
}
