/** Requests of JetStream's interface (`$JS.API…`), asked again until somebody answers or the time is over. */
import { Fault } from '../../core/base/fault.js'
import { systemClock } from '../systemClock.js'
import { type ApiAnswer, type ApiError, apiAnswerOf, errorCodes, silenceText, statusOf } from './jetStreamAnswer.js'
import type { JetStreamConnection } from './jetStreamConnection.js'

/** The bounds of all waits. */
export interface Waits {
  /** For one answer. */
  readonly answerMs: number
  /** For a request that is asked again: longer than an election of a leader. */
  readonly askMs: number
}

export const defaultWaits: Waits = { answerMs: 2_000, askMs: 15_000 }

const askAgainPauseMs = 100
const directSilenceMs = 10_000

/** A message of a stream, as a server has it. */
export interface StoredMessage {
  readonly sequence: number
  readonly bytes: Uint8Array
}

export type Found = StoredMessage | 'missing'

export interface StreamState {
  readonly config: unknown
  /** Of the messages that are there; behind `last` if there are none. */
  readonly first: number
  readonly last: number
}

export class JetStreamApi {
  /** A server without a replica may give a request to a frozen one. Then the leader is asked for a while. */
  #directFromMs = 0

  constructor(
    readonly connection: JetStreamConnection,
    readonly waits: Waits,
  ) {}

  /**
   * Throws `unavailable.storage` when nobody answers in time, and `config.invalid` for a login that may not
   * ask, or without JetStream. Other errors are in the answer.
   */
  async ask(name: string, stream: string, body: unknown = {}, askMs = this.waits.askMs): Promise<ApiAnswer> {
    return this.#ask(`$JS.API.${name}.${stream}`, name, stream, body, askMs)
  }

