/**
 * The memory of a node's object, as far as its class offers it (`observe()`): for scheduling functions, and
 * for viewers of the node. It is asked in a turn of the mailbox, between two calls, and may write nothing.
 */
import { Fault } from '../../core/base/fault.js'
import { isPromiseIgnored } from '../../core/base/maybePromise.js'
import { observeMethod } from '../../core/model/methods.js'
import { describeClass } from '../../core/model/nodeObject.js'
import { observedBytesMax } from '../../core/schedules/schedule.js'
import { pack } from '../../core/wire/codec.js'
import { copied } from '../../core/wire/copied.js'
import { isRecord } from '../../core/wire/plain.js'
import type { NodeState } from '../state/nodeState.js'
import type { RunningObject } from './liveObject.js'

export type Memory = Record<string, unknown>

/** Null where there is no object now, or its class offers nothing. To be called in a turn. */
export async function observedMemory(
  state: NodeState,
  node: { rebuild(): Promise<void> },
  object: RunningObject | undefined,
): Promise<Memory | null> {
  if (object === undefined || !isOffered(object)) return null
  const { instance, definition, context } = object
  const ticket = state.begin('query')
  context.hush()
  try {
    const answer = checkedAnswer(instance.observe!(), definition.className)
    state.keep(ticket)
    return answer
  } catch (error) {
    if (state.drop(ticket)) await node.rebuild()
    throw error
  } finally {
    context.speak()
  }
}

/** A remote method of that name is no offer. */
function isOffered({ instance, definition }: RunningObject): boolean {
  return typeof instance.observe === 'function' && !describeClass(definition).methods.has(observeMethod)
}

function checkedAnswer(answer: unknown, className: string): Memory {
  if (isPromiseIgnored(answer)) throw wrong(className, 'answers a promise: it has to answer at once')
  const copy = copied(answer, `the answer of ${className}.observe()`)
  if (typeof copy !== 'object' || copy === null || !isRecord(copy)) throw wrong(className, 'has to answer a record')
  const { length } = pack(copy)
  if (length > observedBytesMax) throw wrong(className, `answers ${length} bytes; at most ${observedBytesMax} are told`)
  return copy as Memory
}

function wrong(className: string, what: string): Fault {
  return new Fault('protocol.bad-arguments', `${className}.observe() ${what}`)
}
