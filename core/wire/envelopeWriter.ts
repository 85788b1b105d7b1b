/** Each kind of envelope, field by field, as docs/protocol.md lists them. */

import { Fault } from '../base/fault.js'
import { isVersion, type Version } from '../base/ids.js'
import {
  type CallEnvelope,
  type CallOrigin,
  envelopeFormat,
  kinds,
  methodBytesMax,
  originFormat,
  pathCallsMax,
  type Replier,
} from './envelope.js'
import { writeReplier } from './frequentReplier.js'
import { detailsLevelsMax, messageValuesMax, tooManyValues, valueLevelsMax } from './messagePack.js'
import { nestingMax, notPlain } from './plain.js'
import { traceparentIn, tracestateIn } from './traceContext.js'
import { WireWriter } from './wireWriter.js'

type CallerField = 'caller' | 'incarnation' | 'callerClass' | 'callerVersion' | 'expects'

/** Fields 7 to 11 of a call, with an origin to 13: the same in all calls of one caller to one class. */
export type CallerFields = Pick<CallEnvelope, CallerField> & { readonly origin?: CallOrigin | null }

/** A call without them. */
export type CallToWrite = Omit<CallEnvelope, CallerField> & ArgumentsToKeep

/** Arguments that can be changed meanwhile are sent again as they were when they were packed first. */
export interface ArgumentsToKeep {
  packedArgs?: Uint8Array | undefined
  /** Whether `packedArgs` is to be set. */
  readonly keepsArgs?: boolean
}

const scratch = new WireWriter()

/** Packed once, written with each call. */
export function packCallerFields({
  caller,
  incarnation,
  callerClass,
  callerVersion,
  origin = null,
  expects,
}: CallerFields): Uint8Array {
  const writer = scratch
  writer.truncate(0)
  writer.text(caller)
  writer.number(incarnation)
  writer.text(callerClass)
  writer.number(callerVersion)
  if (origin !== null) {
    writer.text(origin.system)
    writer.text(origin.host)
  }
  writer.textOrNil(expects)
  return writer.copy()
}

/**
 * Throws `protocol.bad-arguments` for what can't travel; then part of it is written. `callerFields` have the
 * origin that the call has.
 */
export function writeCall(writer: WireWriter, call: CallToWrite, callerFields: Uint8Array): void {
  const { label, method, path } = call
  // An envelope that the receiver would refuse takes the other calls of its message with it.
  if (!isVersion(label)) throw new Fault('protocol.bad-arguments', `${label} is not a version`)
  if (!isMethodName(method)) throw new Fault('protocol.bad-arguments', `the method's name is longer than ${methodBytesMax}`)
  if (path !== null && path.length > pathCallsMax)
    throw new Fault('protocol.bad-arguments', `more than ${pathCallsMax} calls are made for one another`)
  const { trace, together } = call
  const tracestate = trace === null ? null : tracestateIn(trace)
  const hasOrigin = call.origin != null
  writer.list((tracestate !== null ? 16 : together ? 15 : 14) + (hasOrigin ? 2 : 0))
  writer.byte(hasOrigin ? originFormat : envelopeFormat)
  writer.byte(call.kind)
  writer.number(label)
  writer.number(call.seq)
  writer.text(method)
  if (call.packedArgs !== undefined) writer.packed(call.packedArgs)
  else {
    const start = writer.length
    writeBounded(writer, call.args, 'arguments')
    if (call.keepsArgs === true) call.packedArgs = writer.copy(start)
  }
  writer.number(call.deadlineMs)
  writer.packed(callerFields)
  if (path === null) writer.byte(0xc0)
  else {
    writer.list(path.length)
    for (const id of path) writer.text(id)
  }
  writer.textOrNil(tracestate === null ? trace : traceparentIn(trace!))
  if (together || tracestate !== null) writer.boolean(together)
  if (tracestate !== null) writer.text(tracestate)
}

/** A value that the receiver would refuse is refused here, where somebody can do something about it. */
export function writeBounded(writer: WireWriter, value: unknown, what: string): void {
  const { values } = writer
  if (!writer.plain(value, nestingMax - valueLevelsMax)) throw notPlain(value, what, valueLevelsMax)
  if (writer.values - values > messageValuesMax) throw tooManyValues()
}

export function isMethodName(method: string): boolean {
  return method.length * 3 <= methodBytesMax || Buffer.byteLength(method) <= methodBytesMax
}

export interface ReplyToWrite {
  readonly label: Version
  readonly seq: number
  readonly value: unknown
  readonly replier: Replier
  readonly hops: number
  /** That of its call. */
  readonly format?: number
}

/** Throws `protocol.bad-arguments` for what can't travel; then part of it is written. */
export function writeReply(
  writer: WireWriter,
  { label, seq, value, replier, hops, format = envelopeFormat }: ReplyToWrite,
): void {
  // MessagePack has nil only: a method without a result is told apart from one that answers
  // null by a field of its own.
  const isNone = value === undefined
  writer.list(isNone ? 10 : 9)
  writer.byte(format)
  writer.byte(kinds.reply)
  writer.number(label)
  writer.number(seq)
  writeBounded(writer, value, 'result')
  writeReplier(writer, replier)
  writer.number(hops)
  if (isNone) writer.boolean(true)
}

/**
 * The fields are the same in every format, so a fault can be of the format of the message that it is about.
 */
export function writeFault(
  writer: WireWriter,
  label: Version,
  seq: number,
  fault: Fault,
  replier: Replier,
  format = envelopeFormat,
): void {
  writer.list(8)
  writer.number(format)
  writer.byte(kinds.fault)
  writer.number(label)
  writer.number(seq)
  writer.list(4)
  writer.text(fault.code)
  writer.text(fault.message)
  writer.boolean(fault.retryable)
  writeDetails(writer, fault.details)
  writeReplier(writer, replier)
}

/** Details come from user code too: what can't travel is left out, for a fault must always get through. */
function writeDetails(writer: WireWriter, details: unknown): void {
  const start = writer.length
  try {
    if (writer.plain(details, nestingMax - detailsLevelsMax)) return
  } catch {}
  writer.truncate(start)
  writer.plain({})
}

export function writeAnnouncement(writer: WireWriter, version: Version, digest: string | null): void {
  writer.list(4)
  // Its fields are the same in both formats, and each release reads the first.
  writer.byte(envelopeFormat)
  writer.byte(kinds.announcement)
  writer.number(version)
  writer.textOrNil(digest)
}
