import type { Msg } from 'nats'
import type { Message } from '../../core/ports/transport.js'

/**
 * Decodes what is asked for only: a router reads the payload always, the subject or the reply
 * subject sometimes.
 */
export class NatsMessage implements Message {
  readonly payload: Uint8Array
  readonly noResponders: boolean
  readonly #message: Msg
  readonly #exact: string | undefined

  constructor(message: Msg, exact: string | undefined) {
    this.#message = message
    this.#exact = exact
    this.payload = message.data
    this.noResponders = this.payload.length === 0 && isNoResponders(message)
  }

  get subject(): string {
    return this.#exact ?? this.#message.subject
  }

  get replyTo(): string | undefined {
    return this.#message.reply || undefined
  }
}

function isNoResponders(message: Msg): boolean {
  try {
    return message.headers?.code === 503
  } catch {
    return false // Headers that can't be read are nobody's answer.
  }
}
