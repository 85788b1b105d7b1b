/**
 * Requests to JetStream over a connection of their own. It is not the connection of calls: a snapshot of many
 * megabytes would hold calls up, and appends have headers, which the port of calls does not know.
 *
 * - A server that is silent for some seconds is left for another one. nats.js would first wait until its
 *   socket takes what is left to write, and a frozen server takes nothing for minutes. A lease is shorter.
 * - A request waits for a connection as long as for its answer. nats.js would keep it, and send it late.
 * - A request that nobody has taken is sent again within its time: a stream that elects its leader has none.
 */
import { randomBytes } from 'node:crypto'
import type { Msg, MsgHdrs, NatsConnection, Status } from 'nats'
import { Fault } from '../../core/base/fault.js'
import { type NatsOptions, openConnection } from '../nats/natsFactory.js'
import { systemClock } from '../systemClock.js'
import { type Answer, statusOf } from './jetStreamAnswer.js'

/** A server that is silent is left after `pingIntervalMs` × (`pingsMax` + 1). */
const pingIntervalMs = 1_000
const pingsMax = 2
const connectTimeoutMs = 2_000
const reconnectPauseMs = 250
/** The pause before a request that nobody took is sent again. */
const noRespondersPauseMs = 50
/** Of chance, in the name of an inbox: nobody can guess it. */
const inboxBytes = 16

interface Pending {
  readonly subject: string
  readonly settle: (answer: Answer) => void
}

interface Open {
  readonly connection: NatsConnection
  readonly gate: { open: boolean }
}

export interface JetStreamRequest {
  readonly subject: string
  readonly payload: Uint8Array | string
  readonly headers?: MsgHdrs
  readonly timeoutMs: number
}

const disconnected: Answer = { kind: 'disconnected' }
const noResponders: Answer = { kind: 'no-responders' }
const timedOut: Answer = { kind: 'timed-out' }

export class JetStreamConnection {
  #open: Open | undefined
  #isClosed = false
  /** Of the connection that is being made. */
  #nextGate: { open: boolean } | undefined
  #payloadBytesMax: number
  #requests = 0
  /** The servers of the cluster, as the last one told. nats.js forgets them with the connection. */
  #told: readonly string[] = []
  /** The login may not listen to answers. */
  #isDeaf = false
  readonly #inbox: string
  readonly #pending = new Map<string, Pending>()
  /** Told when a connection is there, and when there will be none. */
  #waiting: (() => void)[] = []

  /** Rejects with `unavailable.disconnected` or `config.invalid`, as connecting does. */
  static async open(
    options: NatsOptions,
    servers: readonly string[],
    name: string,
    onConnected: (connection: NatsConnection) => void,
  ): Promise<JetStreamConnection> {
    const gate = { open: true }
    const connection = await connect(options, servers, name, gate)
    return new JetStreamConnection({ connection, gate }, options, servers, name, onConnected)
  }

  private constructor(
    first: Open,
    readonly options: NatsOptions,
    readonly servers: readonly string[],
    readonly name: string,
    readonly onConnected: (connection: NatsConnection) => void,
  ) {
    this.#inbox = `${options.inboxPrefix ?? '_INBOX'}.${BigInt(`0x${randomBytes(inboxBytes).toString('hex')}`).toString(36)}`
    this.#payloadBytesMax = first.connection.info!.max_payload
    this.#use(first)
  }

  /** Of a message with its headers. */
  get payloadBytesMax(): number {
    return this.#payloadBytesMax
  }

  /** Never rejects. The payload is read until it resolves. */
  async request(request: JetStreamRequest): Promise<Answer> {
    const deadlineMs = systemClock.monotonicMs() + request.timeoutMs
    for (;;) {
      const answer = await this.#requestOnce(request, deadlineMs)
      if (answer.kind !== 'no-responders') return answer
      if (systemClock.monotonicMs() + noRespondersPauseMs >= deadlineMs) return answer
      await pause(noRespondersPauseMs)
    }
  }

