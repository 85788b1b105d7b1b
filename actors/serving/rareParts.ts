/** Parts of a received call that most calls do without: they make each call smaller by being apart. */
import type { Fault } from '../../core/base/fault.js'
import type { CallMade } from '../calls/runningCall.js'
import type { RecordedTurn } from './callee.js'
import type { IncomingCall } from './incomingCall.js'
import type { NestedCalls } from './nestedCalls.js'

export class RareParts {
  /** The sends of a running command. */
  readonly sends: (() => void)[] = []
  /** Those that need to know that the command has failed. */
  readonly givenUp: (() => void)[] = []
  /** Calls that its method has made, and that have no answer yet. */
  callsMade: Set<CallMade> | undefined
  /** Of a node that records what it does (W1). */
  recorded: RecordedTurn | undefined
  /** Why it can't succeed any more: a call inside it failed after it may have written. */
  doomed: Fault | undefined
  /** Those that run inside it. */
  inside: NestedCalls<IncomingCall> | undefined
  /** The call of the mailbox's turn that it runs inside. */
  outer: IncomingCall | undefined
}
