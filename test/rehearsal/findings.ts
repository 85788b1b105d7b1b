/** Worlds that are to be found wrong, and the search for the first seed that finds them so. */
import type { ExecutionContext } from 'ava'
import type { ReadonlyCollection } from '../../core/collection.js'
import type { UpgradeDatabase } from '../../core/ports/upgradeDatabase.js'
import type { ClassUpgrade, Upgrade } from '../../core/upgrade.js'
import { planOf } from '../../rehearsal/world/planGenerator.js'
import type { Tamper } from '../../rehearsal/world/stage.js'
import { play } from '../../rehearsal/world/world.js'

/** Plays seeds until one fails, by a rule that says what was broken. */
export async function finds(
  t: ExecutionContext,
  rules: readonly string[],
  tamper: Tamper,
  seedsMax = 150,
  from = 1,
): Promise<number> {
  t.timeout(120_000)
  for (let seed = from; seed < from + seedsMax; seed++) {
    const { violations } = await play(planOf(seed), tamper)
    if (violations.length === 0) continue
    t.true(rules.includes(violations[0]!.rule), `seed ${seed}: ${violations[0]!.rule}, ${violations[0]!.what}`)
    t.log(`seed ${seed}: ${violations[0]!.rule}, ${violations[0]!.what}`)
    return seed
  }
  t.fail(`not found with ${seedsMax} seeds`)
  return 0
}

export const eachClass =
  (change: (upgrade: ClassUpgrade) => ClassUpgrade) =>
  (upgrade: Upgrade): Upgrade => ({
    ...upgrade,
    classUpgrades: upgrade.classUpgrades.map(change),
  })

export const nothing: ReadonlyCollection<never> = { get: () => undefined, has: () => false, entries: () => [] }

/** A database of which some methods do something else. */
export function database(target: UpgradeDatabase, changed: Partial<UpgradeDatabase>): UpgradeDatabase {
  return new Proxy(target, {
    get: (_, key) => {
      const value: unknown = Reflect.get(changed, key) ?? Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
