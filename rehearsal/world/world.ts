/**
 * The deterministic world: the real core and actors, on virtual time, seeded chance, and memory
 * adapters with faults. Plays one plan, and ends at the first violation of what must always
 * hold, or when everything has come to rest.
 */
import { createHash } from 'node:crypto'
import type { HostEvent, Version } from 'theseus-actors'
import { seededRandom } from 'theseus-actors/memory'
import { newestLevel } from '../../core/base/level.js'
import type { Random } from '../../core/ports/random.js'
import type { Write } from '../../core/ports/stateStore.js'
import { AnswerChecker } from './answerChecker.js'
import { takesBack } from './classSpecs.js'
import { Cluster } from './cluster.js'
import { CodeCheckers } from './code/codeCheckers.js'
import { permit } from './code/permits.js'
import { ControlChecker } from './controlChecker.js'
import { WorldDatabase } from './database.js'
import { DeadVersionChecker } from './deadVersionChecker.js'
import { startDuplicateNode } from './duplicateNode.js'
import { EventChecker } from './eventChecker.js'
import { ExecutionOracle, type ExecutionOracleContext } from './executionOracle.js'
import type { HostProcess } from './hostProcess.js'
import { Limits } from './limits.js'
import { Model } from './model.js'
import { Network } from './network.js'
import { type Observed, observe, observeRequest } from './observer.js'
import type { DatabaseLoss, SurvivingControls } from './operations/databaseLoss.js'
import { GroupChecker, membersWith } from './operations/groupChecker.js'
import { LeaseChecker } from './operations/leaseChecker.js'
import { type Move, move } from './operations/moves.js'
import { OrderChecker } from './operations/orderChecker.js'
import { isReached } from './operations/pins.js'
import { RetryChecker } from './operations/retryChecker.js'
import { draftOf, Operators, type OperatorsContext } from './operators.js'
import type { Plan, ServiceName } from './plan.js'
import { type PlannedClasses, plannedClassesOf } from './plannedClasses.js'
import { ProcessCodes } from './processCodes.js'
import type { ProcessEnvironment, Tamper, UpgradeDatabase } from './processEnvironment.js'
import type { ProcessFault } from './processFault.js'
import { type WorldShards, worldShards } from './shards/worldShards.js'
import { type StoryContext, story } from './story.js'
import { Troubles } from './troubles.js'
import { VirtualTime } from './virtualTime.js'
import { settingsOf } from './worldSettings.js'

export interface Violation {
  /** The number of what was broken: `C3`, `L1`. */
  readonly rule: string
  readonly what: string
  readonly atMs: number
}

export interface Result {
  readonly violations: readonly Violation[]
  /** Of everything that happened, in order: the same plan gives the same digest. */
  readonly digest: string
  readonly trace: readonly string[]
  readonly events: number
  readonly virtualMs: number
}

const startMs = Date.UTC(2026, 0, 1)
const wholeWithinMs = 200_000
/** The longest that an answer of the database is on its way to a process that runs. */
const answersWithinMs = 100

export function play(plan: Plan, tamper: Tamper = {}): Promise<Result> {
  return new World(plan, tamper).play()
}

class World extends Cluster implements ProcessEnvironment, ExecutionOracleContext, StoryContext, Observed, OperatorsContext {
  readonly system = 'world'
  readonly time = new VirtualTime(startMs)
  readonly settings: ProcessEnvironment['settings']
  readonly level: ProcessEnvironment['level']
  readonly network: Network
  readonly model: Model
  readonly planned: PlannedClasses
  readonly #shards: WorldShards | undefined
  database!: UpgradeDatabase
  readonly #random: Random
  readonly udb: WorldDatabase
  readonly troubles = new Troubles(this)
  readonly limits: Limits
  readonly controls: ControlChecker
  readonly deaths: DeadVersionChecker
  readonly retries: RetryChecker
  /** Nodes that have moved to another host, and are not up there yet. */
  readonly moving = new Set<string>()
  readonly answers: AnswerChecker
  readonly leases = new LeaseChecker(() => this.time.elapsedMs)
  readonly orders: OrderChecker
  readonly events: EventChecker
  readonly code: CodeCheckers
  readonly groups: GroupChecker
  readonly operators: Operators
  readonly #oracle: ExecutionOracle
  readonly #code: ProcessCodes
  readonly #violations: Violation[] = []
  readonly #trace: string[] = []
  #isHealed = false

