/**
 * A node: an identity, a persistent state, and one object. Ties together who owns what: the chain knows which object answers a version, the
 * mailbox what runs now, the node state what is on disk, the upgrade manager the phase, the upgrade layer the labels.
 */
import { planChain, type Step } from '../core/chainPlan.js'
import { pack } from '../core/codec.js'
import type { Replier } from '../core/envelope.js'
import { Fault, reasonOf } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { invariant } from '../core/invariant.js'
import { contextKey, type Lifecycle, type NodeClass } from '../core/nodeObject.js'
import { type Generation, keys, type NodeRecord } from '../core/nodeRecord.js'
import type { ObjectChain } from '../core/objectChain.js'
import type { Phase } from '../core/phases.js'
import type { Subscription } from '../core/ports/transport.js'
import { serviceQueue, subjectsOf } from '../core/subjects.js'
import { type Callee, IncomingCall } from './incomingCall.js'
import { buildChain } from './liveChain.js'
import { LiveContext, type Surroundings } from './liveObject.js'
import { Mailbox } from './mailbox.js'
import { NodeLearning } from './nodeLearning.js'
import type { NodeServices } from './nodeServices.js'
import { NodeState } from './nodeState.js'
import { localCall, route } from './router.js'
import { ServiceSlot } from './serviceSlot.js'
import { backoffMs, sleep, within } from './timeouts.js'
import type { TimerWheel } from './timerWheel.js'
import { type RunningCall, UpgradeLayer } from './upgradeLayer.js'
import { UpgradeManager } from './upgradeManager.js'

/** The object as it runs, over one generation. */
export interface RunningObject {
  readonly instance: Lifecycle
  readonly definition: NodeClass
  readonly context: LiveContext
}

export class Node implements Callee {
  readonly state: NodeState
  readonly mailbox: Mailbox
  readonly layer: UpgradeLayer
  readonly learning: NodeLearning
  readonly manager: UpgradeManager
  readonly slot: ServiceSlot
  readonly answered = { answered: 0, failed: 0, expired: 0 }
  #record: NodeRecord
  #chain: ObjectChain | undefined
  #object: RunningObject | undefined
  #simulationContexts: readonly LiveContext[] = []
  /** What `start()` sends leaves with what it writes, and with no call that happens to run. */
  #starting: RunningCall | undefined
  #replier: Replier
  readonly #around: Surroundings
  #direct: Subscription | undefined
  #serving: Subscription | undefined
  /** Set while an upgrade takes the object away; a crash meanwhile is the upgrade's to handle. */
  isUpgrading = false
  #restarting: Promise<void> | undefined
  #restartedAtMs = Number.NEGATIVE_INFINITY
  #crashesInARow = 0
  #stopped = false
  #phase: Phase = 'current'
  #reason: string | null = null
  #followers: (() => boolean)[] = []

