/**
 * Who may install upgrades: a list of public keys. It is a function of the manifests before a manifest, and of nothing else: not of the
 * version that runs, so no undo brings a removed key back (DESIGN §5, "Install").
 */
import { Fault } from './fault.js'
import type { Signatures } from './ports/signatures.js'

export const upgradersMax = 64

/** The form of a public key: an nkey of the kind that no login uses. Its checksum is for the port `Signatures` to check. */
export function looksLikeUpgraderKey(value: unknown): value is string {
  return typeof value === 'string' && /^A[A-Z2-7]{55}$/.test(value)
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

/**
 * Who is trusted to sign the manifest after these; undefined: nobody has to sign.
 *
 * @param initial the list that a host or an upgrade server was given: that of version 0
 * @param before the manifests of versions 1, 2, …, verified
 */
export function trustedAt(
  initial: readonly string[] | undefined,
  before: readonly { readonly upgraders: readonly string[] | null }[],
): readonly string[] | undefined {
  return before.findLast(({ upgraders }) => upgraders !== null)?.upgraders ?? initial
}

/** Throws `config.invalid` for a list of upgraders that can't be meant. */
export function checkTrust(signatures: Signatures, trust: readonly string[] | undefined): readonly string[] | undefined {
  if (trust === undefined) return undefined
  const wrong = (message: string): never => {
    throw new Fault('config.invalid', `trust: ${message}`)
  }
  if (!Array.isArray(trust)) wrong('give a list of public keys, as "natsctl key new" prints them')
  if (trust.length === 0)
    wrong('the list is empty, so nobody could install anything; leave it out where upgrades need no signature')
  trust.forEach((key, i) => {
    // Not the text itself: somebody may have taken the seed for the key.
    if (!looksLikeUpgraderKey(key) || !signatures.isUpgraderKey(key))
      wrong(`entry ${i + 1} is not the public key of an upgrader: "natsctl key show --key FILE" prints it, it begins with A`)
  })
  if (!isUpgraderList(trust)) wrong(`give each key once, and at most ${upgradersMax}`)
  return trust
}
