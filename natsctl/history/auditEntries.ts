/** The entries of the audit, as commands read them from the upgrade database. */
import { InvalidArgumentError } from 'commander'
import type { Operator } from 'theseus-actors'
import {
  type AuditEntry,
  type AuditHead,
  auditPageMax,
  decodeAuditEntry,
  digestOf,
  instantMs,
  type Signed,
} from 'theseus-actors/operator'
import { durationFlag } from '../context/flags.js'

/** Entries that a list has unless somebody asks for more. */
export const entriesShown = 100

export interface ReadEntry {
  readonly entry: AuditEntry
  readonly hash: string
}

/** So many of the newest, oldest first. */
export async function newestEntries(
  database: Operator['database'],
  head: AuditHead,
  last = Number.POSITIVE_INFINITY,
): Promise<readonly Uint8Array[]> {
  return entriesFrom(database, Math.max(head.first, head.number - last + 1), head)
}

/** All from this number on that are kept. */
export async function entriesFrom(
  database: Operator['database'],
  first: number,
  head: AuditHead,
): Promise<readonly Uint8Array[]> {
  const entries: Uint8Array[] = []
  for (let from = Math.max(first, head.first); from <= head.number; from += auditPageMax)
    entries.push(...(await database.audit(from, Math.min(from + auditPageMax - 1, head.number))))
  return entries
}

/** Undefined for what this release can't read. */
export function readEntry(bytes: Uint8Array): ReadEntry | undefined {
  try {
    return { entry: decodeAuditEntry(bytes), hash: digestOf(bytes) }
  } catch {
    return undefined
  }
}

/**
 * Undefined where the login may not read them: releases before `audit --verify` compared them gave
 * operators no right to this key.
 */
export async function readableDirectives(database: Operator['database']): Promise<readonly Signed[] | undefined> {
  try {
    return await database.recentDirectives()
  } catch (error) {
    if (error instanceof Error && error.message.includes('NOPERM')) return undefined
    throw error
  }
}

/** Milliseconds since 1970. */
export function sinceFlag(text: string): number {
  const instant = instantMs(text)
  if (instant !== undefined) return instant
  if (/^\d+(\.\d+)?(ms|s|m|h)$/.test(text)) return Date.now() - durationFlag(text)
  throw new InvalidArgumentError('Use a duration such as 2h, or a moment such as 2026-11-30T12:00:00Z.')
}

export function limitFlag(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0
  if (Number.isSafeInteger(limit) && limit > 0) return limit
  throw new InvalidArgumentError('Use a number of entries, such as 20.')
}
