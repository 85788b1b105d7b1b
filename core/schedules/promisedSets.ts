/**
 * Whether promises of a rollout hold, over the rows of the nodes. Each replica set and each place is counted,
 * and counted on as rows change.
 *
 * K1. A promise is broken when fewer nodes of a set serve than it says while one of them is away for the
 *     upgrade. Hosts that fail break no promise by themselves: no schedule can help that.
 * K2. It is about to be broken when the next node of the set that goes breaks it, also if all that are away
 *     come back.
 */
import type { Version } from '../base/ids.js'
import { isOfStage } from '../base/phases.js'
import type { NodeRow } from '../model/nodeRow.js'
import { type RolloutPromise, type Share, setPattern } from './rolloutPromise.js'
import { isDone, isServing } from './rowConditions.js'

/** How a node stands to the rollout. `gone`: it does not serve, and not because of the upgrade. */
export type Progress = 'waits' | 'done' | 'away' | 'gone'

export interface PromisedSet {
  readonly promise: RolloutPromise & { readonly kind: 'keeps' | 'covered' }
  /** Empty for all nodes of the service. */
  readonly name: string
  readonly nodes: readonly string[]
  readonly needed: number
  /** How many nodes are how far. */
  readonly counts: Readonly<Record<Progress, number>>
}

type CountedSet = PromisedSet & { readonly counts: Record<Progress, number> }

/** How a node stands to the upgrade to `version`. */
export function progressOf(row: NodeRow, version: Version): Progress {
  if (isServing(row)) return isDone(row, version) ? 'done' : 'waits'
  const isAway = row.alive && isOfStage(row.phase, 'changing') && (row.target === version || row.version === version)
  return isAway ? 'away' : 'gone'
}

export class PromisedSets {
  readonly all: readonly PromisedSet[]
  readonly #byNode = new Map<string, CountedSet[]>()
  readonly #progress = new Map<string, Progress>()

  constructor(promises: readonly RolloutPromise[], rows: readonly NodeRow[], version: Version) {
    const all = promises.flatMap((promise) => (promise.kind === 'within' ? [] : setsOf(promise, rows)))
    this.all = all
    for (const set of all) {
      for (const nodeId of set.nodes) {
        const sets = this.#byNode.get(nodeId) ?? []
        this.#byNode.set(nodeId, sets)
        sets.push(set)
      }
    }
    for (const row of rows) this.count(row.nodeId, progressOf(row, version))
  }

  /** A node that nobody has counted is gone. */
  progress(nodeId: string): Progress {
    return this.#progress.get(nodeId) ?? 'gone'
  }

  /** Those that the node is in. */
  of(nodeId: string): readonly PromisedSet[] {
    return this.#byNode.get(nodeId) ?? []
  }

  /** Takes how far a node is now. Returns the sets that it is in, if it is another. */
  count(nodeId: string, progress: Progress): readonly PromisedSet[] {
    const before = this.progress(nodeId)
    const sets = this.#byNode.get(nodeId) ?? []
    if (before === progress || sets.length === 0) return []
    this.#progress.set(nodeId, progress)
    for (const { counts } of sets) {
      counts[before]--
      counts[progress]++
    }
    return sets
  }
}

/** K1. How many nodes of the set are missing; 0 while the promise holds. */
export function missingOf({ needed, counts }: PromisedSet): number {
  return counts.away === 0 ? 0 : Math.max(0, needed - counts.waits - counts.done)
}

/** Whether the promise is broken when one more node of the set goes now, while others are away or gone. */
export function isBrokenByNext({ needed, counts }: PromisedSet): boolean {
  return counts.waits + counts.done - 1 < needed
}

/** K2. */
export function isAboutToBreak({ needed, counts }: PromisedSet): boolean {
  return counts.waits > 0 && counts.waits + counts.done + counts.away - 1 < needed
}

function setsOf(promise: PromisedSet['promise'], rows: readonly NodeRow[]): readonly CountedSet[] {
  return [...membersOf(promise, rows)].map(([name, members]) => {
    const nodes = [...new Set(members)]
    const needed = promise.kind === 'keeps' ? countOf(promise.serving, nodes.length) : Math.min(promise.atLeast, nodes.length)
    return { promise, name, nodes, needed, counts: { waits: 0, done: 0, away: 0, gone: nodes.length } }
  })
}

function membersOf(promise: PromisedSet['promise'], rows: readonly NodeRow[]): ReadonlyMap<string, readonly string[]> {
  const named = promise.kind === 'covered' ? promise.places : promise.of
  if (named !== null && typeof named !== 'string') return new Map(Object.entries(named))
  const nodes = rows.filter(({ service }) => service === promise.service).map(({ nodeId }) => nodeId)
  if (named === null) return new Map(nodes.length === 0 ? [] : [['', nodes]])
  const pattern = setPattern(named)!
  const sets = Map.groupBy(nodes, (nodeId) => pattern.exec(nodeId)?.[1] ?? '')
  // Nodes of no set.
  sets.delete('')
  return sets
}

function countOf(share: Share, size: number): number {
  return typeof share === 'number' ? share : Math.ceil((size * Number(share.slice(0, -1))) / 100)
}
