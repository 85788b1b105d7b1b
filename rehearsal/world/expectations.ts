/**
 * What an answer may be, by the plan: which refusals an upgrade allows for, and which faults say that nothing was executed.
 *
 * C6. What can't be done through the older object is refused; what can be done is not.
 */
import type { ChainEntry, Fault, Version } from 'theseus'
import type { Asked, Plan, ServiceName, Step } from './plan.js'
import { classUpgradeOf, lineOf } from './specs.js'

type CallStep = Pick<Extract<Step, { kind: 'call' }>, 'service' | 'version' | 'isPinned' | 'asked'>

/** Whether a call that ended so was surely not executed. A method that threw has left no trace either. */
export function isWithoutTrace(fault: Fault, asked: Asked): boolean {
  if (fault.code === 'timeout.deadline') return false
  // The teller's own node is as it was; what it had asked of the ledger may be done.
  if (asked.what === 'forward') return fault.kind !== 'application' && fault.code !== 'unavailable.storage'
  return true
}

/** Whether such a fault may come of this call, in this plan. */
export function isExpected(plan: Plan, fault: Fault, { service, version, isPinned, asked }: CallStep): boolean {
  switch (fault.kind) {
    case 'unavailable':
    case 'timeout':
      return true
    case 'application':
      return ('manner' in asked && asked.manner.endsWith('ailing')) || asked.what === 'forward' || asked.what === 'ask'
    case 'simulation':
      return asked.what === 'strike'
    case 'version':
      // A class has its version and those after it until it is upgraded: which is called, the client's host knows.
      return isExpectedOfVersion(plan, fault, service, isPinned ? plan.upgrades.length : version)
    case 'protocol':
      // A class that is not published yet is looked for among those that are.
      return isPinned && version > 0 && fault.code === 'protocol.wrong-class'
    case 'upgrade':
    case 'config':
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
    case 'version.rejected':
      return plan.upgrades.some(({ bundle }, i) => bundle !== 'good' && version > i)
    default:
      return false
  }
}

function hasCut(plan: Plan, service: ServiceName, version: Version): boolean {
  const upgrade = classUpgradeOf(plan, service, version)
  return upgrade !== undefined && (upgrade.futureSO === 'none' || upgrade.pastSO === 'none')
}

/** Whether a node of a service that runs `at` answers calls of `version`: no cut lies between. */
export function isReachable(plan: Plan, service: ServiceName, at: Version, version: Version): boolean {
  for (let v = at + 1; v <= version; v++) if (classUpgradeOf(plan, service, v)?.futureSO === 'none') return false
  for (let v = at; v > version; v--) if (classUpgradeOf(plan, service, v)?.pastSO === 'none') return false
  return true
}

/** C1. Consecutive versions, one object among them, at the node's own version. Empty while the node has no chain. */
export function isChain(version: Version, chain: readonly ChainEntry[]): boolean {
  if (chain.length === 0) return true
  const isConsecutive = chain.every((link, i) => link.version === chain[0]!.version + i)
  const objects = chain.filter(({ role }) => role === 'object')
  return isConsecutive && objects.length === 1 && objects[0]!.version === version
}

/** The first upgrade that nodes of a service can't pass, whatever is tried; beyond the newest version if there is none. */
export function obstacleOf(plan: Plan, service: ServiceName): Version {
  for (let version = 1; version <= plan.upgrades.length; version++) {
    const upgrade = classUpgradeOf(plan, service, version)
    if (upgrade === undefined) continue
    if (plan.upgrades[version - 1]!.bundle === 'bad' || Object.values(upgrade.troubles).includes('throwsForGood')) return version
  }
  return plan.upgrades.length + 1
}

/** Versions at which a service's class has a column, and whether its read is reshaped there. */
export function versionsOf(plan: Plan, service: ServiceName, column: string): readonly Version[] {
  return lineOf(plan, service).flatMap((spec, version) => (spec.columns.some(({ name }) => name === column) ? [version] : []))
}
