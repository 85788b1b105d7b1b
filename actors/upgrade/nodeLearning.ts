/**
 * How a node learns of newer versions (§3, §5): by announcement, by asking, and by a call
 * labelled with a version it has never heard of, which waits here until the future-SOs up to
 * that version are installed, and is then answered.
 */

import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { isSO, type Simulation } from '../../core/model/simulation.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import { isLeftBehind, learned, oldestMeant, type UpgradeKind, withoutDeadVersions } from '../../core/upgrade/generations.js'
import { kinds } from '../../core/wire/envelope.js'
import type { HostSettings } from '../base/settings.js'
import { backoffMs, sleep } from '../base/timeouts.js'
import { type ClassRegistry, isRejection } from '../history/classRegistry.js'
import type { Intake } from '../history/intake.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { IncomingCall } from '../serving/incomingCall.js'
import type { Mailbox, Turn } from '../serving/mailbox.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import type { NodeSoftware } from '../software/nodeSoftware.js'
import { futureBeginning, type LateBeginning, lateBeginning } from '../state/futureBeginning.js'
import type { Journal } from '../state/journal.js'
import type { NodeState } from '../state/nodeState.js'
import { sweepStateSlots } from '../state/transformRun.js'

/** Of its host, for what a node learns. */
export interface LearningServices {
  readonly settings: HostSettings
  readonly history: UpgradeHistory
  readonly classes: ClassRegistry
  readonly intake: Intake
  readonly journal: Journal
  readonly observe: HostObserver
  readonly clock: Clock
  readonly random: Random
}

/** The parts of its node that learning needs. */
export interface LearningNode {
  readonly services: LearningServices
  readonly recordStore: NodeRecordStore
  readonly software: NodeSoftware
  readonly state: NodeState
  readonly mailbox: Mailbox
  /** Takes a call whose version has its answer here now. */
  accept(call: IncomingCall): void
  /** Resolves when what has waited may be carried out; false if another host has the node. */
  mayGoOn(): Promise<boolean>
  /** Something may be there to upgrade to. */
  consider(): void
  /** The node restarts from what is on disk. */
  crash(error: unknown): void
}

/** One for all that have nothing to wait for. */
const atOnce = Promise.resolve()
/** The same: nothing is ever added to it. */
const nothingHeld: IncomingCall[] = []

export class NodeLearning {
  #held = nothingHeld
  #answering = false
  #preparing = atOnce
  #stopped = false

  constructor(private readonly node: LearningNode) {}

