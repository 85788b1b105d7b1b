/** The parts of its node that a call needs. */

import type { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { ReceivedOutcome } from '../../core/inspection/telemetry.js'
import type { Roles } from '../../core/model/allow.js'
import type { MethodKind } from '../../core/model/methods.js'
import type { Link, ObjectChain } from '../../core/model/objectChain.js'
import type { Random } from '../../core/ports/random.js'
import type { Replier } from '../../core/wire/envelope.js'
import type { Departures } from '../state/departures.js'
import type { NodeState } from '../state/nodeState.js'
import type { TimerWheel } from '../timerWheel.js'
import type { Denials } from './denials.js'
import type { IncomingCall } from './incomingCall.js'

/** A call that is being recorded (W1). */
export interface RecordedTurn {
  /** Runs its method. */
  run<T>(work: () => T): T
  /** A call has run inside it. */
  ranInside(method: string): void
  /** The value that its caller is told. */
  told(value: unknown): void
  /** It has succeeded: to be called in the turn that keeps what it wrote. */
  keep(): void
  drop(): void
}

export interface TurnRecorder {
  /** Undefined for a call that need not be recorded. */
  begin(call: IncomingCall, kind: MethodKind): RecordedTurn | undefined
}

export interface Callee {
  /** Set while the node records what it does. */
  readonly recorder: TurnRecorder | undefined
  readonly chain: ObjectChain
  readonly state: NodeState
  readonly replier: Replier
  readonly departures: Departures
  monotonicMs(): number
  /** The largest reply that the transport takes. */
  readonly replyBytesMax: number
  /** The names that have each role. */
  readonly roles: Roles
  readonly denials: Denials
  readonly random: Random
  /** Wakes held calls before their deadline. */
  readonly wheel: TimerWheel
  /** How long before. */
  readonly heldAnswerMs: number
  /**
   * Whether the caller's class is one that this link's class stands for: of the same type, on other nodes.
   */
  isAt(link: Link, expected: string): boolean
  /** The version is not known yet after all: the call waits until it is. */
  hold(call: IncomingCall): void
  /** A command threw after it had written: the object is rebuilt from what is committed. */
  rebuild(): Promise<void>
  /** A broken invariant: the node restarts. */
  crash(error: unknown): void
  /** `beganMs`: when its method began, of a call that is answered. */
  count(outcome: ReceivedOutcome | 'threw', beganMs: number, label: Version): void
  /** A one-way message was not carried out, and nobody waits for an answer: an operator hears of it. */
  undelivered(call: IncomingCall, fault: Fault): void
  /** `fault` is undefined for a call whose deadline had come before its turn. */
  countFailure(label: Version, fault: Fault | undefined): void
}
