/** How the calls of a node have gone: since it started here, and since its phase began. */
import type { Version } from '../core/ids.js'
import type { ReceivedOutcome } from '../core/ports/telemetry.js'
import type { NodeFigures } from '../core/ports/upgradeDatabase.js'

/** One of so many answered calls is timed: reading the clock for each would cost a part of a short call. */
const timedEvery = 8

export class CallCounts {
  answered = 0
  failed = 0
  /** Of those that failed. */
  threw = 0
  expired = 0
  #timed = 0
  #tookMs = 0
  #atPhase: NodeFigures = { ended: 0, threw: 0, timed: 0, tookMs: 0 }

  /** @param tell hears how long each call took that was timed */
  constructor(
    private readonly now: () => number,
    private readonly tell: (label: Version, tookMs: number) => void,
  ) {}

  count(outcome: ReceivedOutcome | 'threw', beganMs: number, label: Version): void {
    this[outcome]++
    if (outcome === 'answered' && this.answered % timedEvery === 0) {
      const tookMs = Math.max(0, this.now() - beganMs)
      this.#timed++
      this.#tookMs += tookMs
      this.tell(label, tookMs)
    }
  }

  phaseBegins(): void {
    this.#atPhase = this.#total
  }

  get sincePhase(): NodeFigures {
    const { ended, threw, timed, tookMs } = this.#total
    const before = this.#atPhase
    return {
      ended: ended - before.ended,
      threw: threw - before.threw,
      timed: timed - before.timed,
      tookMs: tookMs - before.tookMs,
    }
  }

  get #total(): NodeFigures {
    return { ended: this.answered + this.threw, threw: this.threw, timed: this.#timed, tookMs: this.#tookMs }
  }
}
