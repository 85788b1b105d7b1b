/**
 * The background work of lazy transforms (§8), of all nodes of a host together: at most a share of the event
 * loop, whoever has how many records. The nodes take turns.
 */
import { inject, injectable } from 'tsyringe'
import type { Clock } from '../../core/ports/clock.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** One node's part of it. */
export interface Passing {
  /** Whether anything is left to do here. */
  readonly isDone: boolean
  /** Makes at most so many records, now; returns how many it looked at: none while the node is busy. */
  pass(most: number): number
}

@injectable()
export class RecordPassScheduler {
  /** Those that have something to do, the next one first. */
  readonly #passing = new Set<Passing>()
  #isScheduled = false
  #pauseMs = 0

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {}

  add(passing: Passing): void {
    this.#passing.add(passing)
    this.#schedule(0)
  }

  remove(passing: Passing): void {
    this.#passing.delete(passing)
  }

  #schedule(ms: number): void {
    if (this.#isScheduled || this.#passing.size === 0) return
    this.#isScheduled = true
    this.clock.after(ms, () => {
      this.#isScheduled = false
      this.#work()
    })
  }

  #work(): void {
    const { recordsPerPass, passMs, passShareMax, passPauseMs, passPauseMsMax } = this.settings
    const beganMs = this.clock.monotonicMs()
    let records = 0
    let tookMs = 0
    for (let left = this.#passing.size; left > 0 && records < recordsPerPass && tookMs < passMs; left--) {
      const passing = this.#next()
      if (passing === undefined) break
      records += passing.pass(recordsPerPass - records)
      tookMs = this.clock.monotonicMs() - beganMs
    }
    // Where nobody could do anything, it is looked less and less often.
    this.#pauseMs = records > 0 ? passPauseMs : Math.min(passPauseMsMax, Math.max(passPauseMs, this.#pauseMs * 2))
    this.#schedule(Math.max(this.#pauseMs, tookMs * (1 / passShareMax - 1)))
  }

  /** The next one, which goes to the end of the queue; those that are done leave it. */
  #next(): Passing | undefined {
    for (const passing of this.#passing) {
      this.#passing.delete(passing)
      if (passing.isDone) continue
      this.#passing.add(passing)
      return passing
    }
    return undefined
  }
}
