/**
 * A node: an identity, a persistent state, and one object. Ties together who owns what: the chain knows which
 * object answers a version, the mailbox what runs now, the node state what is on disk, the upgrade manager
 * the phase, the upgrade layer the labels, the status what is said of it. The rest is the node's life: it
 * serves, leaves, and stops.
 */

import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { isInvariantViolation } from '../../core/base/invariant.js'
import type { Phase } from '../../core/base/phases.js'
import type { ReceivedOutcome, Telemetry } from '../../core/inspection/telemetry.js'
import type { Roles } from '../../core/model/allow.js'
import type { LazySlot, NodeRecord, Slot } from '../../core/model/nodeRecord.js'
import type { Link, ObjectChain, Tally } from '../../core/model/objectChain.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import { isChangeover } from '../../core/wire/envelope.js'
import { serviceQueue, subjectsOf } from '../../core/wire/subjects.js'
import { StopBudget } from '../base/stopBudget.js'
import { VersionTally } from '../base/versionTally.js'
import type { Caller } from '../calls/caller.js'
import type { RunningCall } from '../calls/runningCall.js'
import { type LabelledNode, type LayerServices, UpgradeLayer } from '../calls/upgradeLayer.js'
import type { ClassRegistry } from '../history/classRegistry.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import { CallCounts, type CountingNode } from '../serving/callCounts.js'
import type { Denials } from '../serving/denials.js'
import type { EventHub, Hearer } from '../serving/eventHub.js'
import { IncomingCall } from '../serving/incomingCall.js'
import { Mailbox } from '../serving/mailbox.js'
import type { DueTimer } from '../serving/objectTimers.js'
import { RecentEvents } from '../serving/recentEvents.js'
import { type Receiver, type RouterServices, route, timerCall } from '../serving/router.js'
import { NodeSoftware, type SoftwareNode, type SoftwareServices } from '../software/nodeSoftware.js'
import { RecordKeeper } from '../software/recordKeeper.js'
import { NodeState, type StateOwner } from '../state/nodeState.js'
import type { TimerWheel } from '../timerWheel.js'
import { type LearningNode, type LearningServices, NodeLearning } from '../upgrade/nodeLearning.js'
import { type PassServices, RecordPass } from '../upgrade/recordPass.js'
import { ServiceSlot, type SlotServices } from '../upgrade/serviceSlot.js'
import { type ManagedNode, type ManagerServices, UpgradeManager } from '../upgrade/upgradeManager.js'
import { NodeRestart, type RestartingNode, type RestartServices } from './nodeRestart.js'
import { NodeStatus, type StatusServices, type ToldNode } from './nodeStatus.js'

/** The services of its host that a node needs: for itself, and for its parts. */
export interface HostServices
  extends StatusServices,
    RestartServices,
    RouterServices,
    SoftwareServices,
    LayerServices,
    PassServices,
    SlotServices,
    LearningServices,
    ManagerServices {
  readonly transport: Transport
  readonly events: EventHub
  readonly wheel: TimerWheel
  readonly denials: Denials
  readonly classes: ClassRegistry
  readonly history: UpgradeHistory
}

const serving = { queue: serviceQueue } as const

type Parts = StateOwner & CountingNode & LabelledNode & SoftwareNode & ToldNode & RestartingNode

/** `Parts`: what its parts need of it. */
export class Node implements Receiver, Hearer, LearningNode, ManagedNode, Parts {
  readonly state: NodeState
  readonly keeper: RecordKeeper
  readonly mailbox: Mailbox
  readonly layer: UpgradeLayer
  readonly software: NodeSoftware
  readonly learning: NodeLearning
  readonly pass: RecordPass
  readonly manager: UpgradeManager
  readonly slot: ServiceSlot
  readonly calls: CallCounts
  readonly status: NodeStatus
  tallies: readonly VersionTally[] = []
  readonly #receive = (message: Message): void => this.receive(message)
  #direct: Subscription | undefined
  #serving: Subscription | undefined
  isUpgrading = false
  #restart: NodeRestart | undefined
  /** Made when an event arrives that may come twice. */
  #recentEvents: RecentEvents | undefined
  #leaving = false
  #stopped = false
  /** From then on another host may have it. */
  #oursUntilMs: number | undefined
  #ending: Promise<void> | undefined
  /** As long as this node runs: an upgrade's functions are always the same. */
  #rules: Map<string, RecordRules> | undefined

