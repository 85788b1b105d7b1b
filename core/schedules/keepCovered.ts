import { isDone, isServing, oncePerReading } from './rowConditions.js'
import { type Schedule, type SchedulingView, schedule } from './schedule.js'

/**
 * The neighbours of a node: those that cover its place while it is away. Must be symmetric, and
 * the same on every node.
 */
export type Neighbours = (nodeId: string) => readonly string[]

/**
 * §4, "to avoid creating blind spots in sensor networks": a node goes only while at every place
 * it covers (its own and its neighbours') at least `atLeast` other nodes serve. Nodes that
 * share a place take turns by id, so that two that look at the same moment do not both go; a
 * dead node's turn is skipped, and it covers nothing.
 */
export function keepCovered(neighbours: Neighbours, atLeast: number): Schedule {
  return schedule(`keepCovered(atLeast: ${atLeast})`, (view) => view.until(() => mayGo(view, neighbours, atLeast)))
}

const byNodeId = oncePerReading((rows) => new Map(rows.map((row) => [row.nodeId, row])))

async function mayGo(view: SchedulingView, neighbours: Neighbours, atLeast: number): Promise<boolean> {
  const rows = byNodeId(await view.nodes(view.service), view.target)
  const own = view.nodeId
  const places = [own, ...neighbours(own)]
  const sharing = new Set(places.flatMap((place) => [place, ...neighbours(place)]))
  const isMyTurn = [...sharing].every((nodeId) => {
    const row = rows.get(nodeId)
    return nodeId >= own || row === undefined || !row.alive || isDone(row, view.target)
  })
  if (!isMyTurn) return false
  return places.every((place) => {
    const others = new Set([place, ...neighbours(place)].filter((nodeId) => nodeId !== own))
    const serving = [...others].filter((nodeId) => rows.has(nodeId) && isServing(rows.get(nodeId)!)).length
    // A place that is thinner than that even when all serve can't wait for more.
    return serving >= Math.min(atLeast, others.size)
  })
}
