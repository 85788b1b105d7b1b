import { awaitPopulation } from './awaitPopulation.js'
import type { Population } from './population.js'
import { isDone, isServing } from './rowConditions.js'
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
  return schedule(`keepCovered(atLeast: ${atLeast})`, (view) =>
    awaitPopulation(view, view.service, (population) => mayGo(view, population, neighbours, atLeast)),
  )
}

function mayGo(
  { nodeId: own, target }: SchedulingView,
  population: Population,
  neighbours: Neighbours,
  atLeast: number,
): boolean {
  const places = [own, ...neighbours(own)]
  const sharing = new Set(places.flatMap((place) => [place, ...neighbours(place)]))
  const isMyTurn = [...sharing].every((nodeId) => {
    if (nodeId >= own) return true
    const row = population.row(nodeId)
    return row === undefined || !row.alive || isDone(row, target)
  })
  if (!isMyTurn) return false
  return places.every((place) => {
    const others = new Set([place, ...neighbours(place)].filter((nodeId) => nodeId !== own))
    const serving = [...others].filter((nodeId) => {
      const row = population.row(nodeId)
      return row !== undefined && isServing(row)
    }).length
    // A place that is thinner than that even when all serve can't wait for more.
    return serving >= Math.min(atLeast, others.size)
  })
}
