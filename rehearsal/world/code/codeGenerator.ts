/**
 * Gives a plan its habits, and the calls that go with them. Each habit has a chance of its own, so that one
 * more changes nothing of the others.
 */
import type { Version } from 'theseus-actors'
import { seededRandom } from 'theseus-actors/memory'
import { lineageOf, undoneBy } from '../classSpecs.js'
import { harmlessSteps } from '../eventChecker.js'
import type { Asked, ClassUpgradePlan, NodePlan, Plan, Step, UpgradePlan } from '../plan.js'
import { PlanRandom } from '../planRandom.js'
import { withUndos } from '../undos.js'
import { type Habit, habits, needs } from './habits.js'
import { plainValuesCount, valuesCount } from './oddValues.js'
import { rumoursSince } from './rumours.js'
import { tableKeys } from './table.js'
import { walkFrom } from './walkGenerator.js'

type CallStep = Extract<Step, { kind: 'call' }>

/** How many plans of a hundred have a habit. */
const share = 0.18
const lastsMs = 5_000

export function withHabits(plan: Plan, among: readonly Habit[]): Plan {
  const drawn = habits.filter((name) => randomOf(plan.seed, name).chance(share) && among.includes(name))
  const had = drawn.map((name) => needs[name]).filter((name): name is Habit => name !== undefined && among.includes(name))
  const all = habits.filter((name) => drawn.includes(name) || had.includes(name))
  const own = all.filter((name) => needs[name] === undefined || all.includes(needs[name]))
  const named = { ...plan, habits: own }
  const upgrades = withUndos(plan.upgrades.map((upgrade, i) => upgradeWith(named, upgrade, i + 1)))
  const changed = { ...named, upgrades }
  const steps = [...plan.steps.map((step) => unpinned(changed, step)), ...own.flatMap((name) => stepsOf(changed, name))]
  const sorted = steps.sort((a, b) => a.atMs - b.atMs)
  return isCalm(named)
    ? { ...changed, deaths: null, steps: sorted.filter(({ kind }) => harmlessSteps.has(kind)) }
    : { ...changed, steps: sorted }
}

/**
 * Of an event that is lost nobody can tell, where something else may have cost it: some plans
 * with rumours have no troubles.
 */
function isCalm({ seed, habits }: Pick<Plan, 'seed' | 'habits'>): boolean {
  return (
    habits.includes('rumours') && !habits.includes('endless') && new PlanRandom(seededRandom(seed * 2 ** 20 + 900)).chance(0.4)
  )
}

function randomOf(seed: number, name: Habit): PlanRandom {
  return new PlanRandom(seededRandom(seed * 2 ** 20 + 1_000 + habits.indexOf(name)))
}

// --- Upgrades

function upgradeWith(plan: Plan, upgrade: UpgradePlan, version: Version): UpgradePlan {
  const random = new PlanRandom(seededRandom(plan.seed * 2 ** 20 + 2_000 + version))
  const introduces = rumoursSince(plan) === version
  const mayWait = plan.upgrades.every(({ bundle, classUpgrades }) => bundle !== 'bad' && classUpgrades.every(isPassable))
  return { ...upgrade, classUpgrades: upgrade.classUpgrades.map(changed) }

  function changed(each: ClassUpgradePlan): ClassUpgradePlan {
    const has = (name: Habit) => plan.habits.includes(name)
    let { schedule, futureSO } = each
    if (introduces && futureSO === 'notNeeded') futureSO = 'so'
    const waits = mayWait && random.chance(0.5)
    if (waits && has('unnamedServers')) schedule = { kind: 'afterMyServers', isNamed: false }
    else if (waits && has('tables')) {
      schedule = random.chance(0.5) ? { kind: 'permitted' } : { kind: 'steps', bakeMs: random.between(20, 200) }
    }
    const isWatched = has('lookers') && random.chance(0.7)
    // Records are made in passing while others look.
    const isLazy = each.isLazy || (has('lookers') && random.chance(0.7))
    const changed = { ...each, schedule, futureSO, isLazy, isWatched }
    return has('canaries') ? canary(plan, changed, version) : changed
  }
}

