/** What an upgrade allows before its rollout pauses itself (`healthGate.ts` judges). */
export interface GateLimits {
  /** By how much the share of calls that throw may be larger on upgraded nodes than on the others: 0.05 is five of a hundred. */
  readonly moreFailuresMax: number
  /** Calls that upgraded nodes must have ended before their share is judged. */
  readonly callsMin: number
}

export const defaultGate: GateLimits = { moreFailuresMax: 0.05, callsMin: 200 }
