/**
 * The effects of the upgrade statechart on one node (DESIGN §5). Each says what is on disk when it begins and leaves the node serving when
 * it fails; none of them decides what comes next.
 */
import { concerning } from '../core/classLine.js'
import { Fault, isFault, toFault } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { invariant } from '../core/invariant.js'
import type { Generation } from '../core/nodeRecord.js'
import type { Phase } from '../core/phases.js'
import { strictestLimit } from '../core/ports/upgradeDatabase.js'
import type { ClassUpgrade } from '../core/upgrade.js'
import type { Node, RunningObject } from './node.js'
import { NodeSchedulingView } from './schedulingView.js'
import { backoffMs, sleep, within } from './timeouts.js'
import { leftBehind, runTransform, sweepSlots, unfinished } from './transformRun.js'

/** How often an advance is made again whose commit failed. */
const advanceTriesMax = 5

export class NodeUpgrade {
  /** The new generation, from `transforming` on. */
  #next: Generation | undefined
  /** The new object, from `checking` until it takes its place. */
  #checked: RunningObject | undefined

  constructor(
    private readonly node: Node,
    private readonly target: Version,
  ) {}

  /** Tells the UDB and the observers which phase begins. `stalled` survives a restart, so it goes to disk. */
  entered(phase: Phase, reason: string | null): void {
    const { record } = this.node
    if (phase === 'stalled') {
      if (record.upgrade?.phase !== 'stalled')
        this.node.writeRecord({ ...record, upgrade: { phase, target: this.target, reason: reason ?? '' } })
    } else if (record.upgrade?.phase === 'stalled') this.node.writeRecord({ ...record, upgrade: null })
    const target = phase === 'current' ? null : this.target
    this.node.report(phase, target, phase === 'stalled' || phase === 'rejected' || phase === 'fetching' ? reason : null)
  }

