/**
 * The upgrades of a plan, as a person would have written them: SOs that delegate what they can, keep what
 * only one version has, map what has two forms and refuse what can't be; transform functions that carry every
 * column over; and the troubles that are planned for them.
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
} from 'theseus'
import { carryOut, makeClass, reshape, tell, unshape } from './classes.js'
import { rumour } from './code/rumours.js'
import { spoiling } from './code/spoiling.js'
import { serviceOfNode, type Walk, type WalkingSO, walkBySO } from './code/walks.js'
import { append, type ColumnsHolder, emptyState, listOf } from './columns.js'
import type { ClassUpgradePlan, Column, Manner, Plan, ServiceName } from './plan.js'
import { serviceNames } from './plan.js'
import { troubledSchedule } from './schedules.js'
import { adding, type ClassSpec, classUpgradeOf, lineOf, methodsOf, reading, undoes } from './specs.js'
import { keeping, keptRecords, recordsOf, transformOf } from './transforms.js'
import type { Witness } from './witness.js'

/** All that a plan's upgrades are made of. */
export interface Cast {
  /** The class of a service at each version. */
  readonly lines: Readonly<Record<ServiceName, readonly NodeClass[]>>
  /** Upgrades 1, 2, …; undefined where one undoes the one before it. */
  readonly upgrades: readonly (Upgrade | undefined)[]
}

const timeouts = { drainTimeout: 400, transformTimeout: 600, startTimeout: 400 }

export function castOf(plan: Plan, witness: Witness): Cast {
  const lines: Record<ServiceName, NodeClass[]> = { ledger: [], teller: [] }
  const specs = { ledger: lineOf(plan, 'ledger'), teller: lineOf(plan, 'teller') }
  for (const service of serviceNames) {
    specs[service].forEach((spec, version) => {
      const upgrade = classUpgradeOf(plan, service, version)
      const same = undoes(plan, version) ? version - 2 : upgrade === undefined ? version - 1 : undefined
      const known = same === undefined ? undefined : lines[service][same]
      const troubles = { check: upgrade?.troubles.check ?? 'none', start: upgrade?.troubles.start ?? 'none' } as const
      lines[service].push(known ?? makeClass(spec, troubles, witness, (called) => lines[called][0]!))
    })
  }
  const upgrades = plan.upgrades.map(({ classUpgrades, undoes, isGated }, i) =>
    undoes
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
    const ofNew = newSpec.columns.filter(({ name }) => !oldSpec.columns.some((column) => column.name === name))
    const ofOld = oldSpec.columns.filter(({ name }) => !newSpec.columns.some((column) => column.name === name))
    const peer = (called: ServiceName) => lines[called][0]!
    const ahead = () => {
      const so = { simulates: newClass, over: oldClass, initial: () => emptyState(ofNew) }
      return futureSO({ ...so, ...treatment(newSpec, oldSpec, ofNew, version, peer, witness) } as never)
    }
    const behind = () => {
      const begins = { initial: keeping(ofOld, isLazy), records: keptRecords(ofOld, isLazy) }
      const so = { simulates: oldClass, over: newClass, ...begins }
      return pastSO({ ...so, ...treatment(oldSpec, newSpec, ofOld, version - 1, peer, witness) } as never)
    }
    const parts = {
      oldClass,
      newClass,
      futureSO: upgrade.futureSO === 'none' ? none : upgrade.futureSO === 'notNeeded' ? notNeeded : ahead(),
      pastSO: upgrade.pastSO === 'none' ? none : upgrade.pastSO === 'notNeeded' ? notNeeded : behind(),
      transform: transformOf(oldSpec, newSpec, isLazy, troubles.transform, witness, `the transform of upgrade ${version}`),
      inverse: {
        transform: transformOf(newSpec, oldSpec, isLazy, troubles.inverse, witness, `the way back from upgrade ${version}`),
        future: keeping(ofNew, isLazy),
        futureRecords: keptRecords(ofNew, isLazy),
        ...(isLazy ? { records: recordsOf(newSpec, oldSpec, 'none', witness, '') } : {}),
      },
      ...(isLazy ? { records: recordsOf(oldSpec, newSpec, troubles.record, witness, `a record of upgrade ${version}`) } : {}),
      schedule: troubledSchedule(upgrade, oldSpec, witness, version),
      ...(only === null ? {} : { only: { nodes: only } }),
      ...timeouts,
    }
    return upgradeClass(parts as never)
  }
}

/** The treatment by an SO of each method of the class that it simulates. */
function treatment(
  simulated: ClassSpec,
  next: ClassSpec,
  own: readonly Column[],
  version: Version,
  peer: (service: ServiceName) => NodeClass,
  witness: Witness,
) {
  const methods: Record<string, (this: Self, op: string, ...args: any[]) => unknown> = {}
  for (const column of own) {
    methods[adding(column.name)] = function (op, manner: Manner) {
      return carryOut(witness, this.nodeId, op, manner, async () => {
        if (column.mirrored) await this.next.addMain!(op, 'plainly')
        return append(this, column, op)
      })
    }
    methods[reading(column.name)] = function (op) {
      return tell(witness, this.nodeId, op, () => {
        const listed = { node: this.nodeId, list: listOf(this, column) }
        return simulated.reshaped.has(column.name) ? reshape(listed) : listed
      })
    }
  }
  for (const { name } of simulated.columns) {
    if (own.some((column) => column.name === name) || simulated.reshaped.has(name) === next.reshaped.has(name)) continue
    methods[reading(name)] = function (op) {
      return tell(witness, this.nodeId, op, async () => {
        const answer = await this.next[reading(name)]!(op)
        return simulated.reshaped.has(name) ? reshape(answer) : unshape(answer)
      })
    }
  }
  if (simulated.habits.includes('handsOut')) {
    for (const { name } of simulated.columns) methods[reading(name)] ??= spoiling(reading(name))
  }
  if (simulated.habits.includes('callingSOs')) {
    methods.walk = function (op, way: Walk) {
      return walkBySO(this, witness, op, way, version, (node) => this.ref(peer(serviceOfNode(node)), node))
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

interface Self extends ColumnsHolder, WalkingSO {
  readonly next: Record<string, (...args: any[]) => Promise<any>>
  ref(target: NodeClass, nodeId: string): any
  publish(event: EventType<any>, ...args: unknown[]): void
}
