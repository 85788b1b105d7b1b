/**
 * The upgrades of a plan, as a person would have written them: SOs that delegate what they can, keep what
 * only one version has, map what has two forms and refuse what can't be; transform functions that carry every
 * register over; and the troubles that are planned for them.
 */
import {
  defineUpgrade,
  type EventType,
  futureSO,
  type NodeClass,
  none,
  notNeeded,
  pastSO,
  type Upgrade,
  upgradeClass,
  type Version,
} from 'theseus-actors'
import { makeClass, reshape, runCommand, runQuery, unshape } from './classes.js'
import { adding, type ClassSpec, classUpgradeOf, lineageOf, methodsOf, reading, undoneFor } from './classSpecs.js'
import { mutatedAnswer } from './code/mutatedAnswer.js'
import { rumour } from './code/rumours.js'
import { serviceOfNode, type Walk, type WalkingSO, walkBySO } from './code/walks.js'
import type { ExecutionOracle } from './executionOracle.js'
import { startTimeoutMs } from './operations/midwayLosses.js'
import type { ClassUpgradePlan, Manner, Plan, Register, ServiceName } from './plan.js'
import { serviceNames } from './plan.js'
import { append, emptyState, listOf, type RegistersHolder } from './registers.js'
import { troubledSchedule } from './schedules.js'
import { keptRecords, keptRegisters, recordsOf, transformOf } from './transforms.js'

/** All that a plan's upgrades are made of. */
export interface PlannedClasses {
  /** The class of a service at each version. */
  readonly lines: Readonly<Record<ServiceName, readonly NodeClass[]>>
  /** Upgrades 1, 2, …; undefined where one is an undo. */
  readonly upgrades: readonly (Upgrade | undefined)[]
}

const timeouts = { drainTimeout: 400, transformTimeout: 600, startTimeout: 400 }

export function plannedClassesOf(plan: Plan, oracle: ExecutionOracle): PlannedClasses {
  const lines: Record<ServiceName, NodeClass[]> = { ledger: [], teller: [] }
  const specs = { ledger: lineageOf(plan, 'ledger'), teller: lineageOf(plan, 'teller') }
  for (const service of serviceNames) {
    specs[service].forEach((spec, version) => {
      const upgrade = classUpgradeOf(plan, service, version)
      const undone = undoneFor(plan, service, version)
      const same = undone !== null ? undone - 1 : upgrade === undefined ? version - 1 : undefined
      const known = same === undefined ? undefined : lines[service][same]
      const troubles = { check: upgrade?.troubles.check ?? 'none', start: upgrade?.troubles.start ?? 'none' } as const
      lines[service].push(known ?? makeClass(spec, troubles, oracle, (called) => lines[called][0]!))
    })
  }
  const upgrades = plan.upgrades.map(({ classUpgrades, undoes, isGated }, i) =>
    undoes !== null
      ? undefined
      : defineUpgrade({
          title: `Upgrade ${i + 1}`,
          classUpgrades: classUpgrades.map((upgrade) => made(upgrade, i + 1)),
          ...(isGated ? {} : { gate: 'open' as const }),
        }),
  )
  return { lines, upgrades }

  function made(upgrade: ClassUpgradePlan, version: number) {
    const { service, troubles, only, isLazy } = upgrade
    const [oldSpec, newSpec] = [specs[service][version - 1]!, specs[service][version]!]
    const [oldClass, newClass] = [lines[service][version - 1]!, lines[service][version]!]
    const ofNew = newSpec.registers.filter(({ name }) => !oldSpec.registers.some((register) => register.name === name))
    const ofOld = oldSpec.registers.filter(({ name }) => !newSpec.registers.some((register) => register.name === name))
    const peer = (called: ServiceName) => lines[called][0]!
    const ahead = () => {
      const so = { simulates: newClass, over: oldClass, initial: () => emptyState(ofNew) }
      return futureSO({ ...so, ...treatment(newSpec, oldSpec, ofNew, version, peer, oracle) } as never)
    }
    const behind = () => {
      const begins = { initial: keptRegisters(ofOld, isLazy), records: keptRecords(ofOld, isLazy) }
      const so = { simulates: oldClass, over: newClass, ...begins }
      return pastSO({ ...so, ...treatment(oldSpec, newSpec, ofOld, version - 1, peer, oracle) } as never)
    }
    const parts = {
      oldClass,
      newClass,
      futureSO: upgrade.futureSO === 'none' ? none : upgrade.futureSO === 'notNeeded' ? notNeeded : ahead(),
      pastSO: upgrade.pastSO === 'none' ? none : upgrade.pastSO === 'notNeeded' ? notNeeded : behind(),
      transform: transformOf(oldSpec, newSpec, isLazy, troubles.transform, oracle, `the transform of upgrade ${version}`),
      inverse: {
        transform: transformOf(newSpec, oldSpec, isLazy, troubles.inverse, oracle, `the way back from upgrade ${version}`),
        future: keptRegisters(ofNew, isLazy),
        futureRecords: keptRecords(ofNew, isLazy),
        ...(isLazy ? { records: recordsOf(newSpec, oldSpec, 'none', oracle, '') } : {}),
      },
      ...(isLazy ? { records: recordsOf(oldSpec, newSpec, troubles.record, oracle, `a record of upgrade ${version}`) } : {}),
      schedule: troubledSchedule(upgrade, oldSpec, oracle, version),
      ...(only === null ? {} : { only: { nodes: only } }),
      ...timeouts,
      ...(plan.dimensions.includes('midwayLosses') ? { startTimeout: startTimeoutMs } : {}),
      // All that was done since takes its time once more.
      ...(upgrade.isRecorded ? { rewind: { for: '1h' }, transformTimeout: 30_000 } : {}),
    }
    return upgradeClass(parts as never)
  }
}

