/**
 * Makes the objects of a chain plan: opens the SOs' states, builds the method tables from the
 * object outwards. SOs that the new plan has as they were go on: a chain may get a link while a
 * call runs through another one.
 */

import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { EventType } from '../../core/model/event.js'
import { nextObject, objectTable, restrictedTable, simulationTable } from '../../core/model/methodTable.js'
import { type CallOptions, describeClass, type NodeClass, type ObjectContext } from '../../core/model/nodeObject.js'
import type { Generation, StateSlot } from '../../core/model/nodeRecord.js'
import { type Cut, type Link, ObjectChain } from '../../core/model/objectChain.js'
import type { Simulation, SimulationThis } from '../../core/model/simulation.js'
import type { ChainPlan, PlannedLink } from '../../core/upgrade/chainPlan.js'
import type { ObjectEnvironment } from '../serving/objectEnvironment.js'
import { LiveContext, type RunningObject } from './liveObject.js'
import { watchedTable } from './watchedTable.js'

export interface LiveChain {
  readonly chain: ObjectChain
  /** The SOs, to stop them with the chain. */
  readonly simulations: readonly LiveSimulation[]
}

/** An SO as it runs, over the next object. */
export interface LiveSimulation {
  readonly so: Simulation
  readonly version: Version
  readonly slot: StateSlot
  readonly next: Answering
  readonly context: LiveContext
  readonly answering: Answering
}

type PlannedSimulation = Extract<PlannedLink, { readonly so: Simulation }>

/** `this` of an SO: its context with its root and the next object. */
class SimulationObject implements SimulationThis<object, any> {
  state: object = {}
  context!: ObjectContext

  constructor(
    private readonly so: Simulation,
    readonly next: any,
  ) {}

  get nodeId() {
    return this.context.nodeId
  }
  get signal() {
    return this.context.signal
  }
  get caller() {
    return this.context.caller
  }
  collection(name: string): any {
    return this.context.collection(name)
  }
  ref<C extends NodeClass>(target: C, nodeId?: string, options?: CallOptions): any {
    return this.context.ref(target, nodeId, options)
  }
  publish(event: EventType<any>, ...args: readonly unknown[]): void {
    this.context.publish(event, args)
  }
  after(ms: number, method: string, ...args: unknown[]): void {
    this.context.after(ms, method, args)
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

/** The methods that answer a version, and the objects that carry them out. */
type Answering = Pick<Link, 'methods' | 'receivers'>

/**
 * @param object the node's running object
 * @param classAt the class of the lineage at a version
 * @param before the SOs of the chain before this one; those that do not go on are closed
 */
export function buildChain(
  plan: ChainPlan,
  generation: Generation,
  object: RunningObject,
  classAt: (version: Version) => NodeClass,
  around: ObjectEnvironment,
  before: readonly LiveSimulation[],
): LiveChain {
  const answering = new Map<Version, Answering>()
  /** The versions whose calls go through simulation objects. */
  const simulated = new Set<Version>()
  const simulations: LiveSimulation[] = []
  const ending = new Set(before)
  const places: (Link | Cut)[] = []
  for (const planned of plan.links) {
    if (planned.role === 'cut') {
      places.push(planned)
      continue
    }
    const { version, role } = planned
    const { methods, receivers } = answeringOf(planned)
    answering.set(version, { methods, receivers })
    if (role === 'alias' ? simulated.has(planned.over) : role !== 'object') simulated.add(version)
    const { className, hears, allows } = describeClass(classAt(version))
    places.push({
      version,
      className,
      role,
      methods,
      receivers,
      hears,
      allows,
      tally: around.tally(version, simulated.has(version)),
    })
  }
  for (const { context } of ending) context.close()
  places.sort((a, b) => a.version - b.version)
  const above = plan.above
  invariant(above === undefined || isFault(above), 'C1: a cut without a fault')
  return { chain: new ObjectChain(generation.version, places, plan.below, above), simulations }

  function answeringOf(planned: Exclude<PlannedLink, { role: 'cut' }>): Answering {
    switch (planned.role) {
      case 'object':
        return { methods: objectTable(describeClass(object.definition)), receivers: [object.context] }
      case 'alias': {
        const { methods, receivers } = answering.get(planned.over)!
        return { methods: restrictedTable(methods, describeClass(classAt(planned.version))), receivers }
      }
      case 'pastSO':
      case 'futureSO':
        return simulation(planned, answering.get(planned.over)!)
    }
  }

  function simulation(planned: PlannedSimulation, next: Answering): Answering {
    const { so, version, state } = planned
    const slot: StateSlot | undefined = generation.simulations[state]
    invariant(slot !== undefined, `${around.nodeId}: the SO of version ${state} has no slot`)
    for (const running of ending) {
      if (running.slot !== slot) continue
      ending.delete(running)
      if (running.so === so && running.version === version && isSame(running.next, next)) {
        simulations.push(running)
        return running.answering
      }
      running.context.close()
    }
    const simulated = describeClass(so.simulates)
    const self = new SimulationObject(so, new (nextObject(next.methods))(next.receivers))
    const context = new LiveContext(self, around, slot, version, simulated)
    self.context = context
    around.state.open(slot, self)
    const methods = watchedTable(simulationTable(so, simulated, next.methods), planned, around)
    const answering = { methods, receivers: next.receivers.concat(context) }
    simulations.push({ so, version, slot, next, context, answering })
    return answering
  }
}

function isSame(a: Answering, b: Answering): boolean {
  return (
    a.methods === b.methods &&
    a.receivers.length === b.receivers.length &&
    a.receivers.every((each, i) => each === b.receivers[i])
  )
}
