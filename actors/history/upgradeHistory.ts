/**
 * A host's knowledge of the system's upgrades: the manifests from version 1 on, each verified against those
 * before (C9), and the classes of those that concern its nodes. All nodes of a host share one fetch of a new
 * version and one copy of its bundle, kept with their state.
 */

import { inject, injectable } from 'tsyringe'
import { digestOf } from '../../core/base/digest.js'
import { Fault, isFault } from '../../core/base/fault.js'
import { release } from '../../core/base/formats.js'
import type { Version } from '../../core/base/ids.js'
import { SharedTask, SharedWork } from '../../core/base/sharedWork.js'
import type { Head } from '../../core/control/upgradeDatabase.js'
import type { Verified, VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { Clock } from '../../core/ports/clock.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import type { Trusts } from '../../core/trust/trustMark.js'
import { introducedEvents } from '../../core/upgrade/agreement.js'
import type { ClassRepository } from '../../core/upgrade/classRepository.js'
import type { Manifest, SignedManifest } from '../../core/upgrade/manifest.js'
import { restored, reversed } from '../../core/upgrade/reversedUpgrade.js'
import { isRuntimeInterface, runtimeInterfaces } from '../../core/upgrade/runtimeInterface.js'
import { takesBack } from '../../core/upgrade/undo.js'
import type { ClassUpgrade, Upgrade } from '../../core/upgrade/upgrade.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { HostSettings } from '../base/settings.js'
import { Signal } from '../base/signal.js'
import { tokens } from '../base/tokens.js'
import { Contacts } from '../calls/contacts.js'
import { Journal } from '../state/journal.js'
import { checkAgainstManifest } from './bundleCheck.js'
import { HostHistoryRestore } from './hostHistoryRestore.js'
import { keepLogAtLevel } from './logAtLevel.js'
import { manifestsAtOnce, UpgradeServerClient } from './upgradeServerClient.js'

/** The acts of a host whose upgrade server has another history than its own. */
export interface LostHistory {
  heard(head: Head, wanted: readonly string[]): Promise<void>
  doesNotFollow(newest: Version): Promise<void>
}

/** Labels remembered that nobody has installed. */
const unknownVersionsMax = 64

@injectable()
export class UpgradeHistory {
  readonly #upgrades = new Map<Version, Upgrade>()
  /** Upgrades that failed verification: the chain of every node is cut there. */
  readonly #rejected = new Map<Version, Fault>()
  readonly #fetching = new SharedTask<void>()
  readonly #asking = new SharedTask<Version>()
  readonly #loading = new SharedWork<Version, Upgrade>()
  /** Versions that the upgrade server did not have, and until when that is believed. */
  readonly #unknownUntilMs = new Map<Version, number>()
  #introduced: ReadonlyMap<string, readonly Version[]> = new Map()
  /** Of how many versions that is known. */
  #introducedAt: Version = 0
  readonly #undos = new Map<Version, Version>()
  /** Of so many versions. */
  #undosKnown: Version = 0
  #heard: Version = 0
  #dead: Version = 0
  #final: Version = 0
  #hasAsked = false
  #refusal: Fault | undefined
  #nonsense: string | null = null
  /** The upgrade server has a newer version than was heard of. */
  readonly newer = new Signal<Version>()
  /** More versions are dead, or final. */
  readonly ended = new Signal()

  constructor(
    @inject(tokens.store) private readonly store: StateStore,
    @inject(tokens.repository) private readonly repository: ClassRepository,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
    @inject(Journal) private readonly journal: Journal,
    @inject(UpgradeServerClient) private readonly server: UpgradeServerClient,
    @inject(tokens.verified) private readonly verified: VerifiedHistory,
    @inject(HostHistoryRestore) private readonly historyRestore: LostHistory,
    @inject(tokens.trusts) private readonly trusts: Trusts,
    @inject(Contacts) private readonly contacts: Contacts,
  ) {
    // One on disk that `readVerified` has not taken is of a newer release.
    const next = store.get(keys.manifest(this.newest + 1))
    if (next !== undefined) this.#accepted(signedOf(next))
    contacts.know(this.heard)
    // Asked at most every `unknownVersionMs`, whatever others say.
    contacts.newer.on((version) => void this.knows(version).catch(() => {}))
  }

  /** The newest version whose manifest this host has. */
  get newest(): Version {
    return this.verified.head.version
  }

  /**
   * The newest version that the upgrade server has told of in its last answer. Its manifest may still be on
   * its way, or not be acceptable.
   */
  get heard(): Version {
    return Math.max(this.#heard, this.newest)
  }

  /**
   * Versions older than this one are dead, as the upgrade server has told. Deaths are never taken back (C8).
   */
  get dead(): Version {
    return this.#dead
  }

  /** The newest version from which nobody goes back any more. */
  get final(): Version {
    return this.#final
  }

  /** Whether the upgrade server has answered since this host started. */
  get hasAsked(): boolean {
    return this.#hasAsked
  }

  /** Why the upgrade server has refused this host, since it was asked last. */
  get refusal(): Fault | undefined {
    return this.#refusal
  }

  get manifests(): readonly Manifest[] {
    return this.verified.manifests
  }

  /** Asks the upgrade server for its newest version. Many who ask at once share one question. */
  ask(): Promise<Version> {
    return this.#asking.run(() => this.#ask())
  }

  async #ask(): Promise<Version> {
    const { version, digest, dead, final, wanted, nonsense } = await this.#head()
    this.#hasAsked = true
    if (nonsense !== null && nonsense !== this.#nonsense) this.observe({ type: 'warning', message: nonsense, error: undefined })
    this.#nonsense = nonsense
    void this.historyRestore.heard({ version, digest }, wanted)
    // A manifest that could not be had, or kept on a full disk, is tried again with each answer.
    const isMissing = version > this.newest && !this.#rejected.has(this.newest + 1)
    const isNewer = version > this.heard
    // The newest answer counts, and no longer than until the next: who has answered wrongly once, or in the
    // server's name, has said nothing for good.
    this.#heard = version
    this.contacts.know(this.heard)
    if (isNewer || isMissing) this.newer.emit(version)
    if (dead > this.#dead || final > this.#final) await this.#believe(dead, final)
    return version
  }

  async #head(): ReturnType<UpgradeServerClient['head']> {
    try {
      const head = await this.server.head({ dead: this.#dead, final: this.#final, trust: this.trusts.mark })
      this.#refusal = undefined
      return head
    } catch (error) {
      if (isFault(error) && error.code === 'config.other-trust') {
        if (this.#refusal === undefined) this.observe({ type: 'warning', message: 'the upgrade server refuses this host', error })
        this.#refusal = error
      }
      throw error
    }
  }

  /**
   * Deaths and finality are not signed. Nobody dies of versions that were never installed, or goes past them:
   * those are verified first.
   */
  async #believe(dead: Version, final: Version): Promise<void> {
    await this.fetch(Math.max(dead, final)).catch(() => {
      // Manifests that can't be had now are asked for again with the next answer.
    })
    const [nowDead, nowFinal] = [Math.min(dead, this.newest), Math.min(final, this.newest)]
    if (nowDead <= this.#dead && nowFinal <= this.#final) return
    this.#dead = Math.max(nowDead, this.#dead)
    this.#final = Math.max(nowFinal, this.#final)
    this.ended.emit()
  }

  /** Whether the upgrade server has this version; asked at most every `unknownVersionMs`. */
  async knows(version: Version): Promise<boolean> {
    if (version <= this.heard) return true
    if (this.isUnknown(version)) return false
    const askedBefore = this.#asking.isUnderWay
    if ((await this.ask()) >= version) return true
    // That question may have left before the version was installed.
    if (askedBefore && (await this.ask()) >= version) return true
    if (this.#unknownUntilMs.size >= unknownVersionsMax) this.#unknownUntilMs.clear()
    this.#unknownUntilMs.set(version, this.clock.monotonicMs() + this.settings.unknownVersionMs)
    return false
  }

  /** Whether the upgrade server has said so a moment ago. */
  isUnknown(version: Version): boolean {
    return version > this.heard && this.clock.monotonicMs() < (this.#unknownUntilMs.get(version) ?? 0)
  }

  /**
   * Manifests up to `version`, each checked against those before it. Ends before the first that is not
   * acceptable: `load` of that version throws why. One fetch at a time for the whole host.
   */
  async fetch(version: Version): Promise<void> {
    while (version > this.newest && !this.#rejected.has(this.newest + 1)) {
      await this.#fetching.run(() => this.#fetchManifests(version))
    }
  }

  /**
   * The upgrade to `version`, its bundle fetched, verified, kept and loaded. Throws why it is
   * rejected, or `upgrade.fetch`.
   */
  load(version: Version): Promise<Upgrade> {
    const loaded = this.#upgrades.get(version)
    if (loaded !== undefined) return Promise.resolve(loaded)
    return this.#loading.run(version, () => this.#load(version))
  }

  /** Why the upgrade to `version` is rejected here; undefined where it is not, as far as is known. */
  whyNot(version: Version): Fault | undefined {
    return this.#rejected.get(version)
  }

  /** The version that the upgrade to `version` undoes, as far as is known. */
  undoes(version: Version): Version | null {
    return this.manifests[version - 1]?.undoes ?? null
  }

  /** Whether nodes go back to the version before the undone one by their recordings (§8). */
  isRewind(version: Version): boolean {
    return this.manifests[version - 1]?.rewinds === true
  }

  /** Whether it takes back what its bundle brought: an undo does, the undo of an undo brings it again. */
  takesBack(version: Version): boolean {
    return takesBack((each) => this.undoes(each), version)
  }

  /**
   * Whether hosts may live that do not know yet that this event can be heard, as it is published at version
   * `label`: an upgrade has brought it, and not every node is known to be past that one.
   */
  isIntroduced(event: string, label: Version): boolean {
    return this.#introducing(event).some((version) => version <= label && version > this.#dead)
  }

  /** Whether hosts may live that take it for such an event: they may hear of deaths later than this one. */
  wasIntroduced(event: string, label: Version): boolean {
    return this.#introducing(event).some((version) => version <= label)
  }

  #introducing(event: string): readonly Version[] {
    if (this.#introducedAt !== this.newest) {
      this.#introduced = introducedEvents(this.manifests)
      this.#introducedAt = this.newest
    }
    return this.#introduced.get(event) ?? []
  }

  /** The version that undoes this one, be it undone itself; null where there is none yet. */
  undoOf(version: Version): Version | null {
    for (; this.#undosKnown < this.newest; this.#undosKnown++) {
      const undone = this.undoes(this.#undosKnown + 1)
      if (undone !== null) this.#undos.set(undone, this.#undosKnown + 1)
    }
    return this.#undos.get(version) ?? null
  }

  /**
   * The class upgrade of `version` for a class, of an upgrade that is loaded; undefined where
   * it leaves the class alone.
   */
  classUpgrade(version: Version, className: string): ClassUpgrade | undefined {
    return this.#upgrades.get(version)?.classUpgrades.find(({ oldClass }) => oldClass.className === className)
  }

  /** The copy of a class that the first loaded upgrade to replace it has. */
  replaced(className: string): NodeClass | undefined {
    for (let version = 1; version <= this.newest; version++) {
      const found = this.undoes(version) !== null ? undefined : this.classUpgrade(version, className)
      if (found !== undefined) return found.oldClass
    }
    return undefined
  }

  async #fetchManifests(to: Version): Promise<void> {
    const before = this.newest
    // Page by page: what is not verified is not gathered.
    const page = await this.server.manifests(before + 1, Math.min(to, before + manifestsAtOnce)).catch((error) => {
      // The version was said to be there, and is not.
      if (isFault(error) && error.code === 'upgrade.fetch') {
        this.#heard = this.newest
        this.contacts.know(this.heard)
      }
      throw error
    })
    for (const signed of page) {
      const verified = this.#accepted(signed)
      if (verified === undefined) break
      // On disk first: a host must never know of a version that its next start would miss.
      await this.journal.commit([[keys.manifest(verified.manifest.version), pack([signed.bytes, signed.signature])]])
      this.verified.append(verified)
    }
    if (this.newest === before) return
    await keepLogAtLevel(this.store, this.verified, this.observe)
    this.observe({ type: 'learned', version: this.newest })
    // A node had heard of it from an answer before the last one, as before a loss: no answer tells it again.
    if (this.newest > this.#heard) {
      this.contacts.know(this.newest)
      this.newer.emit(this.newest)
    }
  }

  /** The next manifest; undefined, and the reason kept, if it is not one that may come next. */
  #accepted(signed: SignedManifest): Verified | undefined {
    try {
      return this.verified.check(signed)
    } catch (error) {
      if (!isFault(error)) throw error
      this.#rejected.set(this.newest + 1, error)
      if (error.code === 'upgrade.predecessor') void this.historyRestore.doesNotFollow(this.newest)
      return undefined
    }
  }

  async #load(version: Version): Promise<Upgrade> {
    const rejected = this.#rejected.get(version)
    if (rejected !== undefined) throw rejected
    const manifest = this.manifests[version - 1]
    if (manifest === undefined) throw new Fault('upgrade.fetch', `no manifest of version ${version} here`)
    try {
      if (!isRuntimeInterface(manifest.runtime)) {
        const { oldest, newest } = runtimeInterfaces
        throw new Fault(
          'upgrade.release',
          `built for runtime interface ${manifest.runtime}; this host has ${oldest} to ${newest}: run a newer release than ${release}`,
        )
      }
      const upgrade = await this.#upgradeOf(manifest)
      checkAgainstManifest(upgrade, manifest)
      this.#upgrades.set(version, upgrade)
      return upgrade
    } catch (error) {
      if (isFault(error) && error.kind === 'upgrade' && error.code !== 'upgrade.fetch') this.#rejected.set(version, error)
      throw error
    }
  }

  /** An undo is the upgrade that it undoes, turned round; the undo of an undo is what was undone. */
  async #upgradeOf(manifest: Manifest): Promise<Upgrade> {
    const { version, undoes } = manifest
    if (undoes !== null && this.takesBack(version)) return reversed(await this.load(undoes))
    if (undoes !== null) return restored(await this.load(this.undoes(undoes)!))
    return await this.repository.load(manifest.bundle.digest, await this.#bundle(manifest))
  }

  /** From the host's own cache, or from the upgrade server; then it is kept with the state. */
  async #bundle({ bundle }: Manifest): Promise<Uint8Array> {
    const cached = this.store.get(keys.bundle(bundle.digest))
    if (cached !== undefined && digestOf(cached) === bundle.digest) return cached
    const fetched = await this.server.bundle(bundle)
    await this.journal.commit([[keys.bundle(bundle.digest), fetched]])
    return fetched
  }

  /**
   * Lets a rejected upgrade be verified once more, at an operator's word; and what it undoes,
   * of which it is made.
   */
  reconsider(version: Version): void {
    this.#rejected.delete(version)
    const undone = this.undoes(version)
    if (undone !== null) this.reconsider(undone)
  }
}

/**
 * Puts what is on disk into a history that is empty. All of it is verified anew at every start: what was
 * changed there, or whose upgrader this host does not trust, is not run. Throws why. It ends before what only
 * a newer release reads, which stays on disk for that: the host serves what it has.
 */
export function readVerified(store: StateStore, history: VerifiedHistory): VerifiedHistory {
  try {
    for (const [, bytes] of store.range(...keys.allManifests)) history.append(history.check(signedOf(bytes)))
  } catch (error) {
    if (!isFault(error) || error.code !== 'upgrade.release') throw error
  }
  return history
}

function signedOf(bytes: Uint8Array): SignedManifest {
  const [manifest, signature] = unpack(bytes) as [Uint8Array, Uint8Array | null]
  return { bytes: manifest, signature }
}
