/**
 * The port `Transport` over nats-server, by the client nats.js 2.29. The differences between the client and
 * the port are set right here:
 *
 * N1. Nothing is buffered while away: nats.js would keep messages and send them after a reconnect, long after
 *     their callers gave up.
 * N2. No exception leaves a subscription's callback: it would end the reader of nats.js, and the connection
 *     would be deaf without a sign.
 * N3. `flush` always settles: nats.js forgets flushes that wait when the connection closes.
 * N4. The connection is given up by `close` alone, or by an authenticator that throws: nats.js would give up
 *     after ten attempts, or after two refused logins.
 * N5. Nothing connects after `close`: nats.js would finish an attempt that is under way, and that would keep
 *     the process alive.
 * N6. A subscription that the server refuses, or takes away when its permissions change, is asked for again:
 *     nats.js would forget it.
 * N7. A server that says that it is going down (lame duck mode) is left before it ends the connection:
 *     nats.js would wait for that, and what is on its way then is lost. Another connection is made first, for
 *     a while both listen, and then the old one is drained.
 * N8. Nobody who knows one inbox of ours can guess another: nats.js numbers them in steps, so a few hundred
 *     guesses were enough.
 */
import { randomBytes } from 'node:crypto'
import type { Msg, NatsConnection } from 'nats'
import { Fault } from '../../core/base/fault.js'
import {
  checkPublishable,
  type Message,
  type SubscribeOptions,
  type Subscription,
  type Transport,
  type TransportStatus,
} from '../../core/ports/transport.js'
import { systemClock } from '../systemClock.js'
import { DuplicateFilter } from './duplicateFilter.js'
import { type ConnectGate, NatsLink } from './natsLink.js'
import { NatsMessage } from './natsMessage.js'
import { NatsSubjectSubscription, NatsSubscriptions, NatsWildcardSubscription } from './natsSubscriptions.js'

/** How long two connections listen: so long other servers may take to hear that the new one does. */
const overlapMs = 500
/** Of chance, in the name of an inbox. */
const inboxBytes = 16
/** The pause before another server is looked for again. */
const lookAgainMs = 1_000

/** The settings that the transport still needs. */
export interface NatsSettings {
  readonly inboxPrefix: string | undefined
  readonly payloadBytesMax: number
  readonly closeTimeoutMs: number
  readonly report: (error: unknown) => void
  /** Shut by `close` (N5). */
  readonly gate: ConnectGate
  /** Connects to another server of the cluster. Without it, a server is used until it is gone. */
  readonly openAnother?: (left: NatsConnection, gate: ConnectGate) => Promise<NatsConnection>
}

/** Shared: each node has subscriptions of its own. */
const noOptions: SubscribeOptions = {}

export class NatsTransport implements Transport {
  /** Where messages are published. */
  #link: NatsLink
  /** Set while two connections listen. */
  #duplicateFilter: DuplicateFilter | undefined
  #earlier: NatsLink | undefined
  /** Of the connection that is being made. */
  #newGate: ConnectGate | undefined
  readonly #settings: NatsSettings
  readonly #report: (error: unknown) => void
  readonly #listeners: ((status: TransportStatus) => void)[] = []
  readonly #subscriptions: NatsSubscriptions
  #status: TransportStatus = 'connected'
  #payloadBytesMax: number
  #closing: Promise<void> | undefined

  constructor(connection: NatsConnection, settings: NatsSettings) {
    this.#link = new NatsLink(connection, settings.gate)
    this.#settings = settings
    this.#report = settings.report
    this.#payloadBytesMax = settings.payloadBytesMax
    const deliver = (listening: NatsSubjectSubscription, message: Msg, link: NatsLink): void =>
      this.#deliver(listening, message, link)
    this.#subscriptions = new NatsSubscriptions(this.#link, this, deliver, settings.report)
    this.#follow(this.#link)
  }

  get status(): TransportStatus {
    return this.#status
  }

  get payloadBytesMax(): number {
    // A server may change it while it runs; while away there is none, and the last one known is
    // the best guess.
    const { info } = this.#link.connection
    if (info !== undefined) this.#payloadBytesMax = info.max_payload
    return this.#payloadBytesMax
  }

