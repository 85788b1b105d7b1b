/**
 * Until when an earlier start of some host may still serve a node that registers here, by all that the
 * upgrade database has told.
 */
import type { Predecessor } from '../../core/control/upgradeDatabase.js'

export class PredecessorLease {
  #untilMs = Number.NEGATIVE_INFINITY
  /**
   * In which the database told of that. In another one it may have lost it: that it does not
   * tell of it says nothing.
   */
  #epoch: string | undefined

  /** How long it may still serve; 0 when it does not. */
  leftMs(nowMs: number): number {
    return Math.max(this.#untilMs - nowMs, 0)
  }

  /**
   * The database has lost something, perhaps a start before, or its newest lease. That ends by
   * then, and nothing renews it.
   */
  mayBeLost(untilMs: number): void {
    if (untilMs === Number.NEGATIVE_INFINITY) return
    this.#untilMs = Math.max(this.#untilMs, untilMs)
    this.#epoch = undefined
  }

  update(predecessor: Predecessor | undefined, epoch: string | undefined, nowMs: number): void {
    const isSure = epoch === this.#epoch
    if (predecessor === undefined) {
      if (isSure) this.#untilMs = Number.NEGATIVE_INFINITY
      return
    }
    const untilMs = nowMs + predecessor.leftMs
    // An older copy of the database has an older lease.
    if (!isSure && untilMs <= this.#untilMs) return
    this.#untilMs = untilMs
    this.#epoch = epoch
  }
}
