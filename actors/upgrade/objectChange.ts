/**
 * The steps in which a node's object is away (DESIGN §5): from the drain until the new object, or the old one
 * again, serves. Each says what is on disk when it begins and leaves the node serving when it fails.
 */
import { Fault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { Generation, NodeRecord, Recording } from '../../core/model/nodeRecord.js'
import {
  flipped,
  flippedBack,
  isUnfinished,
  keptApart,
  recordingOf,
  recovering,
  rewoundGeneration,
  slotsBetween,
  started,
  wholeRecording,
} from '../../core/upgrade/generations.js'
import { within } from '../base/timeouts.js'
import { sweepRecordings } from '../rewind/recordingSweep.js'
import { Replay } from '../rewind/replay.js'
import type { RunningObject } from '../software/liveObject.js'
import type { BatchNumber } from '../state/journal.js'
import { copySlots, type GivenUp, runTransform, sweepStateSlots } from '../state/transformRun.js'
import type { UpgradeAdmission } from './upgradeAdmission.js'
import { classUpgradeOf, learn, type UpgradingNode, undoesFor } from './upgradingNode.js'

/**
 * The moments of these steps that a node shares with the members of its group; alone, it goes through them by
 * itself (groupUpgrade.ts).
 */
export interface SharedMoments {
  /** The mailbox is closed, and no call runs. Rejects with `upgrade.drain` after so long. */
  close(timeoutMs: number): Promise<void>
  /** One commit moves the pointer. */
  commit(next: () => NodeRecord): Promise<void>
  /**
   * The new object has started, and the point of no return is to be passed; undefined where that is done in
   * one commit with what start() has written.
   */
  readonly started: ((next: () => NodeRecord) => Promise<void>) | undefined
}

/** A node that is of no group. */
export function alone(node: UpgradingNode): SharedMoments {
  return {
    close: (timeoutMs) => within(node.services.clock, timeoutMs, node.close(), () => drainedLate(timeoutMs)),
    commit: (next) => node.recordStore.commit(next()),
    started: undefined,
  }
}

export function drainedLate(timeoutMs: number): Fault {
  return new Fault('upgrade.drain', `the running call did not finish in ${timeoutMs} ms`)
}

export class ObjectChange {
  /** The new generation, from `transforming` on. */
  #next: Generation | undefined
  /** The data that the transform has read was written up to this batch. */
  #transformed: BatchNumber | undefined
  /** The leftovers of a failed try are being swept. */
  #sweeping: Promise<void> = Promise.resolve()
  /** While a rewind is transforming. */
  #replay: Replay | undefined
  /** The new object, from `checking` until it takes its place. */
  #checked: RunningObject | undefined

  constructor(
    private readonly node: UpgradingNode,
    private readonly target: Version,
    private readonly admission: UpgradeAdmission,
    private readonly shared: SharedMoments = alone(node),
  ) {}

  /**
   * "The UM shuts down the current node software, causing it to persist its state" (§3). Ends
   * with everything on disk.
   */
  async drain(): Promise<void> {
    const { node } = this
    const { drainTimeoutMs } = classUpgradeOf(this.node, this.target).timeouts
    await node.whenRestarted()
    try {
      await learn(this.node, this.target)
    } catch (error) {
      this.admission.end()
      node.permit.release()
      throw error
    }
    await node.whenRestarted()
    node.beginUpgrade()
    try {
      await node.leaveService()
      await this.shared.close(drainTimeoutMs)
      await node.state.settled()
      if (node.recordStore.record.newest < this.target) throw new Fault('upgrade.drain', 'a learned version could not be written')
    } catch (error) {
      // The running call goes on: an object made beside it would break C2. A lost state is opened anew from
      // disk.
      this.admission.end()
      if (node.state.isLost) node.crashInUpgrade(error)
      else node.serveAfterUpgrade()
      throw error
    }
    await node.software.stop(drainTimeoutMs)
  }

  /** On disk afterwards: the new generation, whole, beside the old. */
  async transform(): Promise<void> {
    const { node } = this
    const { clock, journal, settings, history } = node.services
    const { transformTimeoutMs } = classUpgradeOf(this.node, this.target).timeouts
    await this.#sweeping
    await sweepStateSlots(node.id, (of) => isUnfinished(node.recordStore.record, of), journal, settings)
    // A TF that is given up may go on running: from then on it writes nothing.
    let isOver = false
    const given = {
      get up() {
        return isOver || node.isEnding
      },
    }
    this.#transformed = node.state.batch
    const recording = history.isRewind(this.target) ? wholeRecording(node.recordStore.record, this.target - 1) : undefined
    const running =
      recording !== undefined
        ? this.#rewind(recording, given)
        : runTransform(
            node.id,
            node.recordStore.record.generation,
            classUpgradeOf(this.node, this.target),
            history.undoes(this.target),
            node.state,
            journal,
            clock,
            settings,
            given,
          )
    const what = recording === undefined ? 'transform' : 'replay'
    const late = () => new Fault('upgrade.transform', `the ${what} did not finish in ${transformTimeoutMs} ms`)
    try {
      this.#next = await within(clock, transformTimeoutMs, running, late)
    } finally {
      isOver = true
      this.#replay?.leave()
      this.#replay = undefined
    }
  }

  /** W2. The state of before the flip, with all that has been done since. */
  async #rewind(recording: Recording, given: GivenUp): Promise<Generation> {
    const { node } = this
    const { clock, journal, settings, observe } = node.services
    const { recordStore } = node
    const apart = keptApart(recordStore.record, recording)
    if (apart !== undefined) {
      await copySlots(node.id, slotsBetween(recording.kept, apart.kept), journal, clock, settings, given)
      await recordStore.commit({ ...recordStore.record, rewind: apart })
    }
    const whole = apart ?? recording
    recordStore.consider(whole.kept)
    this.#replay = new Replay(node.services, node.software, node, whole, given)
    const { replayed, differing } = await this.#replay.run()
    this.#transformed = node.state.batch
    recordStore.considerNone()
    observe({ type: 'rewound', nodeId: node.id, version: this.target, replayed, differing })
    return rewoundGeneration(recordStore.record, whole, undoesFor(node))
  }

  /** Builds the new object over the new generation and asks it; it sends nothing. */
  async check(): Promise<void> {
    const { node } = this
    const { startTimeoutMs } = classUpgradeOf(this.node, this.target).timeouts
    try {
      const next = this.#next!
      node.recordStore.consider(next)
      const object = node.software.make(next)
      object.context.hush()
      this.#checked = object
      const ticket = node.state.begin('query')
      const late = () => new Fault('upgrade.check', `selfCheck did not finish in ${startTimeoutMs} ms`)
      await within(node.services.clock, startTimeoutMs, Promise.resolve(object.instance.selfCheck()), late)
      node.state.drop(ticket)
    } catch (error) {
      throw new Fault('upgrade.check', toFault(error, 'upgrade.check').message, {}, { cause: error })
    }
  }

  /** One atomic commit moves the pointer: before it the old version starts, after it the new one. */
  async flip(): Promise<void> {
    const { node } = this
    const next = this.#next
    invariant(next !== undefined, 'flipping without a new generation')
    const { mailbox } = node
    invariant(node.state.batch === this.#transformed, `C7: ${node.id} was written to after its transform had read it`)
    // A write from here on would be seen before the flip, and not after it.
    invariant(!mailbox.isOpen && mailbox.running === undefined, 'C11: a call runs beside the flip')
    const { record } = node.recordStore
    const { rewind } = classUpgradeOf(this.node, this.target)
    // From a version that is final nobody goes back.
    const isRecorded = rewind !== null && node.services.history.final < this.target
    const recording = isRecorded ? recordingOf(record, next, rewind, node.services.clock.now()) : undefined
    await this.shared.commit(() => flipped(node.recordStore.record, next, recording))
    // Made before anything was recorded: the object that serves is another one.
    if (recording !== undefined) this.#forgetChecked()
    node.recordStore.considerNone()
    node.services.observe({ type: 'flipped', nodeId: node.id, version: next.version, className: next.className })
  }

  /**
   * "The UM starts the new version's software, which recovers from the newly-transformed
   * persistent state" (§3).
   */
  async recover(startsFailed: number): Promise<void> {
    const { node, shared } = this
    const { clock } = node.services
    const { startTimeoutMs } = classUpgradeOf(this.node, this.target).timeouts
    node.beginUpgrade()
    if (startsFailed > 0) await node.recordStore.commit(recovering(node.recordStore.record, startsFailed))
    if (node.isEnding) throw new Fault('upgrade.start', 'the node has stopped')
    try {
      const object = this.#checked ?? node.software.make(node.recordStore.record.generation)
      this.#checked = undefined
      object.context.speak()
      node.software.install(object)
      const late = () => new Fault('upgrade.start', `start() did not finish in ${startTimeoutMs} ms`)
      // The point of no return of this node, in one commit with what start() wrote.
      const kept = () => {
        if (!node.isEnding && shared.started === undefined) node.recordStore.write(started(node.recordStore.record))
      }
      await within(clock, startTimeoutMs, node.software.runStart(kept), late)
      if (node.isEnding) throw new Fault('upgrade.start', 'the node was stopped while its new object was starting')
      await node.state.settled()
      await shared.started?.(() => started(node.recordStore.record))
    } catch (error) {
      node.software.discard()
      // The record may be ahead of what is on disk.
      node.recordStore.reload()
      throw new Fault('upgrade.start', toFault(error, 'upgrade.start').message, {}, { cause: error })
    }
    this.#serveAgain()
    void sweepRecordings(node)
  }

  /** After a few failed starts one commit moves the pointer back. */
  async flipBack(reason: string): Promise<void> {
    const { node } = this
    node.software.discard()
    await this.shared.commit(() => flippedBack(node.recordStore.record, reason))
    await this.#startOld()
    this.#sweeping = this.#sweepUnfinished()
  }

  /**
   * Before the flip nothing of the old generation has changed: the old object starts again, the new
   * generation is swept.
   */
  async returnToOld(): Promise<void> {
    this.#forgetChecked()
    this.#next = undefined
    this.node.recordStore.considerNone()
    this.node.software.discard()
    this.node.state.closeAll()
    await this.#startOld()
    this.#sweeping = this.#sweepUnfinished()
  }

  #forgetChecked(): void {
    this.#checked?.context.stop()
    this.#checked = undefined
  }

  /**
   * Beside the old object, which serves by now; a retry, which may write the same generation
   * once more, waits for it.
   */
  async #sweepUnfinished(): Promise<void> {
    const { node } = this
    const { journal, settings, observe } = node.services
    try {
      await sweepStateSlots(node.id, (of) => !node.isEnding && isUnfinished(node.recordStore.record, of), journal, settings)
    } catch (error) {
      observe({ type: 'warning', message: `${node.id}: the new generation is not swept yet`, error })
    }
  }

  async #startOld(): Promise<void> {
    const { node } = this
    if (node.isEnding) return
    try {
      await node.software.start()
    } catch (error) {
      // The old object does not start either: the node restarts until it does, and keeps its permit until
      // then.
      this.admission.end()
      node.crashInUpgrade(error)
      return
    }
    this.#serveAgain()
  }

  #serveAgain(): void {
    this.admission.end()
    this.node.serveAfterUpgrade()
  }
}