  constructor(
    readonly services: HostServices,
    record: NodeRecord,
    isNew: boolean,
  ) {
    const { journal, clock, settings } = services
    const { nodeId, service } = record
    this.state = new NodeState(nodeId, journal, this)
    this.keeper = new RecordKeeper(record, this.state, journal, () => services.history.dead)
    this.slot = new ServiceSlot(services, service, nodeId, isNew, services.registrar.start)
    this.mailbox = new Mailbox(
      clock,
      settings.mailboxCallsMax,
      (error) => this.crash(error),
      (goOn) => this.#holds(goOn),
    )
    this.calls = new CallCounts(this)
    this.status = new NodeStatus(this)
    this.layer = new UpgradeLayer(this)
    this.software = new NodeSoftware(services, this.keeper, this)
    this.learning = new NodeLearning(this)
    this.pass = new RecordPass(this)
    this.manager = new UpgradeManager(this)
  }

  get id(): string {
    return this.keeper.record.nodeId
  }

  get nodeId(): string {
    return this.id
  }

  /** The software of a node: the class of the current generation, and its version. */
  get runs(): { readonly className: string; readonly version: Version } {
    const { className, version } = this.keeper.replier
    return { className, version }
  }

  get service(): string {
    return this.keeper.record.service
  }

  // --- Records that are still to be made

  lazyOf(slot: Slot): LazySlot | undefined {
    return this.keeper.lazyOf(slot)
  }

  rulesOf(lazy: LazySlot): RecordRules {
    const { classes } = this.services
    const key = `${lazy.upgrade} ${lazy.role}`
    this.#rules ??= new Map()
    const known = this.#rules.get(key)
    if (known !== undefined) return known
    const rules = classes.recordRules(this.keeper.line(classes), lazy)
    this.#rules.set(key, rules)
    return rules
  }

  recordFailed(fault: Fault): void {
    this.pass.failed(fault)
  }

  stateLost(error: unknown): void {
    this.crash(error)
  }

  // --- What its object and SOs have around them

  /** The caller in the node's calls. */
  get caller(): Caller {
    const { nodeId, incarnation } = this.keeper.record
    const { className, version } = this.keeper.replier
    return { nodeId, incarnation, className, version }
  }

  /** For whom what is sent now is sent. */
  get running(): RunningCall | undefined {
    const { running } = this.mailbox
    return this.software.changeover ?? (running instanceof IncomingCall ? running.current : undefined)
  }

  get trace(): string | null {
    return this.running?.trace ?? null
  }

  get version(): Version {
    return this.keeper.record.generation.version
  }

  get clock(): Clock {
    return this.services.clock
  }

  get random(): Random {
    return this.services.random
  }

  get telemetry(): Telemetry | undefined {
    return this.services.telemetry
  }

  chainChanged(chain: ObjectChain): void {
    this.services.events.hear(this, heardBy(chain))
  }

  get timersMax(): number {
    return this.services.settings.timersMax
  }

