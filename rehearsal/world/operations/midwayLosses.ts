/**
 * The upgrade database loses data in the middle of an upgrade. A node that is away, and is killed meanwhile,
 * has its permit all the same; a retry that has been heeded and replaced comes back.
 */
import type { Version } from 'theseus-actors'
import type { ClassUpgradePlan, NodePlan, Step, Trouble, UpgradePlan } from '../plan.js'
import type { PlanRandom } from '../planRandom.js'

export interface Midway {
  readonly nodes: readonly NodePlan[]
  readonly upgrades: readonly UpgradePlan[]
  readonly publishedAtMs: readonly number[]
  readonly lastsMs: number
}

type Midst = 'away' | 'stalled'

/** A node is still away when a probation ends. */
export const startTimeoutMs = 2_000

/** One of its upgrades keeps its nodes away, and one stalls them. */
export function withMidsts(random: PlanRandom, upgrades: readonly UpgradePlan[]): readonly UpgradePlan[] {
  const hangs = random.between(1, upgrades.length)
  const fails = random.between(1, upgrades.length)
  const failing = random.oneOf(['schedule', 'transform', 'check'] as const)
  return upgrades.map((upgrade, i) => {
    // An undo is made of the upgrade that it undoes.
    if (upgrade.undoes !== null || upgrades.some(({ undoes }) => undoes === i + 1)) return upgrade
    if (i + 1 === hangs) return withTrouble(upgrade, 'start', 'hangsUntilHealed')
    return i + 1 === fails ? withTrouble(upgrade, failing, 'throwsUntilHealed') : upgrade
  })
}

function withTrouble(upgrade: UpgradePlan, what: keyof ClassUpgradePlan['troubles'], trouble: Trouble): UpgradePlan {
  const classUpgrades = upgrade.classUpgrades.map((each) => ({ ...each, troubles: { ...each.troubles, [what]: trouble } }))
  return { ...upgrade, classUpgrades }
}

export function midwayLossSteps(random: PlanRandom, midway: Midway): readonly Step[] {
  return random.chance(0.6) ? whileAway(random, midway) : whileStalled(random, midway)
}

const midsts: Readonly<Record<Midst, (upgrade: ClassUpgradePlan) => boolean>> = {
  away: ({ troubles }) => troubles.start === 'hangsUntilHealed',
  stalled: ({ troubles: { schedule, transform, check } }) =>
    [schedule, transform, check].some((trouble) => trouble === 'throwsUntilHealed' || trouble === 'throwsForGood'),
}

function whileAway(random: PlanRandom, midway: Midway): readonly Step[] {
  const { version, service } = upgradeOf(random, midway, 'away')
  const publishedAtMs = midway.publishedAtMs[version - 1]!
  const atMs = Math.max(0, publishedAtMs - random.between(0, 100))
  const among = midway.nodes.filter((node) => node.service === service)
  const { host } = random.oneOf(among.length > 0 ? among : midway.nodes)
  const moment = { at: 'phase', phase: 'recovering', count: random.between(1, 2) } as const
  return [
    { atMs, kind: 'crash', host, moment, forMs: random.oneOf([20, 20, 300]) },
    lost(random, atMs, publishedAtMs + random.between(100, 1_000)),
  ]
}

function whileStalled(random: PlanRandom, midway: Midway): readonly Step[] {
  const { version } = upgradeOf(random, midway, 'stalled')
  const first = Math.min(midway.publishedAtMs[version - 1]! + random.between(200, 800), midway.lastsMs - 1_500)
  const second = first + random.between(300, 600)
  return [
    { atMs: first, kind: 'retryVersion', version },
    { atMs: second, kind: 'retryVersion', version },
    lost(random, random.between(first + 30, second), second + random.between(250, 700)),
  ]
}

/** As the database is at `fromMs`, it is again at `atMs`. */
function lost(random: PlanRandom, fromMs: number, atMs: number): Step {
  return { atMs: fromMs, kind: 'databaseLost', how: random.oneOf(['restored', 'failedOver']), inMs: atMs - fromMs }
}

/** One in the midst of which its nodes stay for a while, if there is one. */
function upgradeOf(random: PlanRandom, { upgrades }: Midway, midst: Midst) {
  const all = upgrades.flatMap(({ classUpgrades }, i) =>
    classUpgrades.map((each) => ({ version: (i + 1) as Version, service: each.service, each })),
  )
  const such = all.filter(({ each }) => midsts[midst](each))
  return random.oneOf(such.length > 0 ? such : all)
}
