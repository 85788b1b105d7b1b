import type { Clock } from '../../core/ports/clock.js'

interface Timer {
  readonly dueMs: number
  readonly order: number
  readonly action: () => void
}

/** A clock that stands until a test moves it. */
export class ManualClock implements Clock {
  #nowMs = 1_000_000
  #setByMs = 0
  #order = 0
  readonly #timers = new Set<Timer>()
  #turns: (() => void)[] = []

  now(): number {
    return this.#nowMs + this.#setByMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** The time of day is set, forward or back; no time passes. */
  setBy(ms: number): void {
    this.#setByMs += ms
  }

  after(ms: number, action: () => void): () => void {
    const timer = { dueMs: this.#nowMs + ms, order: ++this.#order, action }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  turn(action: () => void): void {
    this.#turns.push(action)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Runs what waits for the end of the turn, and what that adds. */
  endTurn(): void {
    while (this.#turns.length > 0) for (const action of this.#turns.splice(0)) action()
  }

  advance(ms: number): void {
    const until = this.#nowMs + ms
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ dueMs }) => dueMs <= until)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.action()
    }
    this.#nowMs = until
  }

  /** Time passes, and nothing that is due is done yet: the process stands still. */
  stop(ms: number): void {
    this.#nowMs += ms
  }

  /** The process was asleep: time has passed, and what was due meanwhile runs now. */
  sleepThrough(ms: number): void {
    this.#nowMs += ms
    this.advance(0)
  }
}
