/**
 * A clock that stands still until it is moved. Order is by time, then by when it was asked for; work in
 * between is let finish.
 */
import type { Clock } from '../../core/ports/clock.js'

interface Due {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
}

export class ManualClock implements Clock {
  #now: number
  #setByMs = 0
  #order = 0
  readonly #due = new Set<Due>()

  constructor(startMs = 0) {
    this.#now = startMs
  }

  now(): number {
    return this.#now + this.#setByMs
  }

  monotonicMs(): number {
    return this.#now
  }

  /** The time of day is set, forward or back; no time passes. */
  setBy(ms: number): void {
    this.#setByMs += ms
  }

  after(ms: number, action: () => void): () => void {
    const due = { atMs: this.#now + Math.max(0, ms), order: this.#order++, action }
    this.#due.add(due)
    return () => this.#due.delete(due)
  }

  turn(action: () => void): void {
    this.after(0, action)
  }

  /** Moves the clock to `untilMs`, doing what is due on the way; `each` is called whenever all is quiet. */
  async runUntil(untilMs: number, each: () => void = () => {}): Promise<void> {
    for (;;) {
      await quiet()
      each()
      const next = this.#next()
      if (next === undefined || next.atMs > untilMs) break
      this.#due.delete(next)
      this.#now = Math.max(this.#now, next.atMs)
      next.action()
    }
    this.#now = Math.max(this.#now, untilMs)
  }

  #next(): Due | undefined {
    let next: Due | undefined
    for (const due of this.#due) {
      if (next === undefined || due.atMs < next.atMs || (due.atMs === next.atMs && due.order < next.order)) next = due
    }
    return next
  }
}

/** Lets promises settle: everything that does not wait for the clock. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
