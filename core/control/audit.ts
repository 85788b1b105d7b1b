/**
 * The audit: who ordered what of a system, and what came of it, refusals too. A chain of
 * entries that is only ever added to.
 *
 * A1. Each entry names the hash of the one before. An entry that is changed, taken out or put
 *     in breaks the chain there.
 * A2. Each entry names the head of the history. Neither history nor audit can be written anew alone.
 * A3. Each entry names the log of directives (core/control/directive.ts). A loss of the upgrade database
 *     gives another log, and the chain has an entry that says so: what was lost is a gap that can be seen.
 */

import { digestOf, isDigest } from '../base/digest.js'
import { Fault, isFault } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import { isVersion, type Version } from '../base/ids.js'
import { instantMs } from '../base/instant.js'
import { shortened, thrownText } from '../base/thrownText.js'
import { type DeniedCalls, isDeniedCalls } from './deniedCalls.js'

export const auditFormat = formats.audit.newest
export const auditEntryBytesMax = 16 * 1024
/** The entries that an upgrade database keeps; the oldest go first. */
export const auditKeptMax = 100_000
export const auditKeptBytesMax = 64 * 1024 * 1024
export const auditKept: AuditBounds = { entriesMax: auditKeptMax, bytesMax: auditKeptBytesMax }
/** Entries that are read at once. */
export const auditPageMax = 1_000
/** Keys that an entry names. */
const keysMax = 32
const textLengthMax = 256

/** The order, or the event, of an entry. The digest is that of the signed document. */
export type Audited =
  | { readonly act: 'install'; readonly version: Version; readonly digest: string }
  | { readonly act: 'undo'; readonly version: Version; readonly undoes: Version; readonly digest: string }
  /** `words`: as people read it. `reason`: why, as its signer says; left out where nobody does. */
  | {
      readonly act: 'order'
      readonly number: number
      readonly words: string
      readonly digest: string
      readonly reason?: string
    }
  /** A host gave back a version that the database had lost. */
  | { readonly act: 'teach'; readonly version: Version; readonly digest: string }
  /**
   * `sinceMs`: when it takes effect, by the database's clock. A death that was withdrawn and
   * declared again has another.
   */
  | { readonly act: 'death'; readonly below: Version; readonly sinceMs?: number }
  /** The health gate paused a rollout. `trouble`: what for; the same trouble has the same text. */
  | { readonly act: 'gate'; readonly version: Version; readonly words: string; readonly trouble?: string }
  /**
   * The database was found to have lost something. `known`: the newest entry that this upgrade server had
   * seen, if that is gone too.
   */
  | { readonly act: 'lost'; readonly known: AuditPlace | null }
  /** Calls that hosts denied, by their word: those that are told apart, and how many more there were. */
  | { readonly act: 'denied'; readonly calls: readonly HostsDenials[]; readonly more: number }
  /** Refusals of several kinds, too many to have an entry each. */
  | { readonly act: 'more' }
  /** A call that could not be read. */
  | { readonly act: 'unreadable'; readonly method: string }

/** Of what a database keeps. The newest entry stays, however large it is. */
export interface AuditBounds {
  readonly entriesMax: number
  readonly bytesMax: number
}

export interface HostsDenials extends DeniedCalls {
  /** The host that denied them. */
  readonly host: AuditFrom
}

export type Act = Audited['act']

/** A place in the chain. */
export interface AuditPlace {
  readonly number: number
  readonly hash: string
}

export interface AuditFrom {
  /** The caller's name that the transport vouches for; null where callers have none. */
  readonly name: string | null
  /** The id by the caller's own word. */
  readonly id: string
}

export interface AuditEntry {
  readonly format: typeof auditFormat
  /** 1 for the first of the chain. */
  readonly number: number
  /** RFC 3339, by the upgrade server's clock. */
  readonly at: string
  readonly what: Audited
  /** `done`, or the code of the fault with which it was refused. */
  readonly outcome: string
  /** How many such there were, of which this is one. */
  readonly times: number
  /** The public keys of those whose signatures counted; none where nobody has to sign, or none was good. */
  readonly by: readonly string[]
  /** Null for what an upgrade server did by itself. */
  readonly from: AuditFrom | null
  /** The history's at that moment. */
  readonly head: { readonly version: Version; readonly digest: string | null }
  /** The id of the log of directives. */
  readonly log: string
  /** The hash of the entry before; null for the first. */
  readonly previous: string | null
}

