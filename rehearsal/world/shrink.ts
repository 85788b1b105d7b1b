/**
 * Makes a failing plan smaller: leaves out steps, and troubles of upgrades, as long as what is
 * left fails by the same rule.
 */
import type { ClassUpgradePlan, Plan, Step } from './plan.js'
import type { Tamper } from './processEnvironment.js'
import { withUndos } from './undos.js'
import { play } from './world.js'

/** Worlds played at most, so that it ends in a minute. */
const triesMax = 600

export async function shrink(plan: Plan, rule: string, tamper: Tamper = {}): Promise<Plan> {
  let smallest = plan
  let tries = 0
  const fails = async (candidate: Plan) => {
    tries++
    return (await play(candidate, tamper)).violations.some((violation) => violation.rule === rule)
  }
  const take = async (candidate: Plan) => {
    if (tries >= triesMax || !(await fails(candidate))) return false
    smallest = candidate
    return true
  }
  for (let length = Math.ceil(plan.steps.length / 2); length >= 1; length = Math.floor(length / 2)) {
    for (let from = 0; from < smallest.steps.length && tries < triesMax; ) {
      const steps = without(smallest.steps, from, length)
      if (steps === undefined || !(await take({ ...smallest, steps }))) from += length
    }
  }
  for (let i = 0; i < plan.upgrades.length; i++) await take(withoutTroubles(smallest, i))
  return smallest
}

/** A publication is left in: later versions would never come. */
function without(steps: readonly Step[], from: number, length: number): readonly Step[] | undefined {
  const left = steps.filter((step, i) => i < from || i >= from + length || step.kind === 'publish')
  return left.length === steps.length ? undefined : left
}

function withoutTroubles(plan: Plan, index: number): Plan {
  const calm = (upgrade: ClassUpgradePlan): ClassUpgradePlan => ({
    ...upgrade,
    troubles: { schedule: 'none', transform: 'none', inverse: 'none', record: 'none', check: 'none', start: 'none' },
  })
  const upgrades = plan.upgrades.map((upgrade, i) =>
    i === index ? { ...upgrade, bundle: 'good' as const, classUpgrades: upgrade.classUpgrades.map(calm) } : upgrade,
  )
  return { ...plan, upgrades: withUndos(upgrades) }
}
