/**
 * C9. No upgrade runs that a trusted upgrader did not sign, and the history of upgrades can't
 *     be rewritten unseen.
 *
 * The manifests of versions 1, 2, … of a system, each checked against those before it: it is the next version
 * of this system, names the digest of the one before, and is signed by one of those whom the ones before it
 * trust. Hosts, upgrade servers and natsctl all ask here.
 */

import { digestOf } from '../base/digest.js'
import { Fault } from '../base/fault.js'
import { firstRelease } from '../base/formats.js'
import type { Version } from '../base/ids.js'
import { instantMs, rfc3339 } from '../base/instant.js'
import { invariant } from '../base/invariant.js'
import { firstLevel, type Level, newestLevel, raised, unreadOf } from '../base/level.js'
import type { Signatures } from '../ports/signatures.js'
import { type Claim, checkSigned, type Signed } from '../trust/signed.js'
import { changesTrust, hasEnded, type Trust, type Trusted, trustedAt } from '../trust/trust.js'
import { type Decision, decisions, mostNeeded } from '../trust/trustRoot.js'
import {
  decodeManifest,
  identityIn,
  type LevelManifest,
  levelIn,
  type Manifest,
  type SignedManifest,
  trustChangeIn,
} from '../upgrade/manifest.js'
import { takesBack } from '../upgrade/undo.js'
import { type Directive, identityNamed } from './directive.js'
import type { Head } from './upgradeDatabase.js'

declare const isVerified: unique symbol

/**
 * A manifest that has passed `VerifiedHistory.check`. Nothing else makes one: whatever asks for
 * one is given no other.
 */
export interface Verified {
  readonly [isVerified]: true
  readonly manifest: Manifest
  readonly digest: string
  readonly signed: SignedManifest
  /** Whose signatures counted. */
  readonly by: readonly string[]
}

/**
 * How far clocks of those who sign may be apart: a manifest may be that much older than the one
 * before it, and newer than now.
 */
export const createdApartMsMax = 5 * 60_000

export class VerifiedHistory {
  readonly #entries: Verified[] = []
  readonly #manifests: Manifest[] = []
  /** The trust after so many manifests. */
  readonly #trusts: (Trusted | undefined)[] = []
  /** After the newest manifest. */
  #level: Level
  /** The answers of `check`. */
  readonly #checked = new WeakSet<Verified>()

  /**
   * @param initial who is trusted at version 0; undefined: nobody has to sign, until an upgrade says who does
   * @param begins the level at version 0
   */
  constructor(
    private readonly system: string,
    private readonly initial: Trust | undefined,
    private readonly signatures: Signatures,
    private readonly begins: Level = firstLevel,
  ) {
    this.#level = begins
  }

  get isLevelRaised(): boolean {
    return this.#manifests.some((manifest) => levelIn(manifest) !== null)
  }

  /** The oldest release that reads the level. */
  get levelRelease(): string {
    return this.#manifests.findLast((manifest): manifest is LevelManifest => levelIn(manifest) !== null)?.release ?? firstRelease
  }

  /** T2. The newest number of each format that may be written. */
  get level(): Level {
    return this.#level
  }

  /** The manifests of versions 1, 2, …. */
  get manifests(): readonly Manifest[] {
    return this.#manifests
  }

