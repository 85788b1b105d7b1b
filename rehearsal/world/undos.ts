/**
 * An undo as a plan tells of it: the upgrade before it, turned round (DESIGN §5). Pure, and made anew of what
 * it undoes whenever that changes.
 */

import { takesBack } from './classSpecs.js'
import type { ClassUpgradePlan, UpgradePlan } from './plan.js'

/** The upgrade that undoes the last of these. */
export function undoOf(upgrades: readonly UpgradePlan[]): UpgradePlan {
  const undone = upgrades.at(-1)!
  // The class that comes back keeps its own troubles: those of the upgrade that made it, if that is undone
  // for the second time.
  const made = undone.undoes ? upgrades.at(-2) : undefined
  // The undo of an undo is a rollout like that of the upgrade which comes back.
  const again = takesBack({ upgrades }, upgrades.length) ? made : undefined
  return {
    undoes: true,
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
    made.push(upgrade.undoes ? { ...undoOf(made), ...(upgrade.rewinds ? { rewinds: true } : {}) } : upgrade)
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
