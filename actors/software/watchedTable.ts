/**
 * The table of a simulation object whose own methods are told of as they run. Delegated methods run nothing
 * of it, and stay as they are.
 */

import type { MethodTable } from '../../core/model/methodTable.js'
import type { Simulation } from '../../core/model/simulation.js'
import type { PlannedLink } from '../../core/upgrade/chainPlan.js'
import type { ObjectEnvironment } from '../serving/objectEnvironment.js'

type PlannedSimulation = Extract<PlannedLink, { readonly so: Simulation }>

export function watchedTable(table: MethodTable, planned: PlannedSimulation, around: ObjectEnvironment): MethodTable {
  const { telemetry } = around
  if (telemetry?.hop === undefined) return table
  const { so, version, role } = planned
  const entries = new Map(table.entries)
  for (const [name, entry] of table.entries) {
    if (so.methods[name] === undefined) continue
    const hop = { node: around.nodeId, role, version, className: so.simulates.className, method: name }
    entries.set(name, {
      ...entry,
      method(...args) {
        return telemetry.hop!({ ...hop, parent: around.trace }, () => entry.method.apply(this, args))
      },
    })
  }
  return { level: table.level, entries }
}
