/**
 * The timers of one object: calls of its own methods, set by `after()`.
 *
 * T1. A timer belongs to the object that set it. Once that object has stopped, none of its timers calls any
 *     more, wherever it waits.
 * T2. A timer that is due calls once, when the node has time for it: it has no deadline, and no
 *     full mailbox refuses it.
 * T3. An object has at most `timersMax` timers. One more is refused where it is set.
 */
import { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'

/** A timer whose time has come: its call waits in the mailbox. */
export interface DueTimer {
  /** To be called when its turn comes. False if there is nothing to call any more. */
  begins(): boolean
}

export class ObjectTimers {
  readonly #timers = new Set<Timer>()
  #isOver = false
  /**
   * The turn that asks for timers now, undefined outside any command, and how many of those are not set yet:
   * they are set with its commit.
   */
  #setter: object | undefined
  #asked = 0

  constructor(
    private readonly clock: Pick<Clock, 'after'>,
    private readonly timersMax: number,
  ) {}

  /** Counts one more for the command of the mailbox's turn. Throws where that is too many (T3). */
  ask(setter: object | undefined): void {
    if (setter !== this.#setter) {
      this.#setter = setter
      this.#asked = 0
    }
    if (this.#timers.size + this.#asked >= this.timersMax)
      throw new Fault('unavailable.overloaded', `after(): this object has ${this.timersMax} timers already (timersMax)`)
    this.#asked++
  }

  /** Calls `due` after `ms`, unless the object has stopped by then. Its setter has asked before. */
  set(ms: number, due: (timer: DueTimer) => void, setter?: object): void {
    if (setter === this.#setter && this.#asked > 0 && --this.#asked === 0) this.#setter = undefined
    if (this.#isOver) return
    const timer = new Timer(this.#timers)
    timer.cancel = this.clock.after(ms, () => due(timer))
    this.#timers.add(timer)
  }

  stop(): void {
    this.#isOver = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}

class Timer implements DueTimer {
  cancel: () => void = () => {}

  /** Those that are set, or due: a timer is among them until it calls, or its object stops. */
  constructor(private readonly among: Set<Timer>) {}

  begins(): boolean {
    return this.among.delete(this)
  }
}
