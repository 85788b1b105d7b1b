/**
 * The promises of a rollout that are broken, or about to be: what an upgrade server pauses it for, and what
 * natsctl shows.
 */
import type { Version } from '../base/ids.js'
import type { NodeRow } from '../model/nodeRow.js'
import { isAboutToBreak, missingOf, type PromisedSet, PromisedSets, progressOf } from './promisedSets.js'
import { promiseText, type RolloutPromise } from './rolloutPromise.js'

export interface PromiseTrouble {
  /** The same trouble has the same key, however often it is looked at. */
  readonly key: string
  readonly what: string
  /** False: the next node that goes breaks it. */
  readonly isBroken: boolean
}

export interface PromisedRollout {
  readonly promises: readonly RolloutPromise[]
  readonly version: Version
  /** When it was published, and now: milliseconds since 1970. */
  readonly beganMs: number
  readonly nowMs: number
  /** Whether the upgrade concerns a node that waits: others go nowhere. */
  readonly concerns: (row: NodeRow) => boolean
}

const namesShownMax = 3

/** @param rows of nodes, without callers that are pinned */
export function promiseTroubles(rows: readonly NodeRow[], rollout: PromisedRollout): readonly PromiseTrouble[] {
  const { promises, version, nowMs, beganMs, concerns } = rollout
  if (promises.length === 0) return []
  const sets = new PromisedSets(promises, rows, version)
  // A node that the upgrade leaves alone never goes away for it.
  const isWaiting = (row: NodeRow) => progressOf(row, version) === 'waits' && concerns(row)
  for (const row of rows) if (progressOf(row, version) === 'waits' && !concerns(row)) sets.count(row.nodeId, 'done')
  const byNodeId = new Map(rows.map((row) => [row.nodeId, row]))
  const troubles = sets.all.flatMap((set) => troubleOf(set, sets, byNodeId) ?? [])
  const late = promises.flatMap((promise) => {
    if (promise.kind !== 'within' || nowMs - beganMs <= promise.ms) return []
    const left = rows.filter((row) => row.alive && (isWaiting(row) || progressOf(row, version) === 'away'))
    if (left.length === 0) return []
    return [
      {
        key: `promise ${promiseText(promise)}`,
        what: `${promiseText(promise)}: not there yet: ${names(left.map(({ nodeId }) => nodeId))}`,
        isBroken: true,
      },
    ]
  })
  return [...troubles, ...late]
}

function troubleOf(set: PromisedSet, sets: PromisedSets, rows: ReadonlyMap<string, NodeRow>): PromiseTrouble | undefined {
  const isBroken = missingOf(set) > 0
  if (!isBroken && !isAboutToBreak(set)) return undefined
  return { ...describedSet(set, sets, rows), isBroken }
}

/**
 * The trouble that a node of this set would be in, or is. Its key is that of the nodes that are missing: an
 * operator who has seen it before the next one goes has seen it.
 */
export function describedSet(
  set: PromisedSet,
  sets: PromisedSets,
  rows: ReadonlyMap<string, NodeRow>,
): Pick<PromiseTrouble, 'key' | 'what'> {
  const missing = set.nodes.filter((nodeId) => sets.progress(nodeId) === 'gone')
  const since = missing.map((nodeId) => `${nodeId} ${rows.get(nodeId)?.since ?? ''}`)
  const key = `promise ${promiseText(set.promise)} ${set.name} ${since.join(' ')}`
  return { key: key.slice(0, keyLengthMax), what: setTroubleText(set, missing) }
}

const keyLengthMax = 512

/** @param missing the nodes of it that do not serve, and not because of the upgrade */
export function setTroubleText(set: PromisedSet, missing: readonly string[]): string {
  const { promise, name, counts, nodes, needed } = set
  const whose = name === '' ? `of ${promise.service}` : promise.kind === 'keeps' ? `of set ${name}` : `at ${name}`
  const isBroken = missingOf(set) > 0
  const serving = `${counts.waits + counts.done} of ${nodes.length} nodes ${whose} ${counts.waits + counts.done === 1 ? 'serves' : 'serve'}`
  const away = counts.away === 0 ? '' : `, ${counts.away} ${counts.away === 1 ? 'is' : 'are'} away for the upgrade`
  const gone = missing.length === 0 ? '' : `, ${names(missing)} not serving otherwise`
  const next = isBroken
    ? ''
    : `, and the next that goes leaves ${counts.waits + counts.done + counts.away - 1}; ${needed} must serve`
  return `${promiseText(promise)}: ${serving}${away}${gone}${next}`
}

function names(nodeIds: readonly string[]): string {
  const shown = nodeIds.slice(0, namesShownMax).join(', ')
  return nodeIds.length > namesShownMax ? `${shown} and ${nodeIds.length - namesShownMax} more` : shown
}
