/**
 * A node's software as it runs (§3: "the UM shuts down the current node software … starts the new version's
 * software"): the object over the current generation, and around it the chain with its simulation objects.
 * They are made, started and stopped here, together.
 */

import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { Phase } from '../../core/base/phases.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { contextKey, describeClass, type Lifecycle } from '../../core/model/nodeObject.js'
import type { Generation } from '../../core/model/nodeRecord.js'
import type { ObjectChain } from '../../core/model/objectChain.js'
import type { Clock } from '../../core/ports/clock.js'
import { planChain, type Step } from '../../core/upgrade/chainPlan.js'
import { changeoverId, pathCallsMax } from '../../core/wire/envelope.js'
import type { HostSettings } from '../base/settings.js'
import { within } from '../base/timeouts.js'
import type { RunningCall } from '../calls/runningCall.js'
import type { ClassRegistry } from '../history/classRegistry.js'
import { RecordedEnvironment } from '../rewind/recordedEnvironment.js'
import { Recorder, type RecorderServices } from '../rewind/recorder.js'
import type { ObjectApart } from '../rewind/replay.js'
import type { Mailbox } from '../serving/mailbox.js'
import type { ObjectEnvironment } from '../serving/objectEnvironment.js'
import type { Departures } from '../state/departures.js'
import { buildChain, type LiveSimulation } from './liveChain.js'
import { LiveContext, type RunningObject } from './liveObject.js'
import type { NodeRecordStore } from './nodeRecordStore.js'
import type { ObjectFactory } from './objectFactory.js'
import { type Memory, observedMemory } from './observedMemory.js'

/** Of its host, for objects and SOs. */
export interface SoftwareServices extends RecorderServices {
  readonly classes: ClassRegistry
  readonly settings: HostSettings
  readonly clock: Clock
  readonly observe: HostObserver
  readonly objects: ObjectFactory
}

const none: readonly LiveSimulation[] = []

/** The parts of the node that its software needs. */
export interface SoftwareNode extends ObjectEnvironment {
  readonly departures: Departures
  readonly mailbox: Pick<Mailbox, 'turn'>
  /** It makes the object anew. */
  readonly receiving: { rebuild(): Promise<void> }
  /** The call that runs now, if any. */
  readonly running: RunningCall | undefined
  /** The chain is another. */
  chainChanged(chain: ObjectChain): void
  readonly phase: Phase
  /** Its row says until when it can be rewound. */
  report(phase: Phase, target: null, reason: null): void
}

export class NodeSoftware {
  #object: RunningObject | undefined
  #chain: ObjectChain | undefined
  #simulations = none
  /**
   * The sends of `start()` leave with its writes, and with no call that happens to run.
   * `stop()` sends at once.
   */
  #changeover: RunningCall | undefined
  /** Set while what the object does is recorded, and its surroundings then (W1). */
  #recorder: Recorder | undefined
  #recorded: ObjectEnvironment | undefined
  /** Why the version after the chain's newest is not answered, if its upgrade was rejected. */
  #rejected: Fault | undefined
  #observing: Promise<Memory | null> | undefined

  constructor(
    private readonly services: SoftwareServices,
    private readonly recordStore: NodeRecordStore,
    private readonly node: SoftwareNode,
  ) {}

  get chain(): ObjectChain {
    invariant(this.#chain !== undefined, `${this.node.nodeId} has no chain yet`)
    return this.#chain
  }

  get hasChain(): boolean {
    return this.#chain !== undefined
  }

  get hasObject(): boolean {
    return this.#object !== undefined
  }

  /** The memory that the object offers, between two calls; all who ask at the same time get the same. */
  observeMemory(): Promise<Memory | null> {
    const { mailbox, state, receiving } = this.node
    this.#observing ??= mailbox
      .turn(() => observedMemory(state, receiving, this.#object))
      .finally(() => {
        this.#observing = undefined
      })
    return this.#observing
  }

  /** Whether calls that the object's own running call leads to may run inside it. */
  get isReentrant(): boolean {
    return this.#object !== undefined && describeClass(this.#object.definition).isReentrant
  }

  /** The object's `start()` or `stop()`, while it runs. */
  /** Whether its object or an SO has set a timer. */
  get hasTimers(): boolean {
    return this.#object?.context.hasTimers === true || this.#simulations.some(({ context }) => context.hasTimers)
  }

  get changeover(): RunningCall | undefined {
    return this.#changeover
  }

  get rejected(): Fault | undefined {
    return this.#rejected
  }

  /** Makes the object over a generation's state, without starting it. */
  make(generation: Generation): RunningObject {
    // One that is to be checked is recorded by nobody: the record does not name its generation yet.
    const isCurrent = generation === this.recordStore.record.generation
    return this.#make(generation, isCurrent ? this.#around() : this.node)
  }

  #make(generation: Generation, around: ObjectEnvironment): RunningObject {
    const { node, services } = this
    const definition = services.classes.definitionAt(this.recordStore.lineage(services.classes), generation.version)
    const instance = services.objects.construct(definition) as unknown as Lifecycle
    const context = new LiveContext(instance, around, generation.object, null, describeClass(definition))
    instance[contextKey] = context
    node.state.open(generation.object, instance)
    return { instance, definition, context }
  }

  /** The recorder of what the object does, if that is recorded. */
  get recorder(): Recorder | undefined {
    return this.#recorder
  }

  /** The surroundings of what is made now: those of the node, or ones that record. */
  #around(): ObjectEnvironment {
    const { rewind, generation } = this.recordStore.record
    const isRecorded = rewind?.phase === 'recording' && rewind.target === generation.version
    if (!isRecorded || this.#recorder?.records(rewind) === false) this.#stopRecording()
    if (!isRecorded) return this.node
    if (this.#recorder === undefined) {
      const { recordStore, node } = this
      const ended = () => {
        this.#stopRecording()
        if (node.phase === 'current') node.report('current', null, null)
      }
      this.#recorder = new Recorder(
        this.services,
        { state: node.state, mailbox: node.mailbox, recordStore, recordingEnded: ended },
        rewind,
      )
      this.#recorded = new RecordedEnvironment(node, this.#recorder)
    }
    return this.#recorded!
  }

  #stopRecording(): void {
    this.#recorder?.stop()
    this.#recorder = undefined
    this.#recorded = undefined
  }

