/** The questions of schedules about the other nodes, and how they wait for the answers. */
import type { Version } from '../base/ids.js'
import { notServing } from '../base/phases.js'
import { type NodeRow, settledVersion } from '../model/nodeRow.js'
import type { SchedulingView } from './schedule.js'

/**
 * How often a schedule looks again at what it waits for: with up to a half of jitter, so that
 * nodes do not look in step.
 */
export const recheckMs = 500

/** Whether the node serves at the target version or past it. */
export function isDone(row: NodeRow, target: Version): boolean {
  return settledVersion(row) >= target && !notServing.has(row.phase)
}

/** Whether the node answers calls now, as far as anybody knows. */
export function isServing(row: NodeRow): boolean {
  return row.alive && !notServing.has(row.phase)
}

/**
 * The same result of the rows of one reading for a target, made once for all who look at it: the nodes of a
 * host share a reading, and a thousand schedules that each sort a thousand rows are a second's work.
 */
export function oncePerReading<T>(
  make: (rows: readonly NodeRow[], target: Version) => T,
): (rows: readonly NodeRow[], target: Version) => T {
  const made = new WeakMap<readonly NodeRow[], Map<Version, T>>()
  return (rows, target) => {
    const byTarget = made.get(rows) ?? new Map<Version, T>()
    made.set(rows, byTarget)
    const found = byTarget.get(target) ?? make(rows, target)
    byTarget.set(target, found)
    return found
  }
}

/** Carries out `SchedulingView.until`. */
export async function awaitCondition(
  view: Pick<SchedulingView, 'sleep' | 'random'>,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!(await condition())) await view.sleep(recheckMs * (1 + view.random() / 2))
}
