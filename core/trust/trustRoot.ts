/**
 * The trust root of a system: its identity, the keys of version 0, and how many of them have to
 * sign. Hosts, upgrade servers and operators are given the same one. It stays as it is: a
 * signed upgrade says whose keys count after it.
 *
 * R1. The identity is random and is made once, so two systems of one name have two. Every
 *     signed document names it.
 */
import { Fault } from '../base/fault.js'
import { fileFormats, isRead, numbersRead } from '../base/formats.js'
import { isName, isVersion, type Version } from '../base/ids.js'
import { instantMs } from '../base/instant.js'
import type { Signatures } from '../ports/signatures.js'

export const trustRootFormat = fileFormats.trustRoot.newest

/** Keys in a trust root or in a list, and signatures of one document. */
export const upgradersMax = 64

export interface TrustedKey {
  readonly key: string
  /** RFC 3339: what was created later is not trusted for this key. Left out: it has no end. */
  readonly until?: string
}

/** Signed documents, by what they decide: `order` is for controls and tables. */
export const decisions = ['upgrade', 'undo', 'final', 'order'] as const
export type Decision = (typeof decisions)[number]

/** How many trusted keys have to sign; one where nothing is said. */
export type Need = Readonly<Partial<Record<Decision, number>>>

export interface TrustRoot {
  readonly format: typeof trustRootFormat
  readonly system: string
  /** R1. 16 random bytes as text. */
  readonly identity: string
  /**
   * The first version whose manifest names the identity, for a system that had none at first. Left out: 1.
   */
  readonly since?: Version
  /** Those who are trusted at version 0. */
  readonly keys: readonly TrustedKey[]
  readonly need?: Need
}

/**
 * The form of a public key: an nkey of the kind that no login uses. Its checksum is for the
 * port `Signatures` to check.
 */
export function looksLikeUpgraderKey(value: unknown): value is string {
  return typeof value === 'string' && /^A[A-Z2-7]{55}$/.test(value)
}

export function isIdentity(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_+/=-]{16,64}$/.test(value)
}

export function isNeed(value: unknown): value is Need {
  const isNumber = (k: unknown) => Number.isInteger(k) && (k as number) >= 1 && (k as number) <= upgradersMax
  return isFields(value, decisions) && Object.values(value).every(isNumber)
}

/** The most signatures that any decision needs. */
export function mostNeeded(need: Need): number {
  return Math.max(1, ...Object.values(need))
}

/** Throws `config.invalid` for a trust root that can't be meant, one line for each wrong field. */
export function checkTrustRoot(signatures: Signatures, value: unknown, system?: string): TrustRoot {
  const wrong = (message: string): never => {
    throw new Fault('config.invalid', `trust: ${message}`)
  }
  const fields = ['format', 'system', 'identity', 'since', 'keys', 'need']
  if (!isFields(value)) return wrong('this is no trust root: "natsctl trust new" makes one')
  const unknown = Object.keys(value).find((field) => !fields.includes(field))
  if (unknown !== undefined) wrong(`there is no field ${shortened(unknown)} in a trust root; there are ${fields.join(', ')}`)
  const root = value as unknown as TrustRoot
  if (!isRead(fileFormats.trustRoot, root.format))
    wrong(`format is not ${numbersRead(fileFormats.trustRoot)}, which this Theseus reads`)
  if (!isName(root.system)) wrong('system is not the name of a system')
  if (system !== undefined && root.system !== system) wrong(`the trust root is of system ${root.system}, this is ${system}`)
  if (!isIdentity(root.identity))
    wrong('identity is not a random text of 16 to 64 letters, digits and _+/=-: "natsctl trust new" makes one')
  if (root.since !== undefined && (!isVersion(root.since) || root.since < 1)) wrong('since is not a version from 1 on')
  if (!Array.isArray(root.keys) || root.keys.length === 0 || root.keys.length > upgradersMax)
    wrong(`keys is not a list of 1 to ${upgradersMax} keys, each { "key": "A…" }`)
  for (const [i, entry] of root.keys.entries()) {
    // Not the text itself: somebody may have taken the seed for the key.
    if (!isFields(entry, ['key', 'until'])) wrong(`keys[${i}] is not { "key": "A…" }, with "until" where it has an end`)
    const { key, until } = entry
    if (!looksLikeUpgraderKey(key) || !signatures.isUpgraderKey(key))
      wrong(`keys[${i}].key is not the public key of an upgrader: "natsctl key show --key FILE" prints it, it begins with A`)
    if (until !== undefined && instantMs(until) === undefined)
      wrong(`keys[${i}].until is not a time such as 2027-01-31T00:00:00Z`)
  }
  if (new Set(root.keys.map(({ key }) => key)).size !== root.keys.length) wrong('keys has a key twice')
  if (root.need !== undefined) {
    if (!isNeed(root.need))
      wrong(`need is not how many have to sign, from 1 to ${upgradersMax}, for ${decisions.join(', ')}: { "upgrade": 2 }`)
    const most = mostNeeded(root.need)
    if (most > root.keys.length) wrong(`need asks for ${most} signatures, and there are ${root.keys.length} keys`)
  }
  return root
}

function isFields(value: unknown, known?: readonly string[]): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return known === undefined || Object.keys(value).every((field) => known.includes(field))
}

/** Enough of a wrong name to find it by. */
function shortened(text: string): string {
  return JSON.stringify(text.slice(0, upgradersMax))
}
