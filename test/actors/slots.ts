import { holdersOf, upgradingNode } from '../contracts/databaseContract.js'
import type { TestSystem } from '../support/testSystem.js'

/**
 * Whether a node holds a slot under its service's limit. Asks by trying to claim one for a node
 * that does not exist.
 */
export async function isSlotHolder(system: TestSystem, service: string, nodeId: string): Promise<boolean> {
  return (await slotHolders(system, service)).includes(nodeId)
}

export async function slotHolders(system: TestSystem, service: string): Promise<readonly string[]> {
  // As an undo: a pause or a gate would be the answer, and not those who hold.
  const answer = await system.database.claimPermit(service, upgradingNode('nobody', 1, true), { nodes: 0 })
  if (!('heldBy' in answer)) throw new Error(`nobody can tell who holds a slot of ${service}: ${JSON.stringify(answer)}`)
  return holdersOf(answer)
}
