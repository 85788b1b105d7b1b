/**
 * A document and the signature over it. A signature is over the purpose and the bytes together, so that a
 * signature given for one kind of document is none for another, whatever the bytes are.
 */
import { Fault } from '../base/fault.js'
import type { Signatures, Signer } from '../ports/signatures.js'
import { decodeSignatures, encodeSignatures } from './signatureSet.js'
import { hasEnded, needed, type SignedWhen, type Trusted } from './trust.js'
import type { Decision } from './trustRoot.js'

/** The kinds of documents that upgraders sign. */
export type Purpose = 'manifest' | 'directive'

/** The document as it was signed: it is never written anew, for digest and signature are over these bytes. */
export interface Signed {
  readonly bytes: Uint8Array
  /** One, or several in its place (core/trust/signatureSet.ts). */
  readonly signature: Uint8Array | null
}

/** The bytes that are signed: `theseus.<purpose>.1`, a line feed, the document. */
export function signedBytes(purpose: Purpose, document: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`theseus.${purpose}.1\n`)
  const whole = new Uint8Array(head.length + document.length)
  whole.set(head)
  whole.set(document, head.length)
  return whole
}

/** By nobody, one, or several: the document names the first of them. */
export function signed(purpose: Purpose, bytes: Uint8Array, ...signers: readonly (Signer | undefined)[]): Signed {
  const each = signers.filter((signer) => signer !== undefined)
  const [first] = each
  if (first === undefined) return { bytes, signature: null }
  const whole = signedBytes(purpose, bytes)
  const set = new Map(each.map((signer) => [signer.publicKey, signer.sign(whole)]))
  return { bytes, signature: encodeSignatures(set, first.publicKey) }
}

/** The claims of a document about itself, and what it decides. */
export interface Claim {
  readonly purpose: Purpose
  readonly signed: Signed
  /** The document, for messages: "the manifest of version 3". */
  readonly what: string
  readonly system: string
  /** The identity that it names, if any. */
  readonly identity: string | null
  /** The key that it names as its upgrader's, if any. */
  readonly by: string | null
  readonly when: SignedWhen
  readonly decides: readonly Decision[]
}

/**
 * Throws `upgrade.signature` unless as many as have to signed the document for this very system. Answers
 * whose signatures count: of each key one.
 *
 * @param trusted undefined: nobody has to sign, but a key that is named has signed
 */
export function checkSigned(signatures: Signatures, claim: Claim, trusted: Trusted | undefined): readonly string[] {
  const { purpose, signed, what, by, when } = claim
  const { bytes, signature } = signed
  const refused = (why: string): never => {
    throw new Fault('upgrade.signature', `${what} ${why}`, by === null ? {} : { upgrader: by })
  }
  if (trusted !== undefined) checkIdentity(claim, trusted.identity, refused)
  if (by === null) {
    if (signature !== null) refused('is signed, and does not say by whom')
    if (trusted !== undefined) refused('is not signed, and only trusted upgraders may install')
    return []
  }
  const found = trusted?.keys.find(({ key }) => key === by)
  if (trusted !== undefined && found === undefined) refused(`is by ${by}, who is not a trusted upgrader there`)
  if (found !== undefined && hasEnded(found, when)) refused(`is by ${by}, whose key ended at ${found.until}`)
  if (signature === null) return refused(`names ${by} as its upgrader, and is not signed`)
  const given = decodeSignatures(signature, by)
  if (!given.has(by)) refused(`names ${by} as its upgrader, who has not signed it`)
  const counted: string[] = []
  // One who is not trusted counts for nothing, and is not looked at. Anybody who passes a
  // document on may add such signatures.
  for (const [key, each] of given) {
    const counts = key === by || trusted?.keys.some((other) => other.key === key && !hasEnded(other, when)) === true
    if (!counts) continue
    if (!signatures.verify(key, signedBytes(purpose, bytes), each)) refused(`was not signed like this by ${key}`)
    counted.push(key)
  }
  const need = trusted === undefined ? 1 : needed(trusted, claim.decides)
  if (counted.length < need)
    refused(`is signed by ${counted.length} of those who are trusted, ${counted.join(' and ')}, and ${need} have to sign`)
  return counted
}

/** R1. A name alone may be that of two systems. */
function checkIdentity({ system, identity }: Claim, own: string | null, refused: (why: string) => never): void {
  if (identity === own) return
  if (identity === null)
    refused(`names no identity, and system ${system} has one: sign it anew, with the trust root of the system`)
  if (own === null)
    refused(`names the identity ${identity}, and system ${system} has none here: give its trust root in place of a list of keys`)
  refused(`is signed for another system with the same name: it names the identity ${identity}, and this one is ${own}`)
}
