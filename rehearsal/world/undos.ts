/**
 * An undo as a plan tells of it: the upgrade that it undoes, turned round (DESIGN §5). Pure, and made anew of
 * that one whenever it changes.
 */

import type { Version } from 'theseus-actors'
import { takesBack } from './classSpecs.js'
import type { ClassUpgradePlan, UpgradePlan } from './plan.js'

/** The upgrade that undoes this version of these. */
export function undoOf(upgrades: readonly UpgradePlan[], version: Version): UpgradePlan {
  const undone = upgrades[version - 1]!
  // The class that comes back keeps its own troubles: those of the upgrade that made it, if that is undone
  // for the second time.
  const made = undone.undoes === null ? undefined : upgrades[undone.undoes - 1]
  // The undo of an undo is a rollout like that of the upgrade which comes back.
  const again = takesBack({ upgrades }, version) ? made : undefined
  return {
    undoes: version,
    isGated: again?.isGated ?? false,
    bundle: undone.bundle,
    classUpgrades: undone.classUpgrades.map((upgrade) => {
      const before = made?.classUpgrades.find(({ service }) => service === upgrade.service)
      const { check, start } = before?.troubles ?? none
      const back = turned(upgrade, { check, start })
      if (again === undefined || before === undefined) return back
      return { ...back, schedule: before.schedule, troubles: { ...back.troubles, schedule: before.troubles.schedule } }
    }),
  }
}

/** The same upgrades, each undo made of what it undoes now. */
export function withUndos(upgrades: readonly UpgradePlan[]): readonly UpgradePlan[] {
  const made: UpgradePlan[] = []
  for (const upgrade of upgrades)
    made.push(
      upgrade.undoes === null ? upgrade : { ...undoOf(made, upgrade.undoes), ...(upgrade.rewinds ? { rewinds: true } : {}) },
    )
  return made
}

const none = { check: 'none', start: 'none' } as const

function turned(upgrade: ClassUpgradePlan, troubles: Pick<ClassUpgradePlan['troubles'], 'check' | 'start'>): ClassUpgradePlan {
  const { futureSO, pastSO } = upgrade
  const { transform, inverse } = upgrade.troubles
  return {
    ...upgrade,
    futureSO: pastSO,
    pastSO: futureSO,
    schedule: { kind: 'eagerly' },
    troubles: { schedule: 'none', transform: inverse, inverse: transform, record: 'none', ...troubles },
  }
}
