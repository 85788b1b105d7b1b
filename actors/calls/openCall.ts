/** A call that waits for its answer, and the message that carries its newest copy. */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { type CallOrigin, kinds, type Replier, type ReplyEnvelope } from '../../core/wire/envelope.js'
import type { CallToWrite } from '../../core/wire/envelopeWriter.js'
import { isOfShard, localSubjectOf } from '../../core/wire/subjects.js'
import { WheelEntry } from '../timerWheel.js'
import { type Caller, faultFor } from './caller.js'
import type { Numbered } from './correlationTable.js'
import type { ReplyAddress } from './outbox.js'
import type { OutgoingCall } from './outgoingCall.js'

/** The calls that travelled in one message. */
export interface Group extends ReplyAddress, Numbered {
  readonly calls: OpenCall[]
  unanswered: number
}

/** Wakes open calls: the deadline has come, or the time to send again. */
export interface Waker {
  due(open: OpenCall): void
}

export class OpenCall extends WheelEntry implements Numbered, CallToWrite {
  /** Copies that have left and were not refused: each may be executed. Of a command there is one at most. */
  unanswered = 0
  /** The message that carries the newest copy. */
  group: Group | undefined
  pauseMs: number
  /** Where it goes next. */
  subject: string
  /** Whether the wheel wakes it to be sent again, rather than to end. */
  resends = false
  lastFault: Fault | undefined
  /** The arguments, from when they were packed first, if they can change. */
  packedArgs: Uint8Array | undefined
  keepsArgs = false
  /** Milliseconds left when the newest copy was written. */
  deadlineMs = 0
  /** As the system's level had it then. */
  origin: CallOrigin | null = null

  constructor(
    private readonly table: Waker,
    /**
     * Its `seq`. A command has a new one for each copy: what is late of one that was refused must not be
     * taken for the next one's.
     */
    public number: number,
    readonly caller: Caller,
    readonly call: OutgoingCall,
    /** Promises take the value and the fault only; telemetry hears who answered. */
    readonly resolve: (value: unknown, reply?: ReplyEnvelope) => void,
    readonly reject: (fault: Fault, replier?: Replier) => void,
    pauseMs: number,
  ) {
    super()
    this.pauseMs = pauseMs
    this.subject = call.subject
    this.packedArgs = call.packedArgs
  }

  // --- Its envelope, which is written from here: an object of its own would be one more for each call

  get kind(): typeof kinds.call {
    return kinds.call
  }

  get label(): Version {
    return this.call.label
  }

  get seq(): number {
    return this.number
  }

  get method(): string {
    return this.call.method
  }

  get args(): readonly unknown[] {
    return this.call.args
  }

  get path(): readonly string[] | null {
    return this.call.path
  }

  get trace(): string | null {
    return this.call.trace
  }

  get together(): boolean {
    return true
  }

  /**
   * A node of a sharded service may live on a host still. Where nobody listens for its shard, or its owner
   * says so, the call goes to that host next: true then, false where it has been there too.
   */
  turn({ code }: Fault): boolean {
    if (code !== 'unavailable.no-responders' && code !== 'unavailable.moved') return false
    const local = localSubjectOf(this.call.subject)
    this.subject = local === undefined || this.subject === local ? this.call.subject : local
    return this.subject === local
  }

  override due(): void {
    this.table.due(this)
  }

  fail(fault: Fault, replier?: Replier): void {
    this.reject(faultFor(this.caller, fault), replier)
  }
}

/** The calls of a message that nobody has answered yet and that no newer message carries. */
export function callsOf(group: Group | undefined): readonly OpenCall[] {
  return group === undefined ? [] : group.calls.filter((open) => open.group === group)
}

export function callerStoppedFault(): Fault {
  return new Fault('unavailable.stopped', 'the host has stopped')
}

export function outcomeUnknownFault({ method }: OutgoingCall): Fault {
  const message = `${method}: the host stopped before the answer came; the call may have been carried out`
  return new Fault('timeout.unknown', message, { method })
}

/** C4. Retryable only if every copy was refused. */
export function deadlineFault(open: OpenCall): Fault {
  if (open.unanswered === 0 && open.lastFault !== undefined) return open.lastFault
  return new Fault('timeout.deadline', `${open.call.method}: no answer within the deadline`, { method: open.call.method })
}

/** The pause before a copy grows so. A shard that moves is back soon: its callers wait little longer. */
export function pauseGrowth(subject: string): number {
  return isOfShard(subject) ? 1.25 : 2
}
