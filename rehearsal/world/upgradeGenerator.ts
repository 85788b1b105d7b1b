/**
 * Makes the upgrades of a plan: what each changes, with which SOs, by which schedule, and which of its
 * functions make trouble.
 */

import type { Version } from 'theseus-actors'
import { type ClassSpec, lineageOf } from './classSpecs.js'
import {
  type Change,
  type ClassUpgradePlan,
  type Register,
  type SchedulePlan,
  type ServiceName,
  type SimulationPlan,
  serviceNames,
  type Trouble,
  type UpgradePlan,
} from './plan.js'
import type { PlanRandom } from './planRandom.js'
import { undoOf } from './undos.js'

/** So many versions at most, undos included, but for those that come before an undo, and their own. */
const versionsMax = 6

/** @param later draws upgrades that come between others and their undos; undefined: there are none */
export function upgradesOf(
  random: PlanRandom,
  registers: Readonly<Record<ServiceName, readonly Register[]>>,
  nodeIds: readonly string[],
  later?: PlanRandom,
): readonly UpgradePlan[] {
  const upgrades: UpgradePlan[] = []
  const count = random.between(1, 4)
  // Half of the plans go back now and then.
  const mayGoBack = random.chance(0.5) || later !== undefined
  // A step that can't ever be passed leaves the upgrades after it unreached: not in every plan, and once.
  const hopeless = random.chance(0.12) ? random.between(1, count) : undefined
  // A schedule that waits for others waits for ever behind those.
  const mayWaitForOthers = hopeless === undefined
  const isGated = random.chance(0.5)
  // Nodes of two classes: what comes after would have to name both.
  const isOver = new Set<ServiceName>()
  /** To be undone after the undo that they came before. */
  const crossing: Version[] = []
  for (let made = 1; made <= count && upgrades.length < versionsMax; made++) {
    const drawn = random.oneOf([['ledger'], ['ledger'], ['teller'], ['ledger', 'teller']] as const) as readonly ServiceName[]
    const concerned = drawn.filter((service) => !isOver.has(service))
    if (concerned.length === 0) continue
    const line = (service: ServiceName) => lineageOf({ registers, upgrades }, service).at(-1)!
    const version = upgrades.length + 1
    const isHopeless = made === hopeless
    const isBad = isHopeless && random.chance(0.4)
    let undos = 0
    while (mayGoBack && undos < 3 && version + undos < versionsMax && random.chance(0.45)) undos++
    upgrades.push({
      undoes: null,
      isGated,
      classUpgrades: serviceNames
        .filter((service) => concerned.includes(service))
        .map((service) => {
          const upgrade = classUpgradeOf(random, line(service), version, mayWaitForOthers, isHopeless && !isBad)
          if (undos > 0) return withWayBack(upgrade)
          const only = !isHopeless && random.chance(0.3) ? onlySome(random, upgrade, nodeIds) : upgrade
          if (only !== upgrade) isOver.add(service)
          return only
        }),
      bundle: isBad ? 'bad' : random.chance(0.06) ? 'badUntilHealed' : 'good',
    })
    for (let undone = version; undos > 0; undos--) {
      if (later !== undefined) between(later, undone)
      upgrades.push(undoOf(upgrades, undone))
      undone = upgrades.length
    }
    for (const undone of crossing.splice(0)) upgrades.push(undoOf(upgrades, undone))
  }
  return upgrades

  /** Upgrades that come before an undo, and keep nobody from going back: of other services, or undone. */
  function between(chance: PlanRandom, undone: Version): void {
    const concerned = upgrades[undone - 1]!.classUpgrades.map(({ service }) => service)
    const others = serviceNames.filter((service) => !concerned.includes(service) && !isOver.has(service))
    // Another one of the same service would be in the way of that one's undo.
    const isCrossed = crossing.length > 0
    const how = chance.oneOf(
      isCrossed ? (['nested', 'none'] as const) : (['other', 'other', 'nested', 'crossing', 'none'] as const),
    )
    const services = how === 'nested' ? concerned : others
    if (how === 'none' || services.length === 0 || upgrades.length >= versionsMax) return
    const version = upgrades.length + 1
    const line = (service: ServiceName) => lineageOf({ registers, upgrades }, service).at(-1)!
    const classUpgrades = services.map((service) => withWayBack(classUpgradeOf(chance, line(service), version, false, false)))
    upgrades.push({ undoes: null, isGated, classUpgrades, bundle: 'good' })
    if (how === 'nested') upgrades.push(undoOf(upgrades, version))
    if (how === 'crossing') crossing.push(version)
  }
}

/**
 * Without an SO to keep it meanwhile, what one version has alone would be lost on the way back and forth, as
 * its author wants it.
 */
