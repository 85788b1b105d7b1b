/** Signatures over documents, for those who sign and check away from any system. */
import type { Signer } from '../../core/ports/signatures.js'
import { type Purpose, signedBytes } from '../../core/trust/signed.js'
import { checkTrust, type Trust } from '../../core/trust/trust.js'
import { isUpgraderKey, nkeySignatures } from './nkeys.js'

export function signatureOver(purpose: Purpose, document: Uint8Array, signer: Signer): Uint8Array {
  return signer.sign(signedBytes(purpose, document))
}

/** Whether the owner of this upgrader's key signed these bytes, for this purpose. */
export function isSignedBy(publicKey: string, purpose: Purpose, document: Uint8Array, signature: Uint8Array): boolean {
  return isUpgraderKey(publicKey) && nkeySignatures.verify(publicKey, signedBytes(purpose, document), signature)
}

/** A list of keys or a trust root out of JSON. Throws `config.invalid`, with one line for what is wrong. */
export function trustIn(value: unknown, system?: string): Trust {
  return checkTrust(nkeySignatures, (value ?? null) as Trust, system)!
}
