/**
 * A received call of a host that has telemetry: told of when its method runs, and when it has
 * ended, whether or not it ran.
 */

import { type Fault, isFault, toFault } from '../../core/base/fault.js'
import type { InvariantViolation } from '../../core/base/invariant.js'
import type { ReceivedOutcome, ReceivedWatch, Telemetry } from '../../core/inspection/telemetry.js'
import type { MethodEntry } from '../../core/model/methodTable.js'
import type { Link } from '../../core/model/objectChain.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import type { Answers } from './answers.js'
import type { Callee } from './callee.js'
import { IncomingCall } from './incomingCall.js'
import type { DueTimer } from './objectTimers.js'

export class WatchedCall extends IncomingCall {
  /** Null when nobody cares for this call, undefined until it is asked. */
  #watch: ReceivedWatch | null | undefined

  constructor(
    private readonly telemetry: Telemetry,
    private readonly service: string,
    callee: Callee,
    envelope: CallEnvelope,
    answers: Answers | undefined,
    deadline: number,
    timer?: DueTimer,
    callerName?: string,
  ) {
    super(callee, envelope, answers, deadline, timer, callerName)
  }

  override get trace(): string | null {
    return this.#watch?.trace ?? this.envelope.trace
  }

  protected override invoke(entry: MethodEntry): unknown {
    const link = this.callee.chain.at(this.envelope.label)
    const watch = this.#received(isFault(link) ? undefined : link, entry.hops)
    return watch?.run === undefined ? super.invoke(entry) : watch.run(() => super.invoke(entry))
  }

  protected override ended(outcome: ReceivedOutcome, fault: Fault | undefined): void {
    super.ended(outcome, fault)
    this.#tell(outcome, fault)
  }

  protected override crashed(error: InvariantViolation): void {
    this.#tell('failed', toFault(error, 'application.error'))
    super.crashed(error)
  }

  #tell(outcome: ReceivedOutcome, fault: Fault | undefined): void {
    const watch = this.#watch === undefined ? this.#received(undefined, 0) : this.#watch
    watch?.ended(outcome, fault)
  }

  #received(link: Link | undefined, hops: number): ReceivedWatch | null {
    const { callee, envelope, service, deadline } = this
    // It arrived when all of its time was left.
    const waitedMs = Math.max(0, callee.monotonicMs() - (deadline - envelope.deadlineMs))
    this.#watch = this.telemetry.received?.({ envelope, service, replier: callee.replier, link, hops, waitedMs }) ?? null
    return this.#watch
  }
}
