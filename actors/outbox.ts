/**
 * Envelopes of one turn of the event loop to one subject travel in one message, bounded in count and bytes. A lone envelope waits for
 * nothing but the end of its turn.
 */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../core/fault.js'
import type { Clock } from '../core/ports/clock.js'
import type { Transport } from '../core/ports/transport.js'
import type { HostSettings } from './settings.js'
import { tokens } from './tokens.js'

/** Where the answers to a message's calls go, and what its sender keeps to find these calls again. */
export interface ReplyAddress {
  readonly replyTo: string
}

/** A message being filled. */
export interface Parcel {
  readonly subject: string
  readonly address: ReplyAddress | undefined
  readonly envelopes: Uint8Array[]
  bytes: number
}

@injectable()
export class Outbox {
  readonly #filling = new Map<string, Parcel>()
  #ready: Parcel[] = []
  #scheduled = false
  readonly #bytesMax: number
  /** Hears of a parcel that could not be sent. */
  onUnsent: (parcel: Parcel, fault: Fault) => void = () => {}

  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {
    this.#bytesMax = Math.min(settings.messageBytesMax, transport.payloadBytesMax)
  }

  /** Adds an envelope to the parcel for `subject`. `newAddress` makes the reply address of a new parcel. */
  add(subject: string, envelope: Uint8Array, newAddress?: () => ReplyAddress): Parcel {
    if (envelope.length > this.transport.payloadBytesMax) {
      throw new Fault(
        'protocol.too-large',
        `an envelope of ${envelope.length} bytes; the transport takes ${this.transport.payloadBytesMax}`,
      )
    }
    let parcel = this.#filling.get(subject)
    const full =
      parcel !== undefined &&
      (parcel.envelopes.length >= this.settings.envelopesPerMessageMax ||
        parcel.bytes + envelope.length > this.#bytesMax ||
        // Sends alone began it, without a reply address; a call needs one.
        (newAddress !== undefined && parcel.address === undefined))
    if (parcel === undefined || full) {
      parcel = { subject, address: newAddress?.(), envelopes: [], bytes: 0 }
      this.#filling.set(subject, parcel)
      this.#ready.push(parcel)
      this.#schedule()
    }
    parcel.envelopes.push(envelope)
    parcel.bytes += envelope.length
    return parcel
  }

  /** Sends what is waiting now. */
  flush(): void {
    this.#scheduled = false
    const ready = this.#ready
    this.#ready = []
    this.#filling.clear()
    for (const parcel of ready) this.#send(parcel)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.clock.turn(() => this.flush())
  }

  #send(parcel: Parcel): void {
    const payload = parcel.envelopes.length === 1 ? parcel.envelopes[0]! : concatenated(parcel)
    try {
      this.transport.publish(parcel.subject, payload, parcel.address?.replyTo)
    } catch (error) {
      this.onUnsent(parcel, error as Fault)
    }
  }
}

function concatenated(parcel: Parcel): Uint8Array {
  const whole = new Uint8Array(parcel.bytes)
  let at = 0
  for (const envelope of parcel.envelopes) {
    whole.set(envelope, at)
    at += envelope.length
  }
  return whole
}
