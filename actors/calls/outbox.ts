/**
 * Envelopes of one turn of the event loop to one destination travel in one message, bounded in count and
 * bytes. They are written straight into it. A lone envelope waits for nothing but the end of its turn, and a
 * message that has as many bytes as it may have not even for that.
 *
 * H4. A message that a process has begun, and was stopped before it left, may be of nodes that others have
 *     now: it does not leave. Envelopes are written while a lease has its guard left, so half of that is time
 *     enough.
 */
import { inject, injectable } from 'tsyringe'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import { isPublishable, type Transport } from '../../core/ports/transport.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { WireReader } from '../../core/wire/wireReader.js'
import { WireWriter } from '../../core/wire/wireWriter.js'
import type { HostSettings } from '../base/settings.js'
import { Signal } from '../base/signal.js'
import { tokens } from '../base/tokens.js'

/** Where the answers to a message's calls go, and what its sender keeps to find these calls again. */
export interface ReplyAddress {
  /** Messages can be published there (`isPublishable`): its maker has looked. */
  readonly replyTo: string
}

/** A message being filled. */
export interface OutgoingMessage {
  readonly to: Destination
  readonly subject: string
  readonly address: ReplyAddress | undefined
  readonly writer: WireWriter
  envelopes: number
  /** When it was begun, by both clocks. */
  readonly beganMs: number
  readonly beganWallMs: number
  /** Set while an envelope is half written: an argument may be a getter that calls somebody. */
  isBusy: boolean
}

/** A message that could not be sent, and why. */
export interface UnsentMessage {
  readonly outgoing: OutgoingMessage
  readonly fault: Fault
}

/** Where messages go. A holder of one adds to the message that is being filled for it. */
export class Destination {
  /** The message being filled, until it is sent or full. */
  message: OutgoingMessage | undefined
  /** Looked at once, and not again for each message. */
  readonly isPublishable: boolean

  constructor(
    readonly subject: string,
    readonly envelopesMax: number,
  ) {
    this.isPublishable = isPublishable(subject)
  }
}

/** Writes one envelope. May throw in the middle: what it has written is taken back. */
export type Write<E> = (writer: WireWriter, envelope: E) => void

@injectable()
export class Outbox {
  readonly #destinations = new Map<string, Destination>()
  /** The same for answers, apart: callers choose where they go. */
  readonly #inboxes = new Map<string, Destination>()
  #ready: OutgoingMessage[] = []
  #idleWriters: WireWriter[] = []
  #scheduled = false
  #busyMessages = 0
  readonly #toServices: string
  readonly #flush = (): void => this.flush()
  readonly unsent = new Signal<UnsentMessage>()

  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {
    this.#toServices = subjectsOf(settings.system).services
  }

  /** The destination that everybody shares who sends to `subject`; for subjects that come up again. */
  destination(subject: string): Destination {
    return this.#destinations.get(subject) ?? this.#remembered(this.#destinations, subject)
  }

  /** The destination that all answers share whose reply subjects begin with `inbox`. */
  inbox(inbox: string): Destination {
    return this.#inboxes.get(inbox) ?? this.#remembered(this.#inboxes, inbox)
  }

