/** The table of a simulation object whose own methods are told of as they run. Delegated methods run nothing of it, and stay as they are. */
import type { PlannedLink } from '../core/chainPlan.js'
import type { MethodTable } from '../core/methodTable.js'
import type { Simulation } from '../core/simulation.js'
import type { Surroundings } from './liveObject.js'

type PlannedSimulation = Extract<PlannedLink, { readonly so: Simulation }>

export function watchedTable(table: MethodTable, planned: PlannedSimulation, around: Surroundings): MethodTable {
  const { nodeId, telemetry, trace } = around
  if (telemetry?.hop === undefined) return table
  const { so, version, role } = planned
  const watched = new Map(table)
  for (const [method, entry] of table) {
    if (so.methods[method] === undefined) continue
    const hop = { node: nodeId, role, version, className: so.simulates.className, method }
    const invoke = (args: readonly unknown[]) => telemetry.hop!({ ...hop, parent: trace() }, () => entry.invoke(args))
    watched.set(method, { ...entry, invoke })
  }
  return watched
}
