/**
 * The upgrades of a plan, as a person would have written them: SOs that delegate what they can, keep what only one version has, map what has
 * two forms and refuse what can't be; transform functions that carry every column over; and the troubles that are planned for them.
 */
import {
  afterMyServers,
  atMost,
  defineUpgrade,
  eagerly,
  futureSO,
  gradually,
  type InitialCollections,
  type NodeClass,
  none,
  notNeeded,
  oneReplicaAtATime,
  pastSO,
  type Schedule,
  type Upgrade,
  upgradeClass,
  whenIdle,
} from 'theseus'
import { carryOut, makeClass, reshape, tell, unshape } from './classes.js'
import { append, type ColumnsHolder, type ColumnsState, copyColumn, emptyState, listOf } from './columns.js'
import type { ClassUpgradePlan, Column, Manner, Plan, SchedulePlan, ServiceName } from './plan.js'
import { serviceNames } from './plan.js'
import { adding, type ClassSpec, classUpgradeOf, lineOf, methodsOf, reading } from './specs.js'
import type { Witness } from './witness.js'

/** All that a plan's upgrades are made of. */
export interface Cast {
  /** The class of a service at each version. */
  readonly lines: Readonly<Record<ServiceName, readonly NodeClass[]>>
  /** Upgrades 1, 2, … */
  readonly upgrades: readonly Upgrade[]
}

/** A transform is not told its node. */
const anyNode = 'any node'
const timeouts = { drainTimeout: 400, transformTimeout: 600, startTimeout: 400 }

export function castOf(plan: Plan, witness: Witness): Cast {
  const lines: Record<ServiceName, NodeClass[]> = { ledger: [], teller: [] }
  const specs = { ledger: lineOf(plan, 'ledger'), teller: lineOf(plan, 'teller') }
  for (const service of serviceNames) {
    specs[service].forEach((spec, version) => {
      const upgrade = classUpgradeOf(plan, service, version)
      const isSame = version > 0 && upgrade === undefined
      const troubles = { check: upgrade?.troubles.check ?? 'none', start: upgrade?.troubles.start ?? 'none' } as const
      lines[service].push(isSame ? lines[service][version - 1]! : makeClass(spec, troubles, witness, () => lines.ledger[0]!))
    })
  }
  const upgrades = plan.upgrades.map(({ classUpgrades }, i) =>
    defineUpgrade({
      title: `Upgrade ${i + 1}`,
      classUpgrades: classUpgrades.map((upgrade) => {
        const { service } = upgrade
        const [oldSpec, newSpec] = [specs[service][i]!, specs[service][i + 1]!]
        const [oldClass, newClass] = [lines[service][i]!, lines[service][i + 1]!]
        const parts = {
          oldClass,
          newClass,
          futureSO: upgrade.futureSO === 'none' ? none : upgrade.futureSO === 'notNeeded' ? notNeeded : ahead(),
          pastSO: upgrade.pastSO === 'none' ? none : upgrade.pastSO === 'notNeeded' ? notNeeded : behind(),
          transform: transformOf(oldSpec, newSpec, upgrade, witness, i + 1),
          schedule: troubled(scheduleOf(upgrade.schedule), upgrade, witness, i + 1),
          ...timeouts,
        }
        return upgradeClass(parts as never)

        function ahead() {
          const own = newSpec.columns.filter(({ name }) => !oldSpec.columns.some((column) => column.name === name))
          const so = { simulates: newClass, over: oldClass, initial: () => emptyState(own) }
          return futureSO({ ...so, ...treatment(newSpec, oldSpec, own, witness) } as never)
        }
        function behind() {
          const own = oldSpec.columns.filter(({ name }) => !newSpec.columns.some((column) => column.name === name))
          const initial = (old: ColumnsState, collections: InitialCollections) => {
            const state = emptyState(own)
            const source = { state: old, collection: (name: string) => collections.old(name) }
            const target = { state, collection: (name: string) => collections.own(name) }
            for (const column of own) copyColumn(source, column, target, column)
            return state
          }
          const so = { simulates: oldClass, over: newClass, initial }
          return pastSO({ ...so, ...treatment(oldSpec, newSpec, own, witness) } as never)
        }
      }),
    }),
  )
  return { lines, upgrades }
}

/** What an SO does with each method of the class that it simulates. */
function treatment(simulated: ClassSpec, next: ClassSpec, own: readonly Column[], witness: Witness) {
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
  const refuses = simulated.strikes && !next.strikes ? ['strike'] : []
  const delegates = methodsOf(simulated)
    .map(([name]) => name)
    .filter((name) => methods[name] === undefined && !refuses.includes(name))
  return { methods, refuses, delegates }
}

interface Self extends ColumnsHolder {
  readonly nodeId: string
  readonly next: Record<string, (...args: any[]) => Promise<any>>
}

interface TransformTools {
  old(name: string): any
  future(name: string): any
  next(name: string): any
  flushed(): Promise<void>
}

function transformOf(oldSpec: ClassSpec, newSpec: ClassSpec, upgrade: ClassUpgradePlan, witness: Witness, version: number) {
  return async (
    old: ColumnsState & { nodeId?: string },
    future: ColumnsState,
    collections: TransformTools,
  ): Promise<ColumnsState> => {
    await witness.trouble(upgrade.troubles.transform, anyNode, `the transform of upgrade ${version}`)
    const state = emptyState(newSpec.columns)
    const target = { state, collection: (name: string) => collections.next(name) }
    const fromOld = { state: old, collection: (name: string) => collections.old(name) }
    // Without a future-SO the new column begins empty.
    const fromFuture = {
      state: { lists: future.lists ?? {}, counts: future.counts ?? {} },
      collection: (name: string) => collections.future(name),
    }
    for (const column of newSpec.columns) {
      const before = oldSpec.columns.find(({ name }) => name === column.name)
      copyColumn(before === undefined ? fromFuture : fromOld, before ?? column, target, column)
      await collections.flushed()
    }
    return state
  }
}

function scheduleOf(plan: SchedulePlan): Schedule {
  switch (plan.kind) {
    case 'eagerly':
      return eagerly()
    case 'gradually':
      return gradually({ every: plan.everyMs, probability: plan.probability })
    case 'atMost':
      return atMost(plan.nodes)
    case 'oneReplicaAtATime':
      return oneReplicaAtATime()
    case 'afterMyServers':
      return afterMyServers('ledger')
    case 'whenIdle':
      return whenIdle(plan.forMs)
  }
}

function troubled(schedule: Schedule, upgrade: ClassUpgradePlan, witness: Witness, version: number): Schedule {
  return {
    ...schedule,
    run: async (view) => {
      await witness.trouble(upgrade.troubles.schedule, view.nodeId, `the schedule of upgrade ${version}`)
      await schedule.run(view)
    },
  }
}
