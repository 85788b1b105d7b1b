/**
 * The signatures of an upgrade file: the manifest that the upgrade is to be, with the version, the manifest
 * before it and everything else that a signature binds, and one signature over its bytes for each key. Each
 * signer signs the same bytes.
 */
import { isDeepStrictEqual } from 'node:util'
import { Fault, type ManifestDraft, type Signer, type Version } from 'theseus-actors'
import { encodeSignatures, isSignedBy, signatureOver } from 'theseus-actors/nkeys'
import {
  decodeManifest,
  encodeManifest,
  identityIn,
  type Manifest,
  manifestFormat,
  manifestOf,
  promisesIn,
  type SignedManifest,
  upgradersMax,
} from 'theseus-actors/operator'

export interface SignedUpgrade {
  readonly manifest: Manifest
  /** The manifest as it was signed. */
  readonly bytes: Uint8Array
  /** By public key, in the order in which they were added. */
  readonly signatures: ReadonlyMap<string, Uint8Array>
}

/** The place in a history for which an upgrade is signed. */
export interface HistoryPosition {
  readonly system: string
  readonly version: Version
  /** The digest of the manifest before it; null for version 1. */
  readonly previous: string | null
  /** That of the system, where it has one. */
  readonly identity?: string | null
}

/** The first signature: it says for which place, and why. */
export function signFor(
  draft: ManifestDraft,
  { system, version, previous, identity = null }: HistoryPosition,
  about: { readonly reason: string | null; readonly createdAt: string },
  signer: Signer,
): SignedUpgrade {
  const manifest = manifestOf(draft, {
    ...{ identity, system, version, previous, ...about },
    ...{ undoes: null, upgrader: signer.publicKey, upgraders: null },
  })
  const bytes = encodeManifest(manifest)
  return { manifest, bytes, signatures: new Map([[signer.publicKey, signatureOver('manifest', bytes, signer)]]) }
}

/** One more, over the same bytes. The same key twice is one signature. */
export function withSignature(signed: SignedUpgrade, signer: Signer): SignedUpgrade {
  if (!signed.signatures.has(signer.publicKey) && signed.signatures.size >= upgradersMax)
    throw new Fault('upgrade.invalid', `the upgrade has ${upgradersMax} signatures already, the most there can be`)
  const signature = signatureOver('manifest', signed.bytes, signer)
  return { ...signed, signatures: new Map([...signed.signatures, [signer.publicKey, signature]]) }
}

/**
 * As it is installed. One that names no identity is read by release 0.1.0, which knows one signature: that of
 * the upgrader it names.
 */
export function signedManifestOf({ manifest, bytes, signatures }: SignedUpgrade): SignedManifest {
  const by = manifest.upgrader!
  return { bytes, signature: identityIn(manifest) === null ? signatures.get(by)! : encodeSignatures(signatures, by) }
}

/** As a file has it: the manifest's bytes, and a list of keys and signatures. */
export function signaturesIn({
  bytes,
  signatures,
}: SignedUpgrade): readonly [Uint8Array, readonly (readonly [string, Uint8Array])[]] {
  return [bytes, [...signatures]]
}

/**
 * The signatures in a file. Throws `upgrade.invalid` for what `signaturesIn` did not make or what is of
 * another upgrade than the file's, and `upgrade.signature` for a signature that is none.
 */
export function readSignatures(value: unknown, draft: ManifestDraft): SignedUpgrade {
  const [bytes, pairs] = Array.isArray(value) ? value : []
  if (!(bytes instanceof Uint8Array) || !Array.isArray(pairs) || pairs.length === 0 || pairs.length > upgradersMax)
    throw new Fault('upgrade.invalid', 'its signatures are not [manifest, [[key, signature], …]]')
  const manifest = decodeManifest(bytes)
  if (!isDeepStrictEqual(draftOf(manifest), draft))
    throw new Fault('upgrade.invalid', 'the signatures are for another upgrade than the one in the file')
  const signatures = new Map<string, Uint8Array>()
  for (const pair of pairs) {
    const [key, signature] = Array.isArray(pair) ? pair : []
    if (typeof key !== 'string' || !(signature instanceof Uint8Array) || signatures.has(key))
      throw new Fault('upgrade.invalid', 'its signatures are not [manifest, [[key, signature], …]]')
    if (!isSignedBy(key, 'manifest', bytes, signature))
      throw new Fault('upgrade.signature', `the signature by ${key.slice(0, keyLength)} is not over this manifest`)
    signatures.set(key, signature)
  }
  if (manifest.upgrader === null || !signatures.has(manifest.upgrader))
    throw new Fault('upgrade.signature', `the upgrader whom the manifest names, ${manifest.upgrader}, has not signed it`)
  return { manifest, bytes, signatures }
}

/** More of a text that is none is not repeated. */
const keyLength = 56

/** The part of a manifest that is known when an upgrade is built. */
function draftOf(manifest: Manifest): ManifestDraft {
  const { runtime, title, bundle, classUpgrades, tables, gate } = manifest
  const promises = promisesIn(manifest)
  const draft = { format: manifestFormat, runtime, title, bundle, classUpgrades, tables, gate } as const
  return promises.length === 0 ? draft : { ...draft, promises }
}
