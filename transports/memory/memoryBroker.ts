/**
 * nats-server in memory: what connects the hosts of one process, and of a rehearsal. As far as
 * a program can tell:
 *
 * M1. The receivers of a message are decided when it is published; it is delivered later, in
 *     the broker's next turn.
 * M2. From one connection to another, messages arrive in the order they were published, delayed or not.
 * M3. A message on its way to a connection that is cut is lost. Messages that the connection
 *     published before are not.
 * M4. Time and chance come from the broker's ports alone, so the same seed gives the same run.
 *
 * Payloads are delivered as they are, without a copy: neither publisher nor receiver may change
 * the bytes afterwards.
 */
import { type Clock, withMonotonic } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { Message } from '../../core/ports/transport.js'
import { SubjectIndex } from './subjectIndex.js'

/**
 * One message on its way from one connection to another. A no-responders answer is on its way from a
 * connection to itself.
 */
export interface Transit {
  /** The names of the connections. */
  readonly from: string
  readonly to: string
  readonly message: Message
}

/**
 * The fate of a message. A delay holds back what follows on the same way, for a connection never overtakes
 * itself (M2). A `late` message is overtaken by what follows, and a duplicate may be late: nats-server alone
 * does neither, a network of several may.
 */
export type Passage =
  | 'deliver'
  | 'drop'
  | 'duplicate'
  | { readonly delayMs: number }
  | { readonly lateMs: number; readonly duplicate?: boolean }

export interface BrokerOptions {
  readonly clock: Clock
  /** Chooses the member of a queue group that receives a message. */
  readonly random: Random
  /** 1 MiB by default, as nats-server has it. */
  readonly payloadBytesMax?: number
}

/** A connection, as the broker sees it. */
export interface Endpoint {
  readonly name: string
  /** Counts how often the connection was cut. */
  readonly life: number
  /** The messages that wait behind a delayed one, by the connection that they come from. */
  readonly held: Map<Endpoint, Held[]>
  /** Takes what a handler threw. */
  readonly report: (error: unknown) => void
}

export interface Listener {
  readonly subject: string
  readonly queue: string | undefined
  readonly endpoint: Endpoint
  readonly handler: (message: Message) => void
  /** False once nothing may be delivered any more. */
  open: boolean
  /** How many messages are on their way here. */
  inFlight: number
  /** Called when none is. */
  idle: (() => void) | undefined
}

interface Delivery {
  readonly listener: Listener
  readonly message: Message
  /** The receiver's life when the message was published: a later one does not get it (M3). */
  readonly life: number
}

interface Held {
  readonly delivery: Delivery
  readonly dueMs: number
}

export class MemoryBroker {
  readonly clock: Clock
  readonly payloadBytesMax: number
  /**
   * Decides on every message to every receiver, when it is published. Without one, all are
   * delivered. Must not publish.
   */
  filter: ((transit: Transit) => Passage) | undefined
  readonly #random: Random
  readonly #listeners = new SubjectIndex<Listener>()
  #queue: Delivery[] = []
  #turnAsked = false
  #names = 0

  constructor(options: BrokerOptions) {
    this.clock = withMonotonic(options.clock)
    this.#random = options.random
    this.payloadBytesMax = options.payloadBytesMax ?? 1024 * 1024
  }

  /** A number that this broker has not given out before. */
  nextName(): number {
    return ++this.#names
  }

  attach(listener: Listener): void {
    this.#listeners.add(listener.subject, listener)
  }

  detach(listener: Listener): void {
    this.#listeners.remove(listener.subject, listener)
  }

  publish(from: Endpoint, message: Message): void {
    const listeners = this.#listeners.match(message.subject)
    if (listeners.length === 0) {
      if (message.replyTo !== undefined) this.#answerNoResponders(from, message.replyTo)
      return
    }
    let groups: Map<string, Listener[]> | undefined
    for (const listener of listeners) {
      if (listener.queue === undefined) {
        this.#send(from, listener, message)
        continue
      }
      groups ??= new Map()
      const group = groups.get(listener.queue)
      if (group === undefined) groups.set(listener.queue, [listener])
      else group.push(listener)
    }
    if (groups !== undefined) for (const group of groups.values()) this.#send(from, this.#choose(group), message)
  }

  #choose(group: readonly Listener[]): Listener {
    return group.length === 1 ? group[0]! : group[Math.floor(this.#random.next() * group.length)]!
  }

  /** As nats-server does it: to the publisher alone, and only if it listens on the reply subject itself. */
  #answerNoResponders(from: Endpoint, replyTo: string): void {
    const listener = this.#listeners.match(replyTo).find((found) => found.endpoint === from)
    if (listener === undefined) return
    this.#send(from, listener, { subject: replyTo, payload: new Uint8Array(0), replyTo: undefined, noResponders: true })
  }

  #send(from: Endpoint, listener: Listener, message: Message): void {
    const to = listener.endpoint
    const passage = this.filter === undefined ? 'deliver' : this.filter({ from: from.name, to: to.name, message })
    if (passage === 'drop') return
    const delivery = { listener, message, life: to.life }
    if (typeof passage === 'object' && 'lateMs' in passage) {
      if (passage.duplicate === true) this.#pass(from, delivery, 0)
      listener.inFlight++
      this.clock.after(passage.lateMs, () => this.#enqueue(delivery))
      return
    }
    this.#pass(from, delivery, typeof passage === 'object' ? passage.delayMs : 0)
    if (passage === 'duplicate') this.#pass(from, delivery, 0)
  }

  #pass(from: Endpoint, delivery: Delivery, delayMs: number): void {
    const { listener } = delivery
    const { held } = listener.endpoint
    listener.inFlight++
    const waiting = held.size === 0 ? undefined : held.get(from)
    if (waiting !== undefined) {
      waiting.push({ delivery, dueMs: Math.max(this.clock.monotonicMs() + delayMs, waiting.at(-1)!.dueMs) })
    } else if (delayMs > 0) {
      held.set(from, [{ delivery, dueMs: this.clock.monotonicMs() + delayMs }])
      this.#releaseAfter(delayMs, from, held)
    } else {
      this.#enqueue(delivery)
    }
  }

  #releaseAfter(ms: number, from: Endpoint, held: Map<Endpoint, Held[]>): void {
    this.clock.after(ms, () => {
      const waiting = held.get(from)!
      const nowMs = this.clock.monotonicMs()
      while (waiting.length > 0 && waiting[0]!.dueMs <= nowMs) this.#enqueue(waiting.shift()!.delivery)
      if (waiting.length === 0) held.delete(from)
      else this.#releaseAfter(waiting[0]!.dueMs - nowMs, from, held)
    })
  }

  #enqueue(delivery: Delivery): void {
    this.#queue.push(delivery)
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.clock.turn(() => this.#deliver())
  }

  /**
   * Messages that handlers publish meanwhile wait for the next turn, or two nodes that answer each other
   * would never let go of the loop.
   */
  #deliver(): void {
    const deliveries = this.#queue
    this.#queue = []
    this.#turnAsked = false
    for (const { listener, message, life } of deliveries) {
      if (listener.open && listener.endpoint.life === life) {
        try {
          listener.handler(message)
        } catch (error) {
          listener.endpoint.report(error)
        }
      }
      if (--listener.inFlight === 0) listener.idle?.()
    }
  }
}
