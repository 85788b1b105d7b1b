/**
 * The audit of one system in memory (core/control/audit.ts). A value that is never changed, so
 * that a backup can be a copy.
 */
import { type AuditBounds, type AuditHead, auditPageMax, emptyAudit } from '../../core/control/audit.js'

export interface MemoryAudit {
  readonly head: AuditHead
  /** Oldest first. */
  readonly entries: readonly Uint8Array[]
  /** Of all of them. */
  readonly bytes: number
}

export const noAudit: MemoryAudit = { head: emptyAudit, entries: [], bytes: 0 }

/** One more after the newest; the oldest go where there are too many. */
export function withEntry(
  audit: MemoryAudit,
  entry: Uint8Array,
  { hash, log }: { readonly hash: string; readonly log: string },
  { entriesMax, bytesMax }: AuditBounds,
): MemoryAudit {
  const entries = [...audit.entries, new Uint8Array(entry)]
  let bytes = audit.bytes + entry.length
  let dropped = 0
  const held = () => entries.length - dropped
  while (held() > 1 && (held() > entriesMax || bytes > bytesMax)) bytes -= entries[dropped++]!.length
  const { number, first } = audit.head
  return { head: { number: number + 1, hash, first: first + dropped, log }, entries: entries.slice(dropped), bytes }
}

export function entriesBetween({ head, entries }: MemoryAudit, from: number, to: number): readonly Uint8Array[] {
  const begin = Math.max(from, head.first) - head.first
  return entries.slice(begin, Math.min(to + 1 - head.first, begin + auditPageMax)).map((entry) => new Uint8Array(entry))
}
