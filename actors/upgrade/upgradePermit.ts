/**
 * A node's permit under its service's limit (DESIGN §5, "Limits"): claimed before `draining`, given back when
 * the node serves again. A release that can't reach the database is tried until it does, or until the node
 * claims again: then the permit is simply still its own.
 */

import type { Version } from '../../core/base/ids.js'
import type { Session } from '../../core/control/standing.js'
import type { PermitAnswer, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import type { HostSettings } from '../base/settings.js'
import { backoffMs } from '../base/timeouts.js'

/** Of its host, for a permit. */
export interface PermitServices {
  readonly database: UpgradeDatabase
  readonly clock: Clock
  readonly settings: HostSettings
  readonly random: Random
}

/** One for all that have nothing to wait for. */
const atOnce = Promise.resolve()

export class UpgradePermit {
  /** `unknown` for a node that comes back: it may have claimed before. */
  #state: 'free' | 'unknown' | 'held'
  /** Counts what is wanted; an older wish is dropped. */
  #wish = 0
  #telling = atOnce
  #claiming: Promise<unknown> = atOnce
  /** An upgrade has claimed it and will drain: serving meanwhile does not give it back. */
  #isReserved = false
  /** The database has lost something while a claim was on its way. */
  #isDoubted = false

  constructor(
    private readonly services: PermitServices,
    private readonly service: string,
    private readonly nodeId: string,
    isNew: boolean,
    /** The start of the host: a node that a newer one has is not this one's to ask for. */
    private readonly by?: { readonly now: Session },
  ) {
    this.#state = isNew ? 'free' : 'unknown'
  }

  /**
   * Rejects while the database is away. One claim after the other: an upgrade that is undone while it claims
   * gives the permit back when it hears of it, which must not be what the next one has claimed meanwhile.
   */
  claim(version: Version, isUndo: boolean, limit: ServiceLimit): Promise<PermitAnswer> {
    const claimed = this.#claiming.then(() => this.#claim(version, isUndo, limit))
    this.#claiming = claimed.catch(() => {})
    return claimed
  }

  async #claim(version: Version, isUndo: boolean, limit: ServiceLimit): Promise<PermitAnswer> {
    this.#wish++
    // A release on its way must not take back what is claimed now.
    await this.#telling
    const before = this.#state
    // Its answer may be lost: then the permit may be this node's all the same.
    this.#state = 'unknown'
    // A node that serves meanwhile does not give back the permit that is just being claimed.
    this.#isReserved = true
    let answer: PermitAnswer | undefined
    try {
      const going = { nodeId: this.nodeId, version, isUndo }
      answer = await this.services.database.claimPermit(this.service, going, limit, this.by?.now)
      // A refusal gives nothing to one that had nothing.
      this.#state = answer.claimed ? 'held' : before
    } finally {
      if (!answer?.claimed) this.#isReserved = false
    }
    if (this.#isDoubted && this.#state === 'free') this.#tell(++this.#wish, 0)
    this.#isDoubted = false
    return answer
  }

  /** The upgrade that claimed it is over, or has failed: the permit is given back when the node serves. */
  unreserve(): void {
    this.#isReserved = false
  }

  /** The node serves: it needs no permit. */
  release(): void {
    if (this.#isReserved || this.#state === 'free') return
    this.#tell(++this.#wish, 0)
  }

  /** The database has lost something: what it has of this permit may be of before. */
  tellAgain(): void {
    if (this.#isReserved) {
      this.#isDoubted = this.#state === 'unknown'
      this.#restore()
    } else if (this.#state === 'free') this.#tell(++this.#wish, 0)
  }

  #restore(): void {
    this.#telling = this.#telling.then(async () => {
      if (!this.#isReserved || this.#state !== 'held') return
      // Without an answer others may go beside this one: no more than that.
      await this.services.database.restorePermit(this.service, this.nodeId, this.by?.now).catch(() => {})
    })
  }

  /** Ends the tries to release: the node is not here any more. */
  stop(): void {
    this.#wish++
  }

  #tell(wish: number, failures: number): void {
    const { database, clock, settings, random } = this.services
    this.#telling = this.#telling.then(async () => {
      if (wish !== this.#wish) return
      try {
        await database.releasePermit(this.service, this.nodeId, this.by?.now)
        this.#state = 'free'
      } catch {
        const pauseMs = backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next())
        clock.after(pauseMs, () => this.#tell(wish, failures + 1))
      }
    })
  }
}
