/**
 * The report of a node's newest rewind (W4), on its disk: a head, and after it each operation that did not
 * end as before.
 */
import { formats, isRead } from '../../core/base/formats.js'
import type { Version } from '../../core/base/ids.js'
import { keys } from '../../core/model/nodeRecord.js'
import { decodeDifference, type ReportedDifference } from '../../core/model/recordedOperation.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { Journal } from './journal.js'

/** How far a replay has come. */
export interface RewindReport {
  /** The version that was taken back. */
  readonly target: Version
  readonly replayed: number
  /** Operations that did not end as before. The first of them are kept (`rewindReportMax`). */
  readonly differing: number
}

export function packedReport({ target, replayed, differing }: RewindReport): Uint8Array {
  return pack([formats.rewind.newest, target, replayed, differing])
}

/** Undefined where nothing has been rewound. */
export function readReport(journal: Pick<Journal, 'get'>, nodeId: string): RewindReport | undefined {
  const packed = journal.get(keys.difference(nodeId, 0))
  if (packed === undefined) return undefined
  const [format, target, replayed, differing] = unpack(packed) as [number, Version, number, number]
  return isRead(formats.rewind, format) ? { target, replayed, differing } : undefined
}

/** How many are kept. */
export function countDifferences(journal: Pick<Journal, 'range'>, nodeId: string): number {
  const [, end] = keys.differences(nodeId)
  let count = 0
  for (const _ of journal.range(keys.difference(nodeId, 1), end)) count++
  return count
}

/** Those that are kept, in the order of the operations. */
export function* differencesOf(journal: Pick<Journal, 'range'>, nodeId: string): Iterable<ReportedDifference> {
  const [, end] = keys.differences(nodeId)
  for (const [, bytes] of journal.range(keys.difference(nodeId, 1), end)) {
    const difference = decodeDifference(bytes)
    if (difference !== undefined) yield difference
  }
}