  /**
   * The payload must not be changed before the end of the turn: nats.js copies it only when it
   * writes to the socket.
   */
  publish(subject: string, payload: Uint8Array, replyTo?: string, areChecked = false): void {
    if (this.#status !== 'connected') throw this.#disconnected() // N1
    if (!areChecked) {
      checkPublishable(subject)
      if (replyTo !== undefined) checkPublishable(replyTo)
    }
    if (payload.length > this.payloadBytesMax) {
      throw new Fault('protocol.too-large', `${payload.length} bytes to ${subject}; NATS takes at most ${this.payloadBytesMax}`)
    }
    reply.reply = replyTo ?? ''
    try {
      this.#link.connection.publish(subject, payload, reply)
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  subscribe(subject: string, handler: (message: Message) => void, options = noOptions): Subscription {
    try {
      const Made = /[*>]/.test(subject) ? NatsWildcardSubscription : NatsSubjectSubscription
      return this.#subscriptions.add(new Made(this.#subscriptions, subject, handler, options))
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  #deliver(listening: NatsSubjectSubscription, message: Msg, link: NatsLink): void {
    try {
      if (this.#duplicateFilter !== undefined && !this.#duplicateFilter.isFirst(message, link)) return
      listening.handler(new NatsMessage(message, listening.exact))
    } catch (thrown) {
      this.#report(thrown) // N2
    }
  }

  get refused(): readonly string[] {
    return this.#subscriptions.refusedSubjects
  }

  newInbox(): string {
    // N8. Letters and digits alone, as those of nats.js.
    const chance = BigInt(`0x${randomBytes(inboxBytes).toString('hex')}`).toString(36)
    return `${this.#settings.inboxPrefix ?? '_INBOX'}.${chance}`
  }

  /** N3. Always settles. */
  async flush(): Promise<void> {
    if (this.#status !== 'connected') throw this.#disconnected()
    const earlier = this.#earlier
    try {
      if (earlier === undefined) await this.#link.flush()
      // During a handover subscriptions are made on one, messages published on either, and
      // subscriptions end on both.
      else {
        const flushed = earlier.flush()
        await Promise.all([this.#subscriptions.link.flush(), earlier === this.#link ? flushed : flushed.catch(() => {})])
      }
    } catch {
      throw this.#disconnected()
    }
  }

  onStatus(listener: (status: TransportStatus) => void): void {
    this.#listeners.push(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs } = this.#settings
    if (this.#newGate !== undefined) this.#newGate.open = false // N5
    const links = new Set([this.#link, this.#subscriptions.link, ...(this.#earlier === undefined ? [] : [this.#earlier])])
    await Promise.all([...links].map((link) => link.end(closeTimeoutMs, this.#report)))
    this.#subscriptions.close()
    this.#become('closed')
  }

  #follow(link: NatsLink): void {
    void this.#followStatus(link)
    void link.connection.closed().then(() => {
      if (link === this.#link) this.#become('closed')
    })
  }

  async #followStatus(link: NatsLink): Promise<void> {
    for await (const event of link.connection.status()) {
      switch (event.type) {
        case 'disconnect':
        // The peer is silent; nats.js may take minutes to end the connection if its socket is full.
        case 'staleConnection':
          link.isDown()
          if (link === this.#link) this.#become('disconnected')
          break
        case 'reconnect':
          link.isUp = true
          if (link === this.#link) this.#become('connected')
          break
        case 'ldm':
          if (link === this.#link) void this.#leave(link)
          break
        case 'error':
          if (link !== this.#subscriptions.link) break
          if (this.#subscriptions.hasRefused(event.permissionContext)) break // It reports many together.
          this.#report(new Error(`nats-server objects: ${event.data} ${JSON.stringify(event.permissionContext ?? {})}`))
          break
      }
    }
  }

  /**
   * N7. Ends when another server is used instead, or the connection is cut before one is found:
   *     then nats.js looks for one.
   */
  async #leave(old: NatsLink): Promise<void> {
    const { openAnother, report, closeTimeoutMs } = this.#settings
    if (openAnother === undefined || this.#newGate !== undefined || this.#earlier !== undefined) return
    const isWanted = (): boolean => this.#closing === undefined && this.#link === old && old.isUp && old.isLameDuck
    for (let tries = 1; isWanted(); tries++) {
      const gate: ConnectGate = { open: true }
      this.#newGate = gate
      const next = await openAnother(old.connection, gate).then(
        (connection) => new NatsLink(connection, gate),
        (error) => {
          gate.open = false
          if (tries === 1 && isWanted()) report(noOther(old, error))
          return undefined
        },
      )
      this.#newGate = undefined
      if (next === undefined) {
        await new Promise<void>((resolve) => systemClock.after(lookAgainMs, resolve))
        continue
      }
      if (isWanted()) await this.#handOver(old, next)
      else await next.end(closeTimeoutMs, report)
    }
    // The next one may have said the same meanwhile.
    if (this.#link !== old && this.#link.isLameDuck) void this.#leave(this.#link)
  }

  async #handOver(old: NatsLink, next: NatsLink): Promise<void> {
    const { closeTimeoutMs } = this.#settings
    this.#earlier = old
    this.#duplicateFilter = new DuplicateFilter(old)
    this.#subscriptions.moveTo(next)
    this.#follow(next)
    await next.flush().catch(() => {}) // Cut already: nats.js connects it anew, with all that listens.
    this.#link = next
    this.#become(next.isUp ? 'connected' : 'disconnected')
    await new Promise<void>((resolve) => systemClock.after(overlapMs, resolve))
    await old.end(closeTimeoutMs, this.#report)
    this.#earlier = undefined
    this.#subscriptions.leaveEarlier()
    this.#duplicateFilter = undefined
  }

  /** nats.js says some things twice; a listener hears of changes only. Closed is for good. */
  #become(status: TransportStatus): void {
    if (this.#status === status || this.#status === 'closed') return
    this.#status = status
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

function noOther({ connection }: NatsLink, cause: unknown): Error {
  const message = `NATS at ${connection.getServer()} is going down and no other server of its cluster can be reached: calls that are under way when it ends the connection have no known outcome`
  return new Error(message, { cause })
}

/** One for all: nats.js reads it before `publish` returns. */
const reply = { reply: '' }