  constructor(
    readonly plan: Plan,
    readonly tamper: Tamper,
  ) {
    super()
    this.#random = seededRandom(plan.seed)
    this.settings = settingsOf(plan)
    // An undo of a version that is not the newest needs it.
    this.level = plan.dimensions.includes('laterUndos') ? { level: newestLevel } : {}
    this.model = new Model((rule, what) => this.violated(rule, what))
    this.#oracle = new ExecutionOracle(this)
    this.planned = plannedClassesOf(plan, this.#oracle)
    this.limits = new Limits(
      plan,
      (service) => this.countOf(service),
      (rule, what) => this.violated(rule, what),
    )
    this.network = new Network(
      this.time,
      this.#random,
      {
        passed: (transit, passage) => {
          const { from, to, message } = transit
          const how = typeof passage === 'string' ? passage : JSON.stringify(passage)
          this.trace(`${from} → ${to} ${message.subject} ${message.payload.length} ${how}`)
          this.code.labels.passed(transit)
          this.answers.passed(transit, passage)
          this.#shards?.checker.passed(transit)
        },
        copied: (op) => this.model.copied(op),
      },
      plan.steps.some(({ kind }) => kind === 'replay'),
    )
    const violated = (rule: string, what: string) => this.violated(rule, what)
    this.answers = new AnswerChecker(violated)
    this.controls = new ControlChecker(
      (version) => takesBack(plan, version),
      plan.deaths !== null,
      () => this.time.elapsedMs,
      violated,
    )
    this.deaths = new DeadVersionChecker(
      () => this.time.now(),
      (client) => isReached(this, client),
      (nodeId) => this.moving.has(nodeId),
      violated,
    )
    this.orders = new OrderChecker(() => this.time.elapsedMs, violated)
    this.retries = new RetryChecker(
      plan.steps.some(({ kind }) => kind === 'diskFull'),
      plan.steps.some(({ kind }) => kind === 'freeze' || kind === 'move') ? Number.POSITIVE_INFINITY : answersWithinMs,
      () => this.time.elapsedMs,
      violated,
    )
    this.events = new EventChecker(plan)
    this.groups = new GroupChecker(plan, (nodeId) => this.node(nodeId), violated)
    this.code = new CodeCheckers(plan, () => this.time.elapsedMs, violated)
    this.udb = new WorldDatabase(
      this.time,
      this.#random,
      (method, args, answer) => observeRequest(this, method, args, answer),
      tamper.database,
    )
    const built = this.planned.upgrades.map((upgrade, i) => upgrade && draftOf(upgrade, plan.seed, i + 1))
    this.operators = new Operators(this, built)
    const common = { planned: this.planned, oracle: this.#oracle }
    this.#code = new ProcessCodes(this, common, built)
    this.#shards = worldShards(this, this.#code, this.#random)
    this.sharded = this.#shards?.nodes
  }

  async play(): Promise<Result> {
    let isOver = false
    this.#tell().then(
      () => {
        isOver = true
      },
      (error) => this.violated('world', error instanceof Error ? (error.stack ?? error.message) : String(error)),
    )
    const unhandled = (error: unknown) => this.violated('world', `nobody handled ${error instanceof Error ? error.stack : error}`)
    process.on('unhandledRejection', unhandled)
    try {
      await this.time.run(startMs + wholeWithinMs, () => isOver || !this.isAsItMust())
    } catch (error) {
      this.violated('world', String(error))
    } finally {
      process.off('unhandledRejection', unhandled)
    }
    if (!isOver && this.isAsItMust()) this.violated('C10', 'the world has not come to its end')
    return {
      violations: this.#violations,
      digest: createHash('sha256').update(this.#trace.join('\n')).digest('hex'),
      trace: this.#trace,
      events: this.time.events,
      virtualMs: this.time.elapsedMs,
    }
  }

  async #tell(): Promise<void> {
    this.database = await this.udb.look(this.system)
    await story(this)
  }

  isAsItMust(): boolean {
    return this.#violations.length === 0
  }

  heal(): void {
    this.#isHealed = true
    this.#code.heal()
  }

  forgotten(nodeId: string, isForGood: boolean): void {
    if (isForGood) {
      this.nodes.delete(nodeId)
      this.deaths.left(nodeId)
    }
    this.deaths.forgotten(nodeId)
    this.limits.forgotten(nodeId)
  }

  restored(nodeId: string): void {
    this.groups.replaced()
    this.model.restored(nodeId)
    this.code.tables.restored(nodeId)
    this.deaths.restored(nodeId)
    this.retries.restored(nodeId)
    // It may be back in the middle of an upgrade, and had given its slot back long ago.
    this.limits.forgotten(nodeId)
  }

  moved(from: HostProcess, to: string, how: Move): Promise<void> {
    for (const nodeId of from.nodes.keys()) this.#oracle.moves(nodeId)
    return move(this, from, to, how)
  }

  async forget(nodeId: string): Promise<void> {
    this.forgotten(nodeId, false)
    await this.troubles.forget(nodeId)
  }

  databaseLost(how: DatabaseLoss, { controls, death, final }: SurvivingControls): void {
    this.trace(`the database is ${how}: ${JSON.stringify({ controls, death })}`)
    if (how === 'restarted') return
    this.controls.are(controls)
    this.retries.are(controls)
    this.deaths.lost(death, final)
    this.operators.databaseLost()
    // A host that has just started may hear of it first from the database that has lost it.
    for (const host of this.hosts.values()) host.deadAtStart = Math.min(host.deadAtStart, death.inForce)
    this.time.after(this.settings.leaseMs!, () => {
      for (const watch of [this.limits, this.deaths]) watch.probationOver((nodeId) => this.isHeard(nodeId))
    })
  }

  override retry(nodeId: string): void {
    // One of a group takes the others along.
    const node = this.nodes.get(nodeId)
    for (const each of node === undefined ? [] : membersWith(this.plan, node)) this.retries.askedOf(each.nodeId)
    super.retry(nodeId)
  }

  duplicateNode(nodeId: string, host: HostProcess): Promise<void> {
    return startDuplicateNode(this, nodeId, host)
  }

  replays(nodeId: string, isReplaying: boolean): void {
    this.#code.oracleOf(this.hostOf(nodeId)?.processFault).replays(nodeId, isReplaying)
  }

  // --- What processes, objects and the oracle ask

  violated(rule: string, what: string): void {
    this.#violations.push({ rule, what, atMs: this.time.elapsedMs })
    this.trace(`${rule} is violated: ${what}`)
  }

  chance(): number {
    return this.#random.next()
  }

  trace(line: string): void {
    this.#trace.push(`${this.time.elapsedMs} ${line}`)
  }

  observed(host: string, event: HostEvent): void {
    observe(this, host, event)
  }

  committed(host: string, writes: readonly Write[]): void {
    this.deaths.committed(writes, (nodeId) => this.hostOf(nodeId)?.name === host)
    this.groups.committed(host, writes)
  }

  surelyDead(): Version {
    return this.#isHealed && [...this.servers.values()].every(({ isRunning }) => isRunning) ? this.deaths.toldInForce : 0
  }

  signalled(nodeId: string, version: Version): void {
    this.controls.signalled(nodeId, version)
  }

  calledDead(op: string, version: Version): void {
    this.deaths.called(op, version)
  }

  begins(nodeId: string, op: string): void {
    const host = this.hostOf(nodeId)
    if (host !== undefined) this.deaths.began(nodeId, op, this.node(nodeId)?.handle?.version, host.deadAtStart)
  }

  calls(by: string, nodeId: string): void {
    this.groups.called(by, nodeId)
  }

  runs(nodeId: string, count: number): void {
    this.events.runs(nodeId, count, this.time.elapsedMs)
  }

  ticked(nodeId: string): void {
    this.code.ticks.ticked(nodeId)
  }

  hangs(nodeId: string): void {
    this.code.endless.hangs(nodeId)
  }

  /** Tried until it succeeds. */
  permit(nodeId: string): void {
    permit(this.database, nodeId).catch(() => this.time.after(200, () => this.permit(nodeId)))
  }

  unheard(nodeId: string): void {
    this.violated('N1', `${nodeId} has started, and its host may not listen for its calls`)
  }

  /**
   * The other waits for the lease. A call that still runs then may go on, and is not acknowledged any more.
   */
  leaves(nodeId: string, host: string): void {
    if (!this.moving.has(nodeId) || this.hostOf(nodeId)?.name === host) return
    this.time.after(this.leases.leftMs(host, nodeId), () => {
      if (this.moving.has(nodeId)) this.#oracle.moves(nodeId)
    })
  }

  up(nodeId: string): void {
    if (!this.moving.delete(nodeId)) return
    // Until now the host before it may have answered for it, and its copy knows nothing of that.
    this.model.restored(nodeId)
    this.#oracle.moved(nodeId)
    this.code.died(this.hostOf(nodeId)!.name, [nodeId])
  }

  died(host: string, nodeIds: readonly string[]): void {
    this.trace(`${host} is gone`)
    this.deaths.unpinned(host)
    this.code.died(host, nodeIds)
    for (const nodeId of nodeIds) {
      this.#oracle.died(nodeId)
      this.retries.died(nodeId)
    }
  }

  get logs() {
    return this.#shards?.logs
  }

  codeOf(processFault: ProcessFault) {
    return this.#code.of(processFault)
  }

  get isHealed(): boolean {
    return this.#isHealed
  }

  openDatabase(system: string, _clock: unknown, processFault: ProcessFault): Promise<UpgradeDatabase> {
    return this.udb.open(system, processFault)
  }

  codeFor(service: ServiceName) {
    return this.planned.lines[service][0]!
  }

  pause(nodeId: string, ms: number): Promise<void> {
    return this.hostOf(nodeId)?.processFault.pause(ms) ?? this.time.sleep(ms)
  }

  auditor() {
    return this.host(this.plan.clients[0]!).running
  }
}
