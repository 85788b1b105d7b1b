/**
 * An operation that a node has carried out since a flip which can be rewound (§8; W1), as it is kept on the
 * node's disk, in the same commit as what it wrote.
 */
import { digestOf } from '../base/digest.js'
import { Fault } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import { isVersion, type Version } from '../base/ids.js'
import type { CallerInfo } from '../wire/callerInfo.js'
import { pack, unpack } from '../wire/codec.js'

/** A call or a message that an operation has sent to others. */
export interface RecordedCall {
  /** `service/node`, `service/` for any node of a service, or `event/name`. */
  readonly target: string
  readonly method: string
  /** Digest of its arguments. */
  readonly args: string
  /** Sends and events have none. Nor has a call whose answer had not come when the operation ended. */
  readonly answer: RecordedAnswer | null
  /** Whether the other side may have changed something by it. */
  readonly isCommand: boolean
}

export type RecordedAnswer =
  /** Empty where the answer was undefined, which is not null to whoever asked. */
  { readonly value: Uint8Array } | { readonly code: string; readonly message: string; readonly details: Uint8Array }

/** The answer to a caller: as it was, or the digest of a long one; null where nobody waits for one. */
export type Told = Uint8Array | string | null

export interface RecordedOperation {
  /** The version that the call was labelled with. */
  readonly label: Version
  readonly kind: 'call' | 'event' | 'timer'
  /** Of an event its name. */
  readonly method: string
  readonly args: Uint8Array
  /** Undefined where nobody calls: a timer's. */
  readonly caller: CallerInfo | undefined
  /** Milliseconds since 1970, when it began. */
  readonly atMs: number
  readonly told: Told
  /** The results of `now()` and `random()`, in order. */
  readonly nows: readonly number[]
  readonly randoms: readonly number[]
  readonly calls: readonly RecordedCall[]
  /** Methods of calls that ran inside it (a re-entrant class). */
  readonly inside: readonly string[]
  /** Bytes of all operations up to this one, this one left out. */
  readonly bytesBefore: number
}

/** Answers of up to so many bytes are kept whole: a report can show them. */
export const toldBytesMax = 256

export function toldOf(value: unknown): Told {
  const packed = pack(value ?? null, 'the result')
  return packed.length <= toldBytesMax ? packed : digestOf(packed)
}

export function isSameTold(a: Told, b: Told): boolean {
  if (typeof a === 'string' || typeof b === 'string' || a === null || b === null) return a === b
  return Buffer.compare(a, b) === 0
}

export function digestOfArgs(args: readonly unknown[]): string {
  return digestOf(pack(args, 'the arguments'))
}

/** Of a call that fails for its arguments, as whoever makes it is told by itself. */
export function digestOrNone(args: readonly unknown[]): string {
  try {
    return digestOfArgs(args)
  } catch {
    return ''
  }
}

export function answerWith(value: unknown): { readonly value: Uint8Array } {
  return { value: value === undefined ? new Uint8Array() : pack(value, 'an answer') }
}

export function answeredValue({ value }: { readonly value: Uint8Array }): unknown {
  return value.length === 0 ? undefined : unpack(value)
}

export function answerOf(error: unknown): RecordedAnswer {
  const { code, message, details } = error instanceof Fault ? error : new Fault('application.error', String(error))
  return { code, message, details: pack(details) }
}

function callerFields({ name, node, className, version, system, host }: CallerInfo): readonly unknown[] {
  return [name, node, className, version, ...(system === undefined ? [] : [system, host])]
}

function callerIn([name, node, className, version, system, host]: any[]): CallerInfo {
  const caller = { name, node, className, version }
  return system === undefined ? caller : { ...caller, system, host }
}

export function encodeOperation(operation: RecordedOperation): Uint8Array {
  const { label, kind, method, args, caller, atMs, told, nows, randoms, calls, inside, bytesBefore } = operation
  const by = caller === undefined ? null : callerFields(caller)
  const made = calls.map(({ target, method: called, args: given, answer, isCommand }) => [
    ...[target, called, given, isCommand],
    answer === null ? null : 'value' in answer ? [answer.value] : [answer.code, answer.message, answer.details],
  ])
  return pack([formats.rewind.newest, label, kind, method, args, by, atMs, told, nows, randoms, made, inside, bytesBefore])
}