function withWayBack(upgrade: ClassUpgradePlan): ClassUpgradePlan {
  const { kind } = upgrade.change
  if (kind === 'grow') return { ...upgrade, futureSO: 'so' }
  if (kind === 'drop') return { ...upgrade, pastSO: 'so' }
  return upgrade
}

/** Restricts it to some nodes, where both classes have the same type. */
function onlySome(random: PlanRandom, upgrade: ClassUpgradePlan, nodeIds: readonly string[]): ClassUpgradePlan {
  if (upgrade.change.kind !== 'move') return upgrade
  const only = nodeIds.filter((nodeId) => nodeId.startsWith(upgrade.service) && random.chance(0.5))
  return only.length === 0 ? upgrade : { ...upgrade, only, futureSO: 'notNeeded', pastSO: 'notNeeded' }
}

function classUpgradeOf(
  random: PlanRandom,
  spec: ClassSpec,
  version: number,
  mayWaitForOthers: boolean,
  isHopeless: boolean,
): ClassUpgradePlan {
  const change = changeOf(random, spec, version)
  const { futureSO, pastSO } = simulationsOf(random, change)
  const isLazy = random.chance(0.5)
  const troubles = {
    schedule: troubleOf(random, 0.08),
    transform: troubleOf(random, 0.15),
    inverse: troubleOf(random, 0.15),
    record: isLazy && random.chance(0.15) ? random.oneOf(['throwsOnce', 'throwsUntilHealed'] as const) : ('none' as Trouble),
    check: troubleOf(random, 0.06),
    start: troubleOf(random, 0.1),
  }
  if (isHopeless) troubles[random.oneOf(['schedule', 'transform', 'check', 'start'] as const)] = 'throwsForGood'
  const schedule = scheduleOf(random, spec.service, mayWaitForOthers)
  return { service: spec.service, change, futureSO, pastSO, schedule, isLazy, isWatched: false, only: null, troubles }
}

function changeOf(random: PlanRandom, spec: ClassSpec, version: number): Change {
  const others = spec.registers.filter(({ name }) => name !== 'main')
  const kinds = ['grow', 'grow', 'move', ...(spec.strikes ? [] : ['strike']), ...(others.length > 0 ? ['drop', 'reshape'] : [])]
  const kind = random.oneOf(kinds) as Change['kind']
  switch (kind) {
    case 'grow': {
      const name = `c${version}`
      return {
        kind,
        register: { name, kept: random.oneOf(['root', 'collection'] as const), mirrored: random.chance(0.4), form: 0 },
      }
    }
    case 'drop':
    case 'reshape':
      return { kind, register: random.oneOf(others).name }
    case 'move':
      return { kind, register: random.oneOf(spec.registers).name }
    case 'strike':
      return { kind }
  }
}

/** `notNeeded` only where the types bear it out (§2); now and then none, and the chain is cut. */
function simulationsOf(random: PlanRandom, { kind }: Change): { futureSO: SimulationPlan; pastSO: SimulationPlan } {
  const one = (isNeeded: boolean): SimulationPlan =>
    random.chance(0.06) ? 'none' : isNeeded ? 'so' : random.oneOf(['so', 'notNeeded'] as const)
  switch (kind) {
    case 'grow':
    case 'strike':
      return { futureSO: one(true), pastSO: one(false) }
    case 'drop':
      return { futureSO: one(false), pastSO: one(true) }
    case 'reshape':
      return { futureSO: one(true), pastSO: one(true) }
    case 'move':
      return { futureSO: one(false), pastSO: one(false) }
  }
}

function scheduleOf(random: PlanRandom, service: ServiceName, mayWaitForOthers: boolean): SchedulePlan {
  const alone: readonly (() => SchedulePlan)[] = [
    () => ({ kind: 'eagerly' }),
    () => ({ kind: 'gradually', everyMs: random.between(50, 400), probability: random.oneOf([0.2, 0.5, 1]) }),
    () => ({ kind: 'atMost', nodes: random.between(1, 2) }),
    () => ({ kind: 'whenIdle', forMs: random.between(50, 400) }),
  ]
  const waiting: readonly (() => SchedulePlan)[] = [
    () => ({ kind: 'oneReplicaAtATime' }),
    () => (service === 'teller' ? { kind: 'afterMyServers', isNamed: true } : { kind: 'oneReplicaAtATime' }),
  ]
  return random.oneOf(mayWaitForOthers ? [...alone, ...waiting] : alone)()
}

function troubleOf(random: PlanRandom, share: number): Trouble {
  if (!random.chance(share)) return 'none'
  return random.oneOf(['slow', 'slow', 'throwsOnce', 'throwsUntilHealed', 'hangsUntilHealed'] as const)
}
