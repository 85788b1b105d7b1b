/**
 * Time that passes by itself, and takes none: where nothing is left to do, it goes on to the next timer at
 * once. A system waits as it would in real time, in the same order, however busy the machine is. While this
 * process waits for something real, a timer of Node.js or a file, time passes as real time does, as far as
 * the process notices: while it waits for a processor no time passes.
 */
import type { Clock } from '../../core/ports/clock.js'

interface Timer {
  readonly dueMs: number
  readonly action: () => void
}

/** After so many turns of the loop in which nothing has happened, nothing is left to do. */
const quietTurns = 4
/** Where something always happens time passes all the same: so many turns of the loop take a millisecond. */
const turnsPerMs = 20
/** To ask what the process waits for takes as long as a turn: while something happens few turns do. */
const turnsPerLook = 4
/** A turn of the loop that took longer was held up by the machine. No limit of a few ms must end in it. */
const turnMsMax = 2

export class VirtualClock implements Clock {
  static #running = 0
  #nowMs: number
  /** By their time, then in the order in which they were set. */
  readonly #timers: Timer[] = []
  #isRunning = true
  #happened = false
  #quiet = 0
  #turns = 0
  #realMs = performance.now()
  #waitsForReal = false
  #looks = 0

  constructor(startMs: number = Date.now()) {
    this.#nowMs = startMs
    VirtualClock.#running++
    this.#goOn()
  }

  /** Whether some system of this process lives in virtual time, which real waits would hold up. */
  static get isRunning(): boolean {
    return VirtualClock.#running > 0
  }

  now(): number {
    return Math.floor(this.#nowMs)
  }

  monotonicMs(): number {
    return Math.floor(this.#nowMs)
  }

  after(ms: number, action: () => void): () => void {
    this.#happened = true
    const timer = { dueMs: this.#nowMs + Math.max(0, ms), action }
    let at = this.#timers.length
    while (at > 0 && this.#timers[at - 1]!.dueMs > timer.dueMs) at--
    this.#timers.splice(at, 0, timer)
    return () => {
      const found = this.#timers.indexOf(timer)
      if (found >= 0) this.#timers.splice(found, 1)
    }
  }

  turn(action: () => void): void {
    setImmediate(() => {
      this.#happened = true
      action()
    })
  }

  /** Resolves when so much time has passed. */
  passes(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** The same time, with some methods of the test's own. */
  with(changes: Partial<Clock>): Clock {
    return {
      now: () => this.now(),
      monotonicMs: () => this.monotonicMs(),
      after: (ms, action) => this.after(ms, action),
      turn: (action) => this.turn(action),
      ...changes,
    }
  }

  /** Time stands still from now on, and keeps no process. */
  stop(): void {
    if (!this.#isRunning) return
    this.#isRunning = false
    VirtualClock.#running--
  }

  #goOn(): void {
    setImmediate(() => {
      if (!this.#isRunning) return
      this.#goOn()
      this.#turnOfLoop()
    })
  }

  #turnOfLoop(): void {
    const sinceMs = this.#realMs
    this.#realMs = performance.now()
    this.#quiet = this.#happened ? 0 : this.#quiet + 1
    this.#happened = false
    const [next] = this.#timers
    // Time does not go on to the next timer before it is known.
    if (this.#quiet >= quietTurns || ++this.#looks % turnsPerLook === 0) this.#waitsForReal = waitsForReal()
    if (this.#waitsForReal) {
      const untilMs = this.#nowMs + Math.min(this.#realMs - sinceMs, turnMsMax)
      this.#goTo(untilMs)
      // Another timer is due before: the rest of the time passes in the next turn.
      this.#realMs -= untilMs - this.#nowMs
    } else if (this.#quiet >= quietTurns && next !== undefined) this.#goTo(next.dueMs)
    else if (++this.#turns % turnsPerMs === 0) this.#goTo(this.#nowMs + 1)
  }

  /** Runs the first timer that is due until then. */
  #goTo(untilMs: number): void {
    const [next] = this.#timers
    if (next === undefined || next.dueMs > untilMs) {
      this.#nowMs = untilMs
      return
    }
    this.#timers.shift()
    this.#nowMs = Math.max(this.#nowMs, next.dueMs)
    this.#happened = true
    next.action()
  }
}

/** Whether a timer or a request for a file keeps this process. */
function waitsForReal(): boolean {
  for (const kind of process.getActiveResourcesInfo()) if (kind === 'Timeout' || kind.startsWith('FSReq')) return true
  return false
}
