/** The ways back: the upgrade that undoes another one, and the one that brings it again (§8). */
import { Fault } from '../base/fault.js'
import { isSO } from '../model/simulation.js'
import { eagerly } from '../schedules/eagerly.js'
import type { ClassUpgrade, MadeInverse, Upgrade } from './upgrade.js'

/**
 * The upgrade that undoes this one. Throws `upgrade.invalid` if one of its class upgrades has no way back.
 */
export function reversed(upgrade: Upgrade): Upgrade {
  return {
    ...upgrade,
    title: undoTitle(upgrade.title),
    classUpgrades: upgrade.classUpgrades.map(turned),
    tables: {},
    promises: [],
  }
}

/** The upgrade that undoes the undo of this one: itself, with its own schedule. */
export function restored(upgrade: Upgrade): Upgrade {
  const title = undoTitle(undoTitle(upgrade.title))
  return { ...upgrade, title, tables: {} }
}

export function undoTitle(title: string): string {
  return `Undo of “${title}”`
}

function turned(upgrade: ClassUpgrade): ClassUpgrade {
  const { oldClass, newClass, pastSO, futureSO, transform, records } = upgrade
  const inverse = upgrade.inverse ?? (upgrade.rewind === null ? undefined : noInverse(upgrade))
  if (inverse === undefined)
    throw new Fault(
      'upgrade.invalid',
      `class upgrade ${oldClass.className} → ${newClass.className} has no inverse: it can't be undone`,
    )
  return {
    ...upgrade,
    rewind: null,
    oldClass: newClass,
    newClass: oldClass,
    futureSO: pastSO,
    pastSO: isSO(futureSO) ? { ...futureSO, initial: inverse.future ?? (() => ({})), records: inverse.futureRecords } : futureSO,
    transform: inverse.transform,
    records: inverse.records,
    inverse: {
      transform,
      records,
      future: isSO(pastSO) ? pastSO.initial : undefined,
      futureRecords: isSO(pastSO) ? pastSO.records : null,
    },
    schedule: upgrade.schedule.takesAll === true ? { ...eagerly(), takesAll: true } : eagerly(),
  }
}

/**
 * The way back of a node whose recording is not whole, where nothing else leads back: it stalls, and says
 * why.
 */
function noInverse({ oldClass, newClass }: ClassUpgrade): MadeInverse {
  const transform = () => {
    const what = `class upgrade ${oldClass.className} → ${newClass.className}`
    throw new Fault('upgrade.transform', `${what} has no inverse, and this node has no whole recording to replay`)
  }
  return { transform, records: null, future: undefined, futureRecords: null }
}
