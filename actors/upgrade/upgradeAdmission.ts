/**
 * How a node is admitted to go forward: first its place in the queue of its host, then a permit under its
 * service's limit (DESIGN §5, "Limits"). Both are its own until the admission ends, one way or another.
 */

import type { Version } from '../../core/base/ids.js'
import type { PermitAnswer } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import { type LimitedSchedule, limitOf } from '../../core/schedules/serviceLimit.js'
import type { HostSettings } from '../base/settings.js'
import { backoffMs, sleep } from '../base/timeouts.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import type { UpgradePermit } from './upgradePermit.js'
import type { ReleasePlace, UpgradeQueue } from './upgradeQueue.js'

/** Of its host, for an admission. */
export interface AdmissionServices {
  readonly clock: Clock
  readonly random: Random
  readonly settings: HostSettings
  readonly history: UpgradeHistory
  readonly upgradeQueue: UpgradeQueue
}

/** The parts of its node that it needs. */
export interface AdmittedNode {
  readonly services: AdmissionServices
  readonly recordStore: NodeRecordStore
  readonly permit: UpgradePermit
  readonly isEnding: boolean
  report(phase: 'scheduled', target: Version, reason: string): void
}

export class UpgradeAdmission {
  #giveWay: ReleasePlace = () => {}
  #hasPlace = false
  /** The cause of its waiting that the node has told. */
  #told: string | undefined

  constructor(
    private readonly node: AdmittedNode,
    private readonly target: Version,
    /** Why its going would break a promise of the upgrade, if it would. */
    private readonly promiseAtRisk: (signal: AbortSignal) => Promise<string | undefined> = async () => undefined,
    /** Whether its promotion passes the pause that began then. */
    private readonly passes: (pauseSince: number, signal: AbortSignal) => Promise<boolean> = async () => false,
  ) {}

  /** Resolves once the node holds both. Rejects when `signal` is aborted, holding neither. */
  async claim(own: LimitedSchedule, signal: AbortSignal): Promise<void> {
    try {
      await this.#claim(own, signal)
    } catch (error) {
      this.#leaveQueue()
      throw error
    }
  }

  /** The place is somebody else's now, and the permit is given back when the node serves. */
  end(): void {
    this.#leaveQueue()
    this.node.permit.unreserve()
  }

  async #claim(own: LimitedSchedule, signal: AbortSignal): Promise<void> {
    const { clock, random, settings } = this.node.services
    this.#told = undefined
    for (let failures = 0; ; ) {
      try {
        await this.queueUp(signal)
        if (await this.attempt(own, signal)) return
        failures = 0
        await sleep(clock, settings.slotPauseMs * (1 + random.next()), signal)
      } catch {
        signal.throwIfAborted()
        this.tellWaiting('the upgrade database, which does not answer')
        await sleep(clock, backoffMs(failures++, settings.backoffMs, settings.backoffMsMax, random.next()), signal)
      }
    }
  }

  /** Asks once for the permit; false if it is refused, and the node tells why it waits. */
  async attempt(own: LimitedSchedule, signal: AbortSignal): Promise<boolean> {
    const { node } = this
    const { settings, history } = node.services
    const promise = await this.promiseAtRisk(signal)
    if (promise !== undefined) {
      signal.throwIfAborted()
      this.tellWaiting(`the promise of the upgrade: ${promise}`)
      this.#holdBack()
      return false
    }
    let answer: PermitAnswer
    try {
      const claim = (passes?: number) =>
        node.permit.claim(this.target, history.takesBack(this.target), limitOf(settings.limit, own), passes)
      answer = await claim()
      const since = pausedSince(answer)
      if (since !== undefined && !signal.aborted && (await this.passes(since, signal))) answer = await claim(since)
    } catch (error) {
      // Claimed, perhaps, without that anybody heard of it.
      if (signal.aborted) this.#giveUp()
      throw error
    }
    if (answer.claimed) {
      if (!signal.aborted) return true
      node.permit.unreserve()
      this.#giveUp()
      throw signal.reason
    }
    // Not aborted meanwhile: of a node that has gone past the upgrade nobody says any more that it waits.
    signal.throwIfAborted()
    this.tellWaiting(waitsFor(answer, node.recordStore.record.service))
    // A limit holds all alike; what an operator asks of this node, or of its version, holds
    // nobody behind it.
    if ('control' in answer) this.#holdBack()
    return false
  }

  /** Nor does a permit that it had before it came back: the next who ask for one stand in its place. */
  #holdBack(): void {
    this.#leaveQueue()
    this.node.permit.release()
  }

  /** Nobody waits for the permit any more. At once: the next upgrade may be about to claim. */
  #giveUp(): void {
    if (!this.node.isEnding) this.node.permit.release()
  }

  /** Both are somebody else's now: the node serves, and tries again later. */
  giveBack(): void {
    this.end()
    this.node.permit.release()
  }

  /** Resolves once it has its place in the queue of its host. */
  async queueUp(signal: AbortSignal): Promise<void> {
    if (this.#hasPlace) return
    const { upgradeQueue } = this.node.services
    const { service } = this.node.recordStore.record
    if (upgradeQueue.isFull(service)) this.tellWaiting(`its turn among the ${service} of this host`)
    this.#giveWay = await upgradeQueue.take(service, signal)
    this.#hasPlace = true
  }

  #leaveQueue(): void {
    this.#hasPlace = false
    this.#giveWay()
  }

  /** Tells the cause of its waiting, once. */
  tellWaiting(what: string): void {
    if (what !== this.#told) this.node.report('scheduled', this.target, `waits for ${what}`)
    this.#told = what
  }
}

function pausedSince(answer: PermitAnswer): number | undefined {
  return 'control' in answer && answer.control.kind === 'pause' ? answer.control.since : undefined
}

function waitsFor(answer: Exclude<PermitAnswer, { claimed: true }>, service: string): string {
  if ('heldBy' in answer) return `a permit under the limit of ${service}, held by ${answer.heldBy.join(', ')}`
  if ('onProbation' in answer)
    return 'the upgrade database, which has lost something and waits until all hosts have told of their nodes'
  if ('isElsewhere' in answer) return 'its end here: a newer start of a host has it'
  const { control } = answer
  const what = control.kind === 'pause' ? `the end of the pause of version ${control.version}` : 'the end of its hold'
  return 'reason' in control && control.reason !== '' ? `${what}: ${control.reason}` : what
}
