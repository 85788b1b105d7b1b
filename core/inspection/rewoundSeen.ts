/**
 * The report of a node's newest rewind (§8), or a part of it, as its host tells it: only to who asks for this
 * type, unless its host tells nothing of states (`observedState`). It has arguments and answers of calls, for
 * these are what the callers have to hear.
 */
import { isVersion, type Version } from '../base/ids.js'
import { isReportedDifference, type ReportedDifference } from '../model/recordedOperation.js'

export interface RewoundSeen {
  readonly type: 'rewound'
  readonly at: number
  readonly nodeId: string
  /** The version that was taken back. */
  readonly target: Version
  readonly replayed: number
  /** Operations that did not end as before, and how many of them are told. */
  readonly differing: number
  readonly told: number
  /** The place of the first of these among those that are told. */
  readonly from: number
  readonly differences: readonly ReportedDifference[]
}

/** Of one message. */
export const differencesSeenMax = 64

export function isRewoundSeen({ target, replayed, differing, told, from, differences }: Record<string, unknown>): boolean {
  const areCounts = [replayed, differing, told, from].every((count) => Number.isSafeInteger(count) && (count as number) >= 0)
  if (!isVersion(target) || !areCounts || !Array.isArray(differences)) return false
  return differences.length <= differencesSeenMax && differences.every(isReportedDifference)
}
