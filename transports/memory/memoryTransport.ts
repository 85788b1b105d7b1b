/**
 * A connection to the broker in memory: the port `Transport` without a network, with the faults
 * that can be asked for.
 */
import { Fault } from '../../core/base/fault.js'
import {
  checkPublishable,
  type Message,
  type SubscribeOptions,
  type Subscription,
  type Transport,
  type TransportStatus,
} from '../../core/ports/transport.js'
import { inboxOf } from '../../core/wire/subjects.js'
import { safeErrorHandler, type TransportOptions } from '../factory.js'
import type { Endpoint, Listener, MemoryBroker } from './memoryBroker.js'

export { type BrokerOptions, MemoryBroker, type Passage, type Transit } from './memoryBroker.js'

/** The pause before a refused subscription is asked for again. */
const askMs = 50

export interface MemoryTransport extends Transport {
  readonly name: string
  /**
   * Cuts the connection, as if the server were gone. Subscriptions are kept and come back with `reconnect`.
   */
  disconnect(): void
  reconnect(): void
  /**
   * From now on subscriptions to these subjects are refused, those that are there are taken
   * away, and others are granted again.
   */
  deny(subjects: readonly string[]): void
  /** The subjects of its subscriptions. */
  readonly subscribed: readonly string[]
}

/** A connection to `broker`. Connections are named `c1`, `c2`, … unless the options name them. */
export function memoryTransport(broker: MemoryBroker, options: TransportOptions = {}): MemoryTransport {
  return new MemoryConnection(broker, options)
}

class MemoryConnection implements MemoryTransport, Endpoint {
  readonly name: string
  readonly report: (error: unknown) => void
  readonly #inboxes: string
  readonly held: Endpoint['held'] = new Map()
  life = 0
  readonly #broker: MemoryBroker
  readonly #subscribed = new Set<Listener>()
  readonly #draining = new Set<Listener>()
  readonly #statusListeners: ((status: TransportStatus) => void)[] = []
  readonly #refused = new Set<Listener>()
  readonly #optional = new WeakSet<Listener>()
  #denied: readonly string[] = []
  #cancelAsking: (() => void) | undefined
  #status: TransportStatus = 'connected'
  #closing: Promise<void> | undefined

  constructor(broker: MemoryBroker, options: TransportOptions) {
    this.#broker = broker
    this.name = options.name ?? `c${broker.nextName()}`
    this.report = safeErrorHandler(options.onError)
    this.#inboxes = options.as === undefined ? '_INBOX.' : inboxOf(options.as)
  }

  get status(): TransportStatus {
    return this.#status
  }

  get payloadBytesMax(): number {
    return this.#broker.payloadBytesMax
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string, areChecked = false): void {
    if (this.#status !== 'connected') throw this.#disconnected()
    if (!areChecked) {
      checkPublishable(subject)
      if (replyTo !== undefined) checkPublishable(replyTo)
    }
    if (payload.length > this.payloadBytesMax) {
      throw new Fault(
        'protocol.too-large',
        `${payload.length} bytes to ${subject}; the broker takes at most ${this.payloadBytesMax}`,
      )
    }
    this.#broker.publish(this, { subject, payload, replyTo, noResponders: false })
  }

  subscribe(subject: string, handler: (message: Message) => void, options?: SubscribeOptions): Subscription {
    if (this.#closing !== undefined) throw this.#disconnected()
    const listener: Listener = {
      subject,
      queue: options?.queue,
      endpoint: this,
      handler,
      open: true,
      inFlight: 0,
      idle: undefined,
    }
    this.#subscribed.add(listener)
    if (options?.isOptional === true) this.#optional.add(listener)
    if (this.#status === 'connected') this.#attach(listener)
    let drained: Promise<void> | undefined
    return {
      unsubscribe: () => this.#unsubscribe(listener),
      drain: () => (drained ??= this.#drain(listener)),
    }
  }

  get refused(): readonly string[] {
    return [...this.#refused].filter((listener) => !this.#optional.has(listener)).map(({ subject }) => subject)
  }

  get subscribed(): readonly string[] {
    return [...this.#subscribed].map(({ subject }) => subject)
  }

  deny(subjects: readonly string[]): void {
    this.#denied = subjects
    if (this.#status !== 'connected') return
    for (const listener of this.#subscribed) {
      if (!subjects.includes(listener.subject) || this.#refused.has(listener)) continue
      this.#broker.detach(listener)
      this.#refuse(listener)
    }
  }

  #attach(listener: Listener): void {
    if (this.#denied.includes(listener.subject)) this.#refuse(listener)
    else {
      this.#refused.delete(listener)
      this.#broker.attach(listener)
    }
  }

  /** As over NATS: it is asked for again until it is granted. */
  #refuse(listener: Listener): void {
    this.#refused.add(listener)
    this.#cancelAsking ??= this.#broker.clock.after(askMs, () => {
      this.#cancelAsking = undefined
      if (this.#status === 'connected') for (const each of [...this.#refused]) this.#attach(each)
    })
  }

  newInbox(): string {
    return this.#inboxes + this.#broker.nextName()
  }

  /**
   * The turn comes after the one that delivers what was published before: turns run in the
   * order they were asked for.
   */
  flush(): Promise<void> {
    if (this.#status !== 'connected') return Promise.reject(this.#disconnected())
    const { life } = this
    return new Promise((resolve, reject) => {
      this.#broker.clock.turn(() => (life === this.life ? resolve() : reject(this.#disconnected())))
    })
  }

  onStatus(listener: (status: TransportStatus) => void): void {
    this.#statusListeners.push(listener)
  }

  disconnect(): void {
    if (this.#status !== 'connected') return
    for (const listener of this.#subscribed) this.#broker.detach(listener)
    this.#loseWhatIsOnItsWay()
    this.#become('disconnected')
  }

  reconnect(): void {
    if (this.#status !== 'disconnected' || this.#closing !== undefined) return
    for (const listener of this.#subscribed) this.#attach(listener)
    this.#become('connected')
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /**
   * Nothing new is routed here, what would arrive next still does, and its handlers may answer.
   * A delayed message is lost.
   */
  async #close(): Promise<void> {
    if (this.#status === 'connected') {
      for (const listener of this.#subscribed) this.#broker.detach(listener)
      await this.flush().catch(() => {}) // Cut meanwhile: then nothing is on its way.
    }
    this.#subscribed.clear()
    this.#refused.clear()
    this.#cancelAsking?.()
    this.#loseWhatIsOnItsWay()
    this.#become('closed')
  }

  #unsubscribe(listener: Listener): void {
    listener.open = false
    this.#refused.delete(listener)
    if (this.#subscribed.delete(listener)) this.#broker.detach(listener)
    listener.idle?.()
  }

  async #drain(listener: Listener): Promise<void> {
    this.#refused.delete(listener)
    if (!this.#subscribed.delete(listener)) return
    this.#broker.detach(listener)
    if (this.#status === 'connected' && listener.inFlight > 0) {
      this.#draining.add(listener)
      await new Promise<void>((resolve) => {
        listener.idle = resolve
      })
      this.#draining.delete(listener)
    }
    listener.open = false
  }

  #loseWhatIsOnItsWay(): void {
    this.life++
    for (const listener of this.#draining) listener.idle?.()
  }

  #become(status: TransportStatus): void {
    this.#status = status
    for (const listener of this.#statusListeners) {
      try {
        listener(status)
      } catch (error) {
        this.report(error)
      }
    }
  }

  #disconnected(): Fault {
    return new Fault('unavailable.disconnected', this.#status === 'closed' ? 'the connection is closed' : 'not connected')
  }
}
