/** Manifests for tests: whole ones, signed ones, and every way to say something else with them. */

import { digestOf } from '../../core/base/digest.js'
import type { Signer } from '../../core/ports/signatures.js'
import { signed } from '../../core/trust/signed.js'
import type { FirstManifest, Manifest, SignedManifest } from '../../core/upgrade/manifest.js'
import { encodeManifest } from '../../core/upgrade/manifest.js'
import { newKey, signer } from '../../transports/nkeys/index.js'

/** Three upgraders. */
export const [alice, bob, mallory] = [signer(newKey().seed), signer(newKey().seed), signer(newKey().seed)] as const

/** Something else than each field says, as whoever wants to get it past the nodes would write it. */
export const forgeries: { readonly [F in keyof Manifest]-?: (manifest: Manifest) => unknown } = {
  format: () => 2,
  runtime: ({ runtime }) => runtime + 1,
  system: ({ system }) => `${system}-2`,
  version: ({ version }) => version + 1,
  previous: ({ previous }) => (previous === null ? digestOf(new Uint8Array(1)) : null),
  title: ({ title }) => `${title}!`,
  reason: () => 'nobody said so',
  undoes: ({ version, undoes }) => (undoes === null ? version - 1 : null),
  rewinds: ({ rewinds }) => (rewinds === undefined ? true : undefined),
  aborts: ({ aborts }) => (aborts === undefined ? true : undefined),
  createdAt: () => '1999-12-31T23:59:59.999Z',
  upgrader: () => mallory.publicKey,
  upgraders: () => [mallory.publicKey],
  bundle: ({ bundle }) => ({ ...bundle, digest: digestOf(new Uint8Array(2)) }),
  classUpgrades: ({ classUpgrades }) =>
    classUpgrades.length > 0 ? [] : [{ service: 'x', oldClass: 'X.v1', newClass: 'X.v2', pastSO: 'none', futureSO: 'none' }],
  tables: () => ({ authorized: { everybody: 'yes' } }),
  promises: ({ promises }) => (promises === undefined ? [{ kind: 'within', ms: 1 }] : undefined),
  gate: ({ gate }) => (gate === null ? { moreFailuresMax: 1, slowerMax: 1, callsMin: 1 } : null),
}

/** The manifest with one field forged; the signature stays that of the manifest before. */
export function forged({ bytes, signature }: SignedManifest, field: keyof Manifest): SignedManifest {
  const manifest = JSON.parse(new TextDecoder().decode(bytes)) as Manifest
  return { bytes: encodeManifest({ ...manifest, [field]: forgeries[field](manifest) }), signature }
}

export const system = 'shop'

/** A manifest that changes nothing, which follows another one. */
export function manifestAfter(before: SignedManifest | undefined, more: Partial<FirstManifest> = {}): FirstManifest {
  const previous = before && (JSON.parse(new TextDecoder().decode(before.bytes)) as Manifest)
  return {
    format: 1,
    runtime: 1,
    system,
    version: (previous?.version ?? 0) + 1,
    previous: before === undefined ? null : digestOf(before.bytes),
    title: 'Nothing changes',
    reason: null,
    undoes: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    upgrader: null,
    upgraders: null,
    bundle: { digest: digestOf(new Uint8Array(0)), bytes: 0 },
    classUpgrades: [],
    tables: {},
    gate: null,
    ...more,
  }
}

/** The same, signed. */
export function signedAfter(before: SignedManifest | undefined, by: Signer, more: Partial<FirstManifest> = {}): SignedManifest {
  return signed('manifest', encodeManifest(manifestAfter(before, { upgrader: by.publicKey, ...more })), by)
}
