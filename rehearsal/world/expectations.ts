/**
 * The answers that the plan allows: which refusals an upgrade allows for, and which faults say
 * that nothing was executed.
 *
 * C6. A call that can't be done through the older object is refused; one that can be done is not.
 */
import type { ChainEntry, Fault, Version } from 'theseus-actors'
import { passedTo } from '../../core/upgrade/undoable.js'
import { classUpgradeOf, lineageOf, undoes, undoneBy, undoneFor } from './classSpecs.js'
import { plainValuesCount } from './code/oddValues.js'
import { servicesWith } from './operations/groupPlan.js'
import type { Asked, NodePlan, Plan, ServiceName, Step } from './plan.js'

const throwing = /failing$|Failing$|^throwing/
/** Those that call other nodes themselves. */
const calling: ReadonlySet<Asked['what']> = new Set<Asked['what']>(['forward', 'ask', 'walk'])

type CallStep = Pick<Extract<Step, { kind: 'call' }>, 'service' | 'version' | 'isPinned' | 'asked'>

/** Whether a call that ended so was surely not executed. A method that threw has left no trace either. */
export function isWithoutTrace(fault: Fault, asked: Asked): boolean {
  if (fault.kind === 'timeout') return false
  // The teller's own node is as it was; what it had asked of the ledger may be done.
  if (asked.what === 'forward')
    return fault.kind !== 'application' && fault.code !== 'unavailable.storage' && fault.code !== 'upgrade.record'
  return true
}

/** Whether such a fault may come of this call, in this plan. */
export function isExpected(plan: Plan, fault: Fault, { service, version, isPinned, asked }: CallStep): boolean {
  switch (fault.kind) {
    case 'unavailable':
    case 'timeout':
      return true
    case 'application':
      return ('manner' in asked && throwing.test(asked.manner)) || calling.has(asked.what)
    case 'simulation':
      return asked.what === 'strike'
    case 'version':
      // A class has its version and those after it until it is upgraded: which is called, the
      // client's host knows.
      return isExpectedOfVersion(plan, fault, service, isPinned ? plan.upgrades.length : version)
    case 'protocol':
      // A walk that leads back is refused, or the object that it comes from has been stopped meanwhile.
      if (asked.what === 'walk') return fault.code === 'protocol.call-cycle' || fault.code === 'protocol.not-here'
      // Two nodes that wait for each other: one of them was on a walk.
      if (fault.code === 'protocol.call-cycle') return calling.has(asked.what) && plan.habits.includes('walks')
      // Not every value can be kept.
      if ((asked.what === 'set' || asked.what === 'setLater') && (asked.change.value ?? 0) >= plainValuesCount)
        return fault.code === 'protocol.bad-arguments'
      // A class that is not published yet is looked for among those that are.
      return isPinned && version > 0 && fault.code === 'protocol.wrong-class'
    case 'upgrade':
      // Until the hosts have given the history back.
      if (fault.code === 'upgrade.fetch' && isPinned && plan.steps.some(({ kind }) => kind === 'databaseLost')) return true
      return fault.code === 'upgrade.record' && plan.upgrades.some((_, i) => hasRecordTrouble(plan, service, i + 1))
    case 'config':
    case 'denied':
      return false
  }
}

function isExpectedOfVersion(plan: Plan, fault: Fault, service: ServiceName, version: Version): boolean {
  switch (fault.code) {
    case 'version.unknown':
      // Until it is published, and until everybody has heard of it.
      return version > 0
    case 'version.cut':
      return plan.upgrades.some((_, i) => hasCut(plan, service, i + 1))
    case 'version.dead':
      return plan.deaths !== null
    case 'version.rejected':
      return plan.upgrades.some(({ bundle }, i) => bundle !== 'good' && version > i)
    default:
      return false
  }
}

function hasRecordTrouble(plan: Plan, service: ServiceName, version: Version): boolean {
  const record = classUpgradeOf(plan, service, version)?.troubles.record
  return record !== undefined && record !== 'none'
}

