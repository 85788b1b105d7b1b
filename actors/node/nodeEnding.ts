/**
 * How a node ends on its host: it leaves while others may still need it, and stops within a budget.
 * Its state and its registration stay.
 */
import type { Clock } from '../../core/ports/clock.js'
import type { HostSettings } from '../base/settings.js'
import { StopBudget } from '../base/stopBudget.js'
import type { StatusReporter } from '../registration/statusReporter.js'
import { IncomingCall } from '../serving/incomingCall.js'
import type { Mailbox } from '../serving/mailbox.js'
import type { NodeSubscriptions } from '../serving/nodeSubscriptions.js'
import type { NodeSoftware } from '../software/nodeSoftware.js'
import type { NodeLearning } from '../upgrade/nodeLearning.js'
import type { NodeLife } from './nodeLife.js'
import { nodeStoppedFault } from './receivingNode.js'

/** The node that ends. */
export interface EndingNode {
  readonly id: string
  readonly services: { readonly clock: Clock; readonly settings: HostSettings; readonly statusReporter: StatusReporter }
  readonly life: NodeLife
  readonly mailbox: Mailbox
  readonly subscriptions: NodeSubscriptions
  readonly learning: NodeLearning
  readonly software: NodeSoftware
  readonly manager: { stop(): void }
  readonly permit: { stop(): void }
  readonly pass: { stop(): void }
  readonly receiving: { closeContacts(): void }
  /** Another host has the node. */
  readonly isElsewhere: boolean
}

/**
 * The node is going to stop: it takes only calls that are made for others, which run somewhere and
 * can't end without. Resolves when nothing runs, or waits to run.
 */
export async function leave(node: EndingNode): Promise<void> {
  const { life, mailbox } = node
  life.leave()
  await withdraw(node)
  for (const turn of mailbox.clear()) {
    if (turn instanceof IncomingCall && turn.isFromOutside) turn.refuse(nodeStoppedFault(node.id))
    else mailbox.add(turn)
  }
  await mailbox.whenIdle()
}

/** Within the budget; a call that still runs then is left behind, and what it writes is dropped. */
export async function stop(node: EndingNode, given: StopBudget | undefined): Promise<void> {
  const { life, mailbox, subscriptions, learning, software } = node
  life.stop()
  const { clock, settings, statusReporter } = node.services
  const budget = given ?? new StopBudget(clock, settings.leaveMs)
  await budget.forLeaving(withdraw(node))
  await budget.forLeaving(subscriptions.drain())
  subscriptions.close()
  await budget.forLeaving(mailbox.close())
  for (const turn of [...mailbox.clear(), ...learning.stop()]) {
    if (!(turn instanceof IncomingCall)) continue
    if (node.isElsewhere) turn.take()
    else turn.refuse(nodeStoppedFault(node.id))
  }
  await budget.forLeaving(software.stop())
  node.receiving.closeContacts()
  statusReporter.release(node.id)
  if (given === undefined) budget.end()
}

/** Its upgrade stops where it is, and neither its service's calls nor events reach it any more. */
function withdraw({ manager, permit, pass, subscriptions }: EndingNode): Promise<void> {
  manager.stop()
  permit.stop()
  pass.stop()
  subscriptions.hearNothing()
  return subscriptions.leaveService()
}
