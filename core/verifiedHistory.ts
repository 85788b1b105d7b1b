/**
 * C9. No upgrade runs that a trusted upgrader did not sign, and the history of upgrades can't be rewritten unseen.
 *
 * The manifests of versions 1, 2, … of a system, each checked against those before it: it is the next version of this system, names the
 * digest of the one before, and is signed by one of those whom the ones before it trust. Hosts, upgrade servers and natsctl all ask here.
 */
import { Fault } from './fault.js'
import { invariant } from './invariant.js'
import { decodeManifest, digestOf, type Manifest, type SignedManifest } from './manifest.js'
import type { Signatures } from './ports/signatures.js'
import type { Head } from './ports/upgradeDatabase.js'
import { checkSigned } from './signed.js'
import { trustedAt } from './trust.js'

declare const isVerified: unique symbol

/** A manifest that has passed `VerifiedHistory.check`. Nothing else makes one: whatever asks for one is given no other. */
export interface Verified {
  readonly [isVerified]: true
  readonly manifest: Manifest
  readonly digest: string
  readonly signed: SignedManifest
}

export class VerifiedHistory {
  readonly #entries: Verified[] = []
  readonly #manifests: Manifest[] = []
  /** What `check` has answered. */
  readonly #checked = new WeakSet<Verified>()

  /** @param trust who is trusted at version 0; undefined: nobody has to sign, until an upgrade says who does */
  constructor(
    private readonly system: string,
    private readonly trust: readonly string[] | undefined,
    private readonly signatures: Signatures,
  ) {}

  /** The manifests of versions 1, 2, …. */
  get manifests(): readonly Manifest[] {
    return this.#manifests
  }

  get head(): Head {
    return { version: this.#entries.length, digest: this.#entries.at(-1)?.digest ?? null }
  }

  /** Who is trusted to sign the next manifest; undefined: nobody has to. */
  get trusted(): readonly string[] | undefined {
    return trustedAt(this.trust, this.#manifests)
  }

  /** The manifest of a version, with its digest and its signature. */
  at(version: number): Verified | undefined {
    return this.#entries[version - 1]
  }

  /**
   * Checks that this is the manifest after the newest one; does not add it. Throws `upgrade.invalid`, `upgrade.predecessor` or
   * `upgrade.signature`.
   */
  check(signed: SignedManifest): Verified {
    const manifest = decodeManifest(signed.bytes)
    const { version, digest } = this.head
    const what = `the manifest of version ${manifest.version}`
    const doesNotFollow = (why: string): never => {
      throw new Fault('upgrade.predecessor', `${what} does not follow version ${version} of ${this.system}: ${why}`)
    }
    if (manifest.system !== this.system) doesNotFollow(`it is for system ${manifest.system}`)
    if (manifest.version !== version + 1) doesNotFollow(`version ${version + 1} comes next`)
    if (manifest.previous !== digest) doesNotFollow('it follows another manifest than the one that is here')
    checkSigned(this.signatures, 'manifest', signed, what, manifest.upgrader, this.trusted)
    if (!(manifest.upgraders ?? []).every((key) => this.signatures.isUpgraderKey(key)))
      throw new Fault('upgrade.invalid', `${what}: upgraders has an entry that is not the public key of an upgrader`)
    const verified = { manifest, digest: digestOf(signed.bytes), signed } as Verified
    this.#checked.add(verified)
    return verified
  }

  /**
   * Checks that this could be in the place of the manifest that is here for its version: it follows the same one, and is signed by one who was
   * trusted for it and still is. Throws as `check` does. Of one who is trusted no more nobody can tell when it was signed.
   */
  checkRival(signed: SignedManifest): void {
    const manifest = decodeManifest(signed.bytes)
    const { system, version, previous, upgrader } = manifest
    const what = `the other manifest of version ${version}`
    const before = this.#manifests.slice(0, version - 1)
    if (system !== this.system || version > this.head.version || previous !== (this.at(version - 1)?.digest ?? null))
      throw new Fault('upgrade.predecessor', `${what} does not follow what is here`)
    const { trusted } = this
    // Before the signature is looked at, which costs the most.
    if (trusted !== undefined && !trusted.includes(upgrader ?? ''))
      throw new Fault('upgrade.signature', `${what} is by ${upgrader ?? 'nobody'}, who is not trusted now`)
    checkSigned(this.signatures, 'manifest', signed, what, upgrader, trustedAt(this.trust, before))
  }

  /** This history and what its `check` has answered; this one stays as it is. For who has it in hand while it waits. */
  with(verified: Verified): VerifiedHistory {
    const longer = new VerifiedHistory(this.system, this.trust, this.signatures)
    longer.#entries.push(...this.#entries)
    longer.#manifests.push(...this.#manifests)
    if (this.#checked.has(verified)) longer.#checked.add(verified)
    longer.append(verified)
    return longer
  }

  /** Adds what `check` has just answered. */
  append(verified: Verified): void {
    const { version, digest } = this.head
    const { manifest } = verified
    invariant(this.#checked.has(verified), `C9: the manifest of version ${manifest.version} was not checked by this history`)
    invariant(
      manifest.version === version + 1 && manifest.previous === digest,
      `C9: the manifest of version ${manifest.version} does not follow version ${version} any more`,
    )
    this.#entries.push(verified)
    this.#manifests.push(verified.manifest)
  }
}
