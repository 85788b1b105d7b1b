/**
 * The effects of the upgrade statechart on one node (DESIGN §5). Each says what is on disk when it begins and
 * leaves the node serving when it fails; none of them decides what comes next.
 */

import { Fault, isFault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { Phase } from '../../core/base/phases.js'
import { type Control, isToldToGo, retryToken } from '../../core/control/control.js'
import { hasHeeded, withHeeded } from '../../core/model/heededRetries.js'
import { runSchedule } from '../../core/schedules/schedule.js'
import { SourcedView } from '../../core/schedules/schedulingView.js'
import { advanced } from '../../core/upgrade/generations.js'
import { passedTo } from '../../core/upgrade/undoable.js'
import { sleep, within } from '../base/timeouts.js'
import { isConcerned } from '../history/classRegistry.js'
import { sweepLeftRecordings } from '../rewind/recordingSweep.js'
import { NodePromotion } from './nodePromotion.js'
import { ObjectChange, type SharedMoments } from './objectChange.js'
import { promiseAtRisk } from './promiseCheck.js'
import { nodeSource } from './schedulingView.js'
import { UpgradeAdmission } from './upgradeAdmission.js'
import { classUpgradeOf, learn, type UpgradingNode, undoesFor } from './upgradingNode.js'

/** How often an advance is made again whose commit failed. */
const advanceTriesMax = 5

const heldBack = 'is none of the nodes that the upgrade is for: it answers both versions, and goes on with a later upgrade'

export class NodeUpgrade {
  /**
   * An advance was given up for what took too long: a call, a write, or a host that stood still. It is made
   * again when the mailbox is free.
   */
  #isBlocked = false
  protected readonly admission: UpgradeAdmission
  protected readonly change: ObjectChange
  private readonly promotion: NodePromotion

  /** @param shared the moments that it shares with the members of its group, if it is of one */
  constructor(
    protected readonly node: UpgradingNode,
    protected readonly target: Version,
    shared?: SharedMoments,
  ) {
    this.admission = new UpgradeAdmission(
      node,
      target,
      (signal) => promiseAtRisk(node, target, signal),
      (since, signal) => this.promotion.passes(since, signal),
    )
    this.promotion = new NodePromotion(node, target)
    this.change = new ObjectChange(node, target, this.admission, shared)
  }

  /** Tells the UDB and the observers which phase begins. `stalled` survives a restart, so it goes to disk. */
  entered(phase: Phase, reason: string | null): void {
    try {
      this.#keep(phase, reason)
    } finally {
      this.tell(phase, reason)
    }
    invariant(!this.#lacksReason(phase, reason), this.#why(phase, reason))
  }

  #keep(phase: Phase, reason: string | null): void {
    const { recordStore } = this.node
    const { record } = recordStore
    const isStalled = record.upgrade?.phase === 'stalled'
    // A retry that was ordered before is meant for other nodes, or has been heeded.
    const ordered = phase === 'rejected' || (phase === 'stalled' && !isStalled) ? this.#retryOrdered : undefined
    const heeded = ordered === undefined ? record : withHeeded(record, ordered)
    if (phase === 'stalled' && !isStalled)
      recordStore.write({ ...heeded, upgrade: { phase, target: this.target, reason: this.#why(phase, reason) } })
    else if (phase !== 'stalled' && isStalled) recordStore.write({ ...heeded, upgrade: null })
    else if (heeded !== record) recordStore.write(heeded)
  }

  #lacksReason(phase: Phase, reason: string | null): boolean {
    return (phase === 'stalled' || phase === 'rejected') && (reason ?? '') === ''
  }

  /** C10. Never nothing, where an operator has to know. */
  #why(phase: Phase, reason: string | null): string {
    return this.#lacksReason(phase, reason) ? `C10: ${this.node.id} is ${phase} without a reason` : (reason ?? '')
  }

  get #retryOrdered(): string | undefined {
    return retryToken(this.node.services.controls.latest, this.target)
  }

  /** Tells once more which phase it is in: nothing new begins. */
  tell(phase: Phase, reason: string | null): void {
    const target = phase === 'current' ? null : this.target
    const tellsWhy = phase === 'stalled' || phase === 'rejected' || phase === 'fetching' || phase === 'scheduled'
    this.node.report(phase, target, tellsWhy ? this.#why(phase, reason) || null : null)
  }

  /** Whether the upgrade has been undone meanwhile, and can be passed over. */
  get isUndone(): boolean {
    return this.#passedTo !== null
  }

  /** The version of its undo, which the node goes on to. */
  protected get undo(): Version {
    const undo = this.#passedTo
    invariant(undo !== null, `version ${this.target} is passed over, and nothing undoes it`)
    return undo
  }

  get #passedTo(): Version | null {
    const undoOf = (version: Version) => this.node.services.history.undoOf(version)
    const to = passedTo(undoOf, (version) => this.concerns(version), this.target)
    return to !== null && this.isBackAt(to) ? to : null
  }

  /** Whether it has its class again there. It does not take an upgrade server's word for that. */
  protected isBackAt(version: Version): boolean {
    const lineage = this.node.recordStore.lineage(this.node.services.classes)
    return lineage[version] === lineage[this.target - 1]
  }

  /** Whether an upgrade is one for this node. */
  protected concerns(version: Version): boolean {
    return isConcerned(this.node.recordStore.lineage(this.node.services.classes), version)
  }

  /** On disk: version i. Ends with the manifest and, if it concerns the node, the bundle here. */
  async fetch(): Promise<void> {
    const { intake, classes } = this.node.services
    try {
      await intake.upTo(this.target, this.target - 1, () => this.node.recordStore.lineage(classes))
    } catch (error) {
      // An upgrade that can't be verified is for `verify` to reject; only one that could not be had is
      // fetched again.
      if (!isFault(error) || error.kind !== 'upgrade' || error.code === 'upgrade.fetch') throw error
    }
  }

  /** Ends with the future-SO in the chain; throws why the upgrade is rejected. */
  async verify(): Promise<{ readonly concerned: boolean }> {
    await this.node.learning.prepare(this.target)
    const { rejected } = this.node.software
    if (this.node.recordStore.record.newest < this.target && rejected !== undefined) throw rejected
    const { classes, history } = this.node.services
    // Its undo is known, and can't be passed over to.
    if (this.isConcerned && classes.classUpgrade(this.node.recordStore.lineage(classes), this.target) === undefined)
      throw history.whyNot(this.target) ?? new Fault('upgrade.invalid', `the upgrade to version ${this.target} is unfit`)
    return { concerned: this.isConcerned }
  }

  /**
   * "Otherwise, the node is unaffected and immediately advances its version number" (§3). A
   * turn of the mailbox.
   */
  async advance(): Promise<void> {
    const { node } = this
    const wasBehind = node.isAtDeadVersion
    await this.#advanceInTime(this.target)
    // It had left its service, and may answer now what is not dead.
    if (wasBehind) node.serve()
  }

  /** Gives up for as long as a call does not end, or anything else takes too long, and says so. */
  async #advanceInTime(to: Version): Promise<void> {
    const { node } = this
    const { advanceTimeoutMs } = node.services.settings
    let isLate = false
    const late = () => {
      isLate = true
      const what = node.mailbox.running === undefined ? 'the node did not come to advance' : 'the running call did not finish'
      return new Fault('upgrade.drain', `${what} in ${advanceTimeoutMs} ms`)
    }
    const given = { up: false, advanced: false }
    const advancing = this.#advance(to, given)
    try {
      await within(node.services.clock, advanceTimeoutMs, advancing, late)
    } catch (error) {
      if (given.advanced) await advancing
      else {
        given.up = true
        this.#isBlocked = isLate
        throw error
      }
    }
  }

  /**
   * The upgrade was undone before this node went forward: it need not go there and back. The
   * object answers the version that is meant again, and the future-SO of the one between
   * becomes its past-SO, with its state.
   */
  async skip(): Promise<void> {
    const { node } = this
    await this.learnUndo()
    await this.#advanceInTime(this.undo)
    node.permit.unreserve()
    node.serve()
  }

  protected async learnUndo(): Promise<void> {
    const { learning, recordStore, software } = this.node
    await learning.prepare(this.undo)
    if (recordStore.record.newest >= this.undo) return
    throw software.rejected ?? new Fault('upgrade.fetch', `the undo of version ${this.target} is not learned yet`)
  }

  async #advance(to: Version, given: { up: boolean; advanced: boolean }): Promise<void> {
    const { node } = this
    for (let failures = 0; ; failures++) {
      try {
        await learn(this.node, to)
        await node.mailbox.turn(() => {
          if (given.up) return
          const { record } = node.recordStore
          // Lost since a moment ago: the node restarts.
          if (record.newest < to) throw new Fault('unavailable.storage', 'a learned version could not be written')
          node.recordStore.write(advanced(record, to, undoesFor(node)))
          node.software.rebuildChain()
          given.advanced = true
        })
        await this.node.state.settled()
        void sweepLeftRecordings(node)
        return
      } catch (error) {
        // The node restarts from what is on disk: at the version before.
        await node.whenRestarted()
        if (failures >= advanceTriesMax || node.isEnding || given.up) throw error
      }
    }
  }

  /** "Runs in parallel with the current version's software, determines when the node should upgrade" (§3). */
  async schedule(signal: AbortSignal): Promise<void> {
    const { services } = this.node
    // The system has left this version behind: nobody else waits for this node, and it answers nobody.
    if (this.node.isAtDeadVersion) return
    await this.#takenAlong(signal)
    // An operator's word ends the SF.
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const source = nodeSource(this.node, classUpgradeOf(this.node, this.target).servers)
    const view = new SourcedView(source, this.target, either)
    const told = Promise.race([
      services.controls.until((controls) => isToldToGo(controls, this.node.id, this.target), either),
      this.promotion.reached(view, either),
    ])
    try {
      const signalled = runSchedule(classUpgradeOf(this.node, this.target).schedule, view)
      await Promise.race([signalled, told])
      over.abort()
      await Promise.allSettled([signalled, told])
    } catch (error) {
      over.abort()
      told.catch(() => {})
      const fault = toFault(error, 'upgrade.schedule')
      throw new Fault('upgrade.schedule', fault.message, {}, { cause: error })
    }
  }

  /**
   * Resolves when an operator asks for another try of what is stalled or rejected. Each order is heeded once,
   * also across restarts, and where a database that has lost later ones brings it back. An advance that a
   * call has blocked is tried again when that call has ended.
   */
  async awaitRetry(signal: AbortSignal): Promise<void> {
    const { node } = this
    const { recordStore, services, learning } = node
    const asked = (found: readonly Control[]) => {
      const token = retryToken(found, this.target)
      return token !== undefined && !hasHeeded(recordStore.record, token)
    }
    const ordered = services.controls.until(asked, signal)
    const controls = await (this.#isBlocked ? Promise.race([ordered, this.#unblocked()]) : ordered)
    if (controls === undefined) {
      ordered.catch(() => {})
      return
    }
    recordStore.write(withHeeded(recordStore.record, retryToken(controls, this.target)!))
    // On a disk that does not take it the order may be heeded once more, and is never lost.
    await this.node.state.settled().catch(() => node.whenRestarted())
    await learning.reconsider()
  }

  async #unblocked(): Promise<undefined> {
    await this.node.mailbox.turn(() => {})
    this.#isBlocked = false
  }

  /** Of an upgrade that is for other nodes: resolves once a later one takes this node along. */
  async #takenAlong(signal: AbortSignal): Promise<void> {
    const { node, target } = this
    const { classes, history, clock, settings, random } = node.services
    const { record } = node.recordStore
    for (let seen = -1; classes.isHeldBack(node.recordStore.lineage(classes), target, record); ) {
      // It is settled for more versions than before.
      if (history.newest !== seen) node.report('scheduled', target, heldBack)
      seen = history.newest
      await sleep(clock, settings.controlsMs * (1 + random.next()), signal)
    }
  }

  /** Resolves once the node may leave its service. Without the UDB no draining begins. */
  claim(signal: AbortSignal): Promise<void> {
    return this.admission.claim(classUpgradeOf(this.node, this.target).schedule, signal)
  }

  /** The node stops: it is in nobody's way any more. */
  stop(): void {
    this.admission.end()
  }

  // --- The steps in which the object is away (objectChange.ts)

  drain(): Promise<void> {
    return this.change.drain()
  }

  transform(): Promise<void> {
    return this.change.transform()
  }

  check(): Promise<void> {
    return this.change.check()
  }

  flip(): Promise<void> {
    return this.change.flip()
  }

  recover(startsFailed: number): Promise<void> {
    return this.change.recover(startsFailed)
  }

  flipBack(reason: string): Promise<void> {
    return this.change.flipBack(reason)
  }

  returnToOld(): Promise<void> {
    return this.change.returnToOld()
  }

  protected get isConcerned(): boolean {
    const { history, classes } = this.node.services
    return history.newest >= this.target && isConcerned(this.node.recordStore.lineage(classes), this.target)
  }
}
