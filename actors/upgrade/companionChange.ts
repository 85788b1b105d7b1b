/**
 * The steps of a member whose class the upgrade leaves alone, while its group goes to the next version
 * (DESIGN §5, "Groups"). Its object stays as it is. Its mailbox is closed meanwhile, so that no call passes
 * between two versions, and its record goes to the next version and back in the commits of the others.
 */
import { Fault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { flipped, flippedBack, recovering, started } from '../../core/upgrade/generations.js'
import { defaultTimeouts } from '../../core/upgrade/upgrade.js'
import { within } from '../base/timeouts.js'
import { sweepLeftRecordings } from '../rewind/recordingSweep.js'
import type { SharedMoments } from './objectChange.js'
import type { UpgradeAdmission } from './upgradeAdmission.js'
import { learn, type UpgradingNode } from './upgradingNode.js'

export class CompanionChange {
  constructor(
    private readonly node: UpgradingNode,
    private readonly target: Version,
    private readonly admission: UpgradeAdmission,
    private readonly shared: SharedMoments,
  ) {}

  async drain(): Promise<void> {
    const { node } = this
    const { drainTimeoutMs } = defaultTimeouts
    await learn(node, this.target)
    node.beginUpgrade()
    try {
      await node.leaveService()
      await this.shared.close(drainTimeoutMs)
      await node.state.settled()
      if (node.recordStore.record.newest < this.target) throw new Fault('upgrade.drain', 'a learned version could not be written')
    } catch (error) {
      this.admission.end()
      if (node.state.isLost) node.crashInUpgrade(error)
      else node.serveAfterUpgrade()
      throw error
    }
  }

  /** The same state at the next version; until all have started there is a way back. */
  flip(): Promise<void> {
    const { recordStore } = this.node
    return this.shared.commit(() => flipped(recordStore.record, { ...recordStore.record.generation, version: this.target }))
  }

  /** The object runs already, unless the host has ended meanwhile. */
  async recover(startsFailed: number): Promise<void> {
    const { node, shared } = this
    const { recordStore, software } = node
    node.beginUpgrade()
    if (startsFailed > 0) await recordStore.commit(recovering(recordStore.record, startsFailed))
    if (node.isEnding) throw new Fault('upgrade.start', 'the node has stopped')
    try {
      if (software.hasObject) software.rebuildChain()
      else await within(node.services.clock, defaultTimeouts.startTimeoutMs, software.start(), lateStart)
      await node.state.settled()
      await shared.started?.(() => started(recordStore.record))
    } catch (error) {
      // An object whose state is lost starts anew from disk.
      if (node.state.isLost) software.discard()
      recordStore.reload()
      throw new Fault('upgrade.start', toFault(error, 'upgrade.start').message, {}, { cause: error })
    }
    this.#serveAgain()
    void sweepLeftRecordings(node)
  }

  async flipBack(reason: string): Promise<void> {
    const { node } = this
    // Of an object that was at the next version nothing is recorded any more: it starts anew.
    if (node.recordStore.record.rewind?.phase === 'recording') await node.software.stop()
    await this.shared.commit(() => flippedBack(node.recordStore.record, reason))
    if (node.software.hasObject) node.software.rebuildChain()
    await this.returnToOld()
  }

  /** Nothing of it has changed. */
  async returnToOld(): Promise<void> {
    const { node } = this
    if (node.isEnding) return
    try {
      if (!node.software.hasObject) await node.software.start()
    } catch (error) {
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

const lateStart = () => new Fault('upgrade.start', `start() did not finish in ${defaultTimeouts.startTimeoutMs} ms`)
