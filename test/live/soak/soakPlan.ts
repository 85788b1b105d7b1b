/**
 * The plan of a soak: nodes, upgrades and undos as the deterministic world draws them. Its calls are drawn
 * while it runs; its troubles are real.
 */

import type { NodePlan, Plan, Step } from '../../../rehearsal/world/plan.js'
import { PlanRandom } from '../../../rehearsal/world/planRandom.js'
import { upgradesOf } from '../../../rehearsal/world/upgradeGenerator.js'
import { seededRandom } from '../../../transports/seededRandom.js'

export const hostNames = ['h1', 'h2', 'h3'] as const
const nodes: readonly NodePlan[] = [
  { nodeId: 'ledger1', service: 'ledger', host: 'h1' },
  { nodeId: 'ledger2', service: 'ledger', host: 'h2' },
  { nodeId: 'ledger3', service: 'ledger', host: 'h3' },
  { nodeId: 'teller1', service: 'teller', host: 'h1' },
  { nodeId: 'teller2', service: 'teller', host: 'h2' },
]
const versionsMin = 3

export interface SoakPlan extends Plan {
  /** Grows by each call that is made. */
  readonly steps: Step[]
}

export function soakPlanOf(seed: number): SoakPlan {
  const random = new PlanRandom(seededRandom(seed))
  const main = () => [{ name: 'main', kept: random.oneOf(['root', 'collection'] as const), mirrored: false, form: 0 }]
  const registers = { ledger: main(), teller: main() }
  const draw = () =>
    upgradesOf(
      random,
      registers,
      nodes.map(({ nodeId }) => nodeId),
    )
  let upgrades = draw()
  while (upgrades.length < versionsMin || !upgrades.some(({ undoes }) => undoes)) upgrades = draw()
  return {
    seed,
    dimensions: [],
    habits: [],
    hosts: hostNames,
    servers: ['the upgrade server'],
    clients: ['desk1', 'desk2'],
    limit: random.oneOf([{ nodes: 1 }, { nodes: 2 }]),
    registers,
    nodes,
    // A bundle that can't be loaded would have to be one that can't be built.
    upgrades: upgrades.map((upgrade) => ({ ...upgrade, bundle: 'good' as const })),
    // Those who watch for events are to know that some may be missed.
    steps: [{ atMs: 0, kind: 'crash', host: 'h1', moment: { at: 'once' }, forMs: 0 }],
    deaths: null,
    backup: null,
    healAtMs: Number.POSITIVE_INFINITY,
  }
}
