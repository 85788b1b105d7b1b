/**
 * The orders to try again that a node has heeded, each by its token. A database that is restored from an
 * older copy, or fails over, brings earlier ones back. They have been heeded.
 */
import type { NodeRecord } from './nodeRecord.js'

export const heededRetriesMax = 32
/** `operator.retry()` makes tokens of 12 characters. Longer ones than this are heeded, and soon forgotten. */
export const heededTokenLengthMax = 128

export function hasHeeded({ heededRetry, heededBefore = [] }: NodeRecord, token: string): boolean {
  return heededRetry === token || heededBefore.includes(token)
}

/** The record itself, if it has heeded that order already. */
export function withHeeded(record: NodeRecord, token: string): NodeRecord {
  if (hasHeeded(record, token)) return record
  const { heededRetry, heededBefore = [] } = record
  if (heededRetry === undefined || heededRetry.length > heededTokenLengthMax) return { ...record, heededRetry: token }
  return { ...record, heededRetry: token, heededBefore: [heededRetry, ...heededBefore].slice(0, heededRetriesMax - 1) }
}
