/**
 * The epoch of the upgrade database, as this host has heard of it (core/control/standing.ts). A database in
 * another epoch has lost something.
 */
import { isBegunBy, type Standing } from '../../core/control/standing.js'
import type { Clock } from '../../core/ports/clock.js'
import type { HostSettings } from '../base/settings.js'
import type { HostSession } from './hostSession.js'

export interface DatabaseEpochServices {
  readonly clock: Clock
  readonly settings: Pick<HostSettings, 'leaseMs'>
  readonly session: HostSession
  /** It has begun another one since it was heard last. */
  lost(): void
}

export class DatabaseEpoch {
  #epoch: string | undefined
  /** When it was heard of first. */
  #epochMs = Number.NEGATIVE_INFINITY
  #isLossy = false

  constructor(private readonly services: DatabaseEpochServices) {}

  /** By its newest answer, the database is on probation because something may be missing. */
  get isLossy(): boolean {
    return this.#isLossy
  }

  hear(standing: Standing): void {
    const { clock, session } = this.services
    const { epoch, probation } = standing
    session.hear(standing)
    if (this.#epoch === undefined) session.markReported(epoch)
    else if (this.#epoch !== epoch) this.services.lost()
    if (this.#epoch !== epoch) this.#epochMs = clock.monotonicMs()
    this.#epoch = epoch
    this.#isLossy = probation !== null && probation.doubt !== 'silent'
  }

  /** It has been told of all nodes of this host. */
  markReported(): void {
    if (this.#epoch !== undefined) this.services.session.markReported(this.#epoch)
  }

  /**
   * Until when a start may serve that has another copy of this directory, and that the database
   * may have lost.
   */
  lostUntilMs(standing: Standing | undefined, nowMs: number): number {
    const { session, settings } = this.services
    if (standing === undefined || session.directory === 'own') return Number.NEGATIVE_INFINITY
    if (this.#isLossy) return nowMs + settings.leaseMs
    // It notices no loss by itself when this host is the first that it hears: who had the nodes speaks within
    // a lease, or has none.
    const isFirst = session.directory === 'elsewhere' && isBegunBy(standing.epoch, session.now)
    return isFirst ? this.#epochMs + settings.leaseMs : Number.NEGATIVE_INFINITY
  }
}
