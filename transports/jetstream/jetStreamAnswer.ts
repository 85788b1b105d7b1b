/** The answers of nats-server to a request of JetStream, read with care: they come from outside. */
import type { Msg } from 'nats'

/**
 * The end of a request. `no-responders`: nobody has taken it. Of the other silences nobody knows whether it
 * was carried out.
 */
export type Answer =
  | { readonly kind: 'message'; readonly message: Msg }
  | { readonly kind: 'no-responders' }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'disconnected' }
  /** This login may not publish to `subject`, or not listen to it. */
  | { readonly kind: 'denied'; readonly subject: string }

export type Silence = Exclude<Answer, { readonly kind: 'message' }>

export interface ApiError {
  /** As that of HTTP. */
  readonly code: number
  /** Which error it is. */
  readonly errorCode: number
  readonly description: string
}

export interface ApiAnswer {
  readonly body: Readonly<Record<string, unknown>>
  readonly error: ApiError | undefined
}

/** Error codes of JetStream, as nats-server has them in `errors.json`. */
export const errorCodes = {
  accountResourcesExceeded: 10002,
  noSuitablePeers: 10005,
  insufficientResources: 10023,
  messageNotFound: 10037,
  notEnabledForAccount: 10039,
  storageResourcesExceeded: 10047,
  messageTooLarge: 10054,
  nameInUse: 10058,
  streamNotFound: 10059,
  otherStreamExpected: 10060,
  subjectsOverlap: 10065,
  wrongLastSequence: 10071,
  replicasWithoutCluster: 10074,
  notEnabled: 10076,
  storeFailed: 10077,
  sealed: 10109,
  /** Another append with the same expectation is in flight. */
  wrongLastSequenceInFlight: 10164,
} as const

const descriptionLengthMax = 200

/** Undefined: no JSON, or not an object. */
export function apiAnswerOf({ data }: Pick<Msg, 'data'>): ApiAnswer | undefined {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(data))
    return isRecord(body) ? { body, error: errorOf(body.error) } : undefined
  } catch {
    return undefined
  }
}

function errorOf(error: unknown): ApiError | undefined {
  if (error === undefined || error === null) return undefined
  if (!isRecord(error)) return { code: 500, errorCode: 0, description: String(error).slice(0, descriptionLengthMax) }
  const { code, err_code: errorCode, description } = error
  return {
    code: typeof code === 'number' ? code : 500,
    errorCode: typeof errorCode === 'number' ? errorCode : 0,
    description: String(description ?? 'no description').slice(0, descriptionLengthMax),
  }
}

/** The status of a message that has one instead of contents: 404, 503. */
export function statusOf(message: Pick<Msg, 'headers'>): number {
  try {
    return message.headers?.code ?? 0
  } catch {
    return -1 // Headers that can't be read are nobody's answer.
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of a silence, for people. */
export function silenceText(silence: Silence): string {
  switch (silence.kind) {
    case 'no-responders':
      return 'it has no leader at the moment'
    case 'timed-out':
      return 'nobody answered in time'
    case 'disconnected':
      return 'there is no connection to NATS'
    case 'denied':
      return `this login may not use ${silence.subject}`
  }
}
