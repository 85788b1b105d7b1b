/**
 * How a version comes to this host (§3): its manifest is fetched and verified, its bundle is fetched,
 * verified and loaded, and all of it is kept. Everybody who hears of a version comes here: the host for all
 * its nodes together, a node that is called at the version, and an upgrade that goes to it. Those who come
 * at the same time share what is under way.
 */
import { inject, injectable } from 'tsyringe'
import type { Version } from '../../core/base/ids.js'
import { ClassRegistry } from './classRegistry.js'
import { UpgradeHistory } from './upgradeHistory.js'

@injectable()
export class Intake {
  constructor(
    @inject(UpgradeHistory) private readonly history: UpgradeHistory,
    @inject(ClassRegistry) private readonly classes: ClassRegistry,
  ) {}

  /**
   * Manifests up to `version`, each verified against those before it. Ends before the first that is not
   * acceptable: its step is rejected. Throws `upgrade.fetch` for one that can't be had.
   */
  manifests(version: Version): Promise<void> {
    return this.history.fetch(version)
  }

  /**
   * One upgrade, as far as it concerns a node with this lineage. Throws why it is rejected, or
   * `upgrade.fetch`.
   */
  step(lineage: readonly string[], version: Version): Promise<void> {
    return this.classes.loadStep(lineage, version)
  }

  /**
   * All of that for a node that knows versions up to `newest`: `lineage` is asked anew, since manifests make
   * it longer.
   */
  async upTo(version: Version, newest: Version, lineage: () => readonly string[]): Promise<void> {
    await this.manifests(version)
    for (let next = newest + 1; next <= version; next++) await this.step(lineage(), next)
  }
}
