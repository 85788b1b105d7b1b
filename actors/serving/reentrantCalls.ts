/**
 * Calls that a node's own code leads to, back at the same node: directly, or through others. Such a
 * call runs inside the call that it is made for, or is refused at once (C2): in the queue behind it,
 * both would wait until a deadline ends them.
 */
import { Fault } from '../../core/base/fault.js'
import { isChangeover, type NodeInPaths } from '../../core/wire/envelope.js'
import type { RunningCall } from '../calls/runningCall.js'
import { IncomingCall } from './incomingCall.js'
import type { Turn } from './mailbox.js'

/** The node that such a call comes to, as far as it is asked. */
export interface ReenteredNode extends NodeInPaths {
  readonly className: string
  readonly isReentrant: boolean
  /** Of the start() or stop() that runs now. */
  readonly changeover: RunningCall | undefined
  /** The turn of the mailbox that runs now. */
  readonly turn: Turn | undefined
}

/**
 * Runs the call inside the one that it is made for, or refuses it. False for a call that may take its
 * turn.
 */
export function handleReentrantCall(node: ReenteredNode, call: IncomingCall): boolean {
  const { changeover, turn } = node
  if (changeover !== undefined && call.isMadeFor(changeover.path.at(-1)))
    return refused(node, call, 'answers nobody before its start() or stop(), for which this call is made, has ended')
  const outer = turn instanceof IncomingCall ? turn : undefined
  if (!node.isReentrant) {
    if (outer === undefined || !call.isMadeFor(outer.entryInPaths)) return false
    const advice = `add "static override readonly reentrant = true" to ${node.className} if it may run inside it`
    return refused(node, call, `is busy with the call that this one is made for; ${advice}`)
  }
  const waits = call.outerAt(node)
  if (waits === undefined || isChangeover(waits)) return false
  const inside = outer?.running(waits)
  if (inside === undefined)
    return refused(node, call, 'has ended the call that this one is made for: await the calls that a method makes')
  call.runInside(inside)
  return true
}

function refused({ id }: ReenteredNode, call: IncomingCall, why: string): true {
  call.refuse(new Fault('protocol.call-cycle', `node ${id} ${why}`))
  return true
}