/** Where it is undone, and nothing comes after that would have to name both classes. */
function canary(plan: Plan, upgrade: ClassUpgradePlan, version: Version): ClassUpgradePlan {
  const { service, change } = upgrade
  const later = plan.upgrades.slice(version)
  const isUndone = plan.upgrades[version - 1]!.undoes === null && later[0]?.undoes === version
  const isLast = !later.some(
    ({ undoes, classUpgrades }) => undoes === null && classUpgrades.some((each) => each.service === service),
  )
  if (!isUndone || !isLast || change.kind !== 'move') return upgrade
  const random = new PlanRandom(seededRandom(plan.seed * 2 ** 20 + 4_000 + version))
  const nodes = nodesOf(plan).filter((node) => node.service === service)
  const only = nodes.map(({ nodeId }) => nodeId).filter(() => random.chance(0.5))
  return only.length === 0 ? upgrade : { ...upgrade, only, futureSO: 'notNeeded', pastSO: 'notNeeded' }
}

function isPassable({ troubles }: ClassUpgradePlan): boolean {
  return !Object.values(troubles).includes('throwsForGood')
}

// --- Steps

/** Where two classes have one name, nobody can tell which is called by its name alone. */
function unpinned(plan: Plan, step: Step): Step {
  if (step.kind !== 'call' || !step.isPinned || !plan.habits.includes('sameNames')) return step
  return { ...step, isPinned: false }
}

function stepsOf(plan: Plan, name: Habit): readonly Step[] {
  const random = new PlanRandom(seededRandom(plan.seed * 2 ** 20 + 3_000 + habits.indexOf(name)))
  const many = <T>(least: number, most: number, make: () => T | undefined) =>
    Array.from({ length: random.between(least, most) }, make).filter((step) => step !== undefined)
  switch (name) {
    case 'walks': {
      const isUnawaited = plan.habits.includes('unawaited')
      return many(4, 10, () =>
        callOf(random, plan, ({ nodeId }) => ({ what: 'walk', walk: walkFrom(random, plan, nodeId, isUnawaited) })),
      )
    }
    case 'table':
      return many(6, 16, () => callOf(random, plan, () => tableAsked(random, plan)))
    case 'oddThrows':
      return many(1, 4, () => callOf(random, plan, () => ({ what: 'add', register: 'main', manner: 'throwingOddly' })))
    case 'thenables':
      return many(2, 5, () => callOf(random, plan, () => ({ what: 'add', register: 'main', manner: 'thenable' })))
    case 'endless':
      return many(1, 2, () => callOf(random, plan, () => ({ what: 'add', register: 'main', manner: 'endless' })))
    case 'ticks':
      return [
        ...many(1, 3, () => callOf(random, plan, () => ({ what: 'add', register: 'main', manner: 'slowlyFailing' }))),
        ...busyOf(random, plan),
      ]
    case 'rumours':
      return rumoursOf(random, plan)
    case 'sameNames':
      return sameNamesOf(random, plan)
    case 'tables':
      return many(
        1,
        4,
        () => ({ atMs: random.between(0, lastsMs), kind: 'permit', nodeId: random.oneOf(nodesOf(plan)).nodeId }) as const,
      )
    default:
      return []
  }
}

/**
 * A node that is busy for longer than a call may wait, when little comes after it that would start it anew.
 */
function busyOf(random: PlanRandom, plan: Plan): readonly Step[] {
  const node = random.oneOf(nodesOf(plan))
  const atMs = random.between(3_500, lastsMs)
  const asked = { what: 'add', register: 'main', manner: 'lingering' } as const
  return [0, 1, 2].map((i) => callAt(random, plan, node, atMs + i, 0, asked))
}

function tableAsked(random: PlanRandom, plan: Plan): Asked {
  const key = random.oneOf(tableKeys)
  const isOdd = plan.habits.includes('oddValues') && random.chance(0.5)
  const value = random.chance(0.25)
    ? null
    : isOdd
      ? random.between(plainValuesCount, valuesCount - 1)
      : random.between(0, plainValuesCount - 1)
  switch (random.between(0, 5)) {
    case 0:
    case 1:
      return { what: 'table', range: rangeOf(random) }
    case 2:
      return { what: 'setLater', change: { key, value }, ms: random.oneOf([0, 20, 200]) }
    default:
      return { what: 'set', change: { key, value } }
  }
}