  async #requestOnce({ subject, payload, headers }: JetStreamRequest, deadlineMs: number): Promise<Answer> {
    const open = this.#open ?? (await this.#opened(deadlineMs))
    if (open === undefined) return disconnected
    if (this.#isDeaf) return { kind: 'denied', subject: `${this.#inbox}.*` }
    return new Promise((resolve) => {
      const token = (++this.#requests).toString(36)
      const settle = (answer: Answer): void => {
        cancel()
        this.#pending.delete(token)
        resolve(answer)
      }
      const cancel = systemClock.after(Math.max(1, deadlineMs - systemClock.monotonicMs()), () => settle(timedOut))
      this.#pending.set(token, { subject, settle })
      try {
        open.connection.publish(subject, payload, { reply: `${this.#inbox}.${token}`, headers })
      } catch {
        settle(disconnected) // It closes, and another one is made.
      }
    })
  }

  /** Undefined: there is none until then. */
  #opened(deadlineMs: number): Promise<Open | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        resolve(this.#open)
      }
      const cancel = systemClock.after(Math.max(1, deadlineMs - systemClock.monotonicMs()), () => {
        this.#waiting = this.#waiting.filter((one) => one !== done)
        resolve(undefined)
      })
      this.#waiting.push(done)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#nextGate !== undefined) this.#nextGate.open = false
    const open = this.#open
    this.#lose(open)
    if (open !== undefined) await end(open)
  }

  #use(open: Open): void {
    this.#open = open
    this.#isDeaf = false
    this.#learn(open)
    this.#payloadBytesMax = open.connection.info?.max_payload ?? this.#payloadBytesMax
    open.connection.subscribe(`${this.#inbox}.*`, { callback: (error, message) => error === null && this.#answered(message) })
    void this.#follow(open)
    this.onConnected(open.connection)
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }

  #answered(message: Msg): void {
    const pending = this.#pending.get(message.subject.slice(this.#inbox.length + 1))
    if (pending === undefined) return // Too late.
    pending.settle(message.data.length === 0 && statusOf(message) === 503 ? noResponders : { kind: 'message', message })
  }

  async #follow(open: Open): Promise<void> {
    for await (const event of open.connection.status()) {
      if (event.type === 'error') this.#objected(event)
      if (event.type === 'update') this.#learn(open)
      if (event.type !== 'disconnect' && event.type !== 'staleConnection') continue
      if (this.#open === open) this.#replace(open)
      return
    }
    if (this.#open === open) this.#replace(open)
  }

  /** The server does not answer a request that its login may not make: it tells of it beside. */
  #objected({ permissionContext: refused }: Status): void {
    if (refused === undefined) return
    const { operation, subject } = refused
    if (operation === 'subscription') this.#isDeaf = true
    for (const pending of [...this.#pending.values()])
      if (operation === 'subscription' || pending.subject === subject) pending.settle({ kind: 'denied', subject })
  }

  #replace(left: Open): void {
    this.#lose(left)
    void end(left)
    if (!this.#isClosed) void this.#connectAnew(left.connection.getServer())
  }

  #learn({ connection }: Open): void {
    this.#told = connection.info?.connect_urls ?? this.#told
  }

  /** Requests that are under way on it get no answer. */
  #lose(open: Open | undefined): void {
    if (this.#open === open) this.#open = undefined
    for (const { settle } of [...this.#pending.values()]) settle(disconnected)
    if (!this.#isClosed) return
    for (const go of this.#waiting) go()
    this.#waiting = []
  }

  async #connectAnew(left: string): Promise<void> {
    const known = [...new Set([...this.servers, ...this.#told])]
    const others = known.filter((server) => !server.endsWith(left))
    for (let tries = 0; !this.#isClosed; tries++) {
      const gate = { open: true }
      this.#nextGate = gate
      try {
        // The one that was lost may be frozen, and takes connections without a word.
        const servers = tries % 2 === 0 && others.length > 0 ? others : known
        const connection = await connect(this.options, servers, this.name, gate)
        if (!this.#isClosed) return this.#use({ connection, gate })
        await end({ connection, gate })
      } catch {
        await pause(reconnectPauseMs)
      }
    }
  }
}

async function connect(
  options: NatsOptions,
  servers: readonly string[],
  name: string,
  gate: { open: boolean },
): Promise<NatsConnection> {
  const quick = { ...options, connectTimeoutMs: options.connectTimeoutMs ?? connectTimeoutMs }
  const connection = await openConnection(quick, servers, name, gate, { pingIntervalMs, pingsMax })
  if (connection.info?.headers === true) return connection
  await connection.close()
  throw new Fault('config.invalid', `NATS at ${servers.join(', ')} has headers switched off: remove "no_header_support" there`)
}

/** Not waited for longer than a turn: a frozen server takes nothing any more. */
async function end({ connection, gate }: Open): Promise<void> {
  gate.open = false
  await Promise.race([connection.close(), pause(closeMsMax)])
}

const closeMsMax = 1_000

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(ms, () => resolve())
  })
}