/** Throws `config.invalid` for one of another format. */
export function decodeOperation(bytes: Uint8Array): RecordedOperation {
  const [format, label, kind, method, args, by, atMs, told, nows, randoms, made, inside, bytesBefore] = unpack(bytes) as any[]
  if (!isRead(formats.rewind, format))
    throw new Fault(
      'config.invalid',
      `recorded operation of format ${format}: this Theseus reads format ${numbersRead(formats.rewind)}`,
    )
  const caller = by === null ? undefined : callerIn(by)
  const calls = made.map(([target, called, given, isCommand, answer]: any[]) => ({
    ...{ target, method: called, args: given, isCommand },
    answer:
      answer === null
        ? null
        : answer.length === 1
          ? { value: answer[0] }
          : { code: answer[0], message: answer[1], details: answer[2] },
  }))
  return { label, kind, method, args, caller, atMs, told, nows, randoms, calls, inside, bytesBefore }
}

/** An operation whose replay was not what its caller had been told (W4). */
export interface RewindDifference {
  readonly label: Version
  readonly kind: RecordedOperation['kind']
  readonly method: string
  readonly args: Uint8Array
  readonly caller: CallerInfo | undefined
  readonly atMs: number
  readonly told: Told
  /**
   * `answer`: it has another one now. `refused`: it fails now. `diverged`: it would have sent or asked others
   * something else. Of the last two nothing is left.
   */
  readonly outcome: 'answer' | 'refused' | 'diverged'
  /** The answer of now. */
  readonly now: Told
  /** Why it is refused, or where it diverged. */
  readonly reason: string | null
}

/** Of a reason, which may be a user's own text of any length. */
const reasonLengthMax = 1024

/** Arguments of up to so many bytes are kept in a report. */
const argsBytesMax = 4096

export function encodeDifference(difference: RewindDifference): Uint8Array {
  const { label, kind, method, args, caller, atMs, told, outcome, now, reason } = difference
  const by = caller === undefined ? null : callerFields(caller)
  const given = args.length <= argsBytesMax ? args : null
  return pack([formats.rewind.newest, label, kind, method, given, by, atMs, told, outcome, now, cutReason(reason)])
}

/** Half a surrogate pair can't travel. */
function cutReason(reason: string | null): string | null {
  return reason === null ? null : reason.slice(0, reasonLengthMax).toWellFormed()
}

/** As a report tells it: plain data, for people and programs. */
export interface ReportedDifference {
  readonly at: number
  readonly label: Version
  readonly kind: RecordedOperation['kind']
  readonly method: string
  /** Undefined where they were too long to be kept. */
  readonly args?: readonly unknown[]
  readonly caller: CallerInfo | null
  readonly outcome: RewindDifference['outcome']
  /** The answers, or the digests of long ones. */
  readonly told: unknown
  readonly now: unknown
  readonly reason: string | null
}

/** Undefined for one of another format. */
export function decodeDifference(bytes: Uint8Array): ReportedDifference | undefined {
  const [format, label, kind, method, args, by, at, told, outcome, now, reason] = unpack(bytes) as any[]
  if (!isRead(formats.rewind, format)) return undefined
  const caller = by === null ? null : callerIn(by)
  const given = args === null ? {} : { args: unpack(args) as unknown[] }
  return { at, label, kind, method, ...given, caller, outcome, told: readable(told), now: readable(now), reason }
}

function readable(told: Told): unknown {
  return told === null ? null : typeof told === 'string' ? `sha256:${told}` : unpack(told)
}

/** Whether this is something that a host may tell. */
export function isReportedDifference(value: unknown): value is ReportedDifference {
  if (typeof value !== 'object' || value === null) return false
  const { at, label, kind, method, args = [], outcome, reason, caller } = value as Record<string, unknown>
  return (
    typeof at === 'number' &&
    Number.isSafeInteger(label) &&
    ['call', 'event', 'timer'].includes(kind as string) &&
    typeof method === 'string' &&
    Array.isArray(args) &&
    ['answer', 'refused', 'diverged'].includes(outcome as string) &&
    (reason === null || typeof reason === 'string') &&
    isCallerOrNone(caller)
  )
}

function isCallerOrNone(value: unknown): boolean {
  if (value === null) return true
  if (typeof value !== 'object') return false
  const { name, node, className, version } = value as Record<string, unknown>
  return (
    (name === null || typeof name === 'string') &&
    [node, className].every((text) => typeof text === 'string') &&
    isVersion(version)
  )
}
