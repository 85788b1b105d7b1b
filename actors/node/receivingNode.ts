/**
 * A node as the calls see it that it receives: whether they may come in, what they need while they
 * run, and what is counted of them.
 */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { ReceivedOutcome } from '../../core/inspection/telemetry.js'
import type { Roles } from '../../core/model/allow.js'
import type { Link, ObjectChain, Tally } from '../../core/model/objectChain.js'
import type { Random } from '../../core/ports/random.js'
import type { Message } from '../../core/ports/transport.js'
import { type CallEnvelope, incarnationAbroad, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { VersionTally } from '../base/versionTally.js'
import type { CallTable } from '../calls/callTable.js'
import type { KeptContacts, NodeContacts } from '../calls/nodeContacts.js'
import type { ClassRegistry } from '../history/classRegistry.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { Inspection } from '../inspection/inspection.js'
import { CallCounts, type CountingNode, noCalls } from '../serving/callCounts.js'
import { type WaitedForNode, watchForCycle } from '../serving/callCycles.js'
import type { Denials } from '../serving/denials.js'
import type { Hearer } from '../serving/eventHub.js'
import type { IncomingCall } from '../serving/incomingCall.js'
import type { Mailbox } from '../serving/mailbox.js'
import { type ListeningNode, NodeSubscriptions, type SubscriptionServices } from '../serving/nodeSubscriptions.js'
import type { DueTimer } from '../serving/objectTimers.js'
import { handleReentrantCall, type ReenteredNode } from '../serving/reentrantCalls.js'
import { type RoutedNode, type RouterServices, route, timerCall } from '../serving/router.js'
import { UnansweredCalls } from '../serving/unansweredCalls.js'
import { VersionTallies } from '../serving/versionTallies.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import type { NodeSoftware } from '../software/nodeSoftware.js'
import type { Departures } from '../state/departures.js'
import type { NodeState } from '../state/nodeState.js'
import type { TimerWheel } from '../timerWheel.js'
import type { NodeLearning } from '../upgrade/nodeLearning.js'
import type { NodeLife } from './nodeLife.js'

/** Of its host, for receiving calls. */
export interface ReceivingServices extends RouterServices, SubscriptionServices {
  readonly random: Random
  readonly wheel: TimerWheel
  readonly denials: Denials
  readonly classes: ClassRegistry
  readonly history: UpgradeHistory
  readonly inspection: Inspection
  readonly contacts: Pick<KeptContacts, 'open'>
  readonly calls: CallTable
}

/** The node that receives. */
export interface CalledNode {
  readonly id: string
  readonly service: string
  readonly services: ReceivingServices
  readonly life: NodeLife
  readonly recordStore: NodeRecordStore
  readonly software: NodeSoftware
  readonly state: NodeState
  readonly departures: Departures
  readonly mailbox: Mailbox
  readonly learning: NodeLearning
  /** Another host has the node. */
  readonly isElsewhere: boolean
  /** The node restarts from what is on disk. */
  crash(error: unknown): void
}

export class ReceivingNode implements RoutedNode, Hearer, ListeningNode, CountingNode {
  readonly subscriptions: NodeSubscriptions
  /** Undefined until a call has ended: most nodes of a host have had none. */
  #counts: CallCounts | undefined
  readonly #tallies = new VersionTallies()
  #contacts: NodeContacts | undefined
  /** Undefined until a call has waited, or has run for longer than its turn. */
  #unanswered: UnansweredCalls<IncomingCall> | undefined

  constructor(private readonly node: CalledNode) {
    this.subscriptions = new NodeSubscriptions(node.services, this)
  }

  // --- What calls need

  get services(): ReceivingServices {
    return this.node.services
  }

  get id(): string {
    return this.node.id
  }

  get service(): string {
    return this.node.service
  }

  /** Made when the node hears of another, or its scheduling function asks: most nodes are idle. */
  get contacts(): NodeContacts {
    return (this.#contacts ??= this.services.contacts.open(this.id))
  }

  /** They are kept for its next start here. */
  closeContacts(): void {
    this.#contacts?.close(!this.isElsewhere)
  }

  get state(): NodeState {
    return this.node.state
  }

  get recorder() {
    return this.node.software.recorder
  }

  get departures(): Departures {
    return this.node.departures
  }

  get chain(): ObjectChain {
    return this.node.software.chain
  }

  get replier() {
    return this.node.recordStore.replier
  }

  get isElsewhere(): boolean {
    return this.node.isElsewhere
  }

  get roles(): Roles {
    return this.services.settings.roles
  }

  get denials(): Denials {
    return this.services.denials
  }

  get random(): Random {
    return this.services.random
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

  isAt({ version, className }: Link, expected: string): boolean {
    return this.services.classes.isAt(version, className, expected)
  }

  async rebuild(): Promise<void> {
    const { software, life } = this.node
    await software.stop()
    if (life.state !== 'stopped') await software.start()
  }

  crash(error: unknown): void {
    this.node.crash(error)
  }

  // --- How they come in

  /** `arrivedMs`: when it has arrived, where that was before now. */
  receive(message: Message, arrivedMs?: number): void {
    if (!this.isElsewhere) route(this, message, 'calls', arrivedMs)
  }

  hear(message: Message): void {
    if (!this.isElsewhere) route(this, message, 'events')
  }

  isRepeated(call: IncomingCall): boolean {
    return this.subscriptions.isRepeated(call)
  }

  /** Before the node's start every call waits. */
  knows(version: Version): boolean {
    const { software } = this.node
    return !software.hasChain || software.chain.at(version) !== undefined
  }

  firstCopyOf(copy: CallEnvelope): IncomingCall | undefined {
    return this.#unanswered?.find(copy)
  }

  noteUnanswered(call: IncomingCall): void {
    if (!call.isAnswered) call.becomeFindable((this.#unanswered ??= new UnansweredCalls()))
  }

  hold(call: IncomingCall): void {
    this.node.learning.hold(call)
  }

  /** A call that has its answer here takes its turn; while the mailbox is closed it is held. */
  accept(call: IncomingCall): void {
    const { life, mailbox } = this.node
    if (life.state !== 'serving') {
      const refusal = this.#refusalOf(call)
      if (refusal !== undefined) {
        call.refuse(refusal)
        return
      }
    }
    if (call.envelope.path !== null && handleReentrantCall(this.#calledAgain, call)) return
    if (!mailbox.isOpen) call.holdFor('unavailable.upgrading')
    mailbox.post(call)
    if (call.envelope.path !== null && call.isWaiting) watchForCycle(this.#waitedFor, call)
  }

  /** Why the node takes no calls, or not this one (nodeLife.ts). */
  #refusalOf({ isFromOutside }: IncomingCall): Fault | undefined {
    switch (this.node.life.state) {
      case 'behind':
        return behindFault(this.id)
      case 'leaving':
        return isFromOutside ? nodeStoppedFault(this.id) : undefined
      case 'stopped':
        return nodeStoppedFault(this.id)
      default:
        return undefined
    }
  }

  get #waitedFor(): WaitedForNode {
    const { mailbox, services, id } = this.node
    const subjects = subjectsOf(services.settings.system)
    return {
      id,
      wheel: services.wheel,
      subjectOf: (nodeId) => subjects.node(nodeId),
      monotonicMs: () => this.monotonicMs(),
      get turn() {
        return mailbox.running
      },
    }
  }

  get #calledAgain(): ReenteredNode {
    const { software, mailbox, recordStore } = this.node
    const { isReentrant, changeover } = software
    return {
      ...{ id: this.id, incarnation: recordStore.record.incarnation, abroad: incarnationAbroad(this.services.calls.incarnation) },
      ...{ className: this.replier.className, isReentrant, changeover, turn: mailbox.running },
    }
  }

  /** A timer is due: of the SO of a version, or of its object. */
  callSelf(timer: DueTimer, label: Version | null, method: string, args: readonly unknown[]): void {
    const { fence } = this.services
    const { life, mailbox, recordStore } = this.node
    if (fence.isClosed(this.monotonicMs())) {
      fence.whenOpen(() => void (life.state === 'stopped' || this.callSelf(timer, label, method, args)))
      return
    }
    mailbox.add(timerCall(this, recordStore.record.incarnation, timer, label, method, args))
  }

  // --- What is said and counted of them

  reply(replyTo: string, envelope: Uint8Array): void {
    try {
      this.services.outbox.add(replyTo, envelope)
    } catch (error) {
      this.services.observe({ type: 'warning', message: `${this.id}: a reply is too large`, error })
    }
  }

  count(outcome: ReceivedOutcome | 'threw', beganMs: number, label: Version): void {
    this.#counts ??= new CallCounts(this)
    this.#counts.count(outcome, beganMs, label)
  }

  get counts(): CallCounts {
    return this.#counts ?? noCalls
  }

  timed(label: Version, tookMs: number): void {
    this.services.inspection.callTimes.add(this.service, label, tookMs)
  }

  undelivered({ envelope, caller }: IncomingCall, fault: Fault): void {
    const { observe, settings } = this.services
    const kind = envelope.kind === kinds.event ? 'event' : 'send'
    const letter = { kind, nodeId: this.id, method: envelope.method, caller, label: envelope.label } as const
    observe({ type: 'deadLetter', subject: subjectsOf(settings.system).node(this.id), fault, letter })
  }

  get tallies(): readonly VersionTally[] {
    return this.#tallies.all
  }

  tally(version: Version, isSimulated: boolean): Tally {
    return this.#tallies.of(version)[isSimulated ? 'simulated' : 'own']
  }

  /** A caller may say any label: only versions that there are have a tally. */
  countFailure(label: Version, fault: Fault | undefined): void {
    if (label <= this.services.history.heard) this.#tallies.countFailure(label, fault)
  }
}

export function behindFault(nodeId: string): Fault {
  return new Fault('unavailable.upgrading', `node ${nodeId} comes back at a dead version and upgrades before it serves`)
}

export function nodeStoppedFault(nodeId: string): Fault {
  return new Fault('unavailable.stopped', `node ${nodeId} has stopped`)
}
