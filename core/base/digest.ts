/** Digests, by which bytes are named and compared. */
import { createHash } from 'node:crypto'

/** SHA-256 in hexadecimal: of a bundle, a manifest, an entry of the audit. */
export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}
