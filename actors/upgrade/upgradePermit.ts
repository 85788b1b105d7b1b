/**
 * A node's permit under its service's limit (DESIGN §5, "Limits"): claimed before `draining`, given back when
 * the node serves again. A release that can't reach the database is tried until it does, or until the node
 * claims again: then the permit is simply still its own.
 */

import type { Version } from '../../core/base/ids.js'
import type { Going } from '../../core/control/control.js'
import type { Session } from '../../core/control/standing.js'
import type { PermitAnswer, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { NodeRecord } from '../../core/model/nodeRecord.js'
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

/**
 * - `free`: the database has none of this node.
 * - `unknown`: it may have one that nobody needs: of a start before, of a claim without an answer, or until
 *   a release has reached it.
 * - `held`: the node is on its way to drain, or away. It is held until the node serves.
 */
export type PermitState = 'free' | 'unknown' | 'held'

/** One that comes back may have claimed before. One that died away is still away, and has its permit. */
export function permitAtStart({ upgrade }: NodeRecord, isNew: boolean): PermitState {
  if (isNew) return 'free'
  return upgrade?.phase === 'recovering' ? 'held' : 'unknown'
}

/** One for all that have nothing to wait for. */
const atOnce = Promise.resolve()

export class UpgradePermit {
  #state: PermitState
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
    /** At first. */
    state: PermitState,
    /** The start of the host: a node that a newer one has is not this one's to ask for. */
    private readonly by?: { readonly now: Session },
  ) {
    this.#state = state
  }

  /** The database has none of this node, and knows so. */
  get isFree(): boolean {
    return this.#state === 'free'
  }

  /**
   * Rejects while the database is away. One claim after the other: an upgrade that is undone while it claims
   * gives the permit back when it hears of it, which must not be what the next one has claimed meanwhile.
   */
  claim(version: Version, isUndo: boolean, limit: ServiceLimit, passes?: number): Promise<PermitAnswer> {
    const going = { nodeId: this.nodeId, version, isUndo, ...(passes === undefined ? {} : { passes }) }
    const claimed = this.#claiming.then(() => this.#claim(going, limit))
    this.#claiming = claimed.catch(() => {})
    return claimed
  }

  async #claim(going: Going, limit: ServiceLimit): Promise<PermitAnswer> {
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
      answer = await this.services.database.claimPermit(this.service, going, limit, this.by?.now)
      // A refusal gives nothing to one that had nothing.
      this.#state = answer.claimed ? 'held' : before === 'free' ? 'free' : 'unknown'
    } finally {
      if (!answer?.claimed) this.#isReserved = false
    }
    const isDoubted = this.#isDoubted
    this.#isDoubted = false
    // One that was claimed may be of before the loss.
    if (isDoubted) this.tellAgain()
    return answer
  }

  /** The upgrade that claimed it is over, or has failed: the permit is given back when the node serves. */
  unreserve(): void {
    this.#isReserved = false
  }

  /** The node serves: it needs no permit. */
  release(): void {
    if (this.#isReserved || this.#state === 'free') return
    this.#state = 'unknown'
    this.#tell(++this.#wish)
  }

  /** The database has lost something: what it has of this permit may be of before. */
  tellAgain(): void {
    if (this.#state === 'held') this.#restore(++this.#wish)
    else if (this.#state === 'free') this.#tell(++this.#wish)
    else if (this.#isReserved) this.#isDoubted = true
  }

  /** Ends the tries to release and to restore: the node is not here any more. */
  stop(): void {
    this.#wish++
  }

  #tell(wish: number): void {
    this.#soon(wish, 0, async () => {
      await this.services.database.releasePermit(this.service, this.nodeId, this.by?.now)
      this.#state = 'free'
    })
  }

  /** Others may go beside this one until it succeeds. A database that lacks nothing has no need of it. */
  #restore(wish: number): void {
    this.#soon(wish, 0, () => this.services.database.restorePermit(this.service, this.nodeId, this.by?.now))
  }

  /** One request after the other, each tried until the database takes it. */
  #soon(wish: number, failures: number, ask: () => Promise<unknown>): void {
    const { clock, settings, random } = this.services
    this.#telling = this.#telling.then(async () => {
      if (wish !== this.#wish) return
      try {
        await ask()
      } catch {
        const pauseMs = backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next())
        clock.after(pauseMs, () => this.#soon(wish, failures + 1, ask))
      }
    })
  }
}
