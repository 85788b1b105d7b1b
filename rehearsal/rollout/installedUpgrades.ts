/**
 * The upgrades that are installed already, as the nodes have them: an undo is the upgrade that
 * it undoes, turned round.
 */
import type { Version } from '../../core/base/ids.js'
import type { Verified, VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { restored, reversed } from '../../core/upgrade/reversedUpgrade.js'
import { takesBack } from '../../core/upgrade/undo.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'

/**
 * The upgrades of these versions. Runs their bundles, by `load`, which is given verified manifests alone; a
 * bundle is loaded once.
 */
export async function installedUpgrades(
  history: Pick<VerifiedHistory, 'at'>,
  versions: readonly Version[],
  load: (verified: Verified) => Promise<Upgrade>,
): Promise<ReadonlyMap<Version, Upgrade>> {
  const found = new Map<Version, Upgrade>()
  const at = async (version: Version): Promise<Upgrade> => {
    const known = found.get(version)
    if (known !== undefined) return known
    const upgrade = await upgradeOf(history.at(version)!)
    found.set(version, upgrade)
    return upgrade
  }
  const undoesAt = (version: Version) => history.at(version)!.manifest.undoes
  const upgradeOf = async (verified: Verified): Promise<Upgrade> => {
    const { version, undoes } = verified.manifest
    if (undoes === null) return load(verified)
    return takesBack(undoesAt, version) ? reversed(await at(undoes)) : restored(await at(undoesAt(undoes)!))
  }
  for (const version of versions) await at(version)
  return found
}
