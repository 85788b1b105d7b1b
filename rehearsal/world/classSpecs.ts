/**
 * The contents of each version of a service's class, as a plan's upgrades make it. Pure: the generator, the
 * classes and the oracle ask the same.
 */
import type { Version } from 'theseus-actors'
import type { Habit } from './code/habits.js'
import { rumoursSince } from './code/rumours.js'
import type { Change, ClassUpgradePlan, NodePlan, Plan, Register, ServiceName } from './plan.js'

export interface ClassSpec {
  readonly service: ServiceName
  readonly className: string
  readonly registers: readonly Register[]
  /** Registers whose read answers in the other form. */
  readonly reshaped: ReadonlySet<string>
  readonly strikes: boolean
  /** Whether it publishes, or hears, what an upgrade has introduced. */
  readonly rumours: boolean
  readonly habits: readonly Habit[]
  /** Null: its nodes are each on one host. */
  readonly shards: number | null
}

/** The parts of a plan that lines are made of. */
export type LineagePlan = Pick<Plan, 'registers' | 'upgrades'> & Partial<Pick<Plan, 'habits' | 'shards'>>

/** The class of a service at each version, from 0 to the newest. */
export function lineageOf(plan: LineagePlan, service: ServiceName): readonly ClassSpec[] {
  const { habits = [] } = plan
  const first = {
    service,
    registers: plan.registers[service],
    reshaped: new Set<string>(),
    strikes: false,
    rumours: false,
    habits,
    shards: plan.shards?.counts[service] ?? null,
  }
  const line: ClassSpec[] = [{ ...first, className: nameOf(service, 1) }]
  const rumours = rumoursSince(plan)
  let classes = 1
  for (let version = 1; version <= plan.upgrades.length; version++) {
    const before = line[version - 1]!
    const undone = undoneFor(plan, service, version)
    if (undone !== null) {
      line.push(line[undone - 1]!)
      continue
    }
    const upgrade = classUpgradeOf(plan, service, version)
    if (upgrade === undefined) {
      line.push(before)
      continue
    }
    const named = habits.includes('sameNames') ? undoneName(line, plan, service) : undefined
    const className = named ?? nameOf(service, ++classes)
    line.push({ ...upgraded(before, upgrade), className, ...(rumours === version ? { rumours: true } : {}) })
  }
  return line
}

/** The name of the class that was undone just now, for one that is to be better. */
function undoneName(line: readonly ClassSpec[], plan: Pick<Plan, 'upgrades'>, service: ServiceName): string | undefined {
  const version = undoneFor(plan, service, line.length - 1)
  // The undo of an undo brings a class back: nothing has been undone then.
  return version === null || undoes(plan, version) !== null ? undefined : line[version]!.className
}

/** The version that a version undoes: it means what the one before that means. */
export function undoes({ upgrades }: Pick<Plan, 'upgrades'>, version: Version): Version | null {
  return upgrades[version - 1]?.undoes ?? null
}

/** The same, where that concerns the service. */
export function undoneFor(plan: Pick<Plan, 'upgrades'>, service: ServiceName, version: Version): Version | null {
  return classUpgradeOf(plan, service, version) === undefined ? null : undoes(plan, version)
}

/** The version that undoes this one. */
export function undoneBy({ upgrades }: Pick<Plan, 'upgrades'>, version: Version): Version | null {
  const found = upgrades.findIndex((upgrade) => upgrade.undoes === version)
  return found === -1 ? null : found + 1
}

/**
 * Whether a version takes back what another upgrade brought: it goes to its nodes at once, and whatever is
 * paused. The undo of an undo brings it again, and is a rollout of its own.
 */
export function takesBack(plan: Pick<Plan, 'upgrades'>, version: Version): boolean {
  const undone = undoes(plan, version)
  return undone !== null && !takesBack(plan, undone)
}

export function classUpgradeOf(
  plan: Pick<Plan, 'upgrades'>,
  service: ServiceName,
  version: Version,
): ClassUpgradePlan | undefined {
  return plan.upgrades[version - 1]?.classUpgrades.find((upgrade) => upgrade.service === service)
}

/**
 * The name of a node's class at a version: where an upgrade is restricted to some nodes, the
 * others keep theirs.
 */
export function classOf(plan: LineagePlan, { nodeId, service }: NodePlan, version: Version): string {
  const line = lineageOf(plan, service)
  let at = 0
  for (let v = 1; v <= version; v++) {
    const upgrade = classUpgradeOf(plan, service, v)
    if (upgrade !== undefined && (upgrade.only === null || upgrade.only.includes(nodeId))) at = v
  }
  return line[at]!.className
}

function upgraded(before: ClassSpec, { change, isLazy }: ClassUpgradePlan): ClassSpec {
  const spec = changed(before, change)
  return isLazy ? { ...spec, registers: spec.registers.map((register) => ({ ...register, form: register.form + 1 })) } : spec
}

export function changed(spec: ClassSpec, change: Change): ClassSpec {
  switch (change.kind) {
    case 'grow':
      return { ...spec, registers: [...spec.registers, change.register] }
    case 'drop':
      return { ...spec, registers: spec.registers.filter(({ name }) => name !== change.register) }
    case 'reshape': {
      const reshaped = new Set(spec.reshaped)
      if (!reshaped.delete(change.register)) reshaped.add(change.register)
      return { ...spec, reshaped }
    }
    case 'move':
      return {
        ...spec,
        registers: spec.registers.map((register) => (register.name === change.register ? moved(register) : register)),
      }
    case 'strike':
      return { ...spec, strikes: true }
  }
}

export function registerOf(spec: ClassSpec, name: string): Register {
  const found = spec.registers.find((register) => register.name === name)
  if (found === undefined) throw new Error(`${spec.className} has no register ${name}`)
  return found
}

/** The methods of a class by kind. */
export function methodsOf(spec: ClassSpec): readonly (readonly [name: string, kind: 'command' | 'query'])[] {
  const ofRegisters = spec.registers.flatMap(({ name }) => [
    [adding(name), 'command'] as const,
    [reading(name), 'query'] as const,
  ])
  const ofTellers = [
    ['forward', 'command'],
    ['tell', 'command'],
    ['later', 'command'],
    ['announce', 'command'],
    ['ask', 'query'],
  ] as const
  const has = (habit: Habit) => spec.habits.includes(habit)
  return [
    ...ofRegisters,
    ...(spec.strikes ? [['strike', 'command'] as const] : []),
    ...(spec.service === 'teller' ? ofTellers : [['hear', 'command'] as const]),
    ...(spec.rumours ? [['rumour', 'command'] as const] : []),
    ...(has('walks') ? [['walk', 'command'] as const] : []),
    ...(has('ticks') ? [['tick', 'command'] as const] : []),
    ...(has('table') ? [['set', 'command'] as const, ['setLater', 'command'] as const, ['table', 'query'] as const] : []),
  ]
}

export function adding(register: string): string {
  return `add${register[0]!.toUpperCase()}${register.slice(1)}`
}

export function reading(register: string): string {
  return `read${register[0]!.toUpperCase()}${register.slice(1)}`
}

function moved(register: Register): Register {
  return { ...register, kept: register.kept === 'root' ? 'collection' : 'root' }
}

function nameOf(service: ServiceName, number: number): string {
  return `${service === 'ledger' ? 'Ledger' : 'Teller'}.v${number}`
}