  /** An object of another generation, while the node has none: what it has done is carried out once more. */
  apart(generation: Generation, oldest: Version, around: ObjectEnvironment): ObjectApart {
    invariant(this.#object === undefined, `${this.node.nodeId}: a replay runs beside the object`)
    const { classes } = this.services
    const { newest } = this.recordStore.record
    const lineage = this.recordStore.lineage(classes)
    const object = this.#make(generation, around)
    const steps: Step[] = []
    for (let v = oldest + 1; v <= newest; v++) steps.push(classes.step(lineage, v))
    const plan = planChain(generation.version, oldest, steps, undefined, (of) => generation.simulations[of] !== undefined)
    const { chain, simulations } = buildChain(plan, generation, object, (v) => classes.definitionAt(lineage, v), around, [])
    const end = () => {
      object.context.stop()
      for (const { context } of simulations) context.stop()
      this.node.state.closeAll()
    }
    return { instance: object.instance, chain, end }
  }

  /** Puts the object into its place; the chain is rebuilt around it. */
  install(object: RunningObject): void {
    this.#object = object
    this.rebuildChain()
  }

  /** Makes, installs and starts the object of the current generation. */
  async start(): Promise<void> {
    this.install(this.make(this.recordStore.record.generation))
    await this.runStart()
  }

  /**
   * Runs the object's `start()` as a command: what it writes is kept, in one commit with what `kept` writes.
   */
  async runStart(kept: () => void = () => {}): Promise<void> {
    const object = this.#object!
    const { state, departures } = this.node
    const sends: (() => void)[] = []
    const starting = this.#begin(sends)
    const ticket = state.begin('command')
    state.touch(this.recordStore.record.generation.object)
    try {
      await object.instance.start()
      if (state.keep(ticket)) kept()
    } catch (error) {
      state.drop(ticket)
      throw error
    } finally {
      this.#end(starting)
    }
    if (this.#object !== object || sends.length === 0) return
    departures.addSends(sends)
  }

  /**
   * Runs `stop()` for at most `timeoutMs`, ends timers and sockets of the object and its SOs,
   * and forgets them.
   */
  async stop(timeoutMs = this.services.settings.stopTimeoutMs): Promise<void> {
    const object = this.#object
    if (object === undefined) return
    this.#object = undefined
    const { state, nodeId } = this.node
    const ticket = state.takeOver('query')
    // Beside a call that is left behind it is that one's: what that sends is dropped.
    const stopped = this.node.running === undefined ? this.#begin(undefined) : undefined
    try {
      const late = () => new Fault('upgrade.drain', `stop() did not finish in ${timeoutMs} ms`)
      const stopping = object.instance.stop()
      if (stopping !== undefined) await within(this.services.clock, timeoutMs, Promise.resolve(stopping), late)
    } catch (error) {
      const message = `${nodeId}: stop() of ${object.definition.className} failed`
      this.services.observe({ type: 'warning', message, error })
    }
    if (stopped !== undefined) this.#end(stopped)
    state.drop(ticket)
    this.#forget(object)
  }

  /** Made for the call that fails, if it is one after which the object is made anew. */
  #begin(sends: RunningCall['sends']): RunningCall {
    const { nodeId, incarnation } = this.recordStore.record
    const path = [...(this.node.running?.path ?? []), changeoverId(nodeId, incarnation)].slice(-pathCallsMax)
    // An object whose start() fails has ended.
    const whenFailed = () => {}
    this.#changeover = { deadline: Number.POSITIVE_INFINITY, path, sends, whenFailed, trace: null, caller: undefined }
    return this.#changeover
  }

  #end(changeover: RunningCall): void {
    if (this.#changeover === changeover) this.#changeover = undefined
  }

  /** Forgets the object as it is, without calling it: it could not be started. */
  discard(): void {
    const object = this.#object
    this.#object = undefined
    if (object !== undefined) this.#forget(object)
  }

  #forget(object: RunningObject): void {
    object.context.stop()
    for (const { context } of this.#simulations) context.stop()
    this.#simulations = none
    this.#stopRecording()
    this.node.state.closeAll()
  }

  /**
   * The chain as the node's record has it; to be called when that has changed: in a turn of the mailbox, but
   * for links that are added.
   */
  rebuildChain(): void {
    const { classes } = this.services
    const { generation, oldest, newest } = this.recordStore.record
    const lineage = this.recordStore.lineage(classes)
    const steps: Step[] = []
    for (let v = oldest + 1; v <= newest; v++) steps.push(classes.step(lineage, v))
    const plan = planChain(generation.version, oldest, steps, this.#rejected, (of) => generation.simulations[of] !== undefined)
    const classAt = (v: Version) => classes.definitionAt(lineage, v)
    const live = buildChain(plan, generation, this.#object!, classAt, this.#around(), this.#simulations)
    this.#chain = live.chain
    this.#simulations = live.simulations.length === 0 ? none : live.simulations
    this.node.chainChanged(live.chain)
  }

  /** Cuts the chain above its newest version, or, without a fault, ends the cut. */
  cutAbove(rejected: Fault | undefined): void {
    this.#rejected = rejected
    this.rebuildChain()
  }
}
