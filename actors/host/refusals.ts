/** Refuses messages for nodes of a shard that are not awake. */
import type { Fault } from '../../core/base/fault.js'
import { isName } from '../../core/base/ids.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { Message } from '../../core/ports/transport.js'
import { decode, encodeRefusal } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { isInbox } from '../../core/wire/subjects.js'
import type { ShardServices } from './shardServices.js'

export function refuse(
  nodeId: string,
  { replyTo, payload, subject }: Message,
  fault: Fault,
  definition: NodeClass,
  { outbox, observe, history, transport }: ShardServices,
): void {
  if (replyTo === undefined || !isInbox(replyTo)) {
    observe({ type: 'deadLetter', subject, fault })
    return
  }
  const { className } = describeClass(definition)
  const replier = { node: isName(nodeId) ? nodeId : 'unknown', className, version: history.newest }
  try {
    outbox.add(replyTo, encodeRefusal(payload, fault, replier, transport.payloadBytesMax))
  } catch (error) {
    observe({ type: 'warning', message: `a reply about node ${nodeId} could not be sent`, error })
  }
}

/** Somebody waits in the middle of something for it; or nobody would send it again. */
export function isMadeForOthers({ payload }: Message): boolean {
  return decode(payload).some(
    (envelope) => (envelope.kind === kinds.call && envelope.path !== null) || envelope.kind === kinds.send,
  )
}
