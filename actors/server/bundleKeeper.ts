/**
 * Keeps the bundles of all installed versions: an upgrade server of release 0.1.0 beside this one installs
 * what was staged here, and does not say so to the database.
 */

import type { Version } from '../../core/base/ids.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { decodeManifest } from '../../core/upgrade/manifest.js'

/** Manifests read at once. */
const versionsAtOnce = 32

export class BundleKeeper {
  #keptTo: Version = 0

  constructor(private readonly database: Pick<UpgradeDatabase, 'head' | 'manifests' | 'keepBundle'>) {}

  /** All of them when it is asked first, or the history was lost; after that those of newer versions. */
  async keep(): Promise<void> {
    const { version } = await this.database.head()
    if (version < this.#keptTo) this.#keptTo = 0
    while (this.#keptTo < version) {
      const found = await this.database.manifests(this.#keptTo + 1, Math.min(version, this.#keptTo + versionsAtOnce))
      if (found.length === 0) return
      await Promise.all(found.map(({ bytes }) => this.database.keepBundle(decodeManifest(bytes).bundle.digest)))
      this.#keptTo += found.length
    }
  }
}
