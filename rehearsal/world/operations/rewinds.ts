/**
 * Which undos of a plan are rewinds (§8): those of upgrades whose operations the old object can all carry out
 * again, with the same answers. Then a rewind shows nothing, and each difference that it reports is a fault.
 *
 * W2. A rewind loses nothing that was told, at any version.
 * W3. An operation that is carried out again with what was recorded ends as before.
 */
import { seededRandom } from 'theseus-actors/memory'
import { takesBack } from '../classSpecs.js'
import type { ClassUpgradePlan, Plan, Step, UpgradePlan } from '../plan.js'
import { PlanRandom } from '../planRandom.js'

/** Operations of these ask others in another way at each version, or run inside each other. */
const tooWild: ReadonlySet<string> = new Set(['walks', 'reentrant', 'unawaited', 'cycles', 'callingSOs'])

/** Before the troubles end. */
const latestMs = 4_900

export function withRewinds(plan: Plan): Plan {
  if (!plan.dimensions.includes('rewinds') || plan.habits.some((habit) => tooWild.has(habit))) return plan
  const random = new PlanRandom(seededRandom(plan.seed * 2 ** 20 + 700))
  const rewound = plan.upgrades.map(
    // Of the version before it alone.
    ({ undoes }, i) =>
      undoes !== null && takesBack(plan, i + 1) && isRewindable(plan.upgrades[undoes - 1]!) && undoes === i && random.chance(0.9),
  )
  // An undo of an undo is what was undone, as it was.
  const origin = (i: number): number => {
    const { undoes } = plan.upgrades[i]!
    return undoes === null ? i : origin(plan.upgrades[undoes - 1]!.undoes! - 1)
  }
  const recorders = new Set(rewound.flatMap((isRewound, i) => (isRewound ? [i - 1, origin(i - 1)] : [])))
  const upgrades = plan.upgrades.map((upgrade, i): UpgradePlan => {
    const recorded = recorders.has(i) ? { ...upgrade, classUpgrades: upgrade.classUpgrades.map(recording) } : upgrade
    return rewound[i] === true ? { ...recorded, rewinds: true } : recorded
  })
  return { ...plan, upgrades, steps: plan.steps.map((step) => (isRewind(step, upgrades) ? later(step, plan, random) : step)) }
}

type PublishStep = Extract<Step, { readonly kind: 'publish' }>

function isRewind(step: Step, upgrades: readonly UpgradePlan[]): step is PublishStep {
  return step.kind === 'publish' && upgrades[step.version - 1]!.rewinds === true
}

/** Nodes have flipped by then, and done something. */
function later(step: PublishStep, { steps }: Plan, random: PlanRandom): Step {
  const upgrade = steps.find((each) => each.kind === 'publish' && each.version === step.version - 1)
  const atMs = (upgrade?.atMs ?? step.atMs) + random.between(800, 3_000)
  return { ...step, atMs: Math.max(step.atMs, Math.min(atMs, latestMs)) }
}

/** The old object refuses no operation of the new version, and no node keeps the old class. */
function isRewindable({ classUpgrades, bundle }: UpgradePlan): boolean {
  return (
    bundle === 'good' &&
    classUpgrades.every(({ change, futureSO, only }) => change.kind !== 'strike' && futureSO !== 'none' && only === null)
  )
}

function recording(upgrade: ClassUpgradePlan): ClassUpgradePlan {
  return { ...upgrade, isRecorded: true }
}
