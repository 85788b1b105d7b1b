/**
 * The open calls of a host: sends them, matches answers to them, sends again what was surely not executed
 * (and queries whose answer is lost), and ends every one of them by its deadline.
 *
 * One inbox serves the answers of nodes, another one those of upgrade servers: whoever has been asked
 * something knows the inbox, and one node must not answer for the upgrade server. The last token of a reply
 * subject names the message, so that "nobody listens" is matched to its calls.
 */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { unreachable } from '../../core/base/invariant.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { CallMade, Telemetry } from '../../core/inspection/telemetry.js'
import type { MethodKind } from '../../core/model/methods.js'
import type { Clock } from '../../core/ports/clock.js'
import { type Random, randomUint32 } from '../../core/ports/random.js'
import type { Message, Transport } from '../../core/ports/transport.js'
import { decode, packToSend } from '../../core/wire/codec.js'
import { type CallEnvelope, deadlineMsMax, kinds, type Replier, type ReplyEnvelope } from '../../core/wire/envelope.js'
import { type CallToWrite, writeCall } from '../../core/wire/envelopeWriter.js'
import { WireWriter } from '../../core/wire/wireWriter.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { TimerWheel, WheelEntry } from '../timerWheel.js'
import { type Caller, callerFields, faultFor } from './caller.js'
import { Contacts } from './contacts.js'
import { Outbox, type Parcel, type ReplyAddress, writePacked } from './outbox.js'
import { type Numbered, SlotTable } from './slotTable.js'

export interface OutgoingCall {
  readonly subject: string
  readonly label: Version
  readonly method: string
  readonly kind: MethodKind
  readonly args: readonly unknown[]
  /** These packed, where the call does not leave as soon as it is made. */
  readonly packedArgs?: Uint8Array
  /** By the clock that never goes back. */
  readonly deadline: number
  readonly expects: string | null
  readonly path: readonly string[] | null
  /** The service that is called; null for an event. */
  readonly service: string | null
  /** The trace context of the call that it is made for. */
  readonly trace: string | null
  /** It asks an upgrade server: no one else can answer. */
  readonly asksServer?: boolean
  /**
   * How it is sent again, where many hosts make the same call at the same time; by default as
   * the settings say.
   */
  readonly pace?: Pace
}

/**
 * The call with its arguments as they are now: whoever made it may change them before it leaves. Throws
 * `protocol.bad-arguments`.
 */
export function asItIsNow(call: OutgoingCall): OutgoingCall {
  return canChange(call.args) ? { ...call, packedArgs: packToSend(call.args, 'arguments') } : call
}

function canChange(args: readonly unknown[]): boolean {
  for (let i = 0; i < args.length; i++) if (typeof args[i] === 'object' && args[i] !== null) return true
  return false
}

export interface Pace {
  /** A query without an answer is sent again after so long. */
  readonly resendMs: number
  /**
   * The first pause before a call that was not executed is sent again, and up to as much again by chance;
   * doubles up to `pauseMsMax`.
   */
  readonly pauseMs: number
  readonly pauseMsMax: number
}

export type OneWayKind = typeof kinds.send | typeof kinds.event

/** The calls that travelled in one message. */
interface Group extends ReplyAddress, Numbered {
  readonly calls: OpenCall[]
  unanswered: number
}

class OpenCall extends WheelEntry implements Numbered {
  /** Copies that have left and were not refused: each may be executed. Of a command there is one at most. */
  unanswered = 0
  /** The message that carries the newest copy. */
  group: Group | undefined
  pauseMs: number
  /** Whether the wheel wakes it to be sent again, rather than to end. */
  resends = false
  lastFault: Fault | undefined
  /** The arguments, from when they were packed first, if they can change. */
  packedArgs: Uint8Array | undefined

  constructor(
    readonly table: CallTable,
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
    this.packedArgs = call.packedArgs
  }

  override due(): void {
    this.table.due(this)
  }

  fail(fault: Fault, replier?: Replier): void {
    this.reject(faultFor(this.caller, fault), replier)
  }
}

interface EnvelopeToWrite extends CallToWrite {
  readonly callerFields: Uint8Array
}

function writeEnvelope(writer: WireWriter, envelope: EnvelopeToWrite): void {
  writeCall(writer, envelope, envelope.callerFields)
}

