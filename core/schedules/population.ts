/** What schedules ask of the other nodes, and how they wait for it. */
import type { Version } from '../ids.js'
import { notServing } from '../phases.js'
import type { NodeRow } from '../ports/upgradeDatabase.js'
import type { SchedulingView } from '../schedule.js'

/** How often a schedule looks again at what it waits for: with up to a half of jitter, so that nodes do not look in step. */
export const lookAgainMs = 500

/** Whether the node serves at the target version or past it. */
export function isDone(row: NodeRow, target: Version): boolean {
  return row.version >= target && !notServing.has(row.phase)
}

/** Whether the node answers calls now, as far as anybody knows. */
export function isServing(row: NodeRow): boolean {
  return row.alive && !notServing.has(row.phase)
}

/** What `SchedulingView.until` does. */
export async function awaitCondition(
  view: Pick<SchedulingView, 'sleep' | 'random'>,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!(await condition())) await view.sleep(lookAgainMs * (1 + view.random() / 2))
}
