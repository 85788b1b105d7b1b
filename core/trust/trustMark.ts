/**
 * As much of whom somebody is told to trust as others are told of it, so that a host beside a
 * server that trusts others is found. Nothing is believed for it: who lies gains nothing that a
 * signature would not be asked for.
 */

import { digestOf } from '../base/digest.js'
import { pack } from '../wire/codec.js'
import { isTrustRoot, type Trust } from './trust.js'

export interface TrustMark {
  /** `nobody`: upgrades need no signature. Otherwise the digest of the keys of version 0. */
  readonly keys: string
  /** The digest of the trust root; null of a list of keys, and of nobody. */
  readonly root: string | null
}

/** Of a host or server that tells others what it trusts. */
export interface Trusts {
  readonly mark: TrustMark
  /** False: nothing was said, so upgrades need no signature. */
  readonly isSaid: boolean
}

const markLength = 32
export const nobodysMark: TrustMark = { keys: 'nobody', root: null }

export function trustMark(trust: Trust | undefined): TrustMark {
  if (trust === undefined) return nobodysMark
  if (!isTrustRoot(trust)) return { keys: markOf([...trust].sort()), root: null }
  const { system, identity, since = 1, keys, need = {} } = trust
  const sorted = keys.map(({ key, until = null }) => [key, until] as const).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    keys: markOf(sorted.map(([key]) => key)),
    root: markOf([system, identity, since, sorted, Object.entries(need).sort(([a], [b]) => (a < b ? -1 : 1))]),
  }
}

/** A list of keys becomes a root of the same keys host by host: those without one are not in the way. */
export function isSameTrust(one: TrustMark, other: TrustMark): boolean {
  return one.keys === other.keys && (one.root === other.root || one.root === null || other.root === null)
}

/**
 * Two roots of the same keys that are not the same: somebody has changed a file, which stays as
 * it is (docs/security.md).
 */
export function isChangedRoot(one: TrustMark, other: TrustMark): boolean {
  return one.keys === other.keys && !isSameTrust(one, other)
}

/** For people: what to do about it. */
export const changedRootAdvice =
  'the trust roots have the same keys and differ in identity, since, until or need: give all the same file, and change ends and need by "natsctl upgrader set"'

export function isTrustMark(value: unknown): value is TrustMark {
  const { keys, root } = (value ?? {}) as Record<string, unknown>
  return (keys === nobodysMark.keys || isMark(keys)) && (root === null || isMark(root))
}

/** For people: whom it is. */
export function markText({ keys, root }: TrustMark): string {
  if (keys === nobodysMark.keys) return 'nobody: upgrades need no signature'
  return root === null ? `the list ${keys.slice(0, 8)}` : `the root ${root.slice(0, 8)}`
}

/** The same of one who tells others, which may have said nothing. */
export function trustText({ mark, isSaid }: Trusts): string {
  return isSaid ? markText(mark) : `${markText(mark)}, since "trust" is not given`
}

function markOf(value: unknown): string {
  return digestOf(pack(value)).slice(0, markLength)
}

function isMark(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}