@injectable()
export class CallTable {
  /**
   * By number, which is random: an answer needs no other proof that it is by who was asked. Answers to many
   * calls come on one reply subject.
   */
  readonly #open: SlotTable<OpenCall>
  /** Messages with unanswered calls, by the last token of their reply subject. */
  readonly #groups: SlotTable<Group>
  readonly #newGroup = (): Group => this.#groupAt(this.#inbox)
  readonly #newServersGroup = (): Group => this.#groupAt(this.#serversInbox)
  readonly #inbox: string
  readonly #serversInbox: string
  #isClosed = false
  telemetry: Telemetry | undefined
  /** Makes the ids of calls that no node makes unique across restarts. */
  readonly incarnation: number

  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
    @inject(Outbox) private readonly outbox: Outbox,
    @inject(Contacts) private readonly contacts: Contacts,
    @inject(TimerWheel) private readonly wheel: TimerWheel,
  ) {
    this.incarnation = randomUint32(random)
    this.#open = new SlotTable(random)
    this.#groups = new SlotTable(random)
    this.#inbox = transport.newInbox()
    this.#serversInbox = transport.newInbox()
    transport.subscribe(`${this.#inbox}.*`, (message) => this.#answered(message, false))
    transport.subscribe(`${this.#serversInbox}.*`, (message) => this.#answered(message, true))
    outbox.onUnsent = (parcel, fault) => this.#unsent(parcel, fault)
  }

  /** The largest payload that one message may have now. */
  get payloadBytesMax(): number {
    return this.transport.payloadBytesMax
  }

  /** `now`, and every deadline, is by the clock that never goes back. */
  call(caller: Caller, call: OutgoingCall, now = this.clock.monotonicMs()): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.telemetry === undefined) this.#begin(caller, call, now, resolve, reject)
      else this.#watched(this.telemetry, caller, call, now, resolve, reject)
    })
  }

  /** Where answers arrive. */
  get answersSubjects(): readonly string[] {
    return [`${this.#inbox}.*`, `${this.#serversInbox}.*`]
  }

  /** How many calls wait for their answer. */
  get openCalls(): number {
    return this.#open.size
  }

  /** How many messages that have left carry such calls. */
  get openMessages(): number {
    return this.#groups.size
  }

  #begin(caller: Caller, call: OutgoingCall, now: number, resolve: OpenCall['resolve'], reject: OpenCall['reject']): void {
    if (this.#isClosed) {
      reject(faultFor(caller, stopped()))
      return
    }
    if (this.#open.size >= this.settings.openCallsMax) {
      reject(faultFor(caller, new Fault('unavailable.overloaded', `${this.#open.size} calls of this host are open already`)))
      return
    }
    const open = new OpenCall(
      this,
      this.#open.next(),
      caller,
      call,
      resolve,
      reject,
      call.pace?.pauseMs ?? this.settings.retryPauseMs,
    )
    this.#open.add(open)
    this.#send(open, now)
  }

  #watched(
    telemetry: Telemetry,
    caller: Caller,
    call: OutgoingCall,
    now: number,
    resolve: OpenCall['resolve'],
    reject: OpenCall['reject'],
  ): void {
    const watch = telemetry.made?.(madeBy(caller, call, kinds.call))
    if (watch === undefined) {
      this.#begin(caller, call, now, resolve, reject)
      return
    }
    const answered: OpenCall['resolve'] = (value, reply) => {
      if (reply !== undefined) watch.answered(reply.replier, reply.hops)
      resolve(value)
    }
    const failed: OpenCall['reject'] = (fault, replier) => {
      watch.failed(fault, replier)
      reject(fault)
    }
    this.#begin(caller, { ...call, trace: watch.trace }, now, answered, failed)
  }

  /**
   * A one-way send: no answer, at most once. Dropped while the transport is away. Throws
   * `protocol.*` for what can't travel.
   */
  send(caller: Caller, call: OutgoingCall, now = this.clock.monotonicMs()): void {
    const envelope = this.#envelope(kinds.send, this.#open.next(), caller, this.#traced(caller, call, kinds.send), now)
    this.outbox.write(this.outbox.destination(call.subject), writeEnvelope, envelope)
  }

  /**
   * The same in two steps: packed now, sent when the result is called, to a second subject as
   * well where there is one.
   */
  prepareSend(caller: Caller, call: OutgoingCall, kind: OneWayKind = kinds.send, also?: string): () => void {
    const writer = new WireWriter()
    writeEnvelope(
      writer,
      this.#envelope(kind, this.#open.next(), caller, this.#traced(caller, call, kind), this.clock.monotonicMs()),
    )
    const envelope = writer.copy()
    if (envelope.length > this.transport.payloadBytesMax) {
      throw new Fault(
        'protocol.too-large',
        `a send of ${envelope.length} bytes; the transport takes ${this.transport.payloadBytesMax}`,
      )
    }
    return () => {
      this.outbox.write(this.outbox.destination(call.subject), writePacked, envelope)
      if (also !== undefined) this.outbox.write(this.outbox.destination(also), writePacked, envelope)
    }
  }

  #traced(caller: Caller, call: OutgoingCall, kind: OneWayKind): OutgoingCall {
    if (this.telemetry?.sent === undefined) return call
    return { ...call, trace: this.telemetry.sent(madeBy(caller, call, kind)) }
  }

  /**
   * Ends all open calls, and refuses later ones: the host stops. C4. Only a call of which no copy has left,
   * or whose newest copy was refused, was surely not executed.
   */
  close(): void {
    this.#isClosed = true
    // A copy that waits for the end of this turn leaves now, or turns out not to.
    this.outbox.flush()
    for (const open of this.#open.all()) {
      this.#end(open)
      open.fail(open.unanswered === 0 ? stopped() : outcomeUnknown(open.call))
    }
  }

  #envelope(
    kind: CallEnvelope['kind'],
    seq: number,
    caller: Caller,
    call: OutgoingCall,
    now: number,
    packedArgs = call.packedArgs,
    keepsArgs = false,
  ): EnvelopeToWrite {
    const { label, method, args, deadline, path, trace, expects } = call
    return {
      kind,
      label,
      seq,
      method,
      args,
      deadlineMs: Math.min(Math.max(0, Math.ceil(deadline - now)), deadlineMsMax),
      // Nobody waits for a send: it may come back to its sender as any other call.
      path: kind === kinds.call ? path : null,
      trace,
      together: kind === kinds.call,
      callerFields: callerFields(caller, expects),
      packedArgs,
      keepsArgs,
    }
  }

  #send(open: OpenCall, now: number): void {
    const { call } = open
    const keepsArgs = open.packedArgs === undefined && canChange(call.args)
    try {
      // A call while the transport is away is refused, not buffered: it is tried again within its deadline.
      if (this.transport.status !== 'connected') {
        if (keepsArgs) open.packedArgs = packToSend(call.args, 'arguments')
        this.#tryAgain(open, new Fault('unavailable.disconnected', 'not connected'))
        return
      }
      const envelope = this.#envelope(kinds.call, open.number, open.caller, call, now, open.packedArgs, keepsArgs)
      const newGroup = call.asksServer === true ? this.#newServersGroup : this.#newGroup
      const parcel = this.outbox.write(this.outbox.destination(call.subject), writeEnvelope, envelope, newGroup)
      open.packedArgs = envelope.packedArgs
      const group = parcel.address as Group
      if (group.unanswered++ === 0) this.#groups.add(group)
      group.calls.push(open)
      open.group = group
    } catch (fault) {
      this.#end(open)
      open.fail(fault as Fault)
      return
    }
    open.unanswered++
    const resendAt = now + (call.pace?.resendMs ?? this.settings.queryResendMs)
    open.resends = call.kind === 'query' && resendAt < call.deadline
    this.wheel.set(open, open.resends ? resendAt : call.deadline)
  }

  /** `byServer`: it came where upgrade servers answer. */
  #answered(message: Message, byServer: boolean): void {
    const now = this.clock.monotonicMs()
    if (message.noResponders) {
      for (const open of callsOf(this.#groupOf(message))) {
        this.#notExecuted(open, new Fault('unavailable.no-responders', `nobody listens on ${open.call.subject}`))
      }
      return
    }
    let heard: Replier | undefined
    // An answer that nobody waits for is no news of anybody: whoever may publish here could make it up.
    const hear = (replier: Replier) => {
      if (replier === heard) return
      heard = replier
      this.contacts.hear(replier.node, replier.className, replier.version, now)
    }
    try {
      for (const envelope of decode(message.payload)) {
        switch (envelope.kind) {
          case kinds.reply: {
            const open = this.#askedThere(envelope.seq, byServer)
            if (open === undefined) continue
            hear(envelope.replier)
            this.#end(open)
            open.resolve(envelope.value, envelope)
            continue
          }
          case kinds.fault: {
            // The message could not be read: it speaks of all its calls.
            const open = this.#askedThere(envelope.seq, byServer)
            const all = envelope.seq === 0 ? callsOf(this.#groupOf(message)) : open === undefined ? [] : [open]
            if (all.length > 0) hear(envelope.replier)
            for (const each of all) {
              if (envelope.fault.retryable) this.#notExecuted(each, envelope.fault)
              else {
                this.#end(each)
                each.fail(envelope.fault, envelope.replier)
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

  /** The open call of that number, if it is one that is answered where its answer came. */
  #askedThere(seq: number, byServer: boolean): OpenCall | undefined {
    const open = this.#open.get(seq)
    if (open === undefined || (open.call.asksServer === true) === byServer) return open
    throw new Fault(
      'protocol.bad-envelope',
      `an answer to call ${seq} where ${byServer ? 'an upgrade server' : 'a node'} answers`,
    )
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
        open.fail(fault)
      }
    }
  }

  /** A copy was not executed. Each is refused once at most; those before it may have been executed. */
  #notExecuted(open: OpenCall, fault: Fault): void {
    if (open.unanswered > 0) open.unanswered--
    this.#tryAgain(open, fault)
  }

  /** After a pause, within the deadline. */
  #tryAgain(open: OpenCall, fault: Fault): void {
    this.#leaveGroup(open)
    open.lastFault = fault
    const now = this.clock.monotonicMs()
    // Too late for another try: who holds a call answers `heldAnswerMs` before its deadline
    // that it was not executed.
    if (now + this.settings.heldAnswerMs >= open.call.deadline) {
      if (open.unanswered > 0 && now < open.call.deadline) {
        // The other copies may still be refused, or answered.
        open.resends = false
        this.wheel.set(open, open.call.deadline)
        return
      }
      this.#end(open)
      open.fail(this.#tooLate(open))
      return
    }
    open.resends = true
    const { pace } = open.call
    const chanceMs = pace === undefined ? 0 : open.pauseMs * this.random.next()
    this.wheel.set(open, Math.min(now + open.pauseMs + chanceMs, open.call.deadline))
    open.pauseMs = Math.min(open.pauseMs * 2, pace?.pauseMsMax ?? this.settings.retryPauseMsMax)
  }

  /** @internal Called by the wheel: the deadline has come, or the time to send again. */
  due(open: OpenCall): void {
    const now = this.clock.monotonicMs()
    if (now >= open.call.deadline) {
      this.#end(open)
      open.fail(this.#tooLate(open))
      return
    }
    if (open.resends) {
      this.#leaveGroup(open)
      if (open.call.kind === 'command') this.#renumber(open)
      this.#send(open, now)
    } else this.wheel.set(open, open.call.deadline)
  }

  #groupAt(inbox: string): Group {
    const number = this.#groups.next()
    return { number, replyTo: `${inbox}.${number.toString(36)}`, calls: [], unanswered: 0 }
  }

  #renumber(open: OpenCall): void {
    this.#open.delete(open)
    open.number = this.#open.next()
    this.#open.add(open)
  }

  /** C4. Retryable only if every copy was refused. */
  #tooLate(open: OpenCall): Fault {
    if (open.unanswered === 0 && open.lastFault !== undefined) return open.lastFault
    return new Fault('timeout.deadline', `${open.call.method}: no answer within the deadline`, { method: open.call.method })
  }

  #end(open: OpenCall): void {
    this.#open.delete(open)
    this.wheel.clear(open)
    this.#leaveGroup(open)
  }

  #leaveGroup(open: OpenCall): void {
    const { group } = open
    if (group === undefined) return
    open.group = undefined
    if (--group.unanswered === 0) this.#groups.delete(group)
  }

  /** The message of ours that NATS or an answer speaks of. */
  #groupOf(answer: Message): Group | undefined {
    const group = this.#groups.get(Number.parseInt(answer.subject.slice(answer.subject.lastIndexOf('.') + 1), 36))
    return group?.replyTo === answer.subject ? group : undefined
  }
}

function stopped(): Fault {
  return new Fault('unavailable.stopped', 'the host has stopped')
}

function outcomeUnknown({ method }: OutgoingCall): Fault {
  const message = `${method}: the host stopped before the answer came; the call may have been carried out`
  return new Fault('timeout.unknown', message, { method })
}

/** A call as telemetry is told of it. */
function madeBy(caller: Caller, { subject, service, method, label, trace }: OutgoingCall, kind: CallEnvelope['kind']): CallMade {
  const { nodeId, className, version } = caller
  return { kind, subject, service, method, label, caller: nodeId, callerClass: className, callerVersion: version, parent: trace }
}

/** The calls of a message that nobody has answered yet and that no newer message carries. */
function callsOf(group: Group | undefined): readonly OpenCall[] {
  return group === undefined ? [] : group.calls.filter((open) => open.group === group)
}
