/**
 * Conditions of schedules on the other nodes, asked in few questions. At work a node answers them from one
 * reading of the rows, made once for all nodes of its host. A rehearsal answers them as the rows change, and
 * looks again only when an answer can be another one: a hundred thousand nodes that all looked at each change
 * would never come to an end.
 */
import type { NodeRow } from '../model/nodeRow.js'
import type { NodeOrder } from './nodeOrder.js'

/** Rows that a schedule waits for until none is left. */
export interface RowSet {
  /** Sets with the same key have the same rows. */
  readonly key: string
  readonly has: (row: NodeRow) => boolean
}

export type OrderQuestions = Pick<NodeOrder, 'size' | 'has' | 'placeOf' | 'areDone' | 'since'>

export interface Population {
  row(nodeId: string): NodeRow | undefined
  /** The nodes of the schedule's own service. */
  readonly order: OrderQuestions
  /** Whether the set has a row for which this holds. */
  some(set: RowSet, holds?: (row: NodeRow) => boolean): boolean
}

export interface LookTime {
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** Milliseconds for which it has been looked, whatever was done to the clock meanwhile. */
  readonly waitedMs: number
}

/** Whether it holds. A number: time alone brings it, in so many milliseconds. */
export type PopulationCondition = (population: Population, time: LookTime) => boolean | number
