/**
 * A transport that is opened as soon as it can be, for a neighbour: another team's NATS may be away when a
 * host starts. Until then it is one that is disconnected.
 *
 * Q1. Its inboxes have names of their own, because those of the connection are not known yet. They stand for
 *     the connection's towards the other side.
 */
import { Fault, isFault } from '../core/base/fault.js'
import type { Clock } from '../core/ports/clock.js'
import type { Message, SubscribeOptions, Subscription, Transport, TransportStatus } from '../core/ports/transport.js'
import type { TransportFactory, TransportOptions } from './factory.js'

/** The pause before it is tried again; doubles up to `pauseMsMax`. */
const pauseMs = 250
const pauseMsMax = 5_000
/** The default of NATS, until the other side has told. */
const payloadBytesMax = 1024 * 1024

/** Rejects only where waiting would not help, as with a wrong login. `away` hears why it does not open. */
export async function connectDeferred(
  factory: TransportFactory,
  options: TransportOptions,
  clock: Clock,
  away: (error: Fault) => void,
): Promise<Transport> {
  try {
    return await factory.connect(options)
  } catch (error) {
    if (!isFault(error) || (error.kind !== 'unavailable' && error.kind !== 'timeout')) throw error
    away(error)
    return new DeferredTransport(() => factory.connect(options), clock)
  }
}

interface Asked {
  readonly subject: string
  readonly handler: (message: Message) => void
  readonly options: SubscribeOptions | undefined
  made: Subscription | undefined
}

class DeferredTransport implements Transport {
  #inner: Transport | undefined
  #isClosed = false
  #cancel: () => void = () => {}
  readonly #asked = new Set<Asked>()
  readonly #listeners: ((status: TransportStatus) => void)[] = []
  /** Q1. By the name that it has here. */
  readonly #inboxes = new Map<string, string | undefined>()

  constructor(
    private readonly open: () => Promise<Transport>,
    private readonly clock: Clock,
  ) {
    this.#tryAfter(pauseMs)
  }

  get payloadBytesMax(): number {
    return this.#inner?.payloadBytesMax ?? payloadBytesMax
  }

  get status(): TransportStatus {
    return this.#isClosed ? 'closed' : (this.#inner?.status ?? 'disconnected')
  }

  get refused(): readonly string[] {
    return this.#inner?.refused ?? []
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    if (this.#inner === undefined) throw new Fault('unavailable.disconnected', 'not connected yet')
    this.#inner.publish(subject, payload, replyTo === undefined ? undefined : this.#outside(replyTo))
  }

  subscribe(subject: string, handler: (message: Message) => void, options?: SubscribeOptions): Subscription {
    const asked: Asked = { subject, handler, options, made: undefined }
    this.#asked.add(asked)
    this.#subscribe(asked)
    return {
      unsubscribe: () => {
        this.#asked.delete(asked)
        asked.made?.unsubscribe()
      },
      drain: async () => {
        this.#asked.delete(asked)
        await asked.made?.drain()
      },
    }
  }

  #subscribe(asked: Asked): void {
    const { subject, handler, options } = asked
    const outside = this.#outside(subject)
    const hear = outside === subject ? handler : (message: Message) => handler(new InboxMessage(message, subject, outside))
    asked.made = this.#inner?.subscribe(outside, hear, options)
  }

  newInbox(): string {
    const inbox = `_INBOX.deferred${this.#inboxes.size}`
    this.#inboxes.set(inbox, this.#inner?.newInbox())
    return inbox
  }

  /** Q1. */
  #outside(subject: string): string {
    for (const [inbox, outside] of this.#inboxes)
      if (outside !== undefined && subject.startsWith(`${inbox}.`)) return outside + subject.slice(inbox.length)
    return subject
  }

  async flush(): Promise<void> {
    await this.#inner?.flush()
  }

  onStatus(listener: (status: TransportStatus) => void): void {
    this.#listeners.push(listener)
    this.#inner?.onStatus(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancel()
    await this.#inner?.close()
  }

  #tryAfter(ms: number): void {
    this.#cancel = this.clock.after(ms, () => {
      this.open().then(
        (inner) => (this.#isClosed ? void inner.close() : this.#opened(inner)),
        () => this.#isClosed || this.#tryAfter(Math.min(2 * ms, pauseMsMax)),
      )
    })
  }

  #opened(inner: Transport): void {
    this.#inner = inner
    for (const inbox of this.#inboxes.keys()) this.#inboxes.set(inbox, inner.newInbox())
    for (const asked of this.#asked) this.#subscribe(asked)
    for (const listener of this.#listeners) {
      inner.onStatus(listener)
      listener(inner.status)
    }
  }
}

/** Q1. Decodes what is asked for only, as the message itself does. */
class InboxMessage implements Message {
  readonly subject: string
  readonly #message: Message

  constructor(message: Message, inside: string, outside: string) {
    this.#message = message
    // Both end with the same wildcard.
    this.subject = inside.slice(0, -1) + message.subject.slice(outside.length - 1)
  }

  get payload(): Uint8Array {
    return this.#message.payload
  }

  get replyTo(): string | undefined {
    return this.#message.replyTo
  }

  get noResponders(): boolean {
    return this.#message.noResponders
  }
}