/** The part that is known when it happens. Where in the chain it goes is decided when it is written. */
export type AuditRecord = Pick<AuditEntry, 'what' | 'outcome' | 'times' | 'by' | 'from'>

/** The end of the chain, and where it begins: older entries than `first` have been dropped. */
export interface AuditHead {
  /** 0 where there is none. */
  readonly number: number
  readonly hash: string | null
  readonly first: number
  /** That of the newest entry. */
  readonly log: string | null
}

export const emptyAudit: AuditHead = { number: 0, hash: null, first: 1, log: null }

/** With its texts as long as they may be. */
export function encodeAuditEntry(entry: AuditEntry): Uint8Array {
  const { format, number, at, what, outcome, times, by, from, head, log, previous } = entry
  const bounded: AuditEntry = {
    ...{ format, number, at, what: shortWhat(what), outcome: short(outcome), times, by: by.slice(0, keysMax).map(short) },
    ...{ from: from && { name: from.name === null ? null : short(from.name), id: short(from.id) }, head, log, previous },
  }
  return new TextEncoder().encode(JSON.stringify(bounded))
}

/** An act that several upgrade servers may do in the same moment, each by itself, is done once. */
export function isSameDeed(one: Audited, other: Audited): boolean {
  const deed = deedOf(one)
  return deed !== undefined && deed === deedOf(other)
}

/** Undefined for an act of one server alone, and for one of which an older server did not say enough. */
function deedOf(what: Audited): string | undefined {
  switch (what.act) {
    case 'death':
      return what.sinceMs === undefined ? undefined : `death ${what.below} ${what.sinceMs}`
    case 'gate':
      // Of a longer trouble the entry has the beginning, and how long it was.
      return what.trouble === undefined
        ? undefined
        : `gate ${what.version} ${what.trouble.slice(0, textLengthMax).toWellFormed()}`
    default:
      return undefined
  }
}

function shortWhat(what: Audited): Audited {
  switch (what.act) {
    case 'gate': {
      const { trouble } = what
      return { ...what, words: short(what.words), ...(trouble === undefined ? {} : { trouble: short(trouble) }) }
    }
    case 'order': {
      const { reason } = what
      return { ...what, words: short(what.words), ...(reason === undefined ? {} : { reason: short(reason) }) }
    }
    case 'unreadable':
      return { ...what, method: short(what.method) }
    default:
      return what
  }
}

function short(text: string): string {
  return shortened(text, textLengthMax)
}

/** Throws `upgrade.invalid` for what is no entry. */
export function decodeAuditEntry(bytes: Uint8Array): AuditEntry {
  let value: unknown
  try {
    if (bytes.length > auditEntryBytesMax) throw invalid(`${bytes.length} bytes`)
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw isFault(error) ? error : invalid('it is not JSON', error)
  }
  const entry = fieldsOf(value)
  const { format, number, at, what, outcome, times, by, from, head, log, previous } = entry
  if (!isRead(formats.audit, format))
    throw invalid(`format ${String(format).slice(0, 20)}; this Theseus reads format ${numbersRead(formats.audit)}`)
  if (!isCount(number)) throw invalid('number is missing or wrong')
  if (instantMs(at) === undefined) throw invalid('at is missing or wrong')
  if (!isAudited(what)) throw invalid('it says nothing that this Theseus knows')
  if (!isText(outcome) || !isCount(times) || !isText(log)) throw invalid('outcome, times or log is missing or wrong')
  if (!Array.isArray(by) || !by.every(isText)) throw invalid('by is missing or wrong')
  if (from !== null && !isFrom(from)) throw invalid('from is missing or wrong')
  const { version, digest } = fieldsOf(head)
  if (!isVersion(version) || !(digest === null || isDigest(digest))) throw invalid('head is missing or wrong')
  if (previous !== null && !isDigest(previous)) throw invalid('previous is missing or wrong')
  return value as AuditEntry
}