  /**
   * Keeps a call of an unknown version until that version is known, or the upgrade server says
   * that there is none.
   */
  hold(call: IncomingCall): void {
    if (this.#stopped || this.#held.length >= this.node.services.settings.heldCallsMax) {
      call.refuse(
        new Fault('unavailable.overloaded', `${this.#held.length} calls of unknown versions wait for this node already`),
      )
      return
    }
    call.holdFor('unavailable.fetching')
    this.#hold(call)
    if (!this.#answering) void this.#answerHeld()
  }

  #hold(call: IncomingCall): void {
    if (this.#held === nothingHeld) this.#held = [call]
    else this.#held.push(call)
  }

  /** Calls that wait for their version, but for those whose time has run out. */
  get held(): number {
    return this.#held.reduce((count, { isRefused }) => (isRefused ? count : count + 1), 0)
  }

  /**
   * Installs what this host has heard of, in the background; what fails is tried again when it is needed, and
   * by the upgrade itself.
   */
  learn(version: Version): void {
    this.prepare(version)
      .catch((error) => this.#tellFailure(error))
      .then(() => this.node.consider())
  }

  /**
   * Installs the future-SOs of all versions up to `version`. Resolves also where an upgrade is
   * rejected: the chain is cut there.
   */
  prepare(version: Version): Promise<void> {
    const prepared = this.#preparing.then(() => this.#prepare(version))
    const ended = prepared
      .catch(() => {})
      .then(() => {
        if (this.#preparing === ended) this.#preparing = atOnce
      })
    this.#preparing = ended
    return prepared
  }

  stop(): readonly Turn[] {
    this.#stopped = true
    const held = this.#held
    this.#held = nothingHeld
    return held
  }

  /** Lets a rejected upgrade be verified once more. */
  async reconsider(): Promise<void> {
    const { software, services, recordStore } = this.node
    if (software.rejected === undefined) return
    services.history.reconsider(recordStore.record.newest + 1)
    await this.#besideCalls(() => software.cutAbove(undefined))
  }

  async #prepare(version: Version): Promise<void> {
    const { software, recordStore } = this.node
    const { history, classes, intake } = this.node.services
    if (this.#stopped) return
    try {
      await intake.manifests(version)
      if (software.rejected !== undefined) {
        // An undone version can be passed, unfit as it is.
        if (history.undoOf(recordStore.record.newest + 1) === null) return
        await this.#besideCalls(() => software.cutAbove(undefined))
      }
      while (recordStore.record.newest < version && !this.#stopped) {
        const next = recordStore.record.newest + 1
        await intake.step(recordStore.lineage(classes), next)
        const begun = await this.#begunLate(next)
        await this.#besideCalls(() => this.#extend(next, begun))
      }
    } catch (error) {
      if (!isRejection(error)) throw error
      const version = recordStore.record.newest + 1
      const fault = new Fault('version.rejected', `the upgrade to version ${version} was rejected: ${error.message}`, {
        code: error.code,
      })
      await this.#besideCalls(() => software.cutAbove(fault))
    }
  }

  /**
   * The end of the chain can change while a call runs: its link stays as it is. A call that never ends would
   * otherwise hide the node from its upgrade. While the object is taken apart it waits; also while the node
   * drains, which ends though a call does not.
   */
  async #besideCalls(work: () => void): Promise<void> {
    const { mailbox, software } = this.node
    if (!mailbox.isOpen) await mailbox.atOpening(() => this.#besideCalls(work))
    else if (software.hasObject) work()
    else await mailbox.turn(work)
  }

  /** An upgrade that could not be had is told of by the phase `fetching`. */
  #tellFailure(error: unknown): void {
    if (isFault(error) && (error.code === 'upgrade.fetch' || error.kind === 'unavailable')) return
    const { services, recordStore } = this.node
    const { nodeId, newest } = recordStore.record
    services.observe({ type: 'warning', message: `${nodeId}: version ${newest + 1} could not be learned`, error })
  }

  /**
   * "The UM installs the class upgrade's future-SO, which lets the node support (some) calls at
   * the new version" (§3).
   */
  #extend(version: Version, begun: LateBeginning | undefined): void {
    const { recordStore, software, state } = this.node
    const { journal, classes } = this.node.services
    const futureSO = this.#futureSO(version)
    // Meanwhile the record may have gone back to what is on disk: the versions between are learned first.
    const next = learned(recordStore.record, version, futureSO !== undefined, this.#kindOf(version))
    if (next === undefined) return
    if (begun !== undefined) {
      for (const made of next.made) for (const [key, value] of begun(made)) journal.write(key, value, state)
      recordStore.write(next.record)
      software.rebuildChain()
      return
    }
    const from = { record: recordStore.record, lineage: recordStore.lineage(classes), state }
    for (const made of next.made)
      for (const [key, value] of futureBeginning(futureSO!, made, version, from)) journal.write(key, value, state)
    recordStore.write(next.record)
    software.rebuildChain()
  }

  #futureSO(version: Version): Simulation | undefined {
    const { classes } = this.node.services
    const futureSO = classes.classUpgrade(this.node.recordStore.lineage(classes), version)?.futureSO
    return futureSO !== undefined && isSO(futureSO) ? (futureSO as Simulation) : undefined
  }

  #kindOf(version: Version): UpgradeKind {
    const { history } = this.node.services
    return { undoes: history.undoes(version), takesBack: history.takesBack(version) }
  }

