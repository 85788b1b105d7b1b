/**
 * Makes the upgrades of a plan: what each changes, with which SOs, by which schedule, and which of its
 * functions make trouble.
 */
import type { Dice } from './dice.js'
import {
  type Change,
  type ClassUpgradePlan,
  type Column,
  type SchedulePlan,
  type ServiceName,
  type SimulationPlan,
  serviceNames,
  type Trouble,
  type UpgradePlan,
} from './plan.js'
import { type ClassSpec, lineOf } from './specs.js'
import { undoOf } from './undos.js'

/** So many versions at most, undos included. */
const versionsMax = 6

export function upgradesOf(
  dice: Dice,
  columns: Readonly<Record<ServiceName, readonly Column[]>>,
  nodeIds: readonly string[],
): readonly UpgradePlan[] {
  const upgrades: UpgradePlan[] = []
  const count = dice.between(1, 4)
  // Half of the plans go back now and then.
  const mayGoBack = dice.chance(0.5)
  // A step that can't ever be passed leaves the upgrades after it unreached: not in every plan, and once.
  const hopeless = dice.chance(0.12) ? dice.between(1, count) : undefined
  // A schedule that waits for others waits for ever behind those.
  const mayWaitForOthers = hopeless === undefined
  const isGated = dice.chance(0.5)
  // Nodes of two classes: what comes after would have to name both.
  const isOver = new Set<ServiceName>()
  for (let made = 1; made <= count && upgrades.length < versionsMax; made++) {
    const drawn = dice.oneOf([['ledger'], ['ledger'], ['teller'], ['ledger', 'teller']] as const) as readonly ServiceName[]
    const concerned = drawn.filter((service) => !isOver.has(service))
    if (concerned.length === 0) continue
    const line = (service: ServiceName) => lineOf({ columns, upgrades }, service).at(-1)!
    const version = upgrades.length + 1
    const isHopeless = made === hopeless
    const isBad = isHopeless && dice.chance(0.4)
    let undos = 0
    while (mayGoBack && undos < 3 && version + undos < versionsMax && dice.chance(0.45)) undos++
    upgrades.push({
      undoes: false,
      isGated,
      classUpgrades: serviceNames
        .filter((service) => concerned.includes(service))
        .map((service) => {
          const upgrade = classUpgradeOf(dice, line(service), version, mayWaitForOthers, isHopeless && !isBad)
          if (undos > 0) return withWayBack(upgrade)
          const only = !isHopeless && dice.chance(0.3) ? onlySome(dice, upgrade, nodeIds) : upgrade
          if (only !== upgrade) isOver.add(service)
          return only
        }),
      bundle: isBad ? 'bad' : dice.chance(0.06) ? 'badUntilHealed' : 'good',
    })
    for (; undos > 0; undos--) upgrades.push(undoOf(upgrades))
  }
  return upgrades
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
function onlySome(dice: Dice, upgrade: ClassUpgradePlan, nodeIds: readonly string[]): ClassUpgradePlan {
  if (upgrade.change.kind !== 'move') return upgrade
  const only = nodeIds.filter((nodeId) => nodeId.startsWith(upgrade.service) && dice.chance(0.5))
  return only.length === 0 ? upgrade : { ...upgrade, only, futureSO: 'notNeeded', pastSO: 'notNeeded' }
}

function classUpgradeOf(
  dice: Dice,
  spec: ClassSpec,
  version: number,
  mayWaitForOthers: boolean,
  isHopeless: boolean,
): ClassUpgradePlan {
  const change = changeOf(dice, spec, version)
  const { futureSO, pastSO } = simulationsOf(dice, change)
  const isLazy = dice.chance(0.5)
  const troubles = {
    schedule: troubleOf(dice, 0.08),
    transform: troubleOf(dice, 0.15),
    inverse: troubleOf(dice, 0.15),
    record: isLazy && dice.chance(0.15) ? dice.oneOf(['throwsOnce', 'throwsUntilHealed'] as const) : ('none' as Trouble),
    check: troubleOf(dice, 0.06),
    start: troubleOf(dice, 0.1),
  }
  if (isHopeless) troubles[dice.oneOf(['schedule', 'transform', 'check', 'start'] as const)] = 'throwsForGood'
  const schedule = scheduleOf(dice, spec.service, mayWaitForOthers)
  return { service: spec.service, change, futureSO, pastSO, schedule, isLazy, isWatched: false, only: null, troubles }
}

function changeOf(dice: Dice, spec: ClassSpec, version: number): Change {
  const others = spec.columns.filter(({ name }) => name !== 'main')
  const kinds = ['grow', 'grow', 'move', ...(spec.strikes ? [] : ['strike']), ...(others.length > 0 ? ['drop', 'reshape'] : [])]
  const kind = dice.oneOf(kinds) as Change['kind']
  switch (kind) {
    case 'grow': {
      const name = `c${version}`
      return { kind, column: { name, kept: dice.oneOf(['root', 'collection'] as const), mirrored: dice.chance(0.4), form: 0 } }
    }
    case 'drop':
    case 'reshape':
      return { kind, column: dice.oneOf(others).name }
    case 'move':
      return { kind, column: dice.oneOf(spec.columns).name }
    case 'strike':
      return { kind }
  }
}

/** `notNeeded` only where the types bear it out (§2); now and then none, and the chain is cut. */
function simulationsOf(dice: Dice, { kind }: Change): { futureSO: SimulationPlan; pastSO: SimulationPlan } {
  const one = (isNeeded: boolean): SimulationPlan =>
    dice.chance(0.06) ? 'none' : isNeeded ? 'so' : dice.oneOf(['so', 'notNeeded'] as const)
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

function scheduleOf(dice: Dice, service: ServiceName, mayWaitForOthers: boolean): SchedulePlan {
  const alone: readonly (() => SchedulePlan)[] = [
    () => ({ kind: 'eagerly' }),
    () => ({ kind: 'gradually', everyMs: dice.between(50, 400), probability: dice.oneOf([0.2, 0.5, 1]) }),
    () => ({ kind: 'atMost', nodes: dice.between(1, 2) }),
    () => ({ kind: 'whenIdle', forMs: dice.between(50, 400) }),
  ]
  const waiting: readonly (() => SchedulePlan)[] = [
    () => ({ kind: 'oneReplicaAtATime' }),
    () => (service === 'teller' ? { kind: 'afterMyServers', isNamed: true } : { kind: 'oneReplicaAtATime' }),
  ]
  return dice.oneOf(mayWaitForOthers ? [...alone, ...waiting] : alone)()
}

function troubleOf(dice: Dice, share: number): Trouble {
  if (!dice.chance(share)) return 'none'
  return dice.oneOf(['slow', 'slow', 'throwsOnce', 'throwsUntilHealed', 'hangsUntilHealed'] as const)
}
