/**
 * A transport whose messages say who sent them, where nobody can choose what they say: the last
 * token of a subject is the caller's name, and the broker lets each login publish to subjects
 * with its own name at the end alone (docs/security.md). Nothing else knows of it: subjects are
 * the same inside, and a message has its caller.
 *
 * U1. A named caller is answered in its own inbox, `_INBOX.<name>.`, or where the broker stands for it. Else
 *     it could have a host write to somebody else in the host's name.
 * U2. It is asked for by subscription: where all callers are named, nobody listens to messages
 *     without a name.
 */
import { Fault } from '../core/base/fault.js'
import { isName, nameLengthMax } from '../core/base/ids.js'
import type { Message, SubscribeOptions, Subscription, Transport, TransportStatus } from '../core/ports/transport.js'
import { brokersInboxes, inboxOf, subjectsUnder } from '../core/wire/subjects.js'

/**
 * Whose messages are taken: of nobody in particular, as long as no caller has a name; of callers with a name;
 * of both, while one becomes the other.
 */
export type CallersTaken = 'unnamed' | 'either' | 'named'

export interface Naming {
  /** The name to send as. Null: without one. */
  readonly as: string | null
  readonly callers: CallersTaken
}

/** Throws `config.invalid`. A host that has a name itself hears those that have one. */
export function checkNaming({
  as,
  callers,
}: {
  readonly as?: string | undefined
  readonly callers?: CallersTaken | undefined
}): Naming {
  if (as !== undefined && !isName(as)) {
    const advice = `use 1 to ${nameLengthMax} letters, digits, - and _, beginning with a letter or digit`
    throw new Fault('config.invalid', `as ${JSON.stringify(as)}: ${advice}`)
  }
  if (callers !== undefined && !['unnamed', 'either', 'named'].includes(callers))
    throw new Fault('config.invalid', `callers ${JSON.stringify(callers)}: use 'unnamed', 'either' or 'named'`)
  return { as: as ?? null, callers: callers ?? (as === undefined ? 'unnamed' : 'named') }
}

/** The same transport where nothing has a name. */
export function namedTransport(inner: Transport, system: string, naming: Naming, report: (error: unknown) => void): Transport {
  return naming.as === null && naming.callers === 'unnamed' ? inner : new NamedTransport(inner, system, naming, report)
}

class NamedTransport implements Transport {
  readonly #inner: Transport
  readonly #prefix: string
  readonly #suffix: string
  readonly #naming: Naming
  readonly #report: (error: unknown) => void

  constructor(inner: Transport, system: string, naming: Naming, report: (error: unknown) => void) {
    this.#inner = inner
    this.#prefix = subjectsUnder(system)
    this.#suffix = naming.as === null ? '' : `.${naming.as}`
    this.#naming = naming
    this.#report = report
  }

  get payloadBytesMax(): number {
    return this.#inner.payloadBytesMax
  }

  get status(): TransportStatus {
    return this.#inner.status
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string, areChecked?: boolean): void {
    this.#inner.publish(this.#isOurs(subject) ? subject + this.#suffix : subject, payload, replyTo, areChecked)
  }

  subscribe(subject: string, handler: (message: Message) => void, options?: SubscribeOptions): Subscription {
    const { callers } = this.#naming
    if (callers === 'unnamed' || !this.#isOurs(subject)) return this.#inner.subscribe(subject, handler, options)
    const named = this.#inner.subscribe(`${subject}.*`, (message) => this.#hear(subject, message, handler), options)
    return callers === 'named' ? named : both(named, this.#inner.subscribe(subject, handler, options))
  }

  #hear(subject: string, message: Message, handler: (message: Message) => void): void {
    const caller: string = message.subject.slice(subject.length + 1)
    const { replyTo } = message
    if (!isName(caller)) this.#refuse(message, 'it does not end with a caller’s name')
    else if (replyTo !== undefined && !isOwnInbox(replyTo, caller)) {
      const shown = JSON.stringify(replyTo.slice(0, 2 * nameLengthMax))
      this.#refuse(message, `it asks for an answer to ${shown}, and the inboxes of ${caller} begin with ${inboxOf(caller)}`)
    } else handler(new NamedMessage(message, subject, caller))
  }

  /** U1. Nobody is told: the only address is not the sender's. */
  #refuse({ subject }: Message, why: string): void {
    this.#report(new Fault('protocol.bad-envelope', `a message on ${subject} was dropped: ${why}`))
  }

  get refused(): readonly string[] {
    return [...new Set(this.#inner.refused.map((subject) => (this.#isOurs(subject) ? withoutStar(subject) : subject)))]
  }

  newInbox(): string {
    return this.#inner.newInbox()
  }

  flush(): Promise<void> {
    return this.#inner.flush()
  }

  onStatus(listener: (status: TransportStatus) => void): void {
    this.#inner.onStatus(listener)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #isOurs(subject: string): boolean {
    return subject.startsWith(this.#prefix)
  }
}

/** Decodes what is asked for only, as the message itself does. */
class NamedMessage implements Message {
  readonly payload: Uint8Array
  readonly noResponders = false
  readonly #message: Message

  constructor(
    message: Message,
    readonly subject: string,
    readonly caller: string,
  ) {
    this.#message = message
    this.payload = message.payload
  }

  get replyTo(): string | undefined {
    return this.#message.replyTo
  }
}

function isOwnInbox(replyTo: string, caller: string): boolean {
  return replyTo.startsWith(inboxOf(caller)) || replyTo.startsWith(brokersInboxes)
}

function withoutStar(subject: string): string {
  return subject.endsWith('.*') ? subject.slice(0, -2) : subject
}

function both(one: Subscription, other: Subscription): Subscription {
  return {
    unsubscribe() {
      one.unsubscribe()
      other.unsubscribe()
    },
    async drain() {
      await Promise.all([one.drain(), other.drain()])
    },
  }
}