  /**
   * An undo is answered by the past-SO of the version that is meant again. A node that was born after what is
   * undone has none, and begins it as one would that was born at that version.
   */
  async #begunLate(version: Version): Promise<LateBeginning | undefined> {
    const { recordStore, services } = this.node
    const { classes } = services
    const { undoes, takesBack } = this.#kindOf(version)
    const pastSO = undoes !== null && takesBack ? this.#futureSO(version) : undefined
    if (pastSO === undefined || undoes! > recordStore.record.generation.version) return undefined
    const made = learned(recordStore.record, version, true, { undoes, takesBack })?.made ?? []
    if (made.length === 0) return undefined
    const { nodeId } = recordStore.record
    return lateBeginning(pastSO, classes.definitionAt(recordStore.lineage(classes), undoes! - 1), nodeId)
  }

  /**
   * C8. Discards the past-SOs of versions that are dead, and with them every link below: a turn of the
   * mailbox. Their states stay on disk, for whoever goes back, until nobody can any more.
   */
  dropDeadVersions(): void {
    const { recordStore, software, mailbox, services } = this.node
    const { dead, newest, heard } = services.history
    // An undo may have been installed before a version became final, and be known later.
    const final = newest === heard ? services.history.final : 0
    const dropped = mailbox.turn(() => {
      const { record } = recordStore
      const meant = oldestMeant(record.generation.version, newest, (version) => services.history.undoes(version))
      const left = withoutDeadVersions(record, dead, final, meant)
      if (left === record) return
      recordStore.write(left)
      software.rebuildChain()
      if (left.generation !== record.generation) this.#sweep()
    })
    dropped.catch((error) => this.node.crash(error))
  }

  #sweep(): void {
    const { recordStore, services } = this.node
    const { nodeId } = recordStore.record
    sweepStateSlots(nodeId, (of) => isLeftBehind(recordStore.record, of), services.journal, services.settings).catch((error) => {
      services.observe({ type: 'warning', message: `${nodeId}: states that nobody needs are not swept yet`, error })
    })
  }

  async #answerHeld(): Promise<void> {
    this.#answering = true
    const { history, clock, random, settings } = this.node.services
    for (let failures = 0; this.#held.length > 0; ) {
      // One question answers for all labels below; those that are remembered as unknown ask none.
      const asked = [...this.#held]
      const unsure = asked.map((call) => call.envelope.label).filter((label) => !history.isUnknown(label))
      const version = Math.max(0, ...unsure)
      try {
        const label = (await history.knows(version)) ? version : history.heard
        await this.prepare(label)
        // The host may have stood still meanwhile. Where it has lost the node, these calls end with it.
        if (!(await this.node.mayGoOn())) break
        const isLeft = this.#release(asked, new Set(unsure))
        failures = 0
        // Where what was learned has been lost meanwhile, and for events of versions that are
        // asked about later.
        if (isLeft) await sleep(clock, backoffMs(0, settings.backoffMs, settings.backoffMsMax, random.next()))
        this.node.consider()
      } catch (error) {
        if (failures === 0) this.#tellFailure(error)
        this.#dropRefused()
        await sleep(clock, backoffMs(failures++, settings.backoffMs, settings.backoffMsMax, random.next()))
      }
    }
    this.#answering = false
  }

  /**
   * After the newest version there is has been installed: what the chain still does not know, nobody knows.
   */
  #release(asked: readonly IncomingCall[], sure: ReadonlySet<Version>): boolean {
    let isLeft = false
    const released = new Set(asked)
    this.#held = this.#held.filter((call) => !released.has(call))
    for (const call of asked) {
      const { label, kind } = call.envelope
      // Nobody publishes the event again: a version that was unknown a moment before it came is
      // asked about once more.
      const isEarly = kind === kinds.event && !sure.has(label)
      try {
        if (call.isRefused) continue
        if (this.node.software.chain.at(label) !== undefined) this.node.accept(call)
        else if ((label <= this.node.services.history.heard || isEarly) && !this.#stopped) {
          this.#hold(call)
          isLeft = true
        } else
          call.refuse(
            new Fault('version.unknown', `version ${label} is not installed; the newest is ${this.node.services.history.newest}`),
          )
      } catch (error) {
        call.refuseFor(error)
      }
    }
    return isLeft
  }

  /** Those that have been answered meanwhile. */
  #dropRefused(): void {
    this.#held = this.#held.filter((call) => !call.isRefused)
  }
}
