/** The rollout of a version as its promises are judged: by its manifest alone. */
import { instantMs } from '../base/instant.js'
import { isAdmitted } from '../model/nodeFilter.js'
import { clientService, type NodeRow } from '../model/nodeRow.js'
import { type PromiseTrouble, promiseTroubles } from '../schedules/promiseTroubles.js'
import { type Manifest, promisesIn } from './manifest.js'

/** The promises of this version that are broken, or about to be. */
export function brokenPromises(manifest: Manifest, rows: readonly NodeRow[], nowMs: number): readonly PromiseTrouble[] {
  const promises = promisesIn(manifest)
  if (promises.length === 0) return []
  return promiseTroubles(
    rows.filter(({ service }) => service !== clientService),
    {
      promises,
      version: manifest.version,
      beganMs: instantMs(manifest.createdAt) ?? nowMs,
      nowMs,
      concerns: (row) => mayGo(manifest, row),
    },
  )
}

/** Whether a node that waits may go away for the version. Which facts a node has, no row tells. */
export function mayGo({ classUpgrades, version }: Pick<Manifest, 'classUpgrades' | 'version'>, row: NodeRow): boolean {
  // Its class at the version before is not known yet.
  if (row.version < version - 1) return true
  const node = { nodeId: row.nodeId, facts: {} }
  return classUpgrades.some(({ oldClass, only }) => {
    if (oldClass !== row.className) return false
    return only === null || only.nodes === undefined || isAdmitted({ nodes: only.nodes }, node)
  })
}
