/** The limits that an upgrade sets before its rollout pauses itself (`healthGate.ts` judges). */
export interface GateLimits {
  /**
   * By how much the share of calls that throw may be larger on upgraded nodes than on the
   * others: 0.05 is five of a hundred.
   */
  readonly moreFailuresMax: number
  /**
   * How many times as long a call may take on upgraded nodes as on the others, on average. Differences below
   * `slowerMsMin` don't count.
   */
  readonly slowerMax: number
  /** Calls that upgraded nodes must have ended before they are judged by them. */
  readonly callsMin: number
}

export const slowerMsMin = 10

export const defaultGate: GateLimits = { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 }
