/**
 * Whether the owner of a shard may still say something in its name.
 *
 * H4. Nothing leaves an owner later than `leaseMs − guardMs` after it *sent* the append that was acknowledged
 *     last, by its monotonic or its wall clock, whichever shows more. A successor claims no sooner than a
 *     whole lease after the log has got that entry. So what a frozen process has computed never gets out.
 */
import type { Clock } from '../../core/ports/clock.js'
import type { Moment } from '../../core/store/logWriter.js'

export interface LeaseTimes {
  readonly leaseMs: number
  readonly guardMs: number
}

/** `held`, or not at this moment, or never again: another term owns the shard. */
export type LeaseState = 'held' | 'lapsed' | 'lost'

export class ShardLease {
  #sent: Moment | undefined
  #isLost = false
  readonly #waiting: (() => void)[] = []

  /** `renew`: an append is wanted now. */
  constructor(
    private readonly clock: Clock,
    private readonly times: LeaseTimes,
    private readonly renew: () => void,
  ) {}

  moment(): Moment {
    return { ms: this.clock.monotonicMs(), wallMs: this.clock.now() }
  }

  get state(): LeaseState {
    if (this.#isLost) return 'lost'
    return this.#leftMs(this.moment()) > 0 ? 'held' : 'lapsed'
  }

  /** An append that was first sent at that moment was acknowledged. */
  renewed(sent: Moment): void {
    if (this.#isLost || (this.#sent !== undefined && sent.ms < this.#sent.ms)) return
    this.#sent = sent
    if (this.state !== 'held') return
    for (const action of this.#waiting.splice(0)) action()
  }

  /** Another term has begun. All that waits here waits for ever: the successor answers. */
  lose(): void {
    this.#isLost = true
    this.#waiting.length = 0
  }

  /** How long it has been since the append that counts was sent. */
  get agedMs(): number {
    return this.#agedMs(this.moment())
  }

  /** Whether nothing may leave now; then `action` is called when it may, or never. */
  holds(action: () => void): boolean {
    const { state } = this
    if (state === 'held') return false
    if (state === 'lapsed') {
      this.#waiting.push(action)
      this.renew()
    }
    return true
  }

  get waiting(): number {
    return this.#waiting.length
  }

  #leftMs(now: Moment): number {
    return this.times.leaseMs - this.times.guardMs - this.#agedMs(now)
  }

  #agedMs({ ms, wallMs }: Moment): number {
    return this.#sent === undefined ? Number.POSITIVE_INFINITY : Math.max(ms - this.#sent.ms, wallMs - this.#sent.wallMs)
  }
}
