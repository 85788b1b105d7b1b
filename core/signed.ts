/**
 * A document and the signature over it. What is signed is its purpose and its bytes together, so that a signature given for one kind of
 * document is none for another, whatever the bytes are.
 */
import { Fault } from './fault.js'
import type { Signatures, Signer } from './ports/signatures.js'

/** The kinds of documents that upgraders sign. */
export type Purpose = 'manifest' | 'directive'

/** The document as it was signed: it is never written anew, for digest and signature are over these bytes. */
export interface Signed {
  readonly bytes: Uint8Array
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

export function signed(purpose: Purpose, bytes: Uint8Array, signer: Signer | undefined): Signed {
  return { bytes, signature: signer === undefined ? null : signer.sign(signedBytes(purpose, bytes)) }
}

/**
 * Throws `upgrade.signature` unless one who is trusted signed the document.
 *
 * @param what the document, for the message: "the manifest of version 3"
 * @param by the key that the document itself names
 * @param trusted undefined: nobody has to sign, but a key that is named has signed
 */
export function checkSigned(
  signatures: Signatures,
  purpose: Purpose,
  { bytes, signature }: Signed,
  what: string,
  by: string | null,
  trusted: readonly string[] | undefined,
): void {
  const refused = (why: string): never => {
    throw new Fault('upgrade.signature', `${what} ${why}`, by === null ? {} : { upgrader: by })
  }
  if (by === null) {
    if (signature !== null) refused('is signed, and does not say by whom')
    if (trusted !== undefined) refused('is not signed, and only trusted upgraders may install')
    return
  }
  if (trusted !== undefined && !trusted.includes(by)) refused(`is by ${by}, who is not a trusted upgrader there`)
  if (signature === null) refused(`names ${by} as its upgrader, and is not signed`)
  else if (!signatures.verify(by, signedBytes(purpose, bytes), signature)) refused(`was not signed like this by ${by}`)
}
