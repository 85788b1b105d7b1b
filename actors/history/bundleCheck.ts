import { Fault } from '../../core/base/fault.js'
import type { NodeFilter } from '../../core/model/nodeFilter.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'

/** A bundle must be what its manifest says: nodes decide by the manifest and run the bundle. */
export function checkAgainstManifest(upgrade: Upgrade, manifest: Manifest): void {
  const where = (only: NodeFilter | null) => (only === null ? '' : ` only ${JSON.stringify(only)}`)
  const how = (isAll: boolean) => (isAll ? ' all at once' : '')
  const inBundle = upgrade.classUpgrades.map(
    ({ oldClass, newClass, only, schedule }) =>
      `${oldClass.className} → ${newClass.className}${where(only)}${how(schedule.takesAll === true)}`,
  )
  const inManifest = manifest.classUpgrades.map(
    ({ oldClass, newClass, only, limit }) => `${oldClass} → ${newClass}${where(only)}${how(limit === 'all')}`,
  )
  if (inBundle.length !== inManifest.length || inBundle.some((entry, i) => entry !== inManifest[i])) {
    throw new Fault('upgrade.invalid', `the bundle upgrades ${inBundle.join(', ')}; its manifest says ${inManifest.join(', ')}`)
  }
}
