/**
 * When schedules of one's own look again that wait for a condition, which may rest on anything. A node at
 * work looks every half second or so. A thousand simulated ones that wait for days of virtual time would look
 * for hours of real time. So:
 *
 * L1. When a node serves again, or at another version, everybody looks at the next moment at which a node at
 *     work would; when one goes away, those who asked for the time: what time has brought to one, it has
 *     perhaps brought to them.
 * L2. A schedule that asked for the time (or for chance) looks without a change too, as a node at work would.
 *     It looks the more seldom, the longer nothing has changed and the more schedules look. A change that
 *     time alone brings is seen late by a twentieth of the quiet before it, at most.
 * L3. All others look once when the quiet has doubled: their condition may rest on something
 *     that is not seen here.
 */
import type { Random } from '../../core/ports/random.js'
import { recheckMs } from '../../core/schedules/rowConditions.js'
import type { VirtualTime } from '../world/virtualTime.js'

interface Look {
  readonly asksForTime: boolean
  readonly resolve: () => void
  /** When it comes; infinite while only a change brings it. */
  dueMs: number
  cancel: () => void
}

/** L2: looks of all who wait while the quiet grows by a factor of e. */
const looksInQuietMax = 20_000
const latenessMax = 1 / 20
const firstDoublingMs = 10_000

/** Between two looks of a node at work, as `awaitCondition` has it. */
export function workPauseMs(random: Random): number {
  return recheckMs * (1 + random.next() / 2)
}

export class RecheckTimes {
  readonly #waiting = new Set<Look>()
  /** Those whose next look is not due before a node at work would have looked. */
  readonly #late = new Set<Look>()
  #changedMs: number
  #cancelDoubling: (() => void) | undefined

  constructor(
    private readonly time: VirtualTime,
    private readonly random: Random,
  ) {
    this.#changedMs = time.now()
  }

  /** Resolves when who has just looked looks again. */
  next(asksForTime: boolean): Promise<void> {
    return new Promise((resolve) => {
      const look: Look = { asksForTime, resolve, dueMs: Number.POSITIVE_INFINITY, cancel: () => {} }
      this.#waiting.add(look)
      this.#late.add(look)
      const lateness = Math.min(latenessMax, this.#waiting.size / looksInQuietMax)
      if (asksForTime) this.#in(look, Math.max(workPauseMs(this.random), this.#quietMs * lateness))
      this.#awaitDoubling()
    })
  }

  /** L1. */
  changed(what: 'serves' | 'goes'): void {
    if (what === 'goes') {
      this.#hurry(({ asksForTime }) => asksForTime)
      return
    }
    this.#changedMs = this.time.now()
    this.#cancelDoubling?.()
    this.#cancelDoubling = undefined
    this.#hurry(() => true)
    this.#awaitDoubling()
  }

  get #quietMs(): number {
    return this.time.now() - this.#changedMs
  }

  #hurry(whom: (look: Look) => boolean): void {
    for (const look of this.#late) {
      if (!whom(look)) continue
      look.cancel()
      // Somewhere between two looks of a node at work.
      this.#in(look, Math.min(workPauseMs(this.random) * this.random.next(), look.dueMs - this.time.now()))
    }
  }

  #in(look: Look, ms: number): void {
    look.dueMs = this.time.now() + ms
    if (ms <= recheckMs * 1.5) this.#late.delete(look)
    look.cancel = this.time.after(ms, () => {
      this.#waiting.delete(look)
      this.#late.delete(look)
      look.resolve()
    })
  }

  /** L3. */
  #awaitDoubling(): void {
    if (this.#cancelDoubling !== undefined || this.#late.size === 0) return
    this.#cancelDoubling = this.time.after(Math.max(firstDoublingMs, this.#quietMs), () => {
      this.#cancelDoubling = undefined
      this.#hurry(({ asksForTime }) => !asksForTime)
      this.#awaitDoubling()
    })
  }
}
