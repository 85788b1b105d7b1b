/**
 * A node: an identity, a persistent state, and one object. Ties together who owns what: the chain knows which
 * object answers a version, the mailbox what runs now, the node state what is on disk, the upgrade manager
 * the phase, the upgrade layer the labels, the status what is said of it. The rest is the node's life: it
 * serves, leaves, and stops.
 */

import type { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { isInvariantViolation } from '../../core/base/invariant.js'
import type { Phase } from '../../core/base/phases.js'
import type { StateSeen } from '../../core/inspection/inspection.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { LazySlot, NodeRecord, StateSlot } from '../../core/model/nodeRecord.js'
import type { ObjectChain, Tally } from '../../core/model/objectChain.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { StopBudget } from '../base/stopBudget.js'
import type { VersionTally } from '../base/versionTally.js'
import type { Caller } from '../calls/caller.js'
import type { NodeContacts } from '../calls/nodeContacts.js'
import type { RunningCall } from '../calls/runningCall.js'
import { type LabelledNode, type LayerServices, UpgradeLayer } from '../calls/upgradeLayer.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { CallCounts } from '../serving/callCounts.js'
import { IncomingCall } from '../serving/incomingCall.js'
import { Mailbox, type MailboxOwner, type Turn } from '../serving/mailbox.js'
import type { NodeSubscriptions } from '../serving/nodeSubscriptions.js'
import type { DueTimer } from '../serving/objectTimers.js'
import { NodeRecordStore } from '../software/nodeRecordStore.js'
import { NodeSoftware, type SoftwareNode, type SoftwareServices } from '../software/nodeSoftware.js'
import { type DepartingNode, Departures } from '../state/departures.js'
import { NodeState, type StateOwner } from '../state/nodeState.js'
import type { NodeGroup } from '../upgrade/nodeGroup.js'
import { type LearningNode, type LearningServices, NodeLearning } from '../upgrade/nodeLearning.js'
import { type PassServices, RecordPass } from '../upgrade/recordPass.js'
import { nodeSource } from '../upgrade/schedulingView.js'
import { type ManagedNode, type ManagerServices, UpgradeManager } from '../upgrade/upgradeManager.js'
import { type PermitServices, permitAtStart, UpgradePermit } from '../upgrade/upgradePermit.js'
import { type EndingNode, leave, stop } from './nodeEnding.js'
import { NodeLife } from './nodeLife.js'
import { observed } from './nodeObservation.js'
import { NodeRestart, type RestartingNode, type RestartServices } from './nodeRestart.js'
import { NodeStatus, type ReportingNode, type StatusServices } from './nodeStatus.js'
import { behindFault, type CalledNode, ReceivingNode, type ReceivingServices } from './receivingNode.js'

/** The services of its host that a node needs: for itself, and for its parts. */
export interface HostServices
  extends StatusServices,
    RestartServices,
    ReceivingServices,
    SoftwareServices,
    LayerServices,
    PassServices,
    PermitServices,
    LearningServices,
    ManagerServices {
  readonly history: UpgradeHistory
  readonly telemetry: Telemetry | undefined
}

type Parts = StateOwner & DepartingNode & LabelledNode & SoftwareNode & ReportingNode & RestartingNode & EndingNode

/** `Parts`: what its parts need of it. */
export class Node implements CalledNode, LearningNode, MailboxOwner, ManagedNode, Parts {
  readonly state: NodeState
  readonly departures: Departures
  readonly recordStore: NodeRecordStore
  readonly mailbox: Mailbox
  readonly layer: UpgradeLayer
  readonly software: NodeSoftware
  readonly learning: NodeLearning
  readonly manager: UpgradeManager
  readonly permit: UpgradePermit
  readonly status: NodeStatus
  readonly receiving: ReceivingNode
  readonly life = new NodeLife()
  #restart: NodeRestart | undefined
  #pass: RecordPass | undefined
  #ending: Promise<void> | undefined
  /** As long as this node runs: an upgrade's functions are always the same. */
  #rules: Map<string, RecordRules> | undefined

  constructor(
    readonly services: HostServices,
    record: NodeRecord,
    isNew: boolean,
    readonly group: NodeGroup | undefined = undefined,
  ) {
    const { journal, clock, settings } = services
    const { nodeId, service } = record
    this.state = new NodeState(nodeId, journal, this)
    this.departures = new Departures(this.state, this)
    this.recordStore = new NodeRecordStore(record, this.state, journal, services.history)
    this.permit = new UpgradePermit(services, service, nodeId, permitAtStart(record, isNew), services.statusReporter.start)
    this.mailbox = new Mailbox(clock, settings.mailboxCallsMax, this)
    this.receiving = new ReceivingNode(this)
    this.status = new NodeStatus(this)
    this.layer = new UpgradeLayer(this)
    this.software = new NodeSoftware(services, this.recordStore, this)
    this.learning = new NodeLearning(this)
    this.manager = new UpgradeManager(this)
  }

  get id(): string {
    return this.recordStore.record.nodeId
  }

  get nodeId(): string {
    return this.id
  }

  /** Made where there are records to be made: few nodes have any. */
  get pass(): RecordPass {
    return (this.#pass ??= new RecordPass(this))
  }

  get contacts(): NodeContacts {
    return this.receiving.contacts
  }

  /** All of its state, for those who look at it. */
  observeState(): Promise<StateSeen | undefined> {
    return observed(nodeSource(this, []), this.services)
  }

  /** The software of a node: the class of the current generation, and its version. */
  get runs(): { readonly className: string; readonly version: Version } {
    const { className, version } = this.recordStore.replier
    return { className, version }
  }

  get service(): string {
    return this.recordStore.record.service
  }

  // --- Records that are still to be made

  lazyOf(slot: StateSlot): LazySlot | undefined {
    return this.recordStore.lazyOf(slot)
  }

  rulesOf(lazy: LazySlot): RecordRules {
    const { classes } = this.services
    const key = `${lazy.upgrade} ${lazy.role}`
    this.#rules ??= new Map()
    const known = this.#rules.get(key)
    if (known !== undefined) return known
    const rules = classes.recordRules(this.recordStore.lineage(classes), lazy)
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
    const { nodeId, incarnation } = this.recordStore.record
    const { className, version } = this.recordStore.replier
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
    return this.recordStore.record.generation.version
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
    this.subscriptions.hear(chain)
  }

  get timersMax(): number {
    return this.services.settings.timersMax
  }

  turnThrew(error: unknown): void {
    this.crash(error)
  }

  /** A call that waits here may not run now; never, if another host has the node. The mailbox asks anew. */
  holds(goOn: () => void): boolean {
    return this.isElsewhere || this.services.fence.holds(goOn)
  }

  get isFenced(): boolean {
    return this.services.fence.isClosed(this.services.clock.monotonicMs())
  }

  /** The same for what has waited elsewhere. */
  async mayGoOn(): Promise<boolean> {
    await this.services.fence.opened()
    return !this.isElsewhere
  }

  callSelf(timer: DueTimer, label: Version | null, method: string, args: readonly unknown[]): void {
    this.receiving.callSelf(timer, label, method, args)
  }

  get tallies(): readonly VersionTally[] {
    return this.receiving.tallies
  }

  tally(version: Version, isSimulated: boolean): Tally {
    return this.receiving.tally(version, isSimulated)
  }

  /** How its calls have gone. */
  get calls(): CallCounts {
    return this.receiving.counts
  }

  // --- Serving

  get subscriptions(): NodeSubscriptions {
    return this.receiving.subscriptions
  }

  /** Where it listens: for calls to itself, to its service, and for events. */
  get subjects(): readonly string[] {
    return this.subscriptions.subjects(this.software.hasChain ? this.software.chain : undefined)
  }

  accept(call: IncomingCall): void {
    this.receiving.accept(call)
  }

  /**
   * Takes part in answering the service's calls, and opens the mailbox. A node at a dead
   * version opens it for itself alone.
   */
  serve(): void {
    if (this.life.serve(this.isAtDeadVersion)) this.#serve()
  }

  beginUpgrade(): void {
    this.life.upgrade()
  }

  serveAfterUpgrade(): void {
    if (this.life.serveAfterUpgrade(this.isAtDeadVersion)) this.#serve()
  }

  #serve(): void {
    this.permit.release()
    const { record } = this.recordStore
    const { dead, final } = this.services.history
    if (dead > record.oldest || final > 0) this.learning.dropDeadVersions()
    // Calls that were accepted on its way forward, should it have come back.
    if (this.life.state === 'behind') {
      void this.leaveService()
      this.#refuseWaiting(behindFault(this.id))
    } else this.subscriptions.joinService()
    this.mailbox.open()
    if (record.generation.lazy !== undefined) this.pass.start()
  }

  /** Calls that wait are refused; timers, and what the runtime has to do between calls, wait on. */
  #refuseWaiting(fault: Fault): void {
    for (const turn of this.mailbox.clear()) {
      if (turn instanceof IncomingCall && !turn.isOfTimer) turn.refuse(fault)
      else this.mailbox.add(turn)
    }
  }

  get isAtDeadVersion(): boolean {
    return this.recordStore.record.generation.version < this.services.history.dead
  }

  /** More versions are dead, or final. */
  versionsOver(): void {
    this.learning.dropDeadVersions()
    this.software.recorder?.versionsOver(this.services.history)
    if (!this.isAtDeadVersion) return
    this.life.fallBehind()
    void this.leaveService()
  }

  close(admits?: (turn: Turn) => boolean): Promise<void> {
    const drained = this.mailbox.close(admits)
    for (const turn of this.mailbox.turns()) if (turn instanceof IncomingCall) turn.holdFor('unavailable.upgrading')
    return drained
  }

  /** Leaves the queue group; calls on their way still arrive. */
  leaveService(): Promise<void> {
    return this.subscriptions.leaveService()
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
    const { state } = this.life
    if (state === 'stopped') return
    // At once: a record that is written meanwhile must not be made of one that is lost, for it would name
    // slots that are not there.
    if (this.state.isLost && state !== 'upgrading') this.recordStore.reload()
    const comesBack = state === 'restarting' || state === 'upgrading'
    if (!comesBack || isInvariantViolation(error)) this.services.observe({ type: 'nodeFailed', nodeId: this.id, error })
    if (this.life.crash()) this.#beginRestart()
    // A call that ran on would see what is not on disk.
    else if (state === 'leaving') void this.mailbox.close()
  }

  crashInUpgrade(error: unknown): void {
    if (!this.life.crashInUpgrade()) return
    if (this.state.isLost) this.recordStore.reload()
    this.services.observe({ type: 'nodeFailed', nodeId: this.id, error })
    this.#beginRestart()
  }

  #beginRestart(): void {
    this.#restart ??= new NodeRestart(this)
    this.#restart.begin()
  }

  async whenRestarted(): Promise<void> {
    await this.#restart?.ended()
  }

  restarted(): void {
    if (!this.life.serveAfterRestart(this.isAtDeadVersion)) return
    if (!this.manager.tellAgain()) this.report('current', null, null)
    this.#serve()
    // Versions that were learned and lost are learned again.
    this.learning.learn(this.services.history.heard)
  }

  /** Another host has the node in so long (nodeLife.ts). */
  leaveToOthers(afterMs: number): void {
    this.life.markElsewhereFrom(this.services.clock.monotonicMs() + afterMs)
  }

  get isElsewhere(): boolean {
    return this.life.isTaken && this.life.isElsewhere(this.services.clock.monotonicMs())
  }

  get isEnding(): boolean {
    return this.life.isEnding
  }

  get isUpgrading(): boolean {
    return this.life.state === 'upgrading'
  }

  /** It takes only calls that are made for others. Resolves when nothing runs, or waits to run. */
  leave(): Promise<void> {
    return leave(this)
  }

  /** Within the budget; a call that still runs then is left behind, and what it writes is dropped. */
  stop(budget?: StopBudget): Promise<void> {
    this.#ending ??= stop(this, budget)
    return this.#ending
  }
}
