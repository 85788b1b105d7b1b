/** A node that is named on the command line has to be there. */
import type { NodeRow } from 'theseus-actors'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { didYouMean } from '../output/nearest.js'

/** Its row. Throws with the nearest ids (6). */
export function findNode(nodeId: string, rows: readonly NodeRow[], system: string): NodeRow {
  const row = rows.find((found) => found.nodeId === nodeId)
  if (row !== undefined) return row
  const known = rows.map((found) => found.nodeId)
  throw new Failure(exitCodes.noResponder, `error: system ${system} has no node ${nodeId} registered${didYouMean(nodeId, known)}`)
}
