/**
 * The installed history as an upgrade server has verified it: whoever may write to the database could have
 * put anything there, a list of upgraders too.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { Level } from '../../core/base/level.js'
import type { Head, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { Signatures } from '../../core/ports/signatures.js'
import type { Trust } from '../../core/trust/trust.js'
import { oldestHeldAt } from '../../core/upgrade/classLineage.js'

export interface InstalledHistoryOptions {
  readonly system: string
  readonly database: Pick<UpgradeDatabase, 'head' | 'manifests'>
  readonly signatures: Signatures
  readonly trust?: Trust | undefined
  /** That of version 0. */
  readonly level?: Level | undefined
}

export class InstalledHistory {
  /** As it was found last. */
  #verified: VerifiedHistory | undefined

  constructor(private readonly options: InstalledHistoryOptions) {}

  /** It has grown by a version that was checked. */
  keep(history: VerifiedHistory): void {
    this.#verified = history
  }

  /** The oldest version that nodes may be held at, though none is there now. */
  async heldAt(): Promise<Version | undefined> {
    return oldestHeldAt((await this.at(await this.options.database.head())).manifests)
  }

  /** The signers of a version that has just been added. */
  signersOf(version: Version): readonly string[] {
    return this.#verified?.at(version)?.by ?? []
  }

  /**
   * All of it is checked again only when it is not what was checked before with one more manifest. Several
   * installs have it in hand at once: none changes it.
   */
  async at(head: Head): Promise<VerifiedHistory> {
    const { database, system, trust, signatures, level } = this.options
    const known = this.#verified
    const isKnown =
      known !== undefined && (known.at(head.version)?.digest ?? null) === head.digest && known.head.version === head.version
    if (isKnown) return known
    const history = new VerifiedHistory(system, trust, signatures, level)
    try {
      for (const signed of await database.manifests(1, head.version)) history.append(history.check(signed))
      if (history.head.version !== head.version || history.head.digest !== head.digest)
        throw new Fault('upgrade.predecessor', `its head is not version ${history.head.version}, the last that is there`)
    } catch (error) {
      if (!isFault(error)) throw error
      const message = `nothing is installed after a history that can't be verified: ${error.message}`
      throw new Fault(error.code, message, error.details, { cause: error })
    }
    this.#verified = history
    return history
  }
}