/** The treatment by an SO of each method of the class that it simulates. */
function treatment(
  simulated: ClassSpec,
  next: ClassSpec,
  own: readonly Register[],
  version: Version,
  peer: (service: ServiceName) => NodeClass,
  oracle: ExecutionOracle,
) {
  const methods: Record<string, (this: Self, op: string, ...args: any[]) => unknown> = {}
  for (const register of own) {
    methods[adding(register.name)] = function (op, manner: Manner) {
      return runCommand(oracle, this.nodeId, op, manner, async () => {
        if (register.mirrored) await this.next.addMain!(op, 'plainly')
        return append(this, register, op)
      })
    }
    methods[reading(register.name)] = function (op) {
      return runQuery(oracle, this.nodeId, op, () => {
        const listed = { node: this.nodeId, list: listOf(this, register) }
        return simulated.reshaped.has(register.name) ? reshape(listed) : listed
      })
    }
  }
  for (const { name } of simulated.registers) {
    if (own.some((register) => register.name === name) || simulated.reshaped.has(name) === next.reshaped.has(name)) continue
    methods[reading(name)] = function (op) {
      return runQuery(oracle, this.nodeId, op, async () => {
        const answer = await this.next[reading(name)]!(op)
        return simulated.reshaped.has(name) ? reshape(answer) : unshape(answer)
      })
    }
  }
  if (simulated.habits.includes('handsOut')) {
    for (const { name } of simulated.registers) methods[reading(name)] ??= mutatedAnswer(reading(name))
  }
  if (simulated.habits.includes('callingSOs')) {
    methods.walk = function (op, way: Walk) {
      return walkBySO(this, oracle, op, way, version, (node) => this.ref(peer(serviceOfNode(node)), node))
    }
  }
  if (simulated.rumours && !next.rumours) {
    methods.rumour = async function (op) {
      const added = await this.next.addMain!(op, 'plainly')
      if (simulated.service === 'teller') this.publish(rumour, op)
      return added
    }
  }
  const refuses = simulated.strikes && !next.strikes ? ['strike'] : []
  const delegates = methodsOf(simulated)
    .map(([name]) => name)
    .filter((name) => methods[name] === undefined && !refuses.includes(name))
  return { methods, refuses, delegates }
}

interface Self extends RegistersHolder, WalkingSO {
  readonly next: Record<string, (...args: any[]) => Promise<any>>
  ref(target: NodeClass, nodeId: string): any
  publish(event: EventType<any>, ...args: unknown[]): void
}
