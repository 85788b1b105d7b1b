/** How the calls of a node have gone: since it started here, and since its phase began. */
import type { Version } from '../../core/base/ids.js'
import type { ReceivedOutcome } from '../../core/inspection/telemetry.js'
import type { NodeFigures } from '../../core/model/nodeRow.js'

/** One of so many answered calls is timed: reading the clock for each would cost a part of a short call. */
const timedEvery = 8

/** The parts of its node that counting needs. */
export interface CountingNode {
  monotonicMs(): number
  /** How long a call took that was timed. */
  timed(label: Version, tookMs: number): void
}

const none: NodeFigures = { ended: 0, threw: 0, timed: 0, tookMs: 0 }

export class CallCounts {
  answered = 0
  failed = 0
  /** Of those that failed. */
  threw = 0
  expired = 0
  #timed = 0
  #tookMs = 0
  #atPhase = none

  constructor(private readonly node: CountingNode) {}

  count(outcome: ReceivedOutcome | 'threw', beganMs: number, label: Version): void {
    this[outcome]++
    if (outcome === 'answered' && this.answered % timedEvery === 0) {
      const tookMs = Math.max(0, this.node.monotonicMs() - beganMs)
      this.#timed++
      this.#tookMs += tookMs
      this.node.timed(label, tookMs)
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

/** Of every node of which no call has ended. */
export const noCalls = new CallCounts({ monotonicMs: () => 0, timed() {} })
