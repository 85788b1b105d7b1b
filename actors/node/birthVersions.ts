/** The versions that a node is born at and through: as far as they can be had and verified. */
import type { Version } from '../../core/base/ids.js'
import type { NodeIdentity } from '../../core/model/nodeFilter.js'
import { clientService, type NodeRow, settledVersion } from '../../core/model/nodeRow.js'
import { passedTo } from '../../core/upgrade/undoable.js'
import { isConcerned, isRejection } from '../history/classRegistry.js'
import { isOnProbation } from '../registration/nodeRowCache.js'
import type { HostServices } from './node.js'

/**
 * That version, or the newest before it whose class can be loaded: whatever is rejected here
 * the node tries as any other does.
 */
export async function firstReadable({ classes }: HostServices, lineage: readonly string[], needed: Version): Promise<Version> {
  for (let first = needed; ; first--) {
    try {
      await classes.load(lineage, first, first)
      return first
    } catch (error) {
      // Of version 0 there is nothing to reject.
      if (!isRejection(error)) throw error
    }
  }
}

/**
 * The newest version up to `complete` to which every upgrade of the lineage can be verified. Nodes of this
 * service may be missing from those that made it complete: a node that is born before an upgrade that is
 * rejected rejects it as any node does, and says why.
 */
export async function newestVerified(
  { history, intake, classes }: HostServices,
  lineage: readonly string[],
  first: Version,
  complete: Version,
  node: NodeIdentity,
): Promise<Version> {
  for (let version = first + 1; version <= complete; version++) {
    try {
      await intake.step(lineage, version)
      // It is born outside, and waits there as any node does.
      if (classes.isHeldBack(lineage, version, node)) return version - 1
    } catch (error) {
      if (isRejection(error)) return version - 1
      throw error
    }
  }
  // Between an upgrade and its undo there may be nothing to be born at, and none of what was undone before.
  let newest = complete
  for (let version = newest; version > first; version--)
    if (isConcerned(lineage, version) && (history.undoOf(version) ?? 0) > newest) newest = version - 1
  return newest
}

/**
 * The newest version that every registered node is at or past; the newest there is, where none is registered.
 * The oldest that lives, where it is not known who is registered: from there it goes on as any node does.
 */
export async function newestComplete({ nodeRowCache, history }: HostServices, newest: Version): Promise<Version> {
  if (history.newest === 0) return 0
  // The upgrade server has lost versions, and who knows what else.
  if (newest < history.newest) return history.dead
  let rows: readonly NodeRow[]
  try {
    // Read once for all that are born at the same time.
    rows = await nodeRowCache.nodes()
  } catch (error) {
    if (isOnProbation(error)) return history.dead
    throw error
  }
  const versions = rows.filter(({ service }) => service !== clientService).map(settledVersion)
  return Math.min(history.newest, ...versions)
}

/**
 * The version of the undo of an upgrade that can't be loaded. Those between rest on a class that nobody has:
 * they are passed with it.
 */
export function passedOver({ history }: HostServices, lineage: readonly string[], version: Version): Version | null {
  const isFor = (of: Version) => isConcerned(lineage, of)
  return isFor(version) ? passedTo((of) => history.undoOf(of), isFor, version) : null
}
