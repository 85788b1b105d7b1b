/**
 * How long a host may take to stop: `leaveMs` in all. Running calls are waited for until the last part of it,
 * which is kept for what must be closed.
 *
 * B1. Nothing that a stop waits for is waited for longer: neither users' code, nor a disk, nor a server that
 *     does not answer.
 */
import type { Clock } from '../../core/ports/clock.js'

/** Kept for closing: at most so long, and at most this share of the whole. */
const closingMsMax = 1_000
const closingShareMax = 1 / 4

export class StopBudget {
  readonly #leaving = Promise.withResolvers<undefined>()
  readonly #closing = Promise.withResolvers<undefined>()
  readonly #timers: readonly (() => void)[]
  #isLate = false

  constructor(clock: Clock, leaveMs: number) {
    const closingMs = Math.min(closingMsMax, leaveMs * closingShareMax)
    this.#timers = [
      clock.after(leaveMs - closingMs, () => {
        this.#isLate = true
        this.#leaving.resolve(undefined)
      }),
      clock.after(leaveMs, () => this.#closing.resolve(undefined)),
    ]
  }

  /** Whether something was waited for until the end of its time. */
  get isLate(): boolean {
    return this.#isLate
  }

  /** Waits for work that has to end before anything is closed. A rejection of the work is passed on. */
  forLeaving<T>(work: Promise<T>): Promise<T | undefined> {
    return Promise.race([work, this.#leaving.promise])
  }

  /** Waits for what is being closed. */
  forClosing<T>(work: Promise<T>): Promise<T | undefined> {
    return Promise.race([work, this.#closing.promise])
  }

  /** Nothing is waited for any more. */
  end(): void {
    for (const cancel of this.#timers) cancel()
  }
}
