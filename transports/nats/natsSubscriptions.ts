/**
 * The subscriptions of one connection to NATS, and those among them that the server refuses: the login has no
 * permission, or has lost it when an operator changed the server's configuration. The connection stays
 * meanwhile, and nats.js forgets what was refused.
 *
 * L1. A refused subscription is asked for again, with back-off, until the server grants it or
 *     nobody wants it any more.
 * L2. It is told once that a subscription is refused, and once that it is granted again,
 *     however often it is asked for.
 */
import type { Msg, NatsError, Subscription as NatsSubscription } from 'nats'
import type { Message, SubscribeOptions, Subscription, Transport } from '../../core/ports/transport.js'
import { systemClock } from '../systemClock.js'
import type { NatsLink } from './natsLink.js'

/** Takes what arrives on a connection. Never throws. */
export type Deliver = (listening: NatsSubjectSubscription, message: Msg, link: NatsLink) => void

/**
 * The pause before a refused subscription is asked for again; doubles up to `askMsMax` while
 * nothing is granted.
 */
const askMs = 250
const askMsMax = 4_000
/** Refused subscriptions that are asked for at once. */
const askedAtOnceMax = 256
/** Subjects that a report names. */
const subjectsToldMax = 5

/** There is one for each subject of each node, so it is small. */
export class NatsSubjectSubscription implements Subscription {
  subscription: NatsSubscription | undefined
  state: 'asked' | 'refused' | 'over' = 'asked'

  constructor(
    private readonly all: NatsSubscriptions,
    readonly subject: string,
    readonly handler: (message: Message) => void,
    readonly options: SubscribeOptions,
  ) {}

  /** The subject of all that arrives; undefined where it has wildcards. */
  get exact(): string | undefined {
    return this.subject
  }

  get isRefused(): boolean {
    return this.state === 'refused'
  }

  arrived(link: NatsLink, error: NatsError | null, message: Msg): void {
    // A refused subscription: the status says it too, and is what reports it.
    if (error === null) this.all.deliver(this, message, link)
  }

  unsubscribe(): void {
    if (this.state === 'over') return
    this.state = 'over'
    const earlier = this.all.earlierOf(this)
    this.all.remove(this)
    this.forget()
    if (earlier !== undefined && !earlier.isClosed()) earlier.unsubscribe()
  }

  /** Ends what nats.js knows of it. */
  forget(): void {
    const { subscription } = this
    this.subscription = undefined
    if (subscription !== undefined && !subscription.isClosed()) subscription.unsubscribe()
  }

  async drain(): Promise<void> {
    const both = this.isRefused ? [] : [this.subscription, this.all.earlierOf(this)]
    const { transport } = this.all
    this.all.remove(this)
    const open = both.filter((each) => each !== undefined && !each.isClosed())
    if (open.length > 0 && transport.status === 'connected') {
      for (const each of open) void each!.drain().catch(() => {}) // It asks for no more; our own flush settles whatever happens (N3).
      await transport.flush().catch(() => {})
    }
    this.state = 'over'
    this.forget()
    for (const each of open) if (!each!.isClosed()) each!.unsubscribe()
  }
}

export class NatsWildcardSubscription extends NatsSubjectSubscription {
  override get exact(): undefined {
    return undefined
  }
}

export class NatsSubscriptions {
  readonly #all = new Set<NatsSubjectSubscription>()
  readonly #refused = new Set<NatsSubjectSubscription>()
  /** Refused since the last report. */
  #untold: NatsSubjectSubscription[] = []
  #pauseMs = askMs
  #link: NatsLink
  /** The subscriptions of the connection before, while it still listens. */
  #earlier: Map<NatsSubjectSubscription, NatsSubscription> | undefined
  #cancel: (() => void) | undefined

  constructor(
    link: NatsLink,
    readonly transport: Transport,
    readonly deliver: Deliver,
    private readonly report: (error: unknown) => void,
  ) {
    this.#link = link
  }

  /** Where subscriptions are made. */
  get link(): NatsLink {
    return this.#link
  }

  /** Everything listens on `link` too, until `leaveEarlier`; what comes later listens there alone. */
  moveTo(link: NatsLink): void {
    this.#link = link
    this.#earlier = new Map()
    for (const listening of this.#all) {
      if (listening.isRefused || listening.subscription === undefined) continue
      this.#earlier.set(listening, listening.subscription)
      this.#ask(listening)
    }
  }

