/**
 * Where the answers to the calls of one message go: into the message that is being filled for its reply
 * subject or, if the caller says so (`together`), for any reply subject of that caller. So the answers of one
 * turn to one host travel in one message, however many of its messages they answer.
 */

import { Fault, shortenedFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { answerFormat, type CallEnvelope, type Replier } from '../../core/wire/envelope.js'
import { type ReplyToWrite, writeFault, writeReply } from '../../core/wire/envelopeWriter.js'
import type { WireWriter } from '../../core/wire/wireWriter.js'
import { type Destination, type Outbox, writePacked } from '../calls/outbox.js'

/** The fields of its call that an answer needs. */
export type Answered = Pick<CallEnvelope, 'label' | 'seq' | 'together' | 'origin'>

interface FaultToWrite {
  readonly call: Answered
  readonly fault: Fault
  readonly replier: Replier
}

export class Answers {
  #alone: Destination | undefined
  #together: Destination | undefined

  constructor(
    private readonly outbox: Outbox,
    private readonly replyTo: string,
    private readonly observe: HostObserver,
  ) {}

  /** Whether both reply subjects are of one caller: they differ in the last token at most. */
  isOfInboxOf({ replyTo }: Answers): boolean {
    if (replyTo === this.replyTo) return true
    const inbox = inboxOf(this.replyTo)
    return inbox.includes('.') && inbox === inboxOf(replyTo)
  }

  /** Throws `protocol.*` if the result can't travel; then nothing is sent. */
  reply(call: Answered, value: unknown, replier: Replier, hops: number): void {
    const reply: ReplyToWrite = { label: call.label, seq: call.seq, value, replier, hops, format: answerFormat(call) }
    this.outbox.write(this.#destination(call), writeReply, reply, undefined, this.replyTo)
  }

  /** A reply that was packed before. */
  packed(call: Answered, reply: Uint8Array): void {
    this.outbox.write(this.#destination(call), writePacked, reply, undefined, this.replyTo)
  }

  /** A fault that is too large is shortened: its caller must hear of it. */
  fault(call: Answered, fault: Fault, replier: Replier): void {
    if (this.#write({ call, fault, replier }) === undefined) return
    if (this.#write({ call, fault: shortenedFault(fault), replier }) === undefined) return
    const error = this.#write({ call, fault: new Fault(fault.code, '', { shortened: true }), replier })
    if (error !== undefined) this.observe({ type: 'warning', message: `${replier.node}: a fault can't be sent`, error })
  }

  /** Why it can't be written, if it can't. */
  #write(answer: FaultToWrite): unknown {
    try {
      this.outbox.write(this.#destination(answer.call), writeFaultOf, answer, undefined, this.replyTo)
      return undefined
    } catch (error) {
      return error ?? new Error('a fault could not be written')
    }
  }

  #destination({ together }: Answered): Destination {
    return together ? (this.#together ??= this.#shared()) : this.#own()
  }

  #own(): Destination {
    return (this.#alone ??= this.outbox.newDestination(this.replyTo))
  }

  /**
   * The one for all reply subjects of the caller's inbox. Of one token, as in `_INBOX.<id>`, it
   * would be everybody's inbox.
   */
  #shared(): Destination {
    const inbox = inboxOf(this.replyTo)
    return inbox.includes('.') ? this.outbox.inbox(inbox) : this.#own()
  }
}

function inboxOf(replyTo: string): string {
  return replyTo.slice(0, Math.max(0, replyTo.lastIndexOf('.')))
}

function writeFaultOf(writer: WireWriter, { call, fault, replier }: FaultToWrite): void {
  writeFault(writer, call.label, call.seq, fault, replier, answerFormat(call))
}