function rangeOf(random: PlanRandom): { from?: string; to?: string; limit?: number } {
  return {
    ...(random.chance(0.4) ? { from: random.oneOf(tableKeys) } : {}),
    ...(random.chance(0.4) ? { to: random.oneOf(tableKeys) } : {}),
    ...(random.chance(0.4) ? { limit: random.between(0, 4) } : {}),
  }
}

/** Soon after the event is there, when not everybody has learned of it. */
function rumoursOf(random: PlanRandom, plan: Plan): readonly Step[] {
  const version = rumoursSince(plan)
  const tellers = nodesOf(plan).filter(({ service }) => service === 'teller')
  if (version === undefined || tellers.length === 0) return []
  const atMs = publishedAtMs(plan, version)
  const told = Array.from({ length: random.between(2, 6) }, () => {
    const at = Math.min(atMs + random.between(0, random.oneOf([50, 400, 1_500])), lastsMs)
    return callAt(random, plan, random.oneOf(tellers), at, version, { what: 'rumour' })
  })
  const deaf = plan.hosts
    .filter(() => random.chance(0.5))
    .map((host): Step => ({ atMs: Math.max(0, atMs - 20), kind: 'unannounced', host, forMs: random.between(100, 1_500) }))
  return [...told, ...deaf]
}

/**
 * Somebody stays at a class that was undone, while another of its name is published; its object
 * is built anew meanwhile.
 */
function sameNamesOf(random: PlanRandom, plan: Plan): readonly Step[] {
  const steps: Step[] = []
  for (const service of ['ledger', 'teller'] as const) {
    const line = lineageOf(plan, service)
    const nodes = nodesOf(plan).filter((node) => node.service === service)
    line.forEach((spec, version) => {
      const undone = line.findIndex(
        (earlier, i) => i > 0 && earlier.className === spec.className && earlier.registers !== spec.registers,
      )
      if (nodes.length === 0 || undone === -1 || undone >= version) return
      const node = random.oneOf(nodes)
      const undoneAtMs = publishedAtMs(plan, undoneBy(plan, undone) ?? undone + 1)
      const anewAtMs = publishedAtMs(plan, version)
      steps.push({ atMs: Math.max(0, undoneAtMs - random.between(20, 300)), kind: 'hold', nodeId: node.nodeId, forMs: lastsMs })
      for (let i = random.between(2, 4); i > 0; i--) {
        const atMs = Math.min(anewAtMs + random.between(50, 1_500), lastsMs)
        const register = random.oneOf(line[undone]!.registers).name
        const manner = random.oneOf(['failing', 'failing', 'plainly'] as const)
        steps.push(callAt(random, plan, node, atMs, undone, { what: 'add', register, manner }))
      }
    })
  }
  return steps
}

function nodesOf(plan: Plan): readonly NodePlan[] {
  return [...plan.nodes, ...plan.steps.flatMap((step) => (step.kind === 'join' ? [step.node] : []))]
}

function publishedAtMs(plan: Plan, version: Version): number {
  return plan.steps.find((step) => step.kind === 'publish' && step.version === version)?.atMs ?? 0
}

function callOf(random: PlanRandom, plan: Plan, asked: (node: NodePlan) => Asked): CallStep {
  const node = random.oneOf(nodesOf(plan))
  const atMs = random.between(0, lastsMs)
  const published = plan.steps.filter((step) => step.kind === 'publish' && step.atMs <= atMs).length
  const version = random.chance(0.4) ? published : random.between(0, published)
  return callAt(random, plan, node, atMs, version, asked(node))
}

function callAt(random: PlanRandom, plan: Plan, node: NodePlan, atMs: number, version: Version, asked: Asked): CallStep {
  const { nodeId, service } = node
  const client = random.oneOf(plan.clients)
  // Where versions are to die, nobody keeps one alive by this.
  const isRegistered = plan.deaths === null
  return { atMs, kind: 'call', client, service, node: nodeId, version, isPinned: false, isRegistered, deadlineMs: 2_000, asked }
}
