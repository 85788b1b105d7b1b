/**
 * Time that moves only when the world moves it. Owns the order of everything that happens in a rehearsal.
 *
 * W1. Due events are done in the order of ⟨time, when it was asked for⟩, one event after the other.
 * W2. Between two events every promise that can settle has settled: Node.js runs all microtasks
 *     after each immediate.
 * W3. The loop ends in bounded work: a world in which no time passes any more has failed.
 */
import type { Clock } from '../../core/ports/clock.js'

/** The questions of those who only look: real time has them too. */
export type WorldTime = Pick<VirtualTime, 'elapsedMs' | 'now' | 'sleep' | 'after'>

interface Due {
  readonly atMs: number
  readonly order: number
  action: (() => void) | undefined
}

/** Events within one millisecond, beyond which time is taken to stand still. */
const eventsPerMsMax = 50_000
/** Immediates asked for at once: the event loop is gone round once for all of them. */
const immediatesAtOnce = 64

export class VirtualTime implements Clock {
  #nowMs: number
  #order = 0
  #done = 0
  #thisMs = 0
  /** A heap: the first is the next. */
  readonly #due: Due[] = []
  /** The events that are due now, in order, so that the many turns of the loop need no heap. */
  #turns: Due[] = []
  #turnsDone = 0

  constructor(readonly startMs: number) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** Milliseconds since the world began, as stories tell the time. */
  get elapsedMs(): number {
    return this.#nowMs - this.startMs
  }

  /** Events so far. */
  get events(): number {
    return this.#done
  }

  after(ms: number, action: () => void): () => void {
    const due: Due = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, action }
    this.#push(due)
    return () => {
      due.action = undefined
    }
  }

  turn(action: () => void): void {
    this.#turns.push({ atMs: this.#nowMs, order: this.#order++, action })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /**
   * Does one event after the other until `isOver` says so between two of them, or nothing is
   * left before `untilMs`.
   */
  run(untilMs: number, isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = 0
      let over = false
      let failure: { readonly error: unknown } | undefined
      const step = () => {
        left--
        if (!over) {
          try {
            over = isOver() || !this.#next(untilMs)
          } catch (error) {
            over = true
            failure = { error }
          }
        }
        if (left > 0) return
        if (!over) more()
        else if (failure === undefined) resolve()
        else reject(failure.error as Error)
      }
      const more = () => {
        left = immediatesAtOnce
        for (let i = 0; i < immediatesAtOnce; i++) setImmediate(step)
      }
      more()
    })
  }

  /** Does the next event. False when there is none until `untilMs`; then it is that time. */
  #next(untilMs: number): boolean {
    while (this.#due[0] !== undefined && this.#due[0].action === undefined) this.#pop()
    const timer = this.#due[0]
    const turn = this.#turns[this.#turnsDone]
    if (turn !== undefined && (timer === undefined || timer.atMs > this.#nowMs || timer.order > turn.order)) {
      if (++this.#turnsDone === this.#turns.length) {
        this.#turns = []
        this.#turnsDone = 0
      }
      this.#perform(turn)
      return true
    }
    if (timer === undefined || timer.atMs > untilMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs)
      return false
    }
    this.#pop()
    if (timer.atMs > this.#nowMs) {
      this.#nowMs = timer.atMs
      this.#thisMs = 0
    }
    this.#perform(timer)
    return true
  }

  #perform({ action }: Due): void {
    this.#done++
    if (++this.#thisMs > eventsPerMsMax) throw new Error(`${eventsPerMsMax} events and no time has passed`)
    action?.()
  }

  #push(due: Due): void {
    const heap = this.#due
    let at = heap.push(due) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!isBefore(due, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#due
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
