/**
 * Ed25519 keys in the form of NATS's nkeys. An upgrader's key is of the kind "account": public
 * keys begin with `A`, seeds with `SA`. It is not a user's key on purpose: NATS has whoever
 * logs in with one sign whatever the server sends, so a key that is used for a login as well
 * would sign a manifest for a false server.
 */
import { createAccount, fromPublic, fromSeed, type KeyPair } from 'nkeys.js'
import { Fault } from '../../core/base/fault.js'
import type { Signatures, Signer } from '../../core/ports/signatures.js'
import { looksLikeUpgraderKey } from '../../core/trust/trust.js'
import { isSigned, privateKeyOf, signature } from './ed25519.js'

const signatureLength = 64

/** The order of the group, least byte first. */
const order = Uint8Array.from(Buffer.from('1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed', 'hex')).reverse()

/** Whether this is an upgrader's public key, its checksum included. */
export function isUpgraderKey(text: string): boolean {
  return looksLikeUpgraderKey(text) && publicPart(text) !== undefined
}

export const nkeySignatures: Signatures = {
  isUpgraderKey,
  verify(publicKey, bytes, given) {
    if (given.length !== signatureLength || !isReduced(given.subarray(signatureLength / 2))) return false
    try {
      return publicPart(publicKey) !== undefined && isSigned(publicKey, bytes, given)
    } catch {
      return false
    }
  },
}

function publicPart(text: string): KeyPair | undefined {
  try {
    return fromPublic(text)
  } catch {
    return undefined
  }
}

/**
 * Otherwise there would be a second signature, made by nobody who has the seed (RFC 8032, 5.1.7). OpenSSL
 * looks as well; nobody is to depend on that.
 */
function isReduced(scalar: Uint8Array): boolean {
  for (let i = scalar.length - 1; i >= 0; i--) if (scalar[i] !== order[i]) return scalar[i]! < order[i]!
  return false
}

/**
 * A new upgrader's key. Anybody who has the seed can upgrade every host that trusts the public key: keep it
 * where only the upgrader can read it.
 */
export function newKey(): { readonly publicKey: string; readonly seed: string } {
  const pair = createAccount()
  return { publicKey: pair.getPublicKey(), seed: new TextDecoder().decode(pair.getSeed()) }
}

/**
 * Signs with an upgrader's seed, `SA…`; white space around it does not count. Throws `config.invalid`,
 * without showing the seed.
 */
export function signer(seed: string | Uint8Array): Signer {
  const pair = pairOf((typeof seed === 'string' ? seed : new TextDecoder().decode(seed)).trim())
  const key = privateKeyOf(new TextDecoder().decode(pair.getSeed()))
  return { publicKey: pair.getPublicKey(), sign: (bytes) => signature(key, bytes) }
}

function pairOf(seed: string): KeyPair {
  const wrong = (why: string): never => {
    throw new Fault('config.invalid', `this is not the seed of an upgrader's key: ${why}`)
  }
  if (looksLikeUpgraderKey(seed)) return wrong('it is the public key')
  if (/^SU/.test(seed)) return wrong('it is a login to NATS; "natsctl key new" makes a key for upgrades')
  if (!/^SA[A-Z2-7]{56}$/.test(seed)) return wrong('a seed begins with SA and has 58 letters and digits')
  try {
    return fromSeed(new TextEncoder().encode(seed))
  } catch {
    // Its own message is not passed on, nor is it the cause: what is shown with DEBUG must not
    // have the seed either.
    return wrong('its checksum is wrong')
  }
}