  /** On disk: version i. Ends with the manifest and, if it concerns the node, the bundle here. */
  async fetch(): Promise<void> {
    const { history } = this.node.services
    try {
      await history.fetch(this.target)
      if (this.#isConcerned) await history.load(this.target)
    } catch (error) {
      // What can't be verified is for `verify` to reject; only what could not be had is fetched again.
      if (!isFault(error) || error.kind !== 'upgrade' || error.code === 'upgrade.fetch') throw error
    }
  }

  /** Ends with the future-SO in the chain; throws why the upgrade is rejected. */
  async verify(): Promise<{ readonly concerned: boolean }> {
    await this.node.learning.prepare(this.target)
    const { rejected } = this.node.learning
    if (this.node.record.newest < this.target && rejected !== undefined) throw rejected
    return { concerned: this.#isConcerned }
  }

  /** "Otherwise, the node is unaffected and immediately advances its version number" (§3). A turn of the mailbox. */
  async advance(): Promise<void> {
    const { node } = this
    for (let failures = 0; ; failures++) {
      try {
        await this.#learned()
        await node.mailbox.turn(() => {
          const { record } = node
          // Lost since a moment ago: the node restarts.
          if (record.newest < this.target) throw new Fault('unavailable.storage', 'what was learned could not be written')
          node.writeRecord({ ...record, generation: { ...record.generation, version: this.target } })
          node.rebuildChain()
        })
        await this.#settled()
        return
      } catch (error) {
        // The node restarts from what is on disk: at the version before.
        await node.whenRestarted()
        if (failures >= advanceTriesMax || node.isStopped) throw error
      }
    }
  }

  /** "Runs in parallel with the current version's software, determines when the node should upgrade" (§3). */
  async schedule(signal: AbortSignal): Promise<void> {
    const { services } = this.node
    const view = new NodeSchedulingView(
      { ...pick(services), record: () => this.node.record, calls: () => this.node.answered },
      this.target,
      signal,
    )
    try {
      await this.#classUpgrade.schedule.run(view)
    } catch (error) {
      const fault = toFault(error, 'upgrade.schedule')
      throw new Fault('upgrade.schedule', fault.message, {}, { cause: error })
    }
  }

  /** Resolves once the node holds a slot under its service's limit. Without the UDB no draining begins. */
  async claim(signal: AbortSignal): Promise<void> {
    const { clock, random, settings } = this.node.services
    const { service } = this.node.record
    const limit = strictestLimit([settings.limit, this.#classUpgrade.schedule.limit ?? {}])
    let told: string | undefined
    for (let failures = 0; ; ) {
      signal.throwIfAborted()
      try {
        const answer = await this.node.slot.claim(limit)
        if (answer.claimed) return
        failures = 0
        told = this.#tellWaiting(`a slot under the limit of ${service}, held by ${answer.heldBy.join(', ')}`, told)
        await sleep(clock, settings.slotPauseMs * (1 + random.next()), signal)
      } catch {
        signal.throwIfAborted()
        told = this.#tellWaiting('the upgrade database, which does not answer', told)
        await sleep(clock, backoffMs(failures++, settings.backoffMs, settings.backoffMsMax, random.next()), signal)
      }
    }
  }

  #tellWaiting(what: string, told: string | undefined): string {
    if (what !== told) this.node.report('scheduled', this.target, `waits for ${what}`)
    return what
  }

  /** "The UM shuts down the current node software, causing it to persist its state" (§3). Ends with everything on disk. */
  async drain(): Promise<void> {
    const { node } = this
    const { drainTimeoutMs } = this.#classUpgrade.timeouts
    await node.whenRestarted()
    try {
      await this.#learned()
    } catch (error) {
      node.slot.unreserve()
      node.slot.release()
      throw error
    }
    await node.whenRestarted()
    node.isUpgrading = true
    try {
      await node.leaveService()
      const late = () => new Fault('upgrade.drain', `the running call did not finish in ${drainTimeoutMs} ms`)
      await within(node.services.clock, drainTimeoutMs, node.close(), late)
      await this.#settled()
      if (node.record.newest < this.target) throw new Fault('upgrade.drain', 'what was learned could not be written')
    } catch (error) {
      // The running call goes on: an object made beside it would break C2. What is lost is opened anew from disk.
      node.isUpgrading = false
      node.slot.unreserve()
      if (node.state.isLost) node.crash(error)
      else node.serve()
      throw error
    }
    await node.stopObject(drainTimeoutMs)
  }

  /** On disk afterwards: the new generation, whole, beside the old. */
  async transform(): Promise<void> {
    const { node } = this
    const { clock, journal, settings } = node.services
    const { transformTimeoutMs } = this.#classUpgrade.timeouts
    await sweepSlots(node.id, (of) => unfinished(node.record, of), journal, settings)
    // A TF that is given up may go on running: from then on it writes nothing.
    let isOver = false
    const given = {
      get up() {
        return isOver || node.isStopped
      },
    }
    const running = runTransform(node.id, node.record.generation, this.#classUpgrade, node.state, journal, settings, given)
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
      const object = node.makeObject(this.#next!)
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
    await node.commitRecord({
      ...node.record,
      generation: next,
      previous: node.record.generation,
      upgrade: { phase: 'recovering', target: this.target, startsFailed: 0 },
    })
    node.services.observe({ type: 'flipped', nodeId: node.id, version: next.version, className: next.className })
  }

  /** "The UM starts the new version's software, which recovers from the newly-transformed persistent state" (§3). */
  async recover(startsFailed: number): Promise<void> {
    const { node } = this
    const { clock } = node.services
    const { startTimeoutMs } = this.#classUpgrade.timeouts
    node.isUpgrading = true
    if (startsFailed > 0)
      await node.commitRecord({ ...node.record, upgrade: { phase: 'recovering', target: this.target, startsFailed } })
    if (node.isStopped) throw new Fault('upgrade.start', 'the node has stopped')
    try {
      const object = this.#checked ?? node.makeObject(node.record.generation)
      this.#checked = undefined
      object.context.silent = false
      node.install(object)
      const late = () => new Fault('upgrade.start', `start() did not finish in ${startTimeoutMs} ms`)
      await within(clock, startTimeoutMs, node.runStart(), late)
      if (node.isStopped) throw new Fault('upgrade.start', 'the node was stopped while its new object was starting')
      // The point of no return of this node, in one commit with what start() wrote.
      node.writeRecord({ ...node.record, previous: null, upgrade: null })
      await this.#settled()
    } catch (error) {
      node.discardObject()
      // The record may be ahead of what is on disk.
      node.learning.reload()
      throw new Fault('upgrade.start', toFault(error, 'upgrade.start').message, {}, { cause: error })
    }
    this.#serveAgain()
    sweepSlots(node.id, (of) => leftBehind(node.record, of), node.services.journal, node.services.settings).catch((error) => {
      node.services.observe({ type: 'warning', message: `${node.id}: the old generation is not swept yet`, error })
    })
  }

  /** After a few failed starts one commit moves the pointer back. */
  async flipBack(reason: string): Promise<void> {
    const { node } = this
    const { previous } = node.record
    invariant(previous !== null, 'flipping back without an old generation')
    node.discardObject()
    await node.commitRecord({
      ...node.record,
      generation: previous,
      previous: null,
      upgrade: { phase: 'stalled', target: this.target, reason },
    })
    await this.#startOld()
  }

  /** Before the flip nothing of the old generation has changed: the old object starts again, the new generation is swept. */
  async returnToOld(): Promise<void> {
    this.#checked?.context.stop()
    this.#checked = undefined
    this.#next = undefined
    this.node.discardObject()
    this.node.state.closeAll()
    await this.#startOld()
  }

  async #startOld(): Promise<void> {
    const { node } = this
    if (node.isStopped) return
    try {
      await node.startObject()
    } catch (error) {
      // The old object does not start either: the node restarts until it does, and keeps its slot until then.
      node.isUpgrading = false
      node.slot.unreserve()
      node.crash(error)
      return
    }
    this.#serveAgain()
  }

  #serveAgain(): void {
    this.node.isUpgrading = false
    this.node.slot.unreserve()
    this.node.serve()
  }

  /** The future-SO is in the chain, also where the node has restarted from a disk that did not take it. */
  async #learned(): Promise<void> {
    await this.node.learning.prepare(this.target)
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
    const manifest = history.manifests[this.target - 1]
    if (manifest === undefined) return false
    return concerning(manifest, classes.line(this.node.record.generation.className)[this.target - 1]!) !== undefined
  }

  get #classUpgrade(): ClassUpgrade {
    const { history, classes } = this.node.services
    const before = classes.line(this.node.record.generation.className)[this.target - 1]!
    const found = history.classUpgrade(this.target, before)
    invariant(found !== undefined, `upgrade ${this.target} does not concern ${before}`)
    return found
  }
}

function pick(services: Node['services']) {
  const { store, population, database, contacts, clock, random, settings } = services
  return { store, population, database, contacts, clock, random, settings }
}
