import { type Schedule, schedule } from './schedule.js'

/** Below the longest timer, and so rare that many who wait for good cost nothing. */
const weekMs = 7 * 24 * 3_600_000

/**
 * §4, "Upgrade only nodes 1, 2, and 5. This schedule lets the upgrader test an upgrade on a few nodes." The
 * others go on waiting.
 */
export function onlyNodes(...nodeIds: readonly string[]): Schedule {
  const listed = new Set(nodeIds)
  return schedule(`onlyNodes(${nodeIds.join(', ')})`, async (view) => {
    // The list does not change: nothing but the end of this schedule is waited for.
    while (!listed.has(view.nodeId)) await view.sleep(weekMs)
  })
}