  get head(): Head {
    return { version: this.#entries.length, digest: this.#entries.at(-1)?.digest ?? null }
  }

  /** The public keys of those who are trusted to sign what comes next; undefined: nobody has to. */
  get trusted(): readonly string[] | undefined {
    return this.trust?.keys.map(({ key }) => key)
  }

  /** The same, with all that is asked of them. */
  get trust(): Trusted | undefined {
    return this.#trustAt(this.#manifests.length)
  }

  /** After so many manifests. */
  #trustAt(count: number): Trusted | undefined {
    for (let known = this.#trusts.length; known <= count; known++)
      this.#trusts.push(trustedAt(this.initial, this.#manifests.slice(0, known).map(trustChangeIn)))
    return this.#trusts[count]
  }

  /** The manifest of a version, with its digest and its signature. */
  at(version: number): Verified | undefined {
    return this.#entries[version - 1]
  }

  /**
   * Checks that this is the manifest after the newest one; does not add it. Throws `upgrade.invalid`,
   * `upgrade.predecessor` or `upgrade.signature`.
   *
   * @param nowMs for one that is installed now: no key counts that has ended by then. Of an older one only it
   *   says itself when it was signed
   */
  check(signed: SignedManifest, nowMs?: number): Verified {
    const manifest = decodeManifest(signed.bytes)
    const { version, digest } = this.head
    const what = `the manifest of version ${manifest.version}`
    const doesNotFollow = (why: string): never => {
      throw new Fault('upgrade.predecessor', `${what} does not follow version ${version} of ${this.system}: ${why}`)
    }
    if (manifest.system !== this.system) doesNotFollow(`it is for system ${manifest.system}`)
    if (manifest.version !== version + 1) doesNotFollow(`version ${version + 1} comes next`)
    if (manifest.previous !== digest) doesNotFollow('it follows another manifest than the one that is here')
    const by = checkSigned(this.signatures, this.#claimOf(manifest, signed, what, nowMs), this.trust)
    this.#checkTime(manifest, what, nowMs)
    this.#checkChange(manifest, what)
    this.#checkLevel(manifest, what)
    const verified = { manifest, digest: digestOf(signed.bytes), signed, by } as Verified
    this.#checked.add(verified)
    return verified
  }

  /**
   * Throws `upgrade.signature` unless the directive is by those who may order it now, for this system.
   * Answers whose signatures count.
   */
  checkDirective(directive: Directive, signed: Signed, nowMs: number): readonly string[] {
    const { number, upgrader, createdAt, what } = directive
    const claim: Claim = {
      ...{ purpose: 'directive', signed, what: `directive ${number}`, system: this.system },
      ...{ identity: identityNamed(directive), by: upgrader, when: { createdAt, nowMs } },
      decides: [what.order === 'finalize' ? 'final' : 'order'],
    }
    return checkSigned(this.signatures, claim, this.trust)
  }

  #claimOf(manifest: Manifest, signed: SignedManifest, what: string, nowMs: number | undefined): Claim {
    return {
      ...{ purpose: 'manifest', signed, what, system: this.system, identity: identityIn(manifest), by: manifest.upgrader },
      ...{ when: { createdAt: manifest.createdAt, nowMs }, decides: this.#decidedBy(manifest) },
    }
  }

  /** A signer that may change who has to sign may do everything. The undo of an undo brings code. */
  #decidedBy(manifest: Manifest): readonly Decision[] {
    if (changesTrust(trustChangeIn(manifest))) return decisions
    const undoes = (at: Version) => (at === manifest.version ? manifest : this.#manifests[at - 1])?.undoes ?? null
    return [takesBack(undoes, manifest.version) ? 'undo' : 'upgrade']
  }

  /**
   * A key that has ended signs nothing after its end: nothing can be dated back further than
   * the manifest before it.
   */
  #checkTime(manifest: Manifest, what: string, nowMs: number | undefined): void {
    // One without an identity need have no time that can be read.
    if (identityIn(manifest) === null) return
    const { createdAt } = manifest
    const createdMs = instantMs(createdAt)!
    const before = this.#manifests.at(-1)?.createdAt
    const wrong = (why: string): never => {
      const message = `${what} was created at ${createdAt}, ${why}: sign it anew, on a machine whose clock is right`
      throw new Fault('upgrade.invalid', message)
    }
    if (createdMs + createdApartMsMax < (instantMs(before) ?? createdMs)) wrong(`before the one that it follows, of ${before}`)
    if (nowMs !== undefined && createdMs - createdApartMsMax > nowMs) wrong(`and it is ${rfc3339(nowMs)} here`)
  }

  /**
   * The same of what was installed once, of which the end of keys is no matter: what is dated far ahead would
   * keep out all that is made after it. Throws `upgrade.invalid`.
   */
  checkTaught({ manifest }: Verified, nowMs: number): void {
    this.#checkTime(manifest, `the manifest of version ${manifest.version}`, nowMs)
  }

  /** T3. Never lowered, and to nothing that this release does not read: it would misread what comes then. */
  #checkLevel(manifest: Manifest, what: string): void {
    const { undoes } = manifest
    const undone = undoes === null ? undefined : this.#manifests[undoes - 1]
    if (undone !== undefined && levelIn(undone) !== null)
      throw new Fault('upgrade.invalid', `${what} undoes version ${undoes}, which has raised the level: that is never lowered`)
    const level = levelIn(manifest)
    if (level === null) return
    const lowered = Object.entries(this.#level).filter(([name, number]) => (level[name] ?? number) < number)
    if (lowered.length > 0)
      throw new Fault('upgrade.invalid', `${what} lowers the level of ${lowered.map(([name]) => name).join(', ')}`)
    const unread = unreadOf(level as Level, newestLevel)
    if (unread.length === 0) return
    const { release } = manifest as LevelManifest
    const message = `${what} raises the level to ${unread.join(', ')}, which this release does not read: run release ${release} or newer`
    throw new Fault('upgrade.release', message, { release })
  }

  /** Those who are trusted afterwards can sign the next one. */
  #checkChange(manifest: Manifest, what: string): void {
    const change = trustChangeIn(manifest)
    if (!changesTrust(change)) return
    if (!(change.upgraders ?? []).every((key) => this.signatures.isUpgraderKey(key)))
      throw new Fault('upgrade.invalid', `${what}: upgraders has an entry that is not the public key of an upgrader`)
    const after = trustedAt(this.initial, [...this.#manifests.map(trustChangeIn), change])
    if (after === undefined) return
    const left = after.keys.filter((key) => !hasEnded(key, manifest)).length
    const most = mostNeeded(after.need)
    if (left >= most) return
    throw new Fault('upgrade.invalid', `${what} leaves ${left} of the keys that sign, and ${most} have to: nobody could go on`)
  }

  /**
   * Checks that this could be in the place of the manifest that is here for its version: it follows the same
   * one, and is signed by those who were trusted for it and still are. Throws as `check` does. Of one who is
   * trusted no more nobody can tell when it was signed.
   */
  checkRival(signed: SignedManifest, nowMs?: number): void {
    const manifest = decodeManifest(signed.bytes)
    const { system, version, previous, upgrader } = manifest
    const what = `the other manifest of version ${version}`
    if (system !== this.system || version > this.head.version || previous !== (this.at(version - 1)?.digest ?? null))
      throw new Fault('upgrade.predecessor', `${what} does not follow what is here`)
    const { trust } = this
    const isTrusted = (key: string | null) =>
      trust === undefined ||
      trust.keys.some((known) => known.key === key && !hasEnded(known, { createdAt: manifest.createdAt, nowMs }))
    // Before the signature is looked at, which costs the most.
    if (!isTrusted(upgrader))
      throw new Fault('upgrade.signature', `${what} is by ${upgrader ?? 'nobody'}, who is not trusted now`)
    const then = this.#trustAt(version - 1)
    const still = then && { ...then, keys: then.keys.filter(({ key }) => isTrusted(key)) }
    checkSigned(this.signatures, this.#claimOf(manifest, signed, what, nowMs), still)
  }

  /**
   * This history and what its `check` has answered; this one stays as it is. For who has it in
   * hand while it waits.
   */
  with(verified: Verified): VerifiedHistory {
    const longer = new VerifiedHistory(this.system, this.initial, this.signatures, this.begins)
    longer.#level = this.#level
    longer.#entries.push(...this.#entries)
    longer.#manifests.push(...this.#manifests)
    longer.#trusts.push(...this.#trusts)
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
    const level = levelIn(manifest)
    if (level !== null) this.#level = raised(this.#level, level)
  }
}
