/**
 * The acts of a host when the upgrade server's history is not its own: it teaches back what was
 * lost, and tells of two manifests for one version (DESIGN §5, "Install"). Its nodes serve on
 * meanwhile, whatever comes of it.
 */
import { inject, injectable } from 'tsyringe'
import { digestOf } from '../../core/base/digest.js'
import { type Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { Head } from '../../core/control/upgradeDatabase.js'
import type { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { tokens } from '../base/tokens.js'
import { UpgradeServerClient } from './upgradeServerClient.js'

@injectable()
export class HostHistoryRestore {
  #busy = false
  /** The digest that the upgrade server had when the alarm was raised: once is enough for each. */
  #alarmed: string | undefined

  constructor(
    @inject(tokens.store) private readonly store: StateStore,
    @inject(tokens.observer) private readonly observe: HostObserver,
    @inject(tokens.verified) private readonly verified: VerifiedHistory,
    @inject(UpgradeServerClient) private readonly server: UpgradeServerClient,
  ) {}

  /**
   * The upgrade server's head, and the bundles that it misses. A failed attempt is made again
   * at its next answer.
   */
  async heard(head: Head, wanted: readonly string[]): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      if (!this.#agrees(head)) await this.#compare(head.version)
      for (const digest of wanted) await this.#bring(digest)
    } catch (error) {
      this.observe({ type: 'warning', message: 'the upgrade server was not taught what it has lost', error })
    } finally {
      this.#busy = false
    }
  }

  /** A manifest came that does not follow this host's newest one. */
  async doesNotFollow(newest: Version): Promise<void> {
    await this.#compare(newest).catch(() => {
      // The rejection says it already.
    })
  }

  /** Not further than this host: what is newer there is fetched, and checked then. */
  #agrees({ version, digest }: Head): boolean {
    const { head } = this.verified
    if (version > head.version) return true
    return version === head.version && digest === head.digest
  }

  async #compare(theirNewest: Version): Promise<void> {
    const common = Math.min(theirNewest, this.verified.head.version)
    const theirs = common === 0 ? [] : await this.server.manifests(1, common)
    const fork = theirs.findIndex(({ bytes }, i) => digestOf(bytes) !== this.verified.at(i + 1)?.digest)
    if (fork !== -1) {
      await this.#alarm(fork + 1, digestOf(theirs[fork]!.bytes))
      return
    }
    for (let version = theirNewest + 1; version <= this.verified.head.version; version++)
      await this.server.restoreManifest(this.verified.at(version)!.signed)
  }

  async #alarm(version: Version, theirs: string): Promise<void> {
    const ours = this.verified.at(version)!
    if (this.#alarmed !== theirs) this.observe({ type: 'forked', version, ours: ours.digest, theirs })
    this.#alarmed = theirs
    // The server answers with the fault that it stops installs with.
    await this.server.restoreManifest(ours.signed).catch((error: Fault) => {
      if (!isFault(error) || error.code !== 'upgrade.forked') throw error
    })
  }

  async #bring(digest: string): Promise<void> {
    const bundle = this.store.get(keys.bundle(digest))
    if (bundle !== undefined && digestOf(bundle) === digest) await this.server.restoreBundle(digest, bundle)
  }
}
