/**
 * The signatures of one document, as they travel and are kept: in the place of one. A signature alone has 64
 * bytes, and is by the upgrader whom the document names. Several are a set: the number 1, then for each the
 * public key in ASCII and its signature.
 */
import { fileFormats } from '../base/formats.js'
import { upgradersMax } from './trustRoot.js'

export const signatureSetFormat = fileFormats.signatures.newest

const keyBytes = 56
const signatureBytes = 64
const entryBytes = keyBytes + signatureBytes

/** By public key. */
export type SignatureSet = ReadonlyMap<string, Uint8Array>

/** One that is by the upgrader whom the document names stays alone: every release reads that. */
export function encodeSignatures(set: SignatureSet, by: string): Uint8Array {
  const own = set.get(by)
  if (set.size === 1 && own !== undefined) return own
  const whole = new Uint8Array(1 + set.size * entryBytes)
  whole[0] = signatureSetFormat
  let at = 1
  for (const [key, signature] of set) {
    whole.set(new TextEncoder().encode(key).subarray(0, keyBytes), at)
    whole.set(signature.subarray(0, signatureBytes), at + keyBytes)
    at += entryBytes
  }
  return whole
}

/**
 * Anything that is no set is a signature by the upgrader whom the document names. A key's first
 * signature counts.
 */
export function decodeSignatures(bytes: Uint8Array, by: string): SignatureSet {
  const entries = (bytes.length - 1) / entryBytes
  const isSet = bytes[0] === signatureSetFormat && Number.isInteger(entries) && entries >= 1 && entries <= upgradersMax
  if (!isSet) return new Map([[by, bytes]])
  const set = new Map<string, Uint8Array>()
  for (let at = 1; at < bytes.length; at += entryBytes) {
    const key = new TextDecoder('latin1').decode(bytes.subarray(at, at + keyBytes))
    if (!set.has(key)) set.set(key, bytes.subarray(at + keyBytes, at + entryBytes))
  }
  return set
}
