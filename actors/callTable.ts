/**
 * The open calls of a host: sends them, matches answers to them, sends again what was surely not executed (and queries whose answer is
 * lost), and ends every one of them by its deadline.
 *
 * One inbox serves all replies. The last token of a reply subject names the message, so that "nobody listens" is matched to its calls.
 */
import { inject, injectable } from 'tsyringe'
import { decode, encodeCall } from '../core/codec.js'
import { type CallEnvelope, deadlineMsMax, kinds } from '../core/envelope.js'
import { Fault } from '../core/fault.js'
import type { HostObserver } from '../core/hostEvents.js'
import type { Version } from '../core/ids.js'
import { unreachable } from '../core/invariant.js'
import type { MethodKind } from '../core/methods.js'
import type { Clock } from '../core/ports/clock.js'
import { type Random, randomUint32 } from '../core/ports/random.js'
import type { Message, Transport } from '../core/ports/transport.js'
import { Contacts } from './contacts.js'
import { Outbox, type Parcel, type ReplyAddress } from './outbox.js'
import type { HostSettings } from './settings.js'
import { TimerWheel, WheelEntry } from './timerWheel.js'
import { tokens } from './tokens.js'

/** Who calls: a node's object, one of its SOs, or code outside any object. */
export interface Caller {
  readonly nodeId: string
  readonly incarnation: number
  readonly className: string
  readonly version: Version
}

export interface OutgoingCall {
  readonly subject: string
  readonly label: Version
  readonly method: string
  readonly kind: MethodKind
  readonly args: readonly unknown[]
  /** Milliseconds since 1970. */
  readonly deadline: number
  readonly expects: string | null
  readonly path: readonly string[] | null
}

export type OneWayKind = typeof kinds.send | typeof kinds.event

/** `sent`: a copy is on its way or has been delivered. `unsent`: surely nobody has executed it. */
type Delivery = 'unsent' | 'sent'

/** The calls that travelled in one message. */
interface Group extends ReplyAddress {
  readonly token: string
  readonly calls: OpenCall[]
  unanswered: number
}

class OpenCall extends WheelEntry {
  delivery: Delivery = 'unsent'
  /** The message that carries the newest copy. */
  group: Group | undefined
  pauseMs: number
  /** Whether the wheel wakes it to be sent again, rather than to end. */
  resends = false
  lastFault: Fault | undefined

  constructor(
    readonly table: CallTable,
    readonly seq: number,
    readonly caller: Caller,
    readonly call: OutgoingCall,
    readonly resolve: (value: unknown) => void,
    readonly reject: (fault: Fault) => void,
    pauseMs: number,
  ) {
    super()
    this.pauseMs = pauseMs
  }

  override due(): void {
    this.table.due(this)
  }
}

