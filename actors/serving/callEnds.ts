/** The ends of a call, as they leave its node (C12): its result with the sends of its command, or a fault. */
import type { Fault } from '../../core/base/fault.js'
import type { CallEnvelope, Replier } from '../../core/wire/envelope.js'
import { Departure } from '../state/departures.js'
import type { Answers } from './answers.js'
import type { Callee } from './callee.js'
import { lostWith } from './callFaults.js'

abstract class CallEnd extends Departure {
  constructor(
    protected readonly callee: Callee,
    protected readonly envelope: CallEnvelope,
    /** Undefined if nobody waits for an answer. */
    protected readonly answers: Answers | undefined,
  ) {
    super()
  }

  override get name(): string {
    return answerTo(this.envelope)
  }

  override lost(error: unknown): void {
    this.answers?.fault(this.envelope, lostWith(error), this.callee.replier)
  }
}

export class CallResult extends CallEnd {
  constructor(
    callee: Callee,
    envelope: CallEnvelope,
    answers: Answers | undefined,
    private readonly sends: readonly (() => void)[] | undefined,
    /** The node as it was when the call ended. */
    private readonly replier: Replier,
    /** The reply, of a result that a later command may change. */
    private readonly packed: Uint8Array | undefined,
    /** The result, of one that stays as it is. */
    private readonly value: unknown,
    private readonly hops: number,
  ) {
    super(callee, envelope, answers)
  }

  override leave(): void {
    if (this.sends !== undefined) for (const send of this.sends) send()
    if (this.packed !== undefined) this.answers?.packed(this.envelope, this.packed)
    else this.answers?.reply(this.envelope, this.value, this.replier, this.hops)
  }
}

export class CallFailure extends CallEnd {
  declare protected readonly answers: Answers

  constructor(
    callee: Callee,
    envelope: CallEnvelope,
    answers: Answers,
    private readonly fault: Fault,
  ) {
    super(callee, envelope, answers)
  }

  override leave(): void {
    this.answers.fault(this.envelope, this.fault, this.callee.replier)
  }
}

/** As messages about it name it. */
export function answerTo({ method }: CallEnvelope): string {
  return `the answer to ${method}`
}
