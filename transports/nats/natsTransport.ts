/**
 * The port `Transport` over nats-server, by the client nats.js 2.29. What the client does otherwise than the port asks for is set
 * right here:
 *
 * N1. Nothing is buffered while away: nats.js would keep messages and send them after a reconnect, long after their callers gave
 *     up.
 * N2. No exception leaves a subscription's callback: it would end the reader of nats.js, and the connection would be deaf without
 *     a sign.
 * N3. `flush` always settles: nats.js forgets flushes that wait when the connection closes.
 * N4. The connection is given up by `close` alone, or by an authenticator that throws: nats.js would give up after ten attempts,
 *     or after two refused logins.
 * N5. Nothing connects after `close`: nats.js would finish an attempt that is under way, and that would keep the process alive.
 * N6. A subscription that the server refuses, or takes away when its permissions change, is asked for again: nats.js would forget it.
 */
import { createInbox, type Msg, type NatsConnection, type NatsError } from 'nats'
import { Fault } from '../../core/fault.js'
import {
  checkPublishable,
  type Message,
  type SubscribeOptions,
  type Subscription,
  type Transport,
  type TransportStatus,
} from '../../core/ports/transport.js'
import { systemClock } from '../systemClock.js'
import { NatsListening, NatsListenings } from './natsListenings.js'
import { NatsMessage } from './natsMessage.js'

/** What the transport still needs to know of its settings. */
export interface NatsSettings {
  readonly inboxPrefix: string | undefined
  readonly payloadBytesMax: number
  readonly closeTimeoutMs: number
  readonly report: (error: unknown) => void
  /** Shut by `close` (N5). */
  readonly gate: { open: boolean }
}

export class NatsTransport implements Transport {
  readonly #connection: NatsConnection
  readonly #settings: NatsSettings
  readonly #report: (error: unknown) => void
  readonly #listeners: ((status: TransportStatus) => void)[] = []
  /** What rejects each flush that waits (N3). */
  readonly #flushes = new Set<() => void>()
  readonly #listenings: NatsListenings
  #status: TransportStatus = 'connected'
  #payloadBytesMax: number
  #closing: Promise<void> | undefined

  constructor(connection: NatsConnection, settings: NatsSettings) {
    this.#connection = connection
    this.#settings = settings
    this.#report = settings.report
    this.#payloadBytesMax = settings.payloadBytesMax
    this.#listenings = new NatsListenings(connection, this, settings.report)
    void this.#followStatus()
    void connection.closed().then(() => this.#become('closed'))
  }

  get status(): TransportStatus {
    return this.#status
  }

  get payloadBytesMax(): number {
    // A server may change it while it runs; while away there is none, and the last one known is the best guess.
    const { info } = this.#connection
    if (info !== undefined) this.#payloadBytesMax = info.max_payload
    return this.#payloadBytesMax
  }

  /** The payload must not be changed before the end of the turn: nats.js copies it only when it writes to the socket. */
  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    if (this.#status !== 'connected') throw this.#disconnected() // N1
    checkPublishable(subject)
    if (replyTo !== undefined) checkPublishable(replyTo)
    if (payload.length > this.payloadBytesMax) {
      throw new Fault('protocol.too-large', `${payload.length} bytes to ${subject}; NATS takes at most ${this.payloadBytesMax}`)
    }
    reply.reply = replyTo ?? ''
    try {
      this.#connection.publish(subject, payload, reply)
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  subscribe(subject: string, handler: (message: Message) => void, options: SubscribeOptions = {}): Subscription {
    const exact = /[*>]/.test(subject) ? undefined : subject
    const callback = (error: NatsError | null, message: Msg): void => {
      // A refused subscription: the status says it too, and is what reports it.
      if (error !== null) return
      try {
        handler(new NatsMessage(message, exact))
      } catch (thrown) {
        this.#report(thrown) // N2
      }
    }
    try {
      return this.#listenings.add(new NatsListening(this.#listenings, subject, callback, options))
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  get refused(): readonly string[] {
    return this.#listenings.refusedSubjects
  }

  newInbox(): string {
    return createInbox(this.#settings.inboxPrefix)
  }

  flush(): Promise<void> {
    if (this.#status !== 'connected') return Promise.reject(this.#disconnected())
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(this.#disconnected())
      this.#flushes.add(fail)
      this.#connection
        .flush()
        // What the server refuses it says before it answers, but nats.js tells of it a little later.
        .then(() => systemClock.turn(resolve), fail)
        .finally(() => this.#flushes.delete(fail))
    })
  }

  onStatus(listener: (status: TransportStatus) => void): void {
    this.#listeners.push(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#status === 'connected') {
      let cancel = (): void => {}
      const bound = new Promise<void>((resolve) => {
        cancel = systemClock.after(this.#settings.closeTimeoutMs, resolve)
      })
      await Promise.race([this.#connection.drain().catch(this.#report), bound])
      cancel()
    }
    this.#settings.gate.open = false // N5
    this.#listenings.close()
    await this.#connection.close()
    this.#become('closed')
  }

  async #followStatus(): Promise<void> {
    for await (const event of this.#connection.status()) {
      switch (event.type) {
        case 'disconnect':
        // The peer is silent; nats.js may take minutes to end the connection if its socket is full.
        case 'staleConnection':
          this.#become('disconnected')
          break
        case 'reconnect':
          this.#become('connected')
          break
        case 'error':
          if (this.#listenings.hasRefused(event.permissionContext)) break // It reports many together.
          this.#report(new Error(`nats-server objects: ${event.data} ${JSON.stringify(event.permissionContext ?? {})}`))
          break
      }
    }
  }

  /** nats.js says some things twice; a listener hears of changes only. Closed is for good. */
  #become(status: TransportStatus): void {
    if (this.#status === status || this.#status === 'closed') return
    this.#status = status
    if (status !== 'connected') {
      for (const fail of this.#flushes) fail()
      this.#flushes.clear()
    }
    for (const listener of this.#listeners) {
      try {
        listener(status)
      } catch (thrown) {
        this.#report(thrown)
      }
    }
  }

  #disconnected(cause?: unknown): Fault {
    const message = this.#status === 'closed' ? 'the connection to NATS is closed' : 'not connected to NATS'
    return new Fault('unavailable.disconnected', message, {}, cause === undefined ? undefined : { cause })
  }

  #faultOf(error: unknown): unknown {
    const { code } = error as { code?: unknown }
    return code === 'CONNECTION_CLOSED' || code === 'CONNECTION_DRAINING' ? this.#disconnected(error) : error
  }
}

/** One for all: nats.js reads it before `publish` returns. */
const reply = { reply: '' }
