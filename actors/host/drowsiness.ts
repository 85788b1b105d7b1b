/** Whether a node of a shard may fall asleep: nothing of it would be missed. */
import type { Node } from '../node/node.js'
import type { ShardServices } from './shardServices.js'

export function mayFallAsleep(node: Node, { history, statusReporter }: ShardServices): boolean {
  const { record } = node.recordStore
  return (
    node.life.state === 'serving' &&
    node.phase === 'current' &&
    node.mailbox.isIdle &&
    node.state.isCommitted &&
    // Nobody would say later what the database does not know: a rollout would wait for it.
    node.permit.isFree &&
    statusReporter.isTold(node.id) &&
    record.generation.lazy === undefined &&
    record.newest >= history.heard &&
    record.generation.version === record.newest &&
    !node.software.hasTimers &&
    !(node.software.hasChain && node.software.chain.links.some(({ hears }) => hears.size > 0))
  )
}
