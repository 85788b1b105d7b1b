/**
 * Envelopes of one turn of the event loop to one destination travel in one message, bounded in count and
 * bytes. They are written straight into it. A lone envelope waits for nothing but the end of its turn, and a
 * message that has as many bytes as it may have not even for that.
 */
import { inject, injectable } from 'tsyringe'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Transport } from '../../core/ports/transport.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { WireReader } from '../../core/wire/wireReader.js'
import { WireWriter } from '../../core/wire/wireWriter.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** Where the answers to a message's calls go, and what its sender keeps to find these calls again. */
export interface ReplyAddress {
  readonly replyTo: string
}

/** A message being filled. */
export interface Parcel {
  readonly to: Destination
  readonly subject: string
  readonly address: ReplyAddress | undefined
  readonly writer: WireWriter
  envelopes: number
  /** Set while an envelope is half written: an argument may be a getter that calls somebody. */
  isBusy: boolean
}

/** Where messages go. A holder of one adds to the message that is being filled for it. */
export class Destination {
  /** The message being filled, until it is sent or full. */
  parcel: Parcel | undefined

  constructor(
    readonly subject: string,
    readonly envelopesMax: number,
  ) {}
}

/** Writes one envelope. May throw in the middle: what it has written is taken back. */
export type Write<E> = (writer: WireWriter, envelope: E) => void

@injectable()
export class Outbox {
  readonly #destinations = new Map<string, Destination>()
  /** The same for answers, apart: callers choose where they go. */
  readonly #inboxes = new Map<string, Destination>()
  #ready: Parcel[] = []
  #idleWriters: WireWriter[] = []
  #scheduled = false
  #busyParcels = 0
  readonly #toServices: string
  readonly #flush = (): void => this.flush()
  /** Hears of a parcel that could not be sent. */
  onUnsent: (parcel: Parcel, fault: Fault) => void = () => {}

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
  write<E>(to: Destination, write: Write<E>, envelope: E, newAddress?: () => ReplyAddress, subject: string = to.subject): Parcel {
    let { parcel } = to
    if (
      parcel === undefined ||
      parcel.isBusy ||
      parcel.envelopes >= to.envelopesMax ||
      // Sends alone began it, without a reply address; a call needs one.
      (newAddress !== undefined && parcel.address === undefined)
    ) {
      parcel = this.#newParcel(to, subject, newAddress)
    }
    const { writer } = parcel
    const start = writer.length
    parcel.isBusy = true
    this.#busyParcels++
    try {
      write(writer, envelope)
    } catch (fault) {
      writer.truncate(start)
      throw fault
    } finally {
      parcel.isBusy = false
      this.#busyParcels--
    }
    if (writer.length > this.#bytesMax()) parcel = this.#tooLong(to, parcel, start, newAddress, subject)
    parcel.envelopes++
    return parcel
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
    for (const { to } of ready) to.parcel = undefined
    for (const parcel of ready) if (parcel.envelopes > 0) this.#send(parcel)
  }

  /**
   * The message has become too long by its newest envelope, which begins a new one if it is not the only one.
   */
  #tooLong(
    to: Destination,
    parcel: Parcel,
    start: number,
    newAddress: (() => ReplyAddress) | undefined,
    subject: string,
  ): Parcel {
    const { writer } = parcel
    const size = writer.length - start
    const { payloadBytesMax } = this.transport
    if (size > payloadBytesMax) {
      writer.truncate(start)
      throw new Fault('protocol.too-large', `an envelope of ${size} bytes; the transport takes ${payloadBytesMax}`)
    }
    if (parcel.envelopes === 0) return parcel
    const envelope = writer.copy(start)
    writer.truncate(start)
    // The receiver can begin while the next is being filled. With all others, for they leave in the order in
    // which they were begun.
    if (this.#busyParcels === 0) this.#sendReady()
    const next = this.#newParcel(to, subject, newAddress)
    next.writer.packed(envelope)
    return next
  }

  #newParcel(to: Destination, subject: string, newAddress: (() => ReplyAddress) | undefined): Parcel {
    const writer = this.#idleWriters.pop() ?? new WireWriter()
    const parcel: Parcel = { to, subject, address: newAddress?.(), writer, envelopes: 0, isBusy: false }
    to.parcel = parcel
    this.#ready.push(parcel)
    if (!this.#scheduled) {
      this.#scheduled = true
      this.clock.turn(this.#flush)
    }
    return parcel
  }

  #send(parcel: Parcel): void {
    const { writer } = parcel
    const payload = writer.copy()
    const { idleWritersMax, idleWriterBytesMax } = this.settings
    if (this.#idleWriters.length < idleWritersMax && writer.capacity <= idleWriterBytesMax) {
      writer.truncate(0)
      this.#idleWriters.push(writer)
    }
    try {
      this.transport.publish(parcel.subject, payload, parcel.address?.replyTo)
    } catch (error) {
      if (parcel.envelopes > 1 && isFault(error) && error.code === 'protocol.too-large') this.#sendApart(parcel, payload)
      else this.onUnsent(parcel, error as Fault)
    }
  }

  /**
   * The transport has begun to take less since the message was begun. Calls share a reply address, which
   * can't tell several messages apart: they have not left, so they are sent again.
   */
  #sendApart(parcel: Parcel, payload: Uint8Array): void {
    if (parcel.address !== undefined) {
      const message = `${payload.length} bytes to ${parcel.subject}; the transport takes less than before, ${this.transport.payloadBytesMax}`
      this.onUnsent(parcel, new Fault('unavailable.disconnected', message))
      return
    }
    for (const reader = new WireReader(payload); !reader.isAtEnd; ) {
      const from = reader.at
      reader.skip()
      try {
        this.transport.publish(parcel.subject, payload.subarray(from, reader.at))
      } catch (error) {
        this.onUnsent(parcel, error as Fault)
      }
    }
  }
}

export function writePacked(writer: WireWriter, envelope: Uint8Array): void {
  writer.packed(envelope)
}