  /** A call that waits here may not run now; never, if another host has the node. */
  #holds(goOn: () => void): boolean {
    return this.isElsewhere || this.services.fence.holds(() => void (this.isElsewhere || goOn()))
  }

  /** The same for what has waited elsewhere. */
  async mayGoOn(): Promise<boolean> {
    await this.services.fence.opened()
    return !this.isElsewhere
  }

  callSelf(timer: DueTimer, method: string, args: readonly unknown[]): void {
    const { fence, clock } = this.services
    if (fence.isClosed(clock.monotonicMs())) {
      fence.whenOpen(() => void (this.isOver || this.callSelf(timer, method, args)))
      return
    }
    this.mailbox.add(timerCall(this, this.keeper.record.incarnation, timer, method, args))
  }

  tally(version: Version, isSimulated: boolean): Tally {
    return this.#tally(version)[isSimulated ? 'simulated' : 'own']
  }

  timed(label: Version, tookMs: number): void {
    this.services.inspection.callTimes.add(this.service, label, tookMs)
  }

  // --- Receiving calls

  get replier() {
    return this.keeper.replier
  }

  get chain(): ObjectChain {
    return this.software.chain
  }

  get roles(): Roles {
    return this.services.settings.roles
  }

  get denials(): Denials {
    return this.services.denials
  }

  get wheel(): TimerWheel {
    return this.services.wheel
  }

  get heldAnswerMs(): number {
    return this.services.settings.heldAnswerMs
  }

  get replyBytesMax(): number {
    return this.services.transport.payloadBytesMax
  }

  monotonicMs(): number {
    return this.services.clock.monotonicMs()
  }

  /** Before the node's start every call waits. */
  knows(version: Version): boolean {
    return !this.software.hasChain || this.software.chain.at(version) !== undefined
  }

  /** A call that has its answer here takes its turn; while the mailbox is closed it is held. */
  accept(call: IncomingCall): void {
    if (this.isBehind) {
      call.refuse(this.#isBehindFault())
      return
    }
    if ((this.#leaving && call.isFromOutside) || this.#stopped) {
      call.refuse(this.#stopping())
      return
    }
    if (call.envelope.path !== null && this.#nests(call)) return
    if (!this.mailbox.isOpen) call.holdFor('unavailable.upgrading')
    this.mailbox.post(call)
  }

  isAt({ version, className }: Link, expected: string): boolean {
    return this.services.classes.isAt(version, className, expected)
  }

  /**
   * A call that is made for a call of this node runs inside it, or is refused: in the queue behind it, both
   * would wait until a deadline ends it. False for a call that may take its turn.
   */
  #nests(call: IncomingCall): boolean {
    const { running } = this.mailbox
    const { changeover } = this.software
    if (changeover !== undefined && call.isMadeFor(changeover.path.at(-1))) {
      call.refuse(this.#callCycle('answers nobody before its start() or stop(), for which this call is made, has ended'))
      return true
    }
    const outer = running instanceof IncomingCall ? running : undefined
    if (!this.software.isReentrant) {
      if (outer === undefined || !call.isMadeFor(outer.entryInPaths)) return false
      const { className } = this.replier
      const advice = `add "static override readonly reentrant = true" to ${className} if it may run inside it`
      call.refuse(this.#callCycle(`is busy with the call that this one is made for; ${advice}`))
      return true
    }
    const waits = call.outerAt(this.id)
    if (waits === undefined || isChangeover(waits)) return false
    const inside = outer?.running(waits)
    if (inside !== undefined) call.runInside(inside)
    else call.refuse(this.#callCycle('has ended the call that this one is made for: await the calls that a method makes'))
    return true
  }

  #callCycle(what: string): Fault {
    return new Fault('protocol.call-cycle', `node ${this.id} ${what}`)
  }

  hold(call: IncomingCall): void {
    this.learning.hold(call)
  }

  whenCommitted(leave: (error: unknown) => void): void {
    this.state.whenCommitted(leave)
  }

  reply(replyTo: string, envelope: Uint8Array): void {
    try {
      this.services.outbox.add(replyTo, envelope)
    } catch (error) {
      this.services.observe({ type: 'warning', message: `${this.id}: a reply is too large`, error })
    }
  }

  count(outcome: ReceivedOutcome | 'threw', beganMs: number, label: Version): void {
    this.calls.count(outcome, beganMs, label)
  }

  /** A caller may say any label: only versions that there are have a tally. */
  countFailure(label: Version, fault: Fault | undefined): void {
    if (label > this.services.history.heard) return
    const tally = this.#tally(label)
    if (fault?.kind === 'simulation') tally.refused++
    else tally.failed++
  }

  async rebuild(): Promise<void> {
    await this.software.stop()
    if (!this.isOver) await this.software.start()
  }

  #tally(version: Version): VersionTally {
    const known = this.tallies.find((each) => each.version === version)
    if (known !== undefined) return known
    const tally = new VersionTally(version)
    this.tallies = this.tallies.concat(tally)
    return tally
  }

  // --- Serving

  receive(message: Message): void {
    if (!this.isElsewhere) route(this, message, 'calls')
  }

  hear(message: Message): void {
    if (!this.isElsewhere) route(this, message, 'events')
  }

  /** Where it listens: for calls to itself, to its service, and for events. */
  get subjects(): readonly string[] {
    const { node, service, event } = subjectsOf(this.services.settings.system)
    const events = this.software.hasChain ? [...heardBy(this.software.chain)] : []
    return [node(this.id), service(this.service), ...events.map(event)]
  }

  /** Listens for calls to this node; they wait until the mailbox is open. */
  subscribe(): void {
    const subjects = subjectsOf(this.services.settings.system)
    this.#direct ??= this.services.transport.subscribe(subjects.node(this.id), this.#receive)
    this.services.events.attend(this)
  }

  isRepeated(call: IncomingCall): boolean {
    const { method, label } = call.envelope
    const { history } = this.services
    // Of a version whose manifest is still on its way it is not known what it has brought.
    if (label <= history.newest && !history.wasIntroduced(method, label)) return false
    this.#recentEvents ??= new RecentEvents()
    // The id is its publisher's word, the name is not: nobody can say in advance what another will publish.
    return !this.#recentEvents.isNew(`${call.caller.name ?? ''}/${call.id}`)
  }

  /**
   * Takes part in answering the service's calls, and opens the mailbox. A node at a dead
   * version opens it for itself alone.
   */
  serve(): void {
    if (this.isStopped) return
    this.slot.release()
    const { record } = this.keeper
    const { dead, final } = this.services.history
    if (dead > record.oldest || final > 0) this.learning.bury()
    // The calls that were accepted on its way forward, should it have come back.
    if (this.isBehind) this.#refuseWaiting(this.#isBehindFault())
    else {
      const { service } = subjectsOf(this.services.settings.system)
      this.#serving ??= this.services.transport.subscribe(service(record.service), this.#receive, serving)
    }
    this.mailbox.open()
    this.pass.start()
  }

  /** Calls that wait are refused; timers, and what the runtime has to do between calls, wait on. */
  #refuseWaiting(fault: Fault): void {
    for (const turn of this.mailbox.clear()) {
      if (turn instanceof IncomingCall && !turn.isOfTimer) turn.refuse(fault)
      else this.mailbox.add(turn)
    }
  }

  #isBehindFault(): Fault {
    return new Fault('unavailable.upgrading', `node ${this.id} comes back at a dead version and upgrades before it serves`)
  }

  get isBehind(): boolean {
    return this.keeper.record.generation.version < this.services.history.dead
  }

  /** More versions are dead, or final. */
  versionsOver(): void {
    this.learning.bury()
    if (this.isBehind) void this.leaveService()
  }

  close(): Promise<void> {
    const drained = this.mailbox.close()
    for (const turn of this.mailbox.turns()) if (turn instanceof IncomingCall) turn.holdFor('unavailable.upgrading')
    return drained
  }

  /** Leaves the queue group; calls on their way still arrive. */
  async leaveService(): Promise<void> {
    const serving = this.#serving
    this.#serving = undefined
    await serving?.drain()
  }

  consider(): void {
    this.manager.consider()
  }

  // --- What the node says of itself

  report(phase: Phase, target: Version | null, reason: string | null): void {
    this.status.report(phase, target, reason)
  }

  get phase(): Phase {
    return this.status.phase
  }

  // --- Restarts and the end

  crash(error: unknown): void {
    if (this.isOver) return
    // At once: a record that is written meanwhile must not be made of one that is lost, for it would name
    // slots that are not there.
    if (this.state.isLost && !this.isUpgrading) this.keeper.reload()
    const comesBack = this.#restart?.isRunning || this.isUpgrading
    if (!comesBack || isInvariantViolation(error)) this.services.observe({ type: 'nodeFailed', nodeId: this.id, error })
    if (comesBack) return
    this.#restart ??= new NodeRestart(this)
    this.#restart.begin()
  }

  async whenRestarted(): Promise<void> {
    await this.#restart?.over()
  }

  restarted(): void {
    if (!this.manager.tellAgain()) this.report('current', null, null)
    this.serve()
    // Versions that were learned and lost are learned again.
    this.learning.learn(this.services.history.heard)
  }

  /**
   * Another host serves this node after so long, and has had all that arrives here. It answers: a refusal
   * from here would have the caller make its call once more. A call that still runs then is not acknowledged.
   */
  leaveToOthers(afterMs: number): void {
    this.#oursUntilMs = this.services.clock.monotonicMs() + afterMs
  }

  get isElsewhere(): boolean {
    return this.#oursUntilMs !== undefined && this.services.clock.monotonicMs() >= this.#oursUntilMs
  }

  get isOver(): boolean {
    return this.#stopped
  }

  /** From when it leaves on: no upgrade of it goes on, and it does not serve again. */
  get isStopped(): boolean {
    return this.#leaving || this.#stopped
  }

  /**
   * The node is going to stop: it takes only calls that are made for others, which run somewhere and can't
   * end without. Resolves when nothing runs, or waits to run.
   */
  async leave(): Promise<void> {
    this.#leaving = true
    await this.#withdraw()
    for (const turn of this.mailbox.clear()) {
      if (turn instanceof IncomingCall && turn.isFromOutside) turn.refuse(this.#stopping())
      else this.mailbox.add(turn)
    }
    await this.mailbox.whenIdle()
  }

  /** Within the budget; a call that still runs then is left behind, and what it writes is dropped. */
  stop(budget?: StopBudget): Promise<void> {
    this.#ending ??= this.#stop(budget)
    return this.#ending
  }

  async #stop(given: StopBudget | undefined): Promise<void> {
    this.#stopped = true
    const { clock, settings, registrar } = this.services
    const budget = given ?? new StopBudget(clock, settings.leaveMs)
    await budget.forLeaving(this.#withdraw())
    await budget.forLeaving(Promise.resolve(this.#direct?.drain()))
    this.#direct?.unsubscribe()
    await budget.forLeaving(this.mailbox.close())
    for (const turn of [...this.mailbox.clear(), ...this.learning.stop()]) {
      if (!(turn instanceof IncomingCall)) continue
      if (this.isElsewhere) turn.take()
      else turn.refuse(this.#stopping())
    }
    await budget.forLeaving(this.software.stop())
    registrar.release(this.id)
    if (given === undefined) budget.over()
  }

  /** Its upgrade stops where it is, and neither its service's calls nor events reach it any more. */
  #withdraw(): Promise<void> {
    this.manager.stop()
    this.slot.stop()
    this.pass.stop()
    this.services.events.leave(this)
    return this.leaveService()
  }

  #stopping(): Fault {
    return new Fault('unavailable.stopped', `node ${this.id} has stopped`)
  }
}

/** The events that any version of the node hears. */
function heardBy(chain: ObjectChain): ReadonlySet<string> {
  return new Set(chain.links.flatMap(({ hears }) => [...hears.keys()]))
}