@injectable()
export class CallTable {
  readonly #open = new Map<number, OpenCall>()
  /** Messages with unanswered calls, by the last token of their reply subject. */
  readonly #groups = new Map<string, Group>()
  readonly #newGroup = (): Group => {
    const token = (this.#token++).toString(36)
    return { token, replyTo: `${this.#inbox}.${token}`, calls: [], unanswered: 0 }
  }
  readonly #inbox: string
  #seq = 0
  #token = 0
  /** Makes the ids of calls that no node makes unique across restarts. */
  readonly incarnation: number

  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
    @inject(Outbox) private readonly outbox: Outbox,
    @inject(Contacts) private readonly contacts: Contacts,
    @inject(TimerWheel) private readonly wheel: TimerWheel,
  ) {
    this.incarnation = randomUint32(random)
    this.#inbox = transport.newInbox()
    transport.subscribe(`${this.#inbox}.*`, (message) => this.#answered(message))
    outbox.onUnsent = (parcel, fault) => this.#unsent(parcel, fault)
  }

  call(caller: Caller, call: OutgoingCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#open.size >= this.settings.openCallsMax) {
        reject(new Fault('unavailable.overloaded', `${this.#open.size} calls of this host are open already`))
        return
      }
      const open = new OpenCall(this, this.#nextSeq(), caller, call, resolve, reject, this.settings.retryPauseMs)
      this.#open.set(open.seq, open)
      this.#send(open)
    })
  }

  /** A one-way send: no answer, at most once. Dropped while the transport is away. Throws `protocol.*` for what can't travel. */
  send(caller: Caller, call: OutgoingCall): void {
    this.prepareSend(caller, call)()
  }

  /** The same in two steps: packed now, sent when the result is called. */
  prepareSend(caller: Caller, call: OutgoingCall, kind: OneWayKind = kinds.send): () => void {
    const envelope = encodeCall(this.#envelope(kind, this.#nextSeq(), caller, call))
    if (envelope.length > this.transport.payloadBytesMax) {
      throw new Fault(
        'protocol.too-large',
        `a send of ${envelope.length} bytes; the transport takes ${this.transport.payloadBytesMax}`,
      )
    }
    return () => this.outbox.add(call.subject, envelope)
  }

  /** Ends all open calls: the host stops. */
  close(): void {
    for (const open of [...this.#open.values()]) {
      this.#end(open)
      open.reject(new Fault('unavailable.stopped', 'the host has stopped'))
    }
  }

  #nextSeq(): number {
    // 0 is for messages that could not be read.
    this.#seq = (this.#seq % (2 ** 32 - 1)) + 1
    return this.#seq
  }

  #envelope(kind: CallEnvelope['kind'], seq: number, caller: Caller, call: OutgoingCall): CallEnvelope {
    return {
      kind,
      label: call.label,
      seq,
      method: call.method,
      args: call.args,
      deadlineMs: Math.min(Math.max(0, Math.ceil(call.deadline - this.clock.now())), deadlineMsMax),
      caller: caller.nodeId,
      incarnation: caller.incarnation,
      callerClass: caller.className,
      callerVersion: caller.version,
      expects: call.expects,
      path: call.path,
      trace: null,
    }
  }

  #send(open: OpenCall): void {
    const { call } = open
    // What is sent while the transport is away is refused, not buffered: the call is tried again within its deadline.
    if (this.transport.status !== 'connected') {
      this.#notExecuted(open, new Fault('unavailable.disconnected', 'not connected'))
      return
    }
    try {
      const envelope = encodeCall(this.#envelope(kinds.call, open.seq, open.caller, call))
      const group = this.outbox.add(call.subject, envelope, this.#newGroup).address as Group
      if (group.unanswered++ === 0) this.#groups.set(group.token, group)
      group.calls.push(open)
      open.group = group
    } catch (fault) {
      this.#end(open)
      open.reject(fault as Fault)
      return
    }
    open.delivery = 'sent'
    const now = this.clock.now()
    const resendAt = now + this.settings.queryResendMs
    open.resends = call.kind === 'query' && resendAt < call.deadline
    this.wheel.set(open, open.resends ? resendAt : call.deadline)
  }

  #answered(message: Message): void {
    if (message.noResponders) {
      const group = this.#groups.get(message.subject.slice(this.#inbox.length + 1))
      for (const open of callsOf(group)) {
        this.#notExecuted(open, new Fault('unavailable.no-responders', `nobody listens on ${open.call.subject}`))
      }
      return
    }
    try {
      for (const envelope of decode(message.payload)) {
        switch (envelope.kind) {
          case kinds.reply: {
            const { node, className, version } = envelope.replier
            this.contacts.hear(node, className, version)
            const open = this.#open.get(envelope.seq)
            if (open === undefined) continue
            this.#end(open)
            open.resolve(envelope.value)
            continue
          }
          case kinds.fault: {
            const { node, className, version } = envelope.replier
            this.contacts.hear(node, className, version)
            // The message could not be read: it speaks of all its calls.
            const open = this.#open.get(envelope.seq)
            const all =
              envelope.seq === 0
                ? callsOf(this.#groups.get(message.subject.slice(this.#inbox.length + 1)))
                : open === undefined
                  ? []
                  : [open]
            for (const each of all) {
              if (envelope.fault.retryable) this.#notExecuted(each, envelope.fault)
              else {
                this.#end(each)
                each.reject(envelope.fault)
              }
            }
            continue
          }
          case kinds.call:
          case kinds.send:
          case kinds.event:
          case kinds.announcement:
            throw new Fault('protocol.bad-envelope', `kind ${envelope.kind} on a reply subject`)
          default:
            unreachable(envelope)
        }
      }
    } catch (fault) {
      this.observe({ type: 'deadLetter', subject: message.subject, fault: fault as Fault })
    }
  }

  #unsent(parcel: Parcel, fault: Fault): void {
    if (parcel.address === undefined) {
      this.observe({ type: 'deadLetter', subject: parcel.subject, fault })
      return
    }
    for (const open of callsOf(parcel.address as Group)) {
      if (fault.retryable) this.#notExecuted(open, fault)
      else {
        this.#end(open)
        open.reject(fault)
      }
    }
  }

  /** C4: the copy just sent was not executed. It is sent again after a pause, unless an older copy may have been executed. */
  #notExecuted(open: OpenCall, fault: Fault): void {
    this.#leaveGroup(open)
    open.delivery = 'unsent'
    open.lastFault = fault
    const now = this.clock.now()
    // Too late for another try: who holds a call answers `heldAnswerMs` before its deadline that it was not executed.
    if (now + this.settings.heldAnswerMs >= open.call.deadline) {
      this.#end(open)
      open.reject(fault)
      return
    }
    open.resends = true
    this.wheel.set(open, Math.min(now + open.pauseMs, open.call.deadline))
    open.pauseMs = Math.min(open.pauseMs * 2, this.settings.retryPauseMsMax)
  }

  /** @internal Called by the wheel: the deadline has come, or the time to send again. */
  due(open: OpenCall): void {
    if (this.clock.now() >= open.call.deadline) {
      this.#end(open)
      open.reject(this.#tooLate(open))
      return
    }
    if (open.resends) {
      this.#leaveGroup(open)
      this.#send(open)
    } else this.wheel.set(open, open.call.deadline)
  }

  #tooLate(open: OpenCall): Fault {
    if (open.delivery === 'unsent' && open.lastFault !== undefined) return open.lastFault
    return new Fault('timeout.deadline', `${open.call.method}: no answer within the deadline`, { method: open.call.method })
  }

  #end(open: OpenCall): void {
    this.#open.delete(open.seq)
    this.wheel.clear(open)
    this.#leaveGroup(open)
  }

  #leaveGroup(open: OpenCall): void {
    const { group } = open
    if (group === undefined) return
    open.group = undefined
    if (--group.unanswered === 0) this.#groups.delete(group.token)
  }
}

/** The calls of a message that nobody has answered yet and that no newer message carries. */
function callsOf(group: Group | undefined): readonly OpenCall[] {
  return group === undefined ? [] : group.calls.filter((open) => open.group === group)
}
