/**
 * The effects of the upgrade statechart on one node (DESIGN §5). Each says what is on disk when it begins and
 * leaves the node serving when it fails; none of them decides what comes next.
 */

import { Fault, isFault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { Phase } from '../../core/base/phases.js'
import { type Control, isToldToGo, retryToken } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Generation, LazySlot } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { running } from '../../core/schedules/schedule.js'
import { SourcedView } from '../../core/schedules/schedulingView.js'
import {
  advanced,
  flipped,
  flippedBack,
  isLeftBehind,
  isUnfinished,
  recovering,
  started,
} from '../../core/upgrade/generations.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { within } from '../base/timeouts.js'
import type { Contacts } from '../calls/contacts.js'
import { type ClassRegistry, isConcerned } from '../history/classRegistry.js'
import type { Intake } from '../history/intake.js'
import type { Controls } from '../registration/controls.js'
import type { Population } from '../registration/population.js'
import type { Mailbox } from '../serving/mailbox.js'
import type { RunningObject } from '../software/liveObject.js'
import type { NodeSoftware } from '../software/nodeSoftware.js'
import type { RecordKeeper } from '../software/recordKeeper.js'
import type { BatchNumber, Journal } from '../state/journal.js'
import type { NodeState } from '../state/nodeState.js'
import { runTransform, sweepSlots } from '../state/transformRun.js'
import type { NodeLearning } from './nodeLearning.js'
import { NodeSource } from './schedulingView.js'
import type { ServiceSlot } from './serviceSlot.js'
import { type TurnServices, UpgradeTurn } from './upgradeTurn.js'

/** Of its host, for an upgrade. */
export interface UpgradeServices extends TurnServices {
  readonly controls: Controls
  readonly journal: Journal
  readonly observe: HostObserver
  readonly classes: ClassRegistry
  readonly intake: Intake
  readonly store: StateStore
  readonly population: Population
  readonly database: UpgradeDatabase
  readonly contacts: Contacts
}

/** How often an advance is made again whose commit failed. */
const advanceTriesMax = 5

/** The parts of its node that an upgrade needs. */
export interface UpgradingNode {
  readonly id: string
  readonly services: UpgradeServices
  readonly keeper: RecordKeeper
  readonly state: NodeState
  readonly software: NodeSoftware
  readonly mailbox: Mailbox
  readonly learning: NodeLearning
  readonly slot: ServiceSlot
  /** How the records of a lazy slot are made. */
  rulesOf(lazy: LazySlot): RecordRules
  /** Calls that the node has answered since it started. */
  readonly calls: { readonly answered: number; readonly failed: number }
  /** From now on the upgrade has the object; a crash meanwhile is the upgrade's to handle. */
  beginUpgrade(): void
  /** The node has an object again, the new one or the old, and serves. */
  serveAfterUpgrade(): void
  /** The upgrade leaves no object behind that could serve: the node restarts from what is on disk. */
  crashInUpgrade(error: unknown): void
  readonly isEnding: boolean
  /**
   * Whether the node's version is dead: then it does not serve, and does not wait to be told when to
   * upgrade.
   */
  readonly isAtDeadVersion: boolean
  /** Resolves when the node is not being restarted: an upgrade must not take the same object apart. */
  whenRestarted(): Promise<void>
  /** The node restarts from what is on disk. */
  crash(error: unknown): void
  serve(): void
  /** Closes the mailbox; resolves when the running call has finished. */
  close(): Promise<void>
  leaveService(): Promise<void>
  /** Tells the UDB and the observers. */
  report(phase: Phase, target: Version | null, reason: string | null): void
}

export class NodeUpgrade {
  /** The new generation, from `transforming` on. */
  #next: Generation | undefined
  /** The data that the transform has read was written up to this batch. */
  #transformed: BatchNumber | undefined
  /** The leftovers of a failed try are being swept. */
  #sweeping: Promise<void> = Promise.resolve()
  /**
   * An advance was given up for what took too long: a call, a write, or a host that stood still. It is made
   * again when the mailbox is free.
   */
  #isBlocked = false
  readonly #turn: UpgradeTurn
  /** The new object, from `checking` until it takes its place. */
  #checked: RunningObject | undefined

