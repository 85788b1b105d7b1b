/**
 * The shape of a node's chain, before any object is made: for each version who answers it, over whom. Pure,
 * so that a plan (and a rehearsal) can ask the same question as the running node.
 *
 * An undo of the upgrade to version i+1 makes its own version mean what version i meant: `at(undo)` =
 * `at(i)`. The versions between are aliases, since they leave the node's class alone. A link that is missing
 * (no SO, or a rejected upgrade) is a cut: it and whatever would stand on it answer with its fault.
 */
import { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import { invariant } from '../base/invariant.js'
import { isSO, none, notNeeded, type Simulation } from '../model/simulation.js'
import { proxyVersion } from './undo.js'
import type { ClassUpgrade } from './upgrade.js'

/** Upgrade `version` as it concerns this node. */
export interface Step {
  readonly version: Version
  /** `rejected`: it would concern the node, but is not fit to be used; the one after it undoes it. */
  readonly classUpgrade: ClassUpgrade | 'leavesAlone' | 'rejected'
  /** The upgrade that it undoes, where that concerns this node. */
  readonly undoes: Version | null
}

export type PlannedLink =
  | { readonly version: Version; readonly role: 'object' }
  | {
      readonly version: Version
      readonly role: 'pastSO' | 'futureSO'
      readonly so: Simulation
      readonly over: Version
      /** Whose state it has: its own version's, or that of the version it means again. */
      readonly state: Version
    }
  | { readonly version: Version; readonly role: 'alias'; readonly over: Version }
  | { readonly version: Version; readonly role: 'cut'; readonly fault: Fault }

export interface ChainPlan {
  /** From the object outwards on each side: a link's neighbour is planned before it. */
  readonly links: readonly PlannedLink[]
  /** Why versions before the oldest are not answered. */
  readonly below: () => Fault
  /** Why versions after the newest are not answered; undefined: they are not known yet. */
  readonly above: Fault | undefined
}

/**
 * @param version the node's version
 * @param steps upgrades `oldest + 1` to `newest`, in order
 * @param rejected why the version after the newest is not answered, if an upgrade was rejected
 * @param hasState whether the node has a state for the SO of a version: it has none of an upgrade that was
 *   rejected when it came
 */
export function planChain(
  version: Version,
  oldest: Version,
  steps: readonly Step[],
  rejected?: Fault,
  hasState: (of: Version) => boolean = () => true,
): ChainPlan {
  const step = (to: Version): Step => {
    const found = steps[to - oldest - 1]
    invariant(found?.version === to, `chain plan: no step to version ${to}`)
    return found
  }
  const newest = oldest + steps.length
  /** By version: the one that means it again. */
  const again = new Map<Version, Version>()
  for (const { version: by, undoes } of steps) if (undoes !== null && by <= version) again.set(undoes - 1, by)
  const links = new Map<Version, PlannedLink>([[version, { version, role: 'object' }]])

  for (let v = version - 1; v >= oldest; v--) {
    const by = again.get(v)
    links.set(v, by !== undefined ? alias(v, by) : simulated(v, 'pastSO', step(v + 1), v + 1, v))
  }
  for (let v = version + 1; v <= newest; v++) {
    const upgrade = step(v)
    // The past-SO of the version that is meant again may be dead as that version, and is alive as this one.
    const means = proxyVersion(v, upgrade.undoes)
    if (means !== v && links.has(means)) links.set(v, alias(v, means))
    else links.set(v, simulated(v, 'futureSO', upgrade, v - 1, means))
  }
  return { links: [...links.values()], below: deadBelow(oldest), above: rejected }

  function alias(of: Version, over: Version): PlannedLink {
    const neighbour = links.get(over)!
    return neighbour.role === 'cut' ? { ...neighbour, version: of } : { version: of, role: 'alias', over }
  }

  function simulated(
    of: Version,
    role: 'pastSO' | 'futureSO',
    { classUpgrade }: Step,
    over: Version,
    state: Version,
  ): PlannedLink {
    const so = typeof classUpgrade === 'string' ? notNeeded : classUpgrade[role]
    if (classUpgrade === 'rejected' || (isSO(so) && !hasState(state)))
      return cut(of, new Fault('version.rejected', `version ${of} is not answered here: its upgrade was rejected`))
    if (so === notNeeded) return alias(of, over)
    const neighbour = links.get(over)!
    if (neighbour.role === 'cut') return { ...neighbour, version: of }
    if (so === none) return cut(of, new Fault('version.cut', `version ${of} is not answered here: its upgrade has no ${role}`))
    return { version: of, role, so: so as Simulation, over, state }
  }
}

function cut(version: Version, fault: Fault): PlannedLink {
  return { version, role: 'cut', fault }
}

/** Of the version that was asked for last: the chains of most nodes begin with the same. */
let latestDead: { readonly oldest: Version; readonly below: () => Fault } | undefined

/** Keeps nothing but the number: chains live long, and there are many. */
function deadBelow(oldest: Version): () => Fault {
  if (latestDead?.oldest !== oldest)
    latestDead = { oldest, below: () => new Fault('version.dead', `versions before ${oldest} are dead`, { oldest }) }
  return latestDead.below
}