  constructor(
    readonly services: NodeServices,
    record: NodeRecord,
    isNew: boolean,
  ) {
    const { journal, clock, random, calls, settings } = services
    this.#record = record
    this.#replier = replierOf(record)
    this.state = new NodeState(record.nodeId, journal, (error) => this.crash(error))
    this.slot = new ServiceSlot(services, record.service, record.nodeId, isNew)
    this.mailbox = new Mailbox(clock, settings.mailboxCallsMax)
    this.layer = new UpgradeLayer(
      () => ({
        nodeId: this.id,
        incarnation: this.#record.incarnation,
        className: this.#replier.className,
        version: this.#replier.version,
      }),
      () => this.#starting ?? (this.mailbox.running instanceof IncomingCall ? this.mailbox.running : undefined),
      this.state,
      calls,
      clock,
      settings,
    )
    this.#around = {
      nodeId: record.nodeId,
      layer: this.layer,
      state: this.state,
      clock,
      random,
      callSelf: (method, args) => this.#callSelf(method, args),
    }
    this.learning = new NodeLearning(this)
    this.manager = new UpgradeManager(this)
  }

  get id(): string {
    return this.#record.nodeId
  }

  get record(): NodeRecord {
    return this.#record
  }

  get chain(): ObjectChain {
    invariant(this.#chain !== undefined, `${this.id} has no chain yet`)
    return this.#chain
  }

  get replier(): Replier {
    return this.#replier
  }

  get hasChain(): boolean {
    return this.#chain !== undefined
  }

  /** Whether a call of this version has an answer here already, be it a fault. Before the node's start every call waits. */
  knows(version: Version): boolean {
    return this.#chain === undefined || this.#chain.at(version) !== undefined
  }

  #callSelf(method: string, args: readonly unknown[]): void {
    try {
      this.mailbox.post(localCall(this, method, args))
    } catch (error) {
      this.services.observe({ type: 'warning', message: `${this.id}: a timer's call of ${method} was dropped`, error })
    }
  }

  // --- What calls need (Callee)

  now(): number {
    return this.services.clock.now()
  }

  whenCommitted(leave: (error: unknown) => void): void {
    this.state.whenCommitted(leave)
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

  reply(replyTo: string, envelope: Uint8Array): void {
    try {
      this.services.outbox.add(replyTo, envelope)
    } catch (error) {
      this.services.observe({ type: 'warning', message: `${this.id}: a reply is too large`, error })
    }
  }

  hold(call: IncomingCall): void {
    this.learning.hold(call)
  }

  count(outcome: 'answered' | 'failed' | 'expired'): void {
    this.answered[outcome]++
  }

  /** A command threw after it had written: its object is made again from the state without that command. */
  async rebuild(): Promise<void> {
    await this.stopObject()
    await this.startObject()
  }

  /** A broken invariant or a lost commit: the node restarts from what is on disk. */
  crash(error: unknown): void {
    // At once: a record that is written meanwhile must not be made of one that is lost, for it would name slots that are not there.
    if (this.state.isLost && !this.isUpgrading) this.learning.reload()
    if (this.#restarting !== undefined || this.#stopped || this.isUpgrading) return
    this.services.observe({ type: 'nodeFailed', nodeId: this.id, error })
    this.#restarting = this.#restart()
  }

  /** Resolves when the node is not being restarted: an upgrade must not take the same object apart. */
  async whenRestarted(): Promise<void> {
    while (this.#restarting !== undefined) await this.#restarting
  }

  // --- The object and its chain

  /** Makes the object over a generation's state, without starting it. */
  makeObject(generation: Generation): RunningObject {
    const definition = this.services.classes.definition(generation.className)
    const instance = this.services.construct(definition) as unknown as Lifecycle
    const context = new LiveContext(this.#around, generation.object, () => this.#record.generation.version)
    instance[contextKey] = context
    this.state.open(generation.object, instance)
    return { instance, definition, context }
  }

  /** Makes and starts the object of the current generation, and the chain around it. */
  async startObject(): Promise<void> {
    this.install(this.makeObject(this.#record.generation))
    await this.runStart()
  }

  /** Puts the object into its place; the chain is rebuilt around it. */
  install(object: RunningObject): void {
    this.#object = object
    this.rebuildChain()
  }

  /** Runs the object's `start()` as a command: what it writes is kept. */
  async runStart(): Promise<void> {
    const object = this.#object!
    const { instance } = object
    const sends: (() => void)[] = []
    const starting: RunningCall = { deadline: Number.POSITIVE_INFINITY, path: [], sends }
    this.#starting = starting
    const ticket = this.state.begin('command')
    this.state.touch(this.#record.generation.object)
    try {
      await instance.start()
      this.state.keep(ticket)
    } catch (error) {
      this.state.drop(ticket)
      throw error
    } finally {
      if (this.#starting === starting) this.#starting = undefined
    }
    if (this.#object !== object || sends.length === 0) return
    this.layer.afterCommit(() => {
      for (const send of sends) send()
    })
  }

  /** Runs `stop()` for at most `timeoutMs`, ends timers and sockets of the object and its SOs, and forgets them. */
  async stopObject(timeoutMs = this.services.settings.stopTimeoutMs): Promise<void> {
    const object = this.#object
    if (object === undefined) return
    this.#object = undefined
    const ticket = this.state.begin('query')
    try {
      const late = () => new Fault('upgrade.drain', `stop() did not finish in ${timeoutMs} ms`)
      const stopping = object.instance.stop()
      if (stopping !== undefined) await within(this.services.clock, timeoutMs, Promise.resolve(stopping), late)
    } catch (error) {
      this.services.observe({ type: 'warning', message: `${this.id}: stop() of ${this.#replier.className} failed`, error })
    }
    this.state.drop(ticket)
    this.#discard(object)
  }

  /** Forgets an object that was made, without calling it. */
  #discard(object: RunningObject): void {
    object.context.stop()
    for (const context of this.#simulationContexts) context.stop()
    this.#simulationContexts = []
    this.state.closeAll()
  }

  /** Forgets the object as it is: it could not be started. */
  discardObject(): void {
    const object = this.#object
    this.#object = undefined
    if (object !== undefined) this.#discard(object)
  }

  get hasObject(): boolean {
    return this.#object !== undefined
  }

  rebuildChain(): void {
    const { classes, history } = this.services
    const { generation, oldest, newest } = this.#record
    const line = classes.line(generation.className)
    const steps: Step[] = []
    for (let v = oldest + 1; v <= newest; v++) steps.push({ version: v, classUpgrade: history.classUpgrade(v, line[v - 1]!) })
    const plan = planChain(generation.version, oldest, steps, this.learning.rejected)
    for (const context of this.#simulationContexts) context.stop()
    const { instance, definition } = this.#object!
    const live = buildChain(plan, generation, instance, definition, (v) => classes.definition(line[v]!), this.#around)
    this.#chain = live.chain
    this.#simulationContexts = live.contexts
  }

  // --- The record

  /** Takes a record over that is on disk already, or is written with `writeRecord`. */
  adopt(record: NodeRecord): void {
    this.#record = record
    this.#replier = replierOf(record)
  }

  /** Adds the record to the batch being filled: it is written with whatever else this turn writes. */
  writeRecord(record: NodeRecord): void {
    this.adopt(record)
    this.state.write(keys.record(this.id), pack(record, 'record'))
  }

  async commitRecord(record: NodeRecord): Promise<void> {
    await this.services.journal.commit([[keys.record(this.id), pack(record, 'record')]])
    this.adopt(record)
  }

  // --- Serving

  subscribe(): void {
    const subjects = subjectsOf(this.services.settings.system)
    this.#direct ??= this.services.transport.subscribe(subjects.node(this.id), (message) => route(this, message))
  }

  /** Takes part in answering the service's calls, and opens the mailbox. */
  serve(): void {
    if (this.#stopped) return
    this.slot.release()
    const subjects = subjectsOf(this.services.settings.system)
    this.#serving ??= this.services.transport.subscribe(
      subjects.service(this.#record.service),
      (message) => route(this, message),
      {
        queue: serviceQueue,
      },
    )
    this.mailbox.open()
  }

  /** A call that has its answer here takes its turn; while the mailbox is closed it is held. */
  accept(call: IncomingCall): void {
    if (!this.mailbox.isOpen) call.holdFor('unavailable.upgrading')
    this.mailbox.post(call)
  }

  /** Closes the mailbox: calls are held from now on. Resolves when the running one has finished. */
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

  report(phase: Phase, target: Version | null, reason: string | null): void {
    const { registrar, observe, settings, store, clock } = this.services
    const { nodeId, service, generation } = this.#record
    registrar.report({
      nodeId,
      service,
      className: generation.className,
      version: generation.version,
      phase,
      target,
      reason,
      hostId: settings.hostId,
      directoryId: store.directoryId,
      since: clock.now(),
    })
    this.#phase = phase
    this.#reason = reason
    observe({ type: 'phase', nodeId, phase, target, reason })
    this.#followers = this.#followers.filter((isDone) => !isDone())
  }

  /** The phase that was last reported, and why. */
  get phase(): Phase {
    return this.#phase
  }

  get reason(): string | null {
    return this.#reason
  }

  /** Calls `isDone` now and after each phase begins, until it returns true. */
  follow(isDone: () => boolean): void {
    if (!isDone()) this.#followers.push(isDone)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.manager.stop()
    this.slot.stop()
    await this.leaveService()
    await this.#direct?.drain()
    await this.mailbox.close()
    for (const turn of [...this.mailbox.clear(), ...this.learning.stop()]) {
      if (turn instanceof IncomingCall) turn.refuse(new Fault('unavailable.stopped', `node ${this.id} has stopped`))
    }
    await this.stopObject()
    this.services.registrar.release(this.id)
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  /** From disk again, until the object starts: nothing else can be done. */
  async #restart(): Promise<void> {
    const { clock, settings, random } = this.services
    await this.close()
    this.discardObject()
    // A disk that is still full would be tried again and again at once.
    this.#crashesInARow = clock.now() - this.#restartedAtMs < settings.backoffMsMax ? this.#crashesInARow + 1 : 0
    if (this.#crashesInARow > 0)
      await sleep(clock, backoffMs(this.#crashesInARow - 1, settings.backoffMs, settings.backoffMsMax, random.next()))
    for (let failures = 0; !this.#stopped; failures++) {
      try {
        this.discardObject()
        this.learning.reload()
        await this.startObject()
        break
      } catch (error) {
        this.report('failed', null, reasonOf(error))
        await sleep(clock, backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next()))
      }
    }
    this.#restarting = undefined
    if (this.#stopped) return
    this.#restartedAtMs = clock.now()
    if (!this.manager.tellAgain()) this.report('current', null, null)
    this.serve()
    // What was learned and lost is learned again.
    this.learning.learn(this.services.history.heard)
  }
}

function replierOf({ nodeId, generation }: NodeRecord): Replier {
  return { node: nodeId, className: generation.className, version: generation.version }
}
