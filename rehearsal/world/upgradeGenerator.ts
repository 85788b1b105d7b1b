/** Makes the upgrades of a plan: what each changes, with which SOs, by which schedule, and which of its functions make trouble. */
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

export function upgradesOf(dice: Dice, columns: Readonly<Record<ServiceName, readonly Column[]>>): readonly UpgradePlan[] {
  const upgrades: UpgradePlan[] = []
  const count = dice.between(1, 4)
  // What can't ever be passed leaves the upgrades after it unreached: not in every plan, and once.
  const hopeless = dice.chance(0.12) ? dice.between(1, count) : undefined
  // A schedule that waits for others waits for ever behind those.
  const mayWaitForOthers = hopeless === undefined
  for (let version = 1; version <= count; version++) {
    const concerned = dice.oneOf([['ledger'], ['ledger'], ['teller'], ['ledger', 'teller']] as const) as readonly ServiceName[]
    const line = (service: ServiceName) => lineOf({ columns, upgrades }, service).at(-1)!
    const isHopeless = version === hopeless
    const isBad = isHopeless && dice.chance(0.4)
    upgrades.push({
      classUpgrades: serviceNames
        .filter((service) => concerned.includes(service))
        .map((service) => classUpgradeOf(dice, line(service), version, mayWaitForOthers, isHopeless && !isBad)),
      bundle: isBad ? 'bad' : dice.chance(0.06) ? 'badUntilHealed' : 'good',
    })
  }
  return upgrades
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
  const troubles = {
    schedule: troubleOf(dice, 0.08),
    transform: troubleOf(dice, 0.15),
    check: troubleOf(dice, 0.06),
    start: troubleOf(dice, 0.1),
  }
  if (isHopeless) troubles[dice.oneOf(['schedule', 'transform', 'check', 'start'] as const)] = 'throwsForGood'
  return { service: spec.service, change, futureSO, pastSO, schedule: scheduleOf(dice, spec.service, mayWaitForOthers), troubles }
}

function changeOf(dice: Dice, spec: ClassSpec, version: number): Change {
  const others = spec.columns.filter(({ name }) => name !== 'main')
  const kinds = ['grow', 'grow', 'move', ...(spec.strikes ? [] : ['strike']), ...(others.length > 0 ? ['drop', 'reshape'] : [])]
  const kind = dice.oneOf(kinds) as Change['kind']
  switch (kind) {
    case 'grow': {
      const name = `c${version}`
      return { kind, column: { name, kept: dice.oneOf(['root', 'collection'] as const), mirrored: dice.chance(0.4) } }
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
    () => ({ kind: service === 'teller' ? 'afterMyServers' : 'oneReplicaAtATime' }),
  ]
  return dice.oneOf(mayWaitForOthers ? [...alone, ...waiting] : alone)()
}

function troubleOf(dice: Dice, share: number): Trouble {
  if (!dice.chance(share)) return 'none'
  return dice.oneOf(['slow', 'slow', 'throwsOnce', 'throwsUntilHealed', 'hangsUntilHealed'] as const)
}
