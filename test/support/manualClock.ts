/**
 * The clock of tests: it stands still until a test moves it. It runs timers by their time, then in the
 * order in which they were set.
 */
import type { Clock } from '../../core/ports/clock.js'

interface Timer {
  readonly dueMs: number
  readonly order: number
  readonly action: () => void
}

export class ManualClock implements Clock {
  #nowMs: number
  #setByMs = 0
  #order = 0
  readonly #timers = new Set<Timer>()
  #turns: (() => void)[] = []

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs
  }

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
    const timer = { dueMs: this.#nowMs + Math.max(0, ms), order: ++this.#order, action }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  turn(action: () => void): void {
    this.#turns.push(action)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Runs the turns that were asked for, not those that they ask for. Returns how many. */
  runTurn(): number {
    const turns = this.#turns.splice(0)
    for (const action of turns) action()
    return turns.length
  }

  /** Runs the turns that were asked for, and those that they ask for. */
  endTurn(): void {
    while (this.runTurn() > 0);
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    while (this.#runNext(untilMs));
    this.#nowMs = untilMs
  }

  /** Time passes, and nothing that is due is done yet: the process stands still. */
  stop(ms: number): void {
    this.#nowMs += ms
  }

  /** The process was asleep: time has passed, and timers that were due meanwhile run now. */
  sleepThrough(ms: number): void {
    this.#nowMs += ms
    this.advance(0)
  }

  /** Moves the clock to `untilMs`, doing what is due on the way; `each` is called whenever all is quiet. */
  async runUntil(untilMs: number, each: () => void = () => {}): Promise<void> {
    do {
      do await quiet()
      while (this.runTurn() > 0)
      each()
    } while (this.#runNext(untilMs))
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /** False if nothing is due until then. */
  #runNext(untilMs: number): boolean {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) next = timer
    }
    if (next === undefined || next.dueMs > untilMs) return false
    this.#timers.delete(next)
    this.#nowMs = Math.max(this.#nowMs, next.dueMs)
    next.action()
    return true
  }
}

/** Lets promises settle: everything that does not wait for the clock. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
