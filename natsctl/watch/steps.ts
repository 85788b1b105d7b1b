/**
 * In which step a rollout is whose schedule is `steps(…)`: read from the description in the manifest, and
 * from who has arrived.
 */
import type { Duration, NodeRow, Version } from 'theseus-actors'
import { milliseconds } from 'theseus-actors/operator'
import { hasArrived } from '../rollout/rolloutSummary.js'

export interface Step {
  /** As the schedule has it: `10%`. */
  readonly size: string
  /** Nodes that have gone when it is done, those of the steps before among them. */
  readonly nodes: number
  readonly there: number
}

export interface Steps {
  readonly steps: readonly Step[]
  /** Which one is under way; all of them once it is over. */
  readonly current: number
  /**
   * How long the nodes of the current step still have to serve before the next one begins;
   * undefined while some are to come.
   */
  readonly bakesForMs: number | undefined
  /** In which step a node goes, by its place among the others. */
  readonly stepOf: ReadonlyMap<string, number>
}

const described = /steps\(([^();]+); bake: ([^)]+)\)/

/**
 * Undefined for a schedule without steps. `rows` are those of the service, by node id: that is
 * the order in which they go.
 */
export function stepsOf(schedule: string, rows: readonly NodeRow[], goal: Version, now: number): Steps | undefined {
  const [, sizes, bake] = described.exec(schedule) ?? []
  const bakeMs = msOf(bake)
  if (sizes === undefined || bakeMs === undefined) return undefined
  const group = rows.filter((row) => row.alive || hasArrived(row, goal))
  const steps = sizes.split(', ').map((size) => {
    const nodes = Math.min(group.length, nodesOf(size, group.length))
    return { size, nodes, there: group.slice(0, nodes).filter((row) => hasArrived(row, goal)).length }
  })
  const leftMs = ({ nodes }: Step) =>
    Math.max(0, ...group.slice(0, nodes).map((row) => (hasArrived(row, goal) ? row.since + bakeMs - now : bakeMs)))
  const stepOf = new Map(group.map(({ nodeId }, rank) => [nodeId, steps.findIndex(({ nodes }) => rank < nodes)]))
  const current = steps.findIndex((step) => step.there < step.nodes || leftMs(step) > 0)
  const areAllThere = steps.at(-1)!.there === group.length
  // Nobody waits for the nodes of the last step to bake.
  if (areAllThere || current === -1) return { steps, current: steps.length, bakesForMs: undefined, stepOf }
  const step = steps[current]!
  return { steps, current, bakesForMs: step.there === step.nodes ? leftMs(step) : undefined, stepOf }
}

function nodesOf(size: string, all: number): number {
  const [, amount, unit] = /^(\d+)(%| nodes?)$/.exec(size) ?? []
  if (amount === undefined) return all
  return unit === '%' ? Math.max(1, Math.floor((all * Number(amount)) / 100)) : Number(amount)
}

function msOf(text: string | undefined): number | undefined {
  try {
    return text === undefined ? undefined : milliseconds(text as Duration)
  } catch {
    return undefined
  }
}