  /** The connection before has closed. */
  leaveEarlier(): void {
    this.#earlier = undefined
  }

  earlierOf(listening: NatsSubjectSubscription): NatsSubscription | undefined {
    return this.#earlier?.get(listening)
  }

  get refusedSubjects(): readonly string[] {
    return this.#refused.size === 0 ? [] : [...this.#refused].filter(isRequired).map(({ subject }) => subject)
  }

  /** Throws what nats.js throws. */
  add(listening: NatsSubjectSubscription): NatsSubjectSubscription {
    this.#ask(listening)
    this.#all.add(listening)
    return listening
  }

  remove(listening: NatsSubjectSubscription): void {
    this.#all.delete(listening)
    this.#earlier?.delete(listening)
    this.#refused.delete(listening)
  }

  /**
   * The server objects. False if that is not about a subscription of ours. A configuration that is loaded
   * anew tells no queue.
   */
  hasRefused(context: unknown): boolean {
    const { operation, subject, queue } = (context ?? {}) as { operation?: string; subject?: string; queue?: string }
    if (operation !== 'subscription') return false
    let isOurs = false
    for (const listening of this.#all) {
      if (listening.subject !== subject || (queue !== undefined && listening.options.queue !== queue)) continue
      isOurs = true
      listening.forget()
      if (!listening.isRefused && isRequired(listening)) this.#tellLater(listening)
      listening.state = 'refused'
      this.#refused.add(listening)
    }
    if (isOurs) this.#askLater()
    return isOurs
  }

  close(): void {
    this.#cancel?.()
    this.#all.clear()
    this.#refused.clear()
  }

  #ask(listening: NatsSubjectSubscription): void {
    const { subject, options } = listening
    const link = this.#link
    // Bound: a closure would keep a context beside itself, for each subject of each node.
    const callback = listening.arrived.bind(listening, link)
    const settings = options.queue === undefined ? { callback } : { callback, queue: options.queue }
    listening.subscription = link.connection.subscribe(subject, settings)
  }

  #tellLater(listening: NatsSubjectSubscription): void {
    if (this.#untold.push(listening) > 1) return
    systemClock.turn(() => {
      const subjects = this.#untold.map(({ subject }) => subject)
      this.#untold = []
      this.report(
        new Error(`NATS refuses to let this login listen on ${shown(subjects)}: correct its permissions; it is asked again`),
      )
    })
  }

  #askLater(): void {
    if (this.#cancel !== undefined) return
    const pauseMs = this.#pauseMs
    this.#pauseMs = Math.min(pauseMs * 2, askMsMax)
    this.#cancel = systemClock.after(pauseMs, () => void this.#askAgain())
  }

  /** L1. Some of them, so that a server with many to refuse is not asked for all of them again and again. */
  async #askAgain(): Promise<void> {
    const asked = [...this.#refused].slice(0, askedAtOnceMax)
    if (asked.length > 0 && this.transport.status === 'connected') {
      for (const listening of asked) {
        // Behind the others, for the next time.
        this.#refused.delete(listening)
        this.#refused.add(listening)
        try {
          this.#ask(listening)
        } catch {
          break // Closed meanwhile.
        }
      }
      await this.transport.flush().catch(() => {})
      const granted = asked.filter((listening) => this.#refused.has(listening) && listening.subscription !== undefined)
      if (this.transport.status === 'connected') this.#granted(granted)
      else for (const listening of granted) listening.forget()
    }
    this.#cancel = undefined
    if (this.#refused.size > 0) this.#askLater()
  }

  #granted(listenings: readonly NatsSubjectSubscription[]): void {
    if (listenings.length === 0) return
    this.#pauseMs = askMs
    for (const listening of listenings) {
      listening.state = 'asked'
      this.#refused.delete(listening)
    }
    const subjects = listenings.filter(isRequired).map(({ subject }) => subject)
    if (subjects.length > 0) this.report(new Error(`NATS lets this login listen again on ${shown(subjects)}`))
  }
}

function isRequired({ options }: NatsSubjectSubscription): boolean {
  return options.isOptional !== true
}

function shown(subjects: readonly string[]): string {
  const more = subjects.length - subjectsToldMax
  return `${subjects.slice(0, subjectsToldMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
