/**
 * Finds versions and directives that the database has and no entry of the audit tells of. Somebody wrote them
 * past the upgrade servers, or their entries were lost.
 */

import { digestOf } from '../base/digest.js'
import { instantMs } from '../base/instant.js'
import type { Signed } from '../trust/signed.js'
import type { AuditEntry } from './audit.js'
import { type Directive, decodeDirective } from './directive.js'

/**
 * `before`: it may be older than the first entry. `lost`: its entry may be among those that the chain says
 * were lost. `known`: it was so already at the entry that the reader knows. `none`: it should have an entry.
 */
export type Untold = 'before' | 'lost' | 'known' | 'none'

export interface Uncovered {
  readonly kind: 'version' | 'directive'
  /** Null of what can't be read. */
  readonly number: number | null
  readonly digest: string
  readonly why: Untold
}

export interface Recorded {
  /** All manifests, oldest first. */
  readonly manifests: readonly Signed[]
  /** Those that are kept. */
  readonly directives: readonly Signed[]
}

/** `entries` follow each other. `known`: the number of an entry that the reader has seen. */
export function uncovered({ manifests, directives }: Recorded, entries: readonly AuditEntry[], known = 0): readonly Uncovered[] {
  const told = new Set(entries.flatMap(({ what, outcome }) => (outcome === 'done' && 'digest' in what ? [what.digest] : [])))
  const heads = new Map(manifests.map(({ bytes }, i) => [digestOf(bytes), i + 1]))
  const versions = manifests.map(({ bytes }, i): Found => {
    const isUntil = ({ head }: AuditEntry) => i + 1 <= head.version
    return { kind: 'version', number: i + 1, digest: digestOf(bytes), isUntil }
  })
  const orders = directives.map(({ bytes }): Found => {
    const directive = readable(bytes)
    const made = (directive && instantMs(directive.createdAt)) ?? Number.POSITIVE_INFINITY
    const at = directive !== undefined && 'head' in directive && directive.head !== null ? heads.get(directive.head) : 0
    const isUntil = (entry: AuditEntry) => at !== undefined && at <= entry.head.version && made <= instantMs(entry.at)!
    return { kind: 'directive', number: directive?.number ?? null, digest: digestOf(bytes), isUntil }
  })
  return [versions, orders].flatMap((found) => {
    // They are in order: what comes after one that has an entry is not from before the audit.
    const begun = found.findIndex(({ digest }) => told.has(digest))
    return found.flatMap(({ isUntil, ...one }, i): Uncovered[] =>
      told.has(one.digest) ? [] : [{ ...one, why: whyOf(entries, known, isUntil, begun !== -1 && i > begun) }],
    )
  })
}

interface Found extends Omit<Uncovered, 'why'> {
  /** Whether it may have been there when this entry was written. A directive's time is its signer's word. */
  readonly isUntil: (entry: AuditEntry) => boolean
}

function whyOf(entries: readonly AuditEntry[], known: number, isUntil: Found['isUntil'], hasBegun: boolean): Untold {
  const [first] = entries
  if (!hasBegun && (first === undefined || isUntil(first))) return 'before'
  if (entries.some((entry) => entry.what.act === 'lost' && isUntil(entry))) return 'lost'
  return entries.some((entry) => entry.number <= known && isUntil(entry)) ? 'known' : 'none'
}

function readable(bytes: Uint8Array): Directive | undefined {
  try {
    return decodeDirective(bytes)
  } catch {
    return undefined
  }
}
