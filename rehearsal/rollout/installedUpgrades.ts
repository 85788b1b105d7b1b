/** The upgrades that are installed already, as the nodes have them: an undo is the upgrade that it undoes, turned round. */
import type { Version } from '../../core/ids.js'
import type { Manifest } from '../../core/manifest.js'
import { restored, reversed, type Upgrade } from '../../core/upgrade.js'

/**
 * The upgrades of these versions. Runs their bundles, by `load`; a bundle is loaded once.
 *
 * @param manifests of versions 1, 2, …
 */
export async function installedUpgrades(
  manifests: readonly Manifest[],
  versions: readonly Version[],
  load: (manifest: Manifest) => Promise<Upgrade>,
): Promise<ReadonlyMap<Version, Upgrade>> {
  const found = new Map<Version, Upgrade>()
  const at = async (version: Version): Promise<Upgrade> => {
    const known = found.get(version)
    if (known !== undefined) return known
    const manifest = manifests[version - 1]!
    const upgrade = await upgradeOf(manifest)
    found.set(version, upgrade)
    return upgrade
  }
  const takesBack = (version: Version): boolean => manifests[version - 1]!.undoes !== null && !takesBack(version - 1)
  const upgradeOf = async (manifest: Manifest): Promise<Upgrade> => {
    const { version, undoes } = manifest
    if (undoes === null) return load(manifest)
    return takesBack(version) ? reversed(await at(undoes)) : restored(await at(undoes - 1))
  }
  for (const version of versions) await at(version)
  return found
}
