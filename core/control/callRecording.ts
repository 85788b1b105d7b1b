/**
 * The order to record the calls of running services: hosts tell a sample of them to one viewer. It is signed
 * like any order, for calls have the data of users. A recording ends by itself.
 */
import { isName } from '../base/ids.js'
import { rfc3339 } from '../base/instant.js'

export interface CallRecording {
  /** The viewer that is told: nobody else can use the order. */
  readonly viewer: string
  /** Null: of all services. */
  readonly services: readonly string[] | null
  /** Milliseconds since 1970: it ends then, if nothing else ends it. */
  readonly untilMs: number
  /** Of one host: it ends with the first that is reached. */
  readonly callsMax: number
  readonly bytesMax: number
  /** One node in so many, with all of its calls: 1 is all nodes. */
  readonly oneIn: number
  /** Names of fields, or `put/2` for the second argument of `put`: other values stand in their places. */
  readonly masked: readonly string[]
}

export const callRecordingBounds = {
  forMsMax: 3_600_000,
  callsMax: 100_000,
  bytesMax: 128 * 1024 * 1024,
  oneInMax: 10_000,
  maskedMax: 256,
} as const
const maskedLengthMax = 128
const servicesMax = 64

export function isCallRecording(value: unknown): value is CallRecording {
  if (typeof value !== 'object' || value === null) return false
  const { viewer, services, untilMs, callsMax, bytesMax, oneIn, masked } = value as Record<string, unknown>
  if (!isName(viewer) || !isCount(untilMs, Number.MAX_SAFE_INTEGER)) return false
  if (services !== null && !areUpTo(services, servicesMax, isName)) return false
  const most = callRecordingBounds
  if (!isCount(callsMax, most.callsMax) || !isCount(bytesMax, most.bytesMax) || !isCount(oneIn, most.oneInMax)) return false
  return areUpTo(masked, most.maskedMax, isFieldName)
}

export function isFieldName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maskedLengthMax
}

function isCount(value: unknown, most: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most
}

function areUpTo(value: unknown, most: number, isOne: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length <= most && value.every(isOne)
}

/** As people read it. */
export function describeRecording({ services, untilMs, callsMax, masked }: CallRecording): string {
  const hidden = masked.length === 0 ? '' : `, ${masked.join(', ')} masked`
  const of = services === null ? 'all services' : services.join(', ')
  return `record calls of ${of} until ${rfc3339(untilMs)}, at most ${callsMax} of each host${hidden}`
}
