/** Worlds that are to be found wrong, and the search for the first seed that finds them so. */
import type { ExecutionContext } from 'ava'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { ReadonlyCollection } from '../../core/model/collection.js'
import type { ClassUpgrade, Upgrade } from '../../core/upgrade/upgrade.js'
import type { Plan, Step } from '../../rehearsal/world/plan.js'
import { planOf } from '../../rehearsal/world/planGenerator.js'
import type { Tamper } from '../../rehearsal/world/processEnvironment.js'
import { play } from '../../rehearsal/world/world.js'
import { withoutStacks } from '../support/withoutStacks.js'

/**
 * Plays the plans among which it shows until one fails, by a rule that says what was broken. The first plan
 * is that of `firstSeed`, where it was found before: counted from seed 1 the first to show it may be far.
 */
export async function findsViolation(
  t: ExecutionContext,
  rules: readonly string[],
  tamper: Tamper,
  isAmong: (plan: Plan) => boolean = () => true,
  firstSeed = 1,
): Promise<number> {
  let played = 0
  for (const seed of seedsFrom(firstSeed)) {
    if (played === plansMax) break
    const plan = planOf(seed)
    if (!isAmong(plan)) continue
    played++
    const { violations } = await withoutStacks(() => play(plan, tamper))
    if (violations.length === 0) continue
    t.true(rules.includes(violations[0]!.rule), `seed ${seed}: ${violations[0]!.rule}, ${violations[0]!.what}`)
    t.log(`seed ${seed}, of ${played} played: ${violations[0]!.rule}, ${violations[0]!.what}`)
    return seed
  }
  t.fail(`not found with ${plansMax} plans`)
  return 0
}

const plansMax = 150

function* seedsFrom(first: number): Iterable<number> {
  yield first
  for (let seed = 1; ; seed++) yield seed
}

/** The upgrades that are undone, each with its undo. */
const undone = ({ upgrades }: Plan) => upgrades.filter((_, i) => upgrades[i + 1]?.undoes)

/** Plans that go to a place. */
export const plans = {
  undoing: (plan: Plan) => undone(plan).length > 0,
  undoingDrops: (plan: Plan) =>
    undone(plan).some(({ classUpgrades }) =>
      classUpgrades.some(({ change, pastSO }) => change.kind === 'drop' && pastSO === 'so'),
    ),
  with:
    (kind: Step['kind']) =>
    ({ steps }: Plan) =>
      steps.some((step) => step.kind === kind),
  crashingInCommits: ({ steps }: Plan) =>
    steps.some((step) => (step.kind === 'crash' && step.moment.at === 'beforeCommit') || step.kind === 'diskFull'),
  pausingUndos: ({ steps, upgrades }: Plan) =>
    steps.some((step) => step.kind === 'pause' && (upgrades[step.version - 1]?.undoes ?? null) !== null),
  dying: ({ deaths }: Plan) => deaths !== null,
  dyingForTheForgotten: ({ deaths, steps }: Plan) =>
    deaths !== null && steps.some((step) => step.kind === 'leave' && step.isForgotten),
  announcing: ({ steps }: Plan) => steps.some((step) => step.kind === 'call' && step.asked.what === 'announce'),
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
