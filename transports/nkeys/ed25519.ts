/**
 * Ed25519 by OpenSSL, over the keys of nkeys.js. That library computes in JavaScript: to make or to check one
 * signature takes milliseconds in which its host answers nobody, and a history has one for each version.
 *
 * Both do as RFC 8032 has it, without the cofactor, so both accept the same.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** The bytes before a key's own, in an nkey: its kind; of a seed, that it is one, and its kind. */
const publicKindBytes = 1
const seedKindBytes = 2
const keyBytes = 32

/** The beginnings of such keys in DER (RFC 8410). */
const publicHeader = Buffer.from('302a300506032b6570032100', 'hex')
const privateHeader = Buffer.from('302e020100300506032b657004220420', 'hex')

/** @param publicKey an nkey whose checksum is right */
export function isSigned(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = Buffer.concat([publicHeader, keyIn(publicKey, publicKindBytes)])
  return verify(null, bytes, createPublicKey({ key, format: 'der', type: 'spki' }), signature)
}

/** @param seed an nkey whose checksum is right */
export function privateKeyOf(seed: string): KeyObject {
  const key = Buffer.concat([privateHeader, keyIn(seed, seedKindBytes)])
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

export function signature(key: KeyObject, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, bytes, key))
}

/** Base 32 (RFC 4648), without padding. */
function keyIn(nkey: string, kindBytes: number): Uint8Array {
  const bytes: number[] = []
  let [bits, value] = [0, 0]
  for (const digit of nkey) {
    value = ((value << 5) | digits.indexOf(digit)) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((value >>> bits) & 0xff)
  }
  return Uint8Array.from(bytes.slice(kindBytes, kindBytes + keyBytes))
}
