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
import { unreachable } from '../../core/base/invariant.js'
import type { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { Clock } from '../../core/ports/clock.js'
import { type Random, randomUint32 } from '../../core/ports/random.js'
import { checkPublishable, type Message, type Transport } from '../../core/ports/transport.js'
import { decode, packToSend } from '../../core/wire/codec.js'
import { type CallOrigin, kinds, originFormat, type Replier } from '../../core/wire/envelope.js'
import { writeCall } from '../../core/wire/envelopeWriter.js'
import { WireWriter } from '../../core/wire/wireWriter.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { TimerWheel } from '../timerWheel.js'
import { type Caller, callerFields, faultFor, silentFault } from './caller.js'
import { Contacts } from './contacts.js'
import { CorrelationTable } from './correlationTable.js'
import { callerStoppedFault, callsOf, deadlineFault, type Group, OpenCall, outcomeUnknownFault, pauseGrowth } from './openCall.js'
import { Outbox, type UnsentMessage, writePacked } from './outbox.js'
import { canChange, deadlineMsOf, envelopeOf, madeBy, type OneWayKind, type OutgoingCall, writeEnvelope } from './outgoingCall.js'
import { numberOfToken, replyToken } from './replyToken.js'

@injectable()
export class CallTable {
  /** By number. It is random, so an answer needs no other proof that it is by who was asked. */
  readonly #open: CorrelationTable<OpenCall>
  /** Messages with unanswered calls, by the last token of their reply subject. */
  readonly #groups: CorrelationTable<Group>
  readonly #newGroup = (): Group => this.#groupAt(this.#inbox)
  readonly #newServersGroup = (): Group => this.#groupAt(this.#serversInbox)
  readonly #inbox: string
  readonly #serversInbox: string
  #isClosed = false
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
    @inject(tokens.telemetry) private readonly telemetry?: Telemetry,
    @inject(tokens.verified) private readonly history?: Pick<VerifiedHistory, 'level'>,
    @inject(tokens.origin) private readonly from?: CallOrigin,
  ) {
    this.incarnation = randomUint32(random)
    this.#open = new CorrelationTable(random)
    this.#groups = new CorrelationTable(random)
    this.#inbox = transport.newInbox()
    this.#serversInbox = transport.newInbox()
    // With a token behind it each is the reply subject of a message.
    checkPublishable(this.#inbox)
    checkPublishable(this.#serversInbox)
    transport.subscribe(`${this.#inbox}.*`, (message) => this.#answered(message, false))
    transport.subscribe(`${this.#serversInbox}.*`, (message) => this.#answered(message, true))
    outbox.unsent.on((unsent) => this.#unsent(unsent))
  }

  /** T2. Told where the system's level lets it be written. */
  get #origin(): CallOrigin | null {
    return this.history !== undefined && this.history.level.envelope >= originFormat ? this.from! : null
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
      reject(faultFor(caller, callerStoppedFault()))
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
    call.madeFor?.callsMade?.add(open)
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
    const envelope = envelopeOf(kinds.send, this.#open.next(), caller, this.#traced(caller, call, kinds.send), now, this.#origin)
    this.outbox.write(this.outbox.destination(call.subject), writeEnvelope, envelope)
  }

  /**
   * The same in two steps: packed now, sent when the result is called, to a second subject as
   * well where there is one.
   */
  prepareSend(caller: Caller, call: OutgoingCall, kind: OneWayKind = kinds.send, also?: string): () => void {
    const writer = new WireWriter()
    const traced = this.#traced(caller, call, kind)
    writeEnvelope(writer, envelopeOf(kind, this.#open.next(), caller, traced, this.clock.monotonicMs(), this.#origin))
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
      open.fail(open.unanswered === 0 ? callerStoppedFault() : outcomeUnknownFault(open.call))
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
      open.keepsArgs = keepsArgs
      open.deadlineMs = deadlineMsOf(call, now)
      open.origin = this.#origin
      const newGroup = call.asksServer === true ? this.#newServersGroup : this.#newGroup
      const outgoing = this.outbox.write(this.outbox.destination(open.subject), writeOpenCall, open, newGroup)
      const group = outgoing.address as Group
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
        this.#notExecuted(open, new Fault('unavailable.no-responders', `nobody listens on ${open.subject}`))
      }
      return
    }
    let heard: Replier | undefined
    // An answer that nobody waits for is no news of anybody: whoever may publish here could make it up.
    let by: Caller | undefined
    const hear = (replier: Replier, { caller }: OpenCall) => {
      if (replier === heard && caller === by) return
      heard = replier
      by = caller
      const listener = caller.contacts ?? this.contacts
      listener.hear(replier.node, replier.className, replier.version, now)
    }
    try {
      for (const envelope of decode(message.payload)) {
        switch (envelope.kind) {
          case kinds.reply: {
            const open = this.#askedThere(envelope.seq, byServer)
            if (open === undefined) continue
            hear(envelope.replier, open)
            this.#end(open)
            open.resolve(envelope.value, envelope)
            continue
          }
          case kinds.fault: {
            // The message could not be read: it speaks of all its calls.
            const open = this.#askedThere(envelope.seq, byServer)
            const all = envelope.seq === 0 ? callsOf(this.#groupOf(message)) : open === undefined ? [] : [open]
            for (const each of all) {
              hear(envelope.replier, each)
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

  #unsent({ outgoing, fault }: UnsentMessage): void {
    if (outgoing.address === undefined) {
      this.observe({ type: 'deadLetter', subject: outgoing.subject, fault })
      return
    }
    for (const open of callsOf(outgoing.address as Group)) {
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
      open.fail(deadlineFault(open))
      return
    }
    open.resends = true
    const isElsewhere = open.turn(fault)
    const { pace } = open.call
    const chanceMs = pace === undefined ? 0 : open.pauseMs * this.random.next()
    this.wheel.set(open, isElsewhere ? now : Math.min(now + open.pauseMs + chanceMs, open.call.deadline))
    if (!isElsewhere)
      open.pauseMs = Math.min(open.pauseMs * pauseGrowth(open.call.subject), pace?.pauseMsMax ?? this.settings.retryPauseMsMax)
  }

  /** @internal Called by the wheel: the deadline has come, or the time to send again. */
  due(open: OpenCall): void {
    const now = this.clock.monotonicMs()
    if (now >= open.call.deadline) {
      this.#end(open)
      open.fail(deadlineFault(open))
      return
    }
    // H4. The node has lost its voice since: no further copy leaves before it has it again.
    if (open.resends && open.caller.isSilent === true) this.#tryAgain(open, silentFault(open.caller.nodeId))
    else if (open.resends) {
      this.#leaveGroup(open)
      if (open.call.kind === 'command') this.#renumber(open)
      this.#send(open, now)
    } else this.wheel.set(open, open.call.deadline)
  }

  #groupAt(inbox: string): Group {
    const number = this.#groups.next()
    return { number, replyTo: `${inbox}.${replyToken(number)}`, calls: [], unanswered: 0 }
  }

  #renumber(open: OpenCall): void {
    this.#open.delete(open)
    open.number = this.#open.next()
    this.#open.add(open)
  }

  #end(open: OpenCall): void {
    this.#open.delete(open)
    open.call.madeFor?.callsMade?.delete(open)
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
    const group = this.#groups.get(numberOfToken(answer.subject.slice(answer.subject.lastIndexOf('.') + 1)))
    return group?.replyTo === answer.subject ? group : undefined
  }
}

function writeOpenCall(writer: WireWriter, open: OpenCall): void {
  writeCall(writer, open, callerFields(open.caller, open.call.expects, open.origin))
}