function isAudited(value: unknown): value is Audited {
  const what = fieldsOf(value)
  switch (what.act as Act) {
    case 'install':
    case 'teach':
      return isVersion(what.version) && isDigest(what.digest)
    case 'undo':
      return isVersion(what.version) && isVersion(what.undoes) && isDigest(what.digest)
    case 'order':
      return (
        isCount(what.number) && isText(what.words) && isDigest(what.digest) && (what.reason === undefined || isText(what.reason))
      )
    case 'death':
      return isVersion(what.below) && (what.sinceMs === undefined || Number.isSafeInteger(what.sinceMs))
    case 'gate':
      return isVersion(what.version) && isText(what.words) && (what.trouble === undefined || isText(what.trouble))
    case 'lost': {
      const { number, hash } = fieldsOf(what.known)
      return what.known === null || (isCount(number) && isDigest(hash))
    }
    case 'denied':
      return Array.isArray(what.calls) && what.calls.every(isHostsDenials) && Number.isSafeInteger(what.more)
    case 'more':
      return true
    case 'unreadable':
      return isText(what.method)
    default:
      return false
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function isFrom(value: unknown): boolean {
  const { name, id } = fieldsOf(value)
  return isTextOrNull(name) && isText(id)
}

function isHostsDenials(value: unknown): boolean {
  return isDeniedCalls(value) && isFrom(fieldsOf(value).host)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || isText(value)
}

function invalid(message: string, cause?: unknown): Fault {
  return new Fault('upgrade.invalid', `audit entry: ${message}`, {}, cause === undefined ? undefined : { cause })
}

export interface AuditVerdict {
  /** Those that follow each other, oldest first. */
  readonly holds: readonly AuditEntry[]
  /** The first place that does not follow. */
  readonly broken: { readonly number: number; readonly why: string } | undefined
}

export interface AuditClaims {
  /**
   * The end of the chain by the database's word, and its beginning: entries that are missing there would not
   * be missed otherwise.
   */
  readonly head?: AuditHead
  /**
   * The digest of a version's manifest, of a history that is verified; undefined for a version
   * that it does not have.
   */
  readonly digestAt?: (version: Version) => string | undefined
}

/**
 * Finds the first place of a chain that does not follow what is before it, or names a head that
 * the history does not have.
 */
export function checkAudit(entries: readonly Uint8Array[], { head, digestAt }: AuditClaims = {}): AuditVerdict {
  const holds: AuditEntry[] = []
  let hash: string | null = null
  const verdict = (number: number, why: string): AuditVerdict => ({ holds, broken: { number, why } })
  for (const bytes of entries) {
    const before: AuditEntry | undefined = holds.at(-1)
    const number: number = before === undefined ? (head?.first ?? numberIn(bytes)) : before.number + 1
    let entry: AuditEntry
    try {
      entry = decodeAuditEntry(bytes)
    } catch (error) {
      return verdict(number, thrownText(error))
    }
    if (entry.number !== number) return verdict(number, `entry ${entry.number} is in its place`)
    if (before !== undefined && entry.previous !== hash) return verdict(number, 'it follows another entry than the one before it')
    if ((entry.previous === null) !== (number === 1))
      return verdict(number, number === 1 ? 'the first entry names one before it' : 'it names no entry before it')
    if (before !== undefined && entry.log !== before.log && entry.what.act !== 'lost')
      return verdict(number, 'it is of another log of directives, and no entry says that something was lost')
    const why = headFault(entry, digestAt)
    if (why !== undefined) return verdict(number, why)
    holds.push(entry)
    hash = digestOf(bytes)
  }
  if (head === undefined) return { holds, broken: undefined }
  const last = holds.at(-1)?.number ?? head.first - 1
  if (head.number !== last) return verdict(last + 1, `it is missing: the newest entry is ${head.number}`)
  if (head.hash !== hash) return verdict(last, 'it is another entry than the newest that was written')
  return { holds, broken: undefined }
}

function headFault({ head }: AuditEntry, digestAt: AuditClaims['digestAt']): string | undefined {
  if ((head.version === 0) !== (head.digest === null)) return 'its head is a version without a digest'
  if (digestAt === undefined || head.version === 0) return undefined
  const digest = digestAt(head.version)
  if (digest === undefined) return `it names version ${head.version}, which the history does not have`
  if (digest === head.digest) return undefined
  return `it names the manifest ${head.digest} of version ${head.version}, and the history has ${digest}`
}

/** Of the first that is there: older ones may have been dropped. */
function numberIn(bytes: Uint8Array): number {
  try {
    return decodeAuditEntry(bytes).number
  } catch {
    return 1
  }
}
