/**
 * The timers of one object or SO: calls of its own methods, set by `after()`.
 *
 * T1. A timer belongs to the object or SO that set it. Once that has stopped, none of its timers calls any
 *     more, wherever it waits.
 * T2. A timer that is due calls once, when the node has time for it: it has no deadline, and no
 *     full mailbox refuses it.
 * T3. An object has at most `timersMax` timers, with those that wait for the commit of their command. One
 *     more is refused where it is set.
 */
import { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'

/** A timer whose time has come: its call waits in the mailbox. */
export interface DueTimer {
  /** To be called when its turn comes. False if there is nothing to call any more. */
  begin(): boolean
}

export class ObjectTimers {
  /** Those that wait for the commit of their command too. */
  readonly #timers = new Set<Timer>()

  constructor(
    private readonly clock: Pick<Clock, 'after'>,
    private readonly timersMax: number,
  ) {}

  /** One more, which is set with a commit. Throws where that is too many (T3). */
  reserve(): Timer {
    if (this.#timers.size >= this.timersMax)
      throw new Fault('unavailable.overloaded', `after(): this object has ${this.timersMax} timers already (timersMax)`)
    const timer = new Timer(this.#timers)
    this.#timers.add(timer)
    return timer
  }

  /** Calls `due` after `ms`, unless the object has stopped by then. */
  set(timer: Timer, ms: number, due: () => void): void {
    if (this.#timers.has(timer)) timer.start(this.clock, ms, due)
  }

  /** Its command has failed: it is never set. */
  giveUp(timer: Timer): void {
    this.#timers.delete(timer)
  }

  /** How many are set, or will be. */
  get size(): number {
    return this.#timers.size
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}

class Timer implements DueTimer {
  #cancel = (): void => {}

  /** A timer is among them until it calls, its command fails, or its object stops. */
  constructor(private readonly among: Set<Timer>) {}

  begin(): boolean {
    return this.among.delete(this)
  }

  start(clock: Pick<Clock, 'after'>, ms: number, due: () => void): void {
    this.#cancel = clock.after(ms, due)
  }

  cancel(): void {
    this.#cancel()
  }
}
