/** A node that is to leave its store. */
import { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import { within } from '../base/timeouts.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { Node } from '../node/node.js'

interface DrainServices {
  readonly clock: Clock
  readonly history: UpgradeHistory
}

/** Calls wait so long while a running one ends; then the node serves on. */
const drainMsMax = 5_000

/** Why the node stays now; null: it may go. */
export function whyItStays(node: Node, { history }: DrainServices): string | null {
  const { record } = node.recordStore
  if (node.group !== undefined) return `it is a member of group ${node.group.name}, and groups do not move`
  if (node.life.state !== 'serving' || node.phase !== 'current') return `it is ${node.phase}`
  if (record.newest < history.heard || record.generation.version !== record.newest || !node.permit.isFree)
    return `an upgrade to version ${history.heard} is under way`
  if (record.generation.lazy !== undefined) return 'records are still to be transformed'
  return null
}

/** Once no call runs, and all is committed. Throws `upgrade.drain` where that takes too long. */
export async function drained(node: Node, noCall: Promise<void>, { clock }: DrainServices): Promise<void> {
  const late = () => new Fault('upgrade.drain', `a call has run for ${drainMsMax} ms`)
  await within(clock, drainMsMax, noCall, late)
  await within(clock, drainMsMax, node.state.settled(), late)
}
