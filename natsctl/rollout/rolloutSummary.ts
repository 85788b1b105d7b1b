/**
 * How far a rollout has come, out of the rows of the upgrade database. Pure.
 *
 * R1. A node is *there* when it serves at the goal or past it: while its new object is still
 *     starting, it is not.
 * R2. A node is *in trouble* when it is stalled, rejected or failed before the goal; one that is stalled past
 *     it is no matter of this rollout.
 * R5. Without a node nothing is done: the system may be another one than was meant, or its
 *     database may have been emptied.
 */
import type { NodeRow, Version } from 'theseus-actors'
import { clientService, mayBeAsleep, stageOf } from 'theseus-actors/operator'
import { byName } from '../output/naturalOrder.js'
import { type Rewindable, rewindableOf } from './rewindState.js'

export interface Rollout {
  readonly newest: Version
  /** The version that every node is to reach. */
  readonly goal: Version
  /**
   * `empty`: no node is registered. `moving`: some nodes are still to come. `degraded`: at
   * least one is in trouble.
   */
  readonly state: 'empty' | 'done' | 'moving' | 'degraded'
  /** Whether every node that is not there is in trouble: without somebody's help nothing will change. */
  readonly settled: boolean
  readonly nodes: number
  readonly there: number
  readonly services: readonly ServiceRollout[]
}

export interface ServiceRollout {
  readonly service: string
  readonly nodes: number
  readonly there: number
  /** How many nodes run each version, newest first. */
  readonly versions: readonly { readonly version: Version; readonly nodes: number }[]
  readonly troubled: readonly NodeRow[]
  /** Not there, and their host does not renew their lease: they will not come before it does. */
  readonly away: readonly NodeRow[]
  /** Of its nodes at the goal; null where they keep nothing to be rewound by. */
  readonly rewind: Rewindable | null
}

const byNodeId = byName(({ nodeId }: NodeRow) => nodeId)

export function summarize(rows: readonly NodeRow[], newest: Version, goal: Version): Rollout {
  const concerned = rows.filter(isPartOfRollout)
  const byService = Map.groupBy(concerned, ({ service }) => service)
  const services = [...byService].sort(byName(([service]) => service)).map(([service, of]) => summarizeService(service, of, goal))
  const there = sum(services.map((service) => service.there))
  const troubled = sum(services.map((service) => service.troubled.length))
  return {
    newest,
    goal,
    state: stateOf(concerned.length, there, troubled),
    settled: concerned.length > 0 && there + troubled === concerned.length,
    nodes: concerned.length,
    there,
    services,
  }
}

/** R5. */
function stateOf(nodes: number, there: number, troubled: number): Rollout['state'] {
  if (nodes === 0) return 'empty'
  if (troubled > 0) return 'degraded'
  return there === nodes ? 'done' : 'moving'
}

function summarizeService(service: string, rows: readonly NodeRow[], goal: Version): ServiceRollout {
  const versions = [...Map.groupBy(rows, ({ version }) => version)].sort(([a], [b]) => b - a)
  return {
    service,
    nodes: rows.length,
    there: rows.filter((row) => hasArrived(row, goal)).length,
    versions: versions.map(([version, of]) => ({ version, nodes: of.length })),
    troubled: rows.filter((row) => isTroubled(row, goal)).sort(byNodeId),
    away: rows
      .filter((row) => !row.alive && !mayBeAsleep(row) && !hasArrived(row, goal) && !isTroubled(row, goal))
      .sort(byNodeId),
    rewind: rewindableOf(rows, goal),
  }
}

/** The rows of callers that are pinned to a version stay at it for good. */
export function isPartOfRollout({ service }: NodeRow): boolean {
  return service !== clientService
}

/** R1. */
export function hasArrived({ version, phase, settled = 0 }: NodeRow, goal: Version): boolean {
  // The upgrade is for other nodes, and this one answers its version.
  if (settled >= goal && settled > version) return true
  if (phase === 'failed') return false
  return version > goal || (version === goal && phase !== 'recovering')
}

/** R2. */
export function isTroubled(row: NodeRow, goal: Version): boolean {
  const stage = stageOf(row.phase)
  return stage === 'failed' || (stage === 'stuck' && !hasArrived(row, goal))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
