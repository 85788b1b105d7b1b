/** Makes the objects of a chain plan: opens the SOs' states, builds the method tables from the object outwards. */

import type { ChainPlan, PlannedLink } from '../core/chainPlan.js'
import type { EventType } from '../core/event.js'
import { Fault, isFault } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { invariant } from '../core/invariant.js'
import { asynchronous, type MethodTable, objectTable, restrictedTable, simulationTable } from '../core/methodTable.js'
import { describeClass, type NodeClass, type ObjectContext } from '../core/nodeObject.js'
import type { Generation, Slot } from '../core/nodeRecord.js'
import { type Cut, type Link, ObjectChain } from '../core/objectChain.js'
import type { Simulation, SimulationThis } from '../core/simulation.js'
import { LiveContext, type Surroundings } from './liveObject.js'
import { watchedTable } from './watchedTable.js'

export interface LiveChain {
  readonly chain: ObjectChain
  /** The contexts of the SOs, to stop them with the chain. */
  readonly contexts: readonly LiveContext[]
}

type PlannedSimulation = Extract<PlannedLink, { readonly so: Simulation }>

/** `this` of an SO: its context with its root and the next object. */
class SimulationObject implements SimulationThis<object, any> {
  state: object = {}

  constructor(
    private readonly context: ObjectContext,
    private readonly so: Simulation,
    readonly next: any,
  ) {}

  get nodeId() {
    return this.context.nodeId
  }
  get signal() {
    return this.context.signal
  }
  collection(name: string): any {
    return this.context.collection(name)
  }
  ref<C extends NodeClass>(target: C, nodeId?: string): any {
    return this.context.ref(target, nodeId)
  }
  publish(event: EventType<any>, ...args: readonly unknown[]): void {
    this.context.publish(event, args)
  }
  now() {
    return this.context.now()
  }
  random() {
    return this.context.random()
  }
  refuse(reason: string): never {
    throw new Fault('simulation.refused', reason, { simulates: this.so.simulates.className, over: this.so.over.className })
  }
}

/**
 * @param object the node's running object
 * @param classAt the class of the line at a version
 */
export function buildChain(
  plan: ChainPlan,
  generation: Generation,
  object: object,
  objectClass: NodeClass,
  classAt: (version: Version) => NodeClass,
  around: Surroundings,
): LiveChain {
  const { state } = around
  const tables = new Map<Version, MethodTable>()
  /** The versions whose calls go through simulation objects. */
  const simulated = new Set<Version>()
  const contexts: LiveContext[] = []
  const places: (Link | Cut)[] = []
  for (const planned of plan.links) {
    if (planned.role === 'cut') {
      places.push(planned)
      continue
    }
    const methods = methodsOfLink(planned)
    tables.set(planned.version, methods)
    const { version, role } = planned
    if (role === 'alias' ? simulated.has(planned.over) : role !== 'object') simulated.add(version)
    const { className, hears } = describeClass(classAt(version))
    places.push({ version, className, role, methods, hears, tally: around.tally(version, simulated.has(version)) })
  }
  places.sort((a, b) => a.version - b.version)
  const above = plan.above
  invariant(above === undefined || isFault(above), 'C1: a cut without a fault')
  return { chain: new ObjectChain(generation.version, places, plan.below, above), contexts }

  function methodsOfLink(planned: Exclude<PlannedLink, { role: 'cut' }>): MethodTable {
    switch (planned.role) {
      case 'object':
        return objectTable(object, describeClass(objectClass), () => state.touch(generation.object))
      case 'alias':
        return restrictedTable(tables.get(planned.over)!, describeClass(classAt(planned.version)))
      case 'pastSO':
      case 'futureSO':
        return watchedTable(simulation(planned, tables.get(planned.over)!), planned, around)
    }
  }

  function simulation({ so, version, state: of }: PlannedSimulation, next: MethodTable): MethodTable {
    const slot: Slot | undefined = generation.simulations[of]
    invariant(slot !== undefined, `${around.nodeId}: the SO of version ${of} has no slot`)
    const context = new LiveContext(around, slot, () => version, describeClass(so.simulates))
    contexts.push(context)
    const self = new SimulationObject(context, so, asynchronous(next))
    state.open(slot, self)
    return simulationTable(so, describeClass(so.simulates), next, self, () => state.touch(slot))
  }
}
