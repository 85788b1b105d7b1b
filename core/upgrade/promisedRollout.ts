/** The rollout of a version as its promises are judged: by its manifest alone. */
import { instantMs } from '../base/instant.js'
import { isAdmitted } from '../model/nodeFilter.js'
import { clientService, type NodeRow } from '../model/nodeRow.js'
import { isBrokenByNext, PromisedSets } from '../schedules/promisedSets.js'
import { describedSet, type PromiseTrouble, promiseTroubles } from '../schedules/promiseTroubles.js'
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

/** The promise that is broken if this node goes away now. `of`: the rows as one reading has them. */
export function riskOfGoing(
  manifest: Manifest,
  of: readonly NodeRow[],
  nodeId: string,
): Pick<PromiseTrouble, 'key' | 'what'> | undefined {
  const promises = promisesIn(manifest)
  if (promises.length === 0) return undefined
  const { rows, sets } = countedOf(manifest, of)
  const set = sets.of(nodeId).find(isBrokenByNext)
  return set && describedSet(set, sets, rows)
}

interface Counted {
  readonly rows: ReadonlyMap<string, NodeRow>
  readonly sets: PromisedSets
}

/** Made once for all nodes of a host that share a reading. */
const counted = new WeakMap<readonly NodeRow[], Map<Manifest, Counted>>()

function countedOf(manifest: Manifest, of: readonly NodeRow[]): Counted {
  const byManifest = counted.get(of) ?? new Map<Manifest, Counted>()
  counted.set(of, byManifest)
  let found = byManifest.get(manifest)
  if (found === undefined) {
    const nodes = of.filter(({ service }) => service !== clientService)
    const sets = new PromisedSets(promisesIn(manifest), nodes, manifest.version)
    found = { rows: new Map(nodes.map((row) => [row.nodeId, row])), sets }
    byManifest.set(manifest, found)
  }
  return found
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
