/** The faults with which a call is answered that has come to its node, or which its method has thrown. */
import { Fault, toFault } from '../../core/base/fault.js'
import type { Rule } from '../../core/model/allow.js'
import type { Link } from '../../core/model/objectChain.js'
import type { CallerInfo } from '../../core/wire/callerInfo.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'

export function wrongClass({ label, expects }: CallEnvelope, { className }: Link): Fault {
  return new Fault('protocol.wrong-class', `version ${label} has ${className} here, the caller expects ${expects}`)
}

export function noSuchMethod({ className, methods }: Link, { method }: CallEnvelope): Fault {
  const known = [...methods.entries.keys()].join(', ')
  return new Fault('protocol.no-such-method', `${className} has no method ${method}; it has ${known}`)
}

export function queryWrites({ method }: CallEnvelope): Fault {
  return new Fault('protocol.query-writes', `a query may not lead to a command of its own node: ${method}`)
}

export function deniedTo({ name, node }: CallerInfo, { className }: Link, method: string, { text }: Rule): Fault {
  const who = name ?? `${node}, which has no name`
  return new Fault('denied.caller', `${className}.${method} is for ${text}, and not for ${who}`)
}

/** Of a one-way message whose deadline came before its turn. */
export function waitedTooLong(node: string): Fault {
  return new Fault('timeout.deadline', `its deadline came before node ${node} had time for it`)
}

/** The node has stopped and has not waited for this call. */
export function leftBehind(node: string, cause: unknown): Fault {
  const message = `node ${node} stopped before the call ended; the call left no trace on it`
  return new Fault('unavailable.storage', message, {}, { cause })
}

/**
 * The exception of a method, as its caller sees it. A fault of a call that the method made in
 * turn is not this node's: it would say that this node's version is dead, or that this call was
 * not executed, which has begun (C4).
 */
export function faultOfMethod(error: unknown): Fault {
  const fault = toFault(error, 'application.error')
  const ofThisCall =
    fault.kind === 'application' ||
    fault.kind === 'simulation' ||
    fault.kind === 'protocol' ||
    fault.code === 'unavailable.storage'
  return ofThisCall && !fault.retryable
    ? fault
    : new Fault('application.error', fault.message, { code: fault.code }, { cause: fault })
}

/** Of data that will never be on disk. C4. The method may have run, whatever the store says. */
export function lostWith(error: unknown): Fault {
  const fault = toFault(error, 'unavailable.storage')
  return fault.retryable ? new Fault('unavailable.storage', fault.message, {}, { cause: fault }) : fault
}
