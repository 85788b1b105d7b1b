/**
 * Ed25519 signatures, as whoever checks them sees them. The signer has a key of its own and a `Signer`; a
 * host or server never has one.
 */
export interface Signatures {
  /** Whether this is the public key of an upgrader: of the right kind, and with a valid checksum. */
  isUpgraderKey(text: string): boolean
  /** Never throws: what is no key or no signature verifies nothing. */
  verify(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean
}

/** Signs with a seed that it does not show. */
export interface Signer {
  readonly publicKey: string
  sign(bytes: Uint8Array): Uint8Array
}
