/** Several upgrades as one: for each class that there was, the class upgrades that lead on from it. */
import type { ClassUpgrade, Upgrade } from '../../core/upgrade/upgrade.js'
import { type ClassChange, classChange } from './classChange.js'

type Line = readonly [ClassUpgrade, ...ClassUpgrade[]]

/**
 * The changes that these upgrades make together, oldest first. A class that only some nodes
 * leave is there as it was, too.
 */
export function changesOf(upgrades: readonly Upgrade[]): readonly ClassChange[] {
  let lines: readonly Line[] = []
  for (const { classUpgrades } of upgrades) {
    const went = new Set<Line>()
    const next = classUpgrades.flatMap((upgrade): readonly Line[] => {
      const before = lines.filter((line) => line.at(-1)!.newClass.className === upgrade.oldClass.className)
      if (upgrade.only === null) for (const line of before) went.add(line)
      return before.length === 0 ? [[upgrade]] : before.map((line): Line => [...line, upgrade])
    })
    lines = [...lines.filter((line) => !went.has(line)), ...next]
  }
  return lines.map((line) => classChange(...line)).toSorted((a, b) => (a.oldClass < b.oldClass ? -1 : 1))
}