function hasCut(plan: Plan, service: ServiceName, version: Version): boolean {
  const upgrade = classUpgradeOf(plan, service, version)
  return upgrade !== undefined && (upgrade.futureSO === 'none' || upgrade.pastSO === 'none')
}

/**
 * Whether a node of a service that runs `at` answers calls of `version`: no cut lies between. An undo is what
 * the version before the undone one is, on either side of a cut.
 */
export function isReachable(plan: Plan, service: ServiceName, at: Version, version: Version): boolean {
  if (version === at) return true
  const isClosed = (upgrade: Version, so: 'futureSO' | 'pastSO') =>
    classUpgradeOf(plan, service, upgrade)?.[so] === 'none' || isHole(plan, service, upgrade)
  if (version > at) {
    const undone = undoneFor(plan, service, version)
    if (undone !== null) return isReachable(plan, service, at, undone - 1)
    return !isClosed(version, 'futureSO') && isReachable(plan, service, at, version - 1)
  }
  const by = undoneBy(plan, version + 1)
  if (by !== null && by <= at && undoneFor(plan, service, by) !== null) return isReachable(plan, service, at, by)
  return !isClosed(version + 1, 'pastSO') && isReachable(plan, service, at, version + 1)
}

/**
 * A bundle that could not be loaded, and whose upgrade is undone, may be passed without ever
 * having been loaded.
 */
function isHole(plan: Plan, service: ServiceName, version: Version): boolean {
  const isConcerned = classUpgradeOf(plan, service, version) !== undefined
  return (
    isConcerned &&
    plan.upgrades[version - 1]!.bundle !== 'good' &&
    (undoes(plan, version) !== null || undoneBy(plan, version) !== null)
  )
}

/**
 * C1. One object, at the node's own version, and no version left out between two others but where a cut is.
 *     Empty while the node has no chain.
 */
export function isChain(plan: Plan, service: ServiceName, version: Version, chain: readonly ChainEntry[]): boolean {
  if (chain.length === 0) return true
  const versions = chain.map((link) => link.version)
  const [oldest, newest] = [versions[0]!, versions.at(-1)!]
  for (let v = oldest, at = 0; v <= newest; v++) {
    if (versions[at] === v) at++
    else if (isReachable(plan, service, version, v)) return false
  }
  const objects = chain.filter(({ role }) => role === 'object')
  return objects.length === 1 && objects[0]!.version === version && new Set(versions).size === versions.length
}

/**
 * The first upgrade that a node, or another of its group, can't pass, whatever is tried; beyond the newest
 * version if there is none. An upgrade that is undone is passed.
 */
export function obstacleOf(plan: Plan, node: Pick<NodePlan, 'group' | 'service'>): Version {
  const services = servicesWith(plan, node)
  let version = 0
  while (version < plan.upgrades.length) {
    if (!services.some((service) => isImpassable(plan, service, version + 1))) {
      version++
      continue
    }
    const isConcerned = (of: Version) => services.some((service) => classUpgradeOf(plan, service, of) !== undefined)
    const to = passedTo((of) => undoneBy(plan, of), isConcerned, version + 1)
    if (to === null) return version + 1
    version = to
  }
  return plan.upgrades.length + 1
}

function isImpassable(plan: Plan, service: ServiceName, version: Version): boolean {
  const upgrade = classUpgradeOf(plan, service, version)
  if (upgrade === undefined) return false
  const { inverse, ...troubles } = upgrade.troubles
  return plan.upgrades[version - 1]!.bundle === 'bad' || Object.values(troubles).includes('throwsForGood')
}

/** Versions at which a service's class has a register, and whether its read is reshaped there. */
export function versionsOf(plan: Plan, service: ServiceName, register: string): readonly Version[] {
  return lineageOf(plan, service).flatMap((spec, version) =>
    spec.registers.some(({ name }) => name === register) ? [version] : [],
  )
}
