/** Trust roots for tests, and what is signed for the systems that have them. */

import { digestOf } from '../../core/base/digest.js'
import type { Signer } from '../../core/ports/signatures.js'
import { signed } from '../../core/trust/signed.js'
import type { TrustRoot } from '../../core/trust/trustRoot.js'
import { encodeManifest, type IdentifiedManifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { alice, bob, manifestAfter, system } from './signedManifests.js'

export const production = 'production-0123456789abcdef'
export const staging = 'staging-0123456789abcdef'

export function rootOf(more: Partial<TrustRoot> = {}): TrustRoot {
  const keys = [alice, bob].map(({ publicKey }) => ({ key: publicKey }))
  return { format: 1, system, identity: production, keys, ...more }
}

/** The manifest after another one, as it is signed in the system of an identity; the first names itself. */
export function identifiedAfter(
  before: SignedManifest | undefined,
  by: readonly Signer[],
  more: Partial<IdentifiedManifest> = {},
): SignedManifest {
  const manifest: IdentifiedManifest = {
    ...manifestAfter(before),
    ...{ format: 2, identity: production, until: {}, need: null, upgrader: by[0]!.publicKey },
    ...{ previous: before === undefined ? null : digestOf(before.bytes) },
    ...more,
  }
  return signed('manifest', encodeManifest(manifest), ...by)
}