  async #ask(subject: string, name: string, stream: string, body: unknown, askMs: number): Promise<ApiAnswer> {
    const payload = JSON.stringify(body)
    const timeoutMs = this.waits.answerMs
    const deadlineMs = systemClock.monotonicMs() + askMs
    for (let why = ''; ; ) {
      const answer = await this.connection.request({ subject, payload, timeoutMs })
      if (answer.kind === 'denied') throw new Fault('config.invalid', `${stream}: ${silenceText(answer)}`)
      if (answer.kind === 'no-responders')
        throw new Fault('unavailable.storage', `${stream}: nobody takes ${subject}: does nats-server run with JetStream (-js)?`)
      const read = answer.kind === 'message' ? apiAnswerOf(answer.message) : undefined
      if (read !== undefined && !isPassing(read.error)) return withJetStream(stream, read)
      why = answer.kind === 'message' ? (read?.error?.description ?? 'its answer can’t be read') : silenceText(answer)
      if (systemClock.monotonicMs() >= deadlineMs)
        throw new Fault('unavailable.storage', `${stream}: ${name} failed for ${askMs} ms: ${why}`)
      await new Promise<void>((resolve) => systemClock.after(askAgainPauseMs, resolve))
    }
  }

  /** Undefined: there is no such stream. */
  async stateOf(stream: string): Promise<StreamState | undefined> {
    const { body, error } = await this.ask('STREAM.INFO', stream)
    if (error?.errorCode === errorCodes.streamNotFound) return undefined
    if (error !== undefined) throw apiFault(stream, error)
    return streamState(body)
  }

  /** The names of all streams that take messages on these subjects. */
  async streamsOn(subject: string): Promise<readonly string[]> {
    const found: string[] = []
    for (;;) {
      const query = { subject, offset: found.length }
      const { body, error } = await this.#ask('$JS.API.STREAM.NAMES', 'STREAM.NAMES', subject, query, this.waits.askMs)
      if (error !== undefined) throw apiFault(subject, error)
      const page = Array.isArray(body.streams) ? body.streams.filter((name) => typeof name === 'string') : []
      found.push(...page)
      if (page.length === 0 || found.length >= Number(body.total ?? 0)) return found
    }
  }

  /** Looked up once. Whether it is there while nobody answers, nobody knows. */
  async isGone(stream: string): Promise<boolean> {
    try {
      return (await this.ask('STREAM.INFO', stream, {}, 0)).error?.errorCode === errorCodes.streamNotFound
    } catch {
      return false
    }
  }

  /** From any replica, or else from the leader. Asked again until somebody answers. */
  async get(stream: string, sequence: number): Promise<Found> {
    return (await this.#getDirect(stream, { seq: sequence }, sequence)) ?? this.getFromLeader(stream, { seq: sequence })
  }

  async getLast(stream: string, subject: string): Promise<Found> {
    return (await this.#getDirect(stream, { last_by_subj: subject })) ?? this.getFromLeader(stream, { last_by_subj: subject })
  }

  /** Undefined: to be asked of the leader. A replica may lag behind. */
  async #getDirect(stream: string, query: object, sequence?: number): Promise<StoredMessage | undefined> {
    if (systemClock.monotonicMs() < this.#directFromMs) return undefined
    const answer = await this.connection.request({
      subject: `$JS.API.DIRECT.GET.${stream}`,
      payload: JSON.stringify(query),
      timeoutMs: this.waits.answerMs,
    })
    if (answer.kind === 'timed-out') this.#directFromMs = systemClock.monotonicMs() + directSilenceMs
    if (answer.kind !== 'message' || statusOf(answer.message) !== 0) return undefined
    const found = Number(answer.message.headers?.get('Nats-Sequence'))
    if (!Number.isSafeInteger(found) || (sequence !== undefined && found !== sequence)) return undefined
    return { sequence: found, bytes: new Uint8Array(answer.message.data) }
  }

  async getFromLeader(stream: string, query: object): Promise<Found> {
    const { body, error } = await this.ask('STREAM.MSG.GET', stream, query)
    if (error?.errorCode === errorCodes.messageNotFound || error?.errorCode === errorCodes.streamNotFound) return 'missing'
    if (error !== undefined) throw apiFault(stream, error)
    const { seq, data } = (body.message ?? {}) as { seq?: unknown; data?: unknown }
    if (typeof seq !== 'number') throw new Fault('unavailable.storage', `${stream}: its answer can’t be read`)
    return { sequence: seq, bytes: new Uint8Array(Buffer.from(typeof data === 'string' ? data : '', 'base64')) }
  }

  /** All messages of `subject`, or those before `before`. */
  async purge(stream: string, what: { readonly filter: string } | { readonly seq: number }): Promise<void> {
    const { error } = await this.ask('STREAM.PURGE', stream, what)
    if (error !== undefined) throw apiFault(stream, error)
  }
}

/** It may be another one when it is asked again: a leader is elected, or a server starts. */
function isPassing(error: ApiError | undefined): boolean {
  return error?.code === 503 && error.errorCode !== errorCodes.notEnabledForAccount && error.errorCode !== errorCodes.notEnabled
}

function withJetStream(stream: string, answer: ApiAnswer): ApiAnswer {
  const { error } = answer
  if (error?.errorCode !== errorCodes.notEnabledForAccount && error?.errorCode !== errorCodes.notEnabled) return answer
  throw new Fault('config.invalid', `${stream}: ${error.description}: switch JetStream on for this account of nats-server`)
}

export function apiFault(stream: string, { errorCode, description }: ApiError): Fault {
  return new Fault('unavailable.storage', `${stream}: ${description} (${errorCode})`)
}

export function streamState(body: ApiAnswer['body']): StreamState {
  const { first_seq: first, last_seq: last } = (body.state ?? {}) as { first_seq?: unknown; last_seq?: unknown }
  if (typeof first !== 'number' || typeof last !== 'number')
    throw new Fault('unavailable.storage', 'JetStream told no state of a stream')
  // Of a stream that has never had a message it tells 0.
  return { config: body.config, first: Math.max(first, 1), last }
}
