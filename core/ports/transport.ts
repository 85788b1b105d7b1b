import { Fault } from '../base/fault.js'

/**
 * The way to other hosts: subjects, queue groups and reply subjects, as NATS has them. Delivery is at most
 * once. A message that is sent while the transport is away is refused, not buffered (DESIGN §4: "the client's
 * reconnect buffer is not used for calls").
 */
export interface Message {
  readonly payload: Uint8Array
  readonly replyTo: string | undefined
  /** Nobody listened on the subject: arrives on the reply subject, with an empty payload. */
  readonly noResponders: boolean
  /** The subject the message arrived on. */
  readonly subject: string
  /** The sender, where the transport vouches for it (docs/security.md). */
  readonly caller?: string
}

export interface Subscription {
  /** No message is delivered after this returns; what was on its way is lost. */
  unsubscribe(): void
  /**
   * Asks for no more messages; what is on its way is still delivered. Resolves after the last
   * one, at once while disconnected.
   */
  drain(): Promise<void>
}

export interface SubscribeOptions {
  readonly queue?: string
  /** Nobody misses it much: a login may lack the permission. */
  readonly isOptional?: boolean
}

/** Printable characters without spaces and wildcards, in tokens of one character at least. */
const publishable = /^[!-)+\-/-=?-~]+(?:\.[!-)+\-/-=?-~]+)*$/

export function isPublishable(subject: string): boolean {
  return publishable.test(subject)
}

/**
 * Throws `protocol.bad-arguments` for a subject that nothing can be published to. A line break in one would
 * be a command of its own on the wire.
 */
export function checkPublishable(subject: string): void {
  if (isPublishable(subject)) return
  throw new Fault('protocol.bad-arguments', `${JSON.stringify(subject.slice(0, 80))} is not a subject that can be published to`)
}

export type TransportStatus = 'connected' | 'disconnected' | 'closed'

export interface Transport {
  /** The largest payload that one message may have. */
  readonly payloadBytesMax: number
  readonly status: TransportStatus
  /**
   * Throws `unavailable.disconnected` while away, `protocol.too-large` beyond `payloadBytesMax`, and
   * `protocol.bad-arguments` for what is no subject.
   * @param areChecked the caller has looked at both subjects with `isPublishable`, so that this need not be
   *   done again for each message. A transport may look nevertheless.
   */
  publish(subject: string, payload: Uint8Array, replyTo?: string, areChecked?: boolean): void
  /**
   * With a queue group, each message reaches one of the group's members. `*` stands for one token, `>` for
   * the rest. The other side may refuse a subscription at once or later, for the login has no permission: it
   * is asked for again until it is granted.
   */
  subscribe(subject: string, handler: (message: Message) => void, options?: SubscribeOptions): Subscription
  /** The subjects of subscriptions that the other side refuses now, but for optional ones. */
  readonly refused: readonly string[]
  /** A new subject prefix for replies that nobody else uses. */
  newInbox(): string
  /**
   * Resolves when the other side has seen all that was published and subscribed before.
   * `refused` is up to date then.
   */
  flush(): Promise<void>
  /** Called at every change of `status`. */
  onStatus(listener: (status: TransportStatus) => void): void
  /** Delivers what was published, then closes. */
  close(): Promise<void>
}