  #remembered(known: Map<string, Destination>, subject: string): Destination {
    // One that is forgotten while its message is being filled sends that message, and later ones after it.
    if (known.size >= this.settings.destinationsMax) known.delete(known.keys().next().value!)
    const destination = this.newDestination(subject)
    known.set(subject, destination)
    return destination
  }

  /**
   * A destination that nobody shares. A message to a service goes to one of its nodes, whole: several small
   * ones spread what is sent to it over all of them.
   */
  newDestination(subject: string): Destination {
    const { envelopesPerMessageMax, envelopesPerServiceMessageMax } = this.settings
    return new Destination(subject, subject.startsWith(this.#toServices) ? envelopesPerServiceMessageMax : envelopesPerMessageMax)
  }

  /** Sends an envelope that is packed already to a subject that does not come up again. */
  add(subject: string, envelope: Uint8Array): void {
    this.write(this.newDestination(subject), writePacked, envelope)
  }

  /**
   * Writes an envelope into the message for `to`. `newAddress` makes the reply address of a new message,
   * `subject` is the one that a new message goes to, if not the destination's. Throws what `write` throws,
   * and `protocol.too-large`.
   */
  write<E>(
    to: Destination,
    write: Write<E>,
    envelope: E,
    newAddress?: () => ReplyAddress,
    subject: string = to.subject,
  ): OutgoingMessage {
    let outgoing = to.message
    if (
      outgoing === undefined ||
      outgoing.isBusy ||
      outgoing.envelopes >= to.envelopesMax ||
      // Sends alone began it, without a reply address; a call needs one.
      (newAddress !== undefined && outgoing.address === undefined)
    ) {
      outgoing = this.#newMessage(to, subject, newAddress)
    }
    const { writer } = outgoing
    const start = writer.length
    outgoing.isBusy = true
    this.#busyMessages++
    try {
      write(writer, envelope)
    } catch (fault) {
      writer.truncate(start)
      throw fault
    } finally {
      outgoing.isBusy = false
      this.#busyMessages--
    }
    if (writer.length > this.#bytesMax()) outgoing = this.#tooLong(to, outgoing, start, newAddress, subject)
    outgoing.envelopes++
    return outgoing
  }

  /** Sends what is waiting now. */
  flush(): void {
    this.#scheduled = false
    this.#sendReady()
  }

  /** The transport may take less than before, after it has connected to another server. */
  #bytesMax(): number {
    return Math.min(this.settings.messageBytesMax, this.transport.payloadBytesMax)
  }

  #sendReady(): void {
    const ready = this.#ready
    this.#ready = []
    for (const { to } of ready) to.message = undefined
    for (const outgoing of ready) if (outgoing.envelopes > 0) this.#send(outgoing)
  }

  /**
   * The message has become too long by its newest envelope, which begins a new one if it is not the only one.
   */
  #tooLong(
    to: Destination,
    outgoing: OutgoingMessage,
    start: number,
    newAddress: (() => ReplyAddress) | undefined,
    subject: string,
  ): OutgoingMessage {
    const { writer } = outgoing
    const size = writer.length - start
    const { payloadBytesMax } = this.transport
    if (size > payloadBytesMax) {
      writer.truncate(start)
      throw new Fault('protocol.too-large', `an envelope of ${size} bytes; the transport takes ${payloadBytesMax}`)
    }
    if (outgoing.envelopes === 0) return outgoing
    const envelope = writer.copy(start)
    writer.truncate(start)
    // The receiver can begin while the next is being filled. With all others, for they leave in the order in
    // which they were begun.
    if (this.#busyMessages === 0) this.#sendReady()
    const next = this.#newMessage(to, subject, newAddress)
    next.writer.packed(envelope)
    return next
  }

  #newMessage(to: Destination, subject: string, newAddress: (() => ReplyAddress) | undefined): OutgoingMessage {
    const writer = this.#idleWriters.pop() ?? new WireWriter()
    const began = { beganMs: this.clock.monotonicMs(), beganWallMs: this.clock.now() }
    const outgoing: OutgoingMessage = { to, subject, address: newAddress?.(), writer, envelopes: 0, ...began, isBusy: false }
    to.message = outgoing
    this.#ready.push(outgoing)
    if (!this.#scheduled) {
      this.#scheduled = true
      this.clock.turn(this.#flush)
    }
    return outgoing
  }

  #send(outgoing: OutgoingMessage): void {
    const { writer } = outgoing
    const payload = writer.copy()
    const { idleWritersMax, idleWriterBytesMax } = this.settings
    if (this.#idleWriters.length < idleWritersMax && writer.capacity <= idleWriterBytesMax) {
      writer.truncate(0)
      this.#idleWriters.push(writer)
    }
    try {
      const { to, subject, address } = outgoing
      this.#checkFresh(outgoing)
      // An answer goes to the reply subject of a message: there is a new one for each.
      const areChecked = to.isPublishable && to.subject === subject
      this.transport.publish(subject, payload, address?.replyTo, areChecked)
    } catch (error) {
      if (outgoing.envelopes > 1 && isFault(error) && error.code === 'protocol.too-large') this.#sendApart(outgoing, payload)
      else this.unsent.emit({ outgoing, fault: error as Fault })
    }
  }

  #checkFresh({ beganMs, beganWallMs, subject }: OutgoingMessage): void {
    const { stallMs, shardGuardMs } = this.settings
    const agedMs = Math.max(this.clock.monotonicMs() - beganMs, this.clock.now() - beganWallMs)
    if (agedMs <= Math.min(stallMs, shardGuardMs / 2)) return
    const message = `this host stood still for ${Math.round(agedMs)} ms while a message to ${subject} was to leave: it does not leave`
    throw new Fault('unavailable.disconnected', message)
  }

  /**
   * The transport has begun to take less since the message was begun. Calls share a reply address, which
   * can't tell several messages apart: they have not left, so they are sent again.
   */
  #sendApart(outgoing: OutgoingMessage, payload: Uint8Array): void {
    if (outgoing.address !== undefined) {
      const message = `${payload.length} bytes to ${outgoing.subject}; the transport takes less than before, ${this.transport.payloadBytesMax}`
      this.unsent.emit({ outgoing, fault: new Fault('unavailable.disconnected', message) })
      return
    }
    for (const reader = new WireReader(payload); !reader.isAtEnd; ) {
      const from = reader.at
      reader.skip()
      try {
        this.transport.publish(outgoing.subject, payload.subarray(from, reader.at))
      } catch (error) {
        this.unsent.emit({ outgoing, fault: error as Fault })
      }
    }
  }
}

export function writePacked(writer: WireWriter, envelope: Uint8Array): void {
  writer.packed(envelope)
}