  constructor(
    private readonly node: UpgradingNode,
    private readonly target: Version,
  ) {
    this.#turn = new UpgradeTurn(node, target)
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
    const { keeper } = this.node
    const { record } = keeper
    const isStalled = record.upgrade?.phase === 'stalled'
    // A retry that was ordered before is meant for other nodes, or has been heeded.
    const ordered = phase === 'rejected' || (phase === 'stalled' && !isStalled) ? this.#retryOrdered : undefined
    const heeded = ordered === undefined ? record : { ...record, heededRetry: ordered }
    if (phase === 'stalled' && !isStalled)
      keeper.write({ ...heeded, upgrade: { phase, target: this.target, reason: this.#why(phase, reason) } })
    else if (phase !== 'stalled' && isStalled) keeper.write({ ...heeded, upgrade: null })
    else if (heeded.heededRetry !== record.heededRetry) keeper.write(heeded)
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

  /** Whether the upgrade has been undone meanwhile. */
  get isUndone(): boolean {
    return this.node.services.history.isUndone(this.target)
  }

  /** On disk: version i. Ends with the manifest and, if it concerns the node, the bundle here. */
  async fetch(): Promise<void> {
    const { intake, classes } = this.node.services
    try {
      await intake.upTo(this.target, this.target - 1, () => this.node.keeper.line(classes))
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
    if (this.node.keeper.record.newest < this.target && rejected !== undefined) throw rejected
    return { concerned: this.#isConcerned }
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
    await node.learning.prepare(this.target + 1)
    if (node.keeper.record.newest <= this.target)
      throw node.software.rejected ?? new Fault('upgrade.fetch', `the undo of version ${this.target} is not learned yet`)
    await this.#advanceInTime(this.target + 1)
    node.slot.unreserve()
    node.serve()
  }

  async #advance(to: Version, given: { up: boolean; advanced: boolean }): Promise<void> {
    const { node } = this
    for (let failures = 0; ; failures++) {
      try {
        await this.#learned(to)
        await node.mailbox.turn(() => {
          if (given.up) return
          const { record } = node.keeper
          // Lost since a moment ago: the node restarts.
          if (record.newest < to) throw new Fault('unavailable.storage', 'a learned version could not be written')
          node.keeper.write(advanced(record, to, node.services.history.undoes(this.target)))
          node.software.rebuildChain()
          given.advanced = true
        })
        await this.#settled()
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
    // An operator's word ends the SF.
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const source = new NodeSource({
      ...pick(services),
      record: () => this.node.keeper.record,
      servers: this.#classUpgrade.servers,
      rulesOf: (lazy) => this.node.rulesOf(lazy),
      calls: () => this.node.calls,
    })
    const view = new SourcedView(source, this.target, either)
    const told = services.controls.until((controls) => isToldToGo(controls, this.node.id, this.target), either)
    try {
      const signalled = running(this.#classUpgrade.schedule, view)
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
   * Resolves when an operator asks for another try of what is stalled or rejected; each order is heeded once,
   * also across restarts. An advance that a call has blocked is tried again when that call has ended.
   */
  async awaitRetry(signal: AbortSignal): Promise<void> {
    const { node } = this
    const { keeper, services, learning } = node
    const asked = (found: readonly Control[]) => {
      const token = retryToken(found, this.target)
      return token !== undefined && token !== keeper.record.heededRetry
    }
    const ordered = services.controls.until(asked, signal)
    const controls = await (this.#isBlocked ? Promise.race([ordered, this.#unblocked()]) : ordered)
    if (controls === undefined) {
      ordered.catch(() => {})
      return
    }
    keeper.write({ ...keeper.record, heededRetry: retryToken(controls, this.target)! })
    // On a disk that does not take it the order may be heeded once more, and is never lost.
    await this.#settled().catch(() => node.whenRestarted())
    await learning.reconsider()
  }

  async #unblocked(): Promise<undefined> {
    await this.node.mailbox.turn(() => {})
    this.#isBlocked = false
  }

  /** Resolves once the node may leave its service. Without the UDB no draining begins. */
  claim(signal: AbortSignal): Promise<void> {
    return this.#turn.claim(this.#classUpgrade.schedule.limit ?? {}, signal)
  }

  /** The node stops: it is in nobody's way any more. */
  stop(): void {
    this.#turn.over()
  }

  /**
   * "The UM shuts down the current node software, causing it to persist its state" (§3). Ends
   * with everything on disk.
   */
  async drain(): Promise<void> {
    const { node } = this
    const { drainTimeoutMs } = this.#classUpgrade.timeouts
    await node.whenRestarted()
    try {
      await this.#learned(this.target)
    } catch (error) {
      this.#turn.over()
      node.slot.release()
      throw error
    }
    await node.whenRestarted()
    node.beginUpgrade()
    try {
      await node.leaveService()
      const late = () => new Fault('upgrade.drain', `the running call did not finish in ${drainTimeoutMs} ms`)
      await within(node.services.clock, drainTimeoutMs, node.close(), late)
      await this.#settled()
      if (node.keeper.record.newest < this.target) throw new Fault('upgrade.drain', 'a learned version could not be written')
    } catch (error) {
      // The running call goes on: an object made beside it would break C2. A lost state is opened anew from
      // disk.
      this.#turn.over()
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
    const { transformTimeoutMs } = this.#classUpgrade.timeouts
    await this.#sweeping
    await sweepSlots(node.id, (of) => isUnfinished(node.keeper.record, of), journal, settings)
    // A TF that is given up may go on running: from then on it writes nothing.
    let isOver = false
    const given = {
      get up() {
        return isOver || node.isEnding
      },
    }
    this.#transformed = node.state.batch
    const running = runTransform(
      node.id,
      node.keeper.record.generation,
      this.#classUpgrade,
      history.undoes(this.target),
      node.state,
      journal,
      clock,
      settings,
      given,
    )
    const late = () => new Fault('upgrade.transform', `the transform did not finish in ${transformTimeoutMs} ms`)
    try {
      this.#next = await within(clock, transformTimeoutMs, running, late)
    } finally {
      isOver = true
    }
  }

  /** Builds the new object over the new generation and asks it; it sends nothing. */
  async check(): Promise<void> {
    const { node } = this
    const { startTimeoutMs } = this.#classUpgrade.timeouts
    try {
      node.keeper.coming = this.#next
      const object = node.software.make(this.#next!)
      object.context.silent = true
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
    await node.keeper.commit(flipped(node.keeper.record, next))
    node.keeper.coming = undefined
    node.services.observe({ type: 'flipped', nodeId: node.id, version: next.version, className: next.className })
  }

  /**
   * "The UM starts the new version's software, which recovers from the newly-transformed
   * persistent state" (§3).
   */
  async recover(startsFailed: number): Promise<void> {
    const { node } = this
    const { clock } = node.services
    const { startTimeoutMs } = this.#classUpgrade.timeouts
    node.beginUpgrade()
    if (startsFailed > 0) await node.keeper.commit(recovering(node.keeper.record, startsFailed))
    if (node.isEnding) throw new Fault('upgrade.start', 'the node has stopped')
    try {
      const object = this.#checked ?? node.software.make(node.keeper.record.generation)
      this.#checked = undefined
      object.context.silent = false
      node.software.install(object)
      const late = () => new Fault('upgrade.start', `start() did not finish in ${startTimeoutMs} ms`)
      // The point of no return of this node, in one commit with what start() wrote.
      const kept = () => {
        if (!node.isEnding) node.keeper.write(started(node.keeper.record))
      }
      await within(clock, startTimeoutMs, node.software.runStart(kept), late)
      if (node.isEnding) throw new Fault('upgrade.start', 'the node was stopped while its new object was starting')
      await this.#settled()
    } catch (error) {
      node.software.discard()
      // The record may be ahead of what is on disk.
      node.keeper.reload()
      throw new Fault('upgrade.start', toFault(error, 'upgrade.start').message, {}, { cause: error })
    }
    this.#serveAgain()
    sweepSlots(node.id, (of) => isLeftBehind(node.keeper.record, of), node.services.journal, node.services.settings).catch(
      (error) => {
        node.services.observe({ type: 'warning', message: `${node.id}: the old generation is not swept yet`, error })
      },
    )
  }

  /** After a few failed starts one commit moves the pointer back. */
  async flipBack(reason: string): Promise<void> {
    const { node } = this
    node.software.discard()
    await node.keeper.commit(flippedBack(node.keeper.record, reason))
    await this.#startOld()
    this.#sweeping = this.#sweepUnfinished()
  }

  /**
   * Before the flip nothing of the old generation has changed: the old object starts again, the new
   * generation is swept.
   */
  async returnToOld(): Promise<void> {
    this.#checked?.context.stop()
    this.#checked = undefined
    this.#next = undefined
    this.node.keeper.coming = undefined
    this.node.software.discard()
    this.node.state.closeAll()
    await this.#startOld()
    this.#sweeping = this.#sweepUnfinished()
  }

  /**
   * Beside the old object, which serves by now; a retry, which may write the same generation
   * once more, waits for it.
   */
  async #sweepUnfinished(): Promise<void> {
    const { node } = this
    const { journal, settings, observe } = node.services
    try {
      await sweepSlots(node.id, (of) => !node.isEnding && isUnfinished(node.keeper.record, of), journal, settings)
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
      // The old object does not start either: the node restarts until it does, and keeps its slot until then.
      this.#turn.over()
      node.crashInUpgrade(error)
      return
    }
    this.#serveAgain()
  }

  #serveAgain(): void {
    this.#turn.over()
    this.node.serveAfterUpgrade()
  }

  /** The future-SO is in the chain, also where the node has restarted from a disk that did not take it. */
  async #learned(to: Version): Promise<void> {
    await this.node.learning.prepare(to)
    await this.#settled()
  }

  /** Resolves when everything that the node has written is on disk. */
  #settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.node.state.whenCommitted((error) => (error === undefined ? resolve() : reject(error)))
    })
  }

  get #isConcerned(): boolean {
    const { history, classes } = this.node.services
    return history.newest >= this.target && isConcerned(this.node.keeper.line(classes), this.target)
  }

  get #classUpgrade(): ClassUpgrade {
    const { classes } = this.node.services
    const found = classes.classUpgrade(this.node.keeper.line(classes), this.target)
    invariant(found !== undefined, `upgrade ${this.target} does not concern ${this.node.id}`)
    return found
  }
}

function pick(services: UpgradeServices) {
  const { store, population, database, contacts, clock, random, settings } = services
  return { store, population, database, contacts, clock, random, settings }
}
