/**
 * The keys that may install upgrades, and those that may order. They are a function of the
 * manifests before a document, and of nothing else: not of the version that runs, so no undo
 * brings a removed key back (DESIGN §5, "Install").
 */
import { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import { instantMs } from '../base/instant.js'
import type { Signatures } from '../ports/signatures.js'
import {
  checkTrustRoot,
  type Decision,
  looksLikeUpgraderKey,
  type Need,
  type TrustedKey,
  type TrustRoot,
  upgradersMax,
} from './trustRoot.js'

export { looksLikeUpgraderKey, upgradersMax } from './trustRoot.js'

/**
 * The trust at version 0 that a host or server is told of: public keys, one of which signs; or a trust root,
 * which asks for more.
 */
export type Trust = readonly string[] | TrustRoot

/** The keys that are trusted at some place of the history, and for what. */
export interface Trusted {
  /** It is named by every document there; null in a system that has none. */
  readonly identity: string | null
  readonly keys: readonly TrustedKey[]
  readonly need: Need
}

/** The part of a manifest that says who is trusted after it. */
export interface TrustChange {
  readonly identity?: string
  /** Those who are trusted from then on; null: who was before. */
  readonly upgraders: readonly string[] | null
  /** The ends of their keys, of those that have one. */
  readonly until?: Readonly<Record<string, string>>
  /** Left out and null: as many as before. */
  readonly need?: Need | null
}

/** Never empty: a system whose last key is removed could not be upgraded any more. */
export function isUpgraderList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= upgradersMax &&
    value.every(looksLikeUpgraderKey) &&
    new Set(value).size === value.length
  )
}

export function changesTrust({ upgraders, need }: TrustChange): boolean {
  return upgraders !== null || (need ?? null) !== null
}

/**
 * The keys that are trusted to sign what comes after these manifests; undefined: nobody has to sign.
 *
 * @param initial whom a host or an upgrade server was told to trust: at version 0
 * @param before the manifests of versions 1, 2, …, verified
 */
export function trustedAt(initial: Trust | undefined, before: readonly TrustChange[]): Trusted | undefined {
  const said = before.findLast(({ upgraders }) => upgraders !== null)
  const keys = said === undefined ? keysOf(initial) : keysAfter(said)
  if (keys === undefined) return undefined
  // Where nobody was named at first, the first manifest that names somebody is believed in this too.
  const first = () => before.find(({ upgraders }) => upgraders !== null)!.identity ?? null
  const identity = initial === undefined ? first() : identityAt(initial, before.length + 1)
  if (identity === null) return { identity, keys, need: {} }
  const atFirst = isTrustRoot(initial) ? initial.need : undefined
  const need = before.findLast((change) => (change.need ?? null) !== null)?.need ?? atFirst ?? {}
  return { identity, keys, need }
}

/** The identity that the manifest of a version names, and the directives before it. */
export function identityAt(trust: Trust | undefined, version: Version): string | null {
  return isTrustRoot(trust) && version >= (trust.since ?? 1) ? trust.identity : null
}

export function isTrustRoot(trust: Trust | undefined): trust is TrustRoot {
  return trust !== undefined && !Array.isArray(trust)
}

function keysOf(trust: Trust | undefined): readonly TrustedKey[] | undefined {
  return isTrustRoot(trust) ? trust.keys : trust?.map((key) => ({ key }))
}

function keysAfter({ upgraders, until = {} }: TrustChange): readonly TrustedKey[] {
  return upgraders!.map((key) => (Object.hasOwn(until, key) ? { key, until: until[key]! } : { key }))
}

/** When something was signed: as it says itself, and by the clock of who asks, where that is asked. */
export interface SignedWhen {
  readonly createdAt: string
  readonly nowMs?: number | undefined
}

/** Whether a key's end is before then. Of what says no time nobody can tell, so it is. */
export function hasEnded({ until }: TrustedKey, { createdAt, nowMs }: SignedWhen): boolean {
  if (until === undefined) return false
  const endMs = instantMs(until)
  const createdMs = instantMs(createdAt)
  return endMs === undefined || createdMs === undefined || createdMs > endMs || (nowMs !== undefined && nowMs > endMs)
}

/** How many have to sign what decides all of these. */
export function needed({ need }: Trusted, decided: readonly Decision[]): number {
  return Math.max(1, ...decided.map((decision) => need[decision] ?? 1))
}

/** Said by one who means it: upgrades need no signature. */
export const trustNobody = 'nobody'

/** Throws `config.invalid` for a list of upgraders, or a trust root, that can't be meant. */
export function checkTrust<T extends Trust>(
  signatures: Signatures,
  trust: T | typeof trustNobody | undefined,
  system?: string,
): T | undefined {
  if (trust === undefined || trust === trustNobody) return undefined
  const wrong = (message: string): never => {
    throw new Fault('config.invalid', `trust: ${message}`)
  }
  if (typeof trust === 'object' && trust !== null && isTrustRoot(trust)) return checkTrustRoot(signatures, trust, system) as T
  if (!Array.isArray(trust))
    return wrong(
      'give a list of public keys, as "natsctl key new" prints them, a trust root, or \'nobody\' where upgrades need no signature',
    )
  if (trust.length === 0)
    wrong("the list is empty, so nobody could install anything; write 'nobody' where upgrades need no signature")
  trust.forEach((key, i) => {
    // Not the text itself: somebody may have taken the seed for the key.
    if (!looksLikeUpgraderKey(key) || !signatures.isUpgraderKey(key))
      wrong(`entry ${i + 1} is not the public key of an upgrader: "natsctl key show --key FILE" prints it, it begins with A`)
  })
  if (!isUpgraderList(trust)) wrong(`give each key once, and at most ${upgradersMax}`)
  return trust
}
