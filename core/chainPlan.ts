/**
 * The shape of a node's chain, before any object is made: for each version who answers it, over whom. Pure, so that a plan (and
 * a rehearsal) can ask the same question as the running node.
 */
import { Fault } from './fault.js'
import type { Version } from './ids.js'
import { invariant } from './invariant.js'
import { none, notNeeded, type Simulation } from './simulation.js'
import type { ClassUpgrade } from './upgrade.js'

/** Upgrade `version` as it concerns this node: undefined where it leaves the node's class alone. */
export interface Step {
  readonly version: Version
  readonly classUpgrade: ClassUpgrade | undefined
}

export type PlannedLink =
  | { readonly version: Version; readonly role: 'object' }
  | { readonly version: Version; readonly role: 'pastSO' | 'futureSO'; readonly so: Simulation; readonly over: Version }
  | { readonly version: Version; readonly role: 'alias'; readonly over: Version }

export interface ChainPlan {
  /** From the object outwards on each side: a link's neighbour is planned before it. */
  readonly links: readonly PlannedLink[]
  readonly below: Fault
  readonly above: Fault | undefined
}

/**
 * @param version the node's version
 * @param steps upgrades `oldest + 1` to `newest`, in order
 * @param rejected why the version after the newest is not answered, if an upgrade was rejected
 */
export function planChain(version: Version, oldest: Version, steps: readonly Step[], rejected?: Fault): ChainPlan {
  const step = (to: Version): Step => {
    const found = steps[to - oldest - 1]
    invariant(found?.version === to, `chain plan: no step to version ${to}`)
    return found
  }
  const newest = oldest + steps.length
  const links: PlannedLink[] = [{ version, role: 'object' }]
  let below: Fault | undefined
  for (let v = version - 1; v >= oldest && below === undefined; v--) {
    const so = step(v + 1).classUpgrade?.pastSO ?? notNeeded
    if (so === none) below = cut(v, `upgrade ${v + 1} has no past-SO`)
    else if (so === notNeeded) links.push({ version: v, role: 'alias', over: v + 1 })
    else links.push({ version: v, role: 'pastSO', so: so as Simulation, over: v + 1 })
  }
  let above: Fault | undefined
  for (let v = version + 1; v <= newest && above === undefined; v++) {
    const so = step(v).classUpgrade?.futureSO ?? notNeeded
    if (so === none) above = cut(v, `upgrade ${v} has no future-SO`)
    else if (so === notNeeded) links.push({ version: v, role: 'alias', over: v - 1 })
    else links.push({ version: v, role: 'futureSO', so: so as Simulation, over: v - 1 })
  }
  return { links, below: below ?? dead(oldest), above: above ?? rejected }
}

function cut(version: Version, why: string): Fault {
  return new Fault('version.cut', `version ${version} is not answered here: ${why}`, { version })
}

function dead(oldest: Version): Fault {
  return new Fault('version.dead', `versions before ${oldest} are dead`, { oldest })
}
