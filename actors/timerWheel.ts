/**
 * One wheel for the deadlines and retries of all open calls of a host, instead of a timer per call. Setting
 * and clearing cost a few pointer moves; something due is called at most one tick late.
 */
import { inject, injectable } from 'tsyringe'
import { type Clock, type WallClock, withMonotonic } from '../core/ports/clock.js'
import { tokens } from './base/tokens.js'

export const wheelTickMs = 10
/** A power of two: the bucket of a tick is its last bits. */
const wheelBuckets = 512

/** The base of all that wait on the wheel. */
export abstract class WheelEntry {
  /** @internal */ wheelDueMs = 0
  /** @internal */ wheelPrevious: WheelEntry | undefined
  /** @internal */ wheelNext: WheelEntry | undefined
  abstract due(): void
}

class Head extends WheelEntry {
  override due(): void {}
}

@injectable()
export class TimerWheel {
  readonly #buckets: Head[] = Array.from({ length: wheelBuckets }, newHead)
  #entries = 0
  #ticking = false
  private readonly clock: Clock
  readonly #startMs: number
  /** Counts from the start: small integers are cheaper. */
  #tick = 0

  constructor(@inject(tokens.clock) clock: Clock | WallClock) {
    this.clock = withMonotonic(clock)
    this.#startMs = this.clock.monotonicMs()
  }

  /**
   * Calls `entry.due()` at `dueMs` by the clock that never goes back, or up to a tick later. An entry that
   * was set already is moved.
   */
  set(entry: WheelEntry, dueMs: number): void {
    this.clear(entry)
    if (!this.#ticking) this.#start()
    entry.wheelDueMs = dueMs
    const tick = Math.max(Math.ceil((dueMs - this.#startMs) / wheelTickMs), this.#tick + 1)
    const head = this.#buckets[tick & (wheelBuckets - 1)]!
    const last = head.wheelPrevious!
    last.wheelNext = entry
    entry.wheelPrevious = last
    entry.wheelNext = head
    head.wheelPrevious = entry
    this.#entries++
  }

  clear(entry: WheelEntry): void {
    if (entry.wheelPrevious === undefined) return
    entry.wheelPrevious.wheelNext = entry.wheelNext
    entry.wheelNext!.wheelPrevious = entry.wheelPrevious
    entry.wheelPrevious = undefined
    entry.wheelNext = undefined
    this.#entries--
  }

  #start(): void {
    this.#ticking = true
    this.#tick = this.#tickOf(this.clock.monotonicMs())
    this.#next()
  }

  #next(): void {
    this.clock.after(wheelTickMs, () => {
      const now = this.clock.monotonicMs()
      // After a long pause of the process one round over all buckets is enough.
      const until = this.#tickOf(now)
      let rounds = 0
      while (this.#tick < until && rounds++ < wheelBuckets) this.#expire(this.#buckets[++this.#tick & (wheelBuckets - 1)]!, now)
      this.#tick = Math.max(this.#tick, until)
      if (this.#entries === 0) this.#ticking = false
      else this.#next()
    })
  }

  #tickOf(ms: number): number {
    return Math.floor((ms - this.#startMs) / wheelTickMs)
  }

  /**
   * The rest of the bucket is due in a later round of the wheel. An entry that another's `due` moves or
   * clears is not called for its old time.
   */
  #expire(head: Head, now: number): void {
    const due: WheelEntry[] = []
    for (let entry = head.wheelNext!; entry !== head; entry = entry.wheelNext!) if (entry.wheelDueMs <= now) due.push(entry)
    for (const entry of due) {
      if (entry.wheelPrevious === undefined || entry.wheelDueMs > now) continue
      this.clear(entry)
      entry.due()
    }
  }
}

function newHead(): Head {
  const head = new Head()
  head.wheelPrevious = head
  head.wheelNext = head
  return head
}
