import { awaitPopulation } from './awaitPopulation.js'
import { type Schedule, schedule } from './schedule.js'

/**
 * §4, "Upgrade one-replica-at-a-time. The SF signals if its node has the lowest IP address among its
 * non-upgraded replicas", here the lowest node id among those of its service that are *alive*: a dead replica
 * can't block the others. For replica groups that tolerate only a few failures.
 */
export function oneReplicaAtATime(): Schedule {
  return schedule('oneReplicaAtATime', (view) =>
    awaitPopulation(view, view.service, ({ order }) => order.areDone(order.placeOf(view.nodeId))),
  )
}
