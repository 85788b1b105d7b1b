/**
 * Each kind of envelope, read field by field as docs/protocol.md lists them, and checked: what is wrong is a
 * fault `protocol.bad-envelope`, `protocol.bad-arguments` or `protocol.format`. Fields after the last one
 * known are passed over.
 */

import { Fault, type FaultCode } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import { isClassName, isName, isVersion, type Version } from '../base/ids.js'
import { DecodedRuns } from './decodedRuns.js'
import {
  type CallEnvelope,
  deadlineMsMax,
  type Envelope,
  envelopeFormat,
  kinds,
  methodBytesMax,
  pathCallsMax,
} from './envelope.js'
import { type CallerFields, isMethodName } from './envelopeWriter.js'
import { whyNotPlain } from './plain.js'
import { isTraceparent, isTracestate, traceContext } from './traceContext.js'
import type { WireReader } from './wireReader.js'

const envelopeFormats: readonly number[] = Array.from(
  { length: formats.envelope.newest - formats.envelope.oldest + 1 },
  (_, i) => formats.envelope.oldest + i,
)

export function readEnvelope(reader: WireReader): Envelope {
  const length = reader.list()
  if (length === undefined) {
    reader.skip()
    throw bad('the envelope is not an array')
  }
  const format = length > 0 ? reader.value() : undefined
  if (!isRead(formats.envelope, format)) {
    if (isFormat(format) && length > 1 && reader.value() === kinds.fault) return readFault(reader, length)
    throw new Fault('protocol.format', `envelope format ${shown(format)}; this host accepts ${numbersRead(formats.envelope)}`, {
      accepts: envelopeFormats,
    })
  }
  const kind = length > 1 ? reader.value() : undefined
  switch (kind) {
    case kinds.call:
    case kinds.send:
    case kinds.event:
      return readCall(reader, kind, length, format === envelopeFormat)
    case kinds.reply:
      return readReply(reader, length)
    case kinds.fault:
      return readFault(reader, length)
    case kinds.announcement:
      return readAnnouncement(reader, length)
    default:
      throw bad(`unknown kind ${shown(kind)}`)
  }
}

/** The format of a message's first envelope, which its sender can read; the first where there is none. */
export function formatOf(reader: WireReader): number {
  try {
    const format = (reader.list() ?? 0) > 0 ? reader.value() : undefined
    return isFormat(format) ? format : envelopeFormat
  } catch {
    return envelopeFormat
  }
}

function isFormat(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function readCall(reader: WireReader, kind: CallEnvelope['kind'], items: number, isFirst: boolean): CallEnvelope {
  // Two fields more, in front of those that may be left out.
  const length = isFirst ? items : items - 2
  if (length < 11) throw bad(`a call of ${items} fields`)
  const label = readVersion(reader, 2)
  const seq = readUint(reader, 3)
  const method = methods.read(reader)
  const given = readArguments(reader)
  const args = isList(given) ? given : []
  const deadlineMs = Math.min(readUint(reader, 6), deadlineMsMax)
  const { caller, incarnation, callerClass, callerVersion, origin } = (isFirst ? callers : callersWithOrigin).read(reader)
  const expects = length > 11 && !reader.nil() ? (isFirst ? expected : expectedAfterOrigin).read(reader) : null
  const path = length > 12 ? readPath(reader, isFirst ? 12 : 14) : null
  const trace = length > 13 ? readTrace(reader, isFirst ? 13 : 15) : null
  const together = length > 14 && reader.value() === true
  const tracestate = length > 15 ? readTracestate(reader) : null
  skip(reader, length - 16)
  if (!isList(given)) {
    const rest = { expects, path, trace: traceContext(trace, tracestate), together, refusal: given }
    return {
      kind,
      label,
      seq,
      method,
      args,
      deadlineMs,
      caller,
      incarnation,
      callerClass,
      callerVersion,
      origin: origin ?? null,
      ...rest,
    }
  }
  if (origin !== undefined)
    return {
      kind,
      label,
      seq,
      method,
      args,
      deadlineMs,
      caller,
      incarnation,
      callerClass,
      callerVersion,
      origin,
      expects,
      path,
      trace: traceContext(trace, tracestate),
      together,
    }
  return {
    kind,
    label,
    seq,
    method,
    args,
    deadlineMs,
    caller,
    incarnation,
    callerClass,
    callerVersion,
    expects,
    path,
    trace: traceContext(trace, tracestate),
    together,
  }
}

function readReply(reader: WireReader, length: number): Envelope {
  if (length < 8) throw bad(`a reply of ${length} fields`)
  const label = readVersion(reader, 2)
  const seq = readUint(reader, 3)
  reader.mayNotBePlain = false
  let value = reader.value()
  const odd = reader.mayNotBePlain ? whyNotPlain(value, 'result') : undefined
  const replier = repliers.read(reader)
  const hops = length > 8 ? reader.value() : 0
  if (length > 9 && reader.value() === true) value = undefined
  skip(reader, length - 10)
  // The other answers of its message count.
  if (odd !== undefined) return { kind: kinds.fault, label, seq, fault: odd, replier }
  return { kind: kinds.reply, label, seq, value, replier, hops: typeof hops === 'number' ? hops : 0 }
}

/** Its fields are the same in every format: who speaks another one must be able to read that. */
function readFault(reader: WireReader, length: number): Envelope {
  if (length < 8) throw bad(`a fault of ${length} fields`)
  const label = readVersion(reader, 2)
  const seq = readUint(reader, 3)
  const fault = faultOf(reader.value())
  const replier = repliers.read(reader)
  skip(reader, length - 8)
  return { kind: kinds.fault, label, seq, fault, replier }
}

function readAnnouncement(reader: WireReader, length: number): Envelope {
  if (length < 3) throw bad('an announcement of no version')
  const version = readVersion(reader, 2)
  const digest = length > 3 ? reader.value() : null
  skip(reader, length - 4)
  return { kind: kinds.announcement, version, digest: typeof digest === 'string' ? digest : null }
}

// --- Runs of fields that are the same in many envelopes

const methods = new DecodedRuns((reader: WireReader) => {
  const method = readText(reader, 4)
  if (isMethodName(method)) return method
  throw bad(`field 4 (method) is longer than ${methodBytesMax}`)
})

const callers = new DecodedRuns((reader: WireReader) => readCaller(reader, false))
/** One run, so that the bytes are looked up once. */
const callersWithOrigin = new DecodedRuns((reader: WireReader) => readCaller(reader, true))

function readCaller(reader: WireReader, hasOrigin: boolean): Omit<CallerFields, 'expects'> {
  return {
    caller: readName(reader, 7),
    incarnation: readUint(reader, 8),
    callerClass: readClassName(reader, 9),
    callerVersion: readVersion(reader, 10),
    origin: hasOrigin ? { system: readName(reader, 11), host: readName(reader, 12) } : undefined,
  }
}

const expected = new DecodedRuns((reader: WireReader) => readText(reader, 11))
const expectedAfterOrigin = new DecodedRuns((reader: WireReader) => readText(reader, 13))

const repliers = new DecodedRuns((reader: WireReader) => ({
  node: readName(reader, 5),
  className: readClassName(reader, 6),
  version: readVersion(reader, 7),
}))

// --- Fields

/** Or why they can't be carried out: that is the affair of this call, and not of its message. */
function readArguments(reader: WireReader): readonly unknown[] | Fault {
  reader.mayNotBePlain = false
  const args = reader.value()
  if (!Array.isArray(args)) throw bad('field 5 (arguments) is not an array')
  return (reader.mayNotBePlain ? whyNotPlain(args, 'arguments') : undefined) ?? args
}

function isList(given: readonly unknown[] | Fault): given is readonly unknown[] {
  return Array.isArray(given)
}

function faultOf(value: unknown): Fault {
  if (!Array.isArray(value) || typeof value[0] !== 'string' || !value[0].includes('.'))
    throw bad('field 4 (fault) is not [code, message, retryable, details]')
  const [code, message, retryable, details] = value
  if (typeof message !== 'string') throw bad('field 4 (fault): the message is not text')
  const isRecord = typeof details === 'object' && details !== null && !Array.isArray(details)
  // As when they leave: a fault gets through without details that can't travel.
  const record = isRecord && whyNotPlain(details, 'details') === undefined ? details : {}
  return new Fault(code as FaultCode, message, record, { retryable: retryable === true })
}

function readUint(reader: WireReader, field: number): number {
  const found = reader.value()
  if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return found
  throw bad(`field ${field} is not an unsigned integer`)
}

function readVersion(reader: WireReader, field: number): Version {
  const found = reader.value()
  if (isVersion(found)) return found
  throw bad(`field ${field} is not a version`)
}

function readText(reader: WireReader, field: number): string {
  const found = reader.value()
  if (typeof found === 'string') return found
  throw bad(`field ${field} is not a string`)
}

function readTextOrNil(reader: WireReader, field: number): string | null {
  const found = reader.value()
  if (typeof found === 'string' || found === null) return found
  throw bad(`field ${field} is not a string`)
}

/** Names are kept by who receives them, so they are bounded. */
function readName(reader: WireReader, field: number): string {
  const found = reader.value()
  if (isName(found)) return found
  throw bad(`field ${field} is not a name`)
}

function readClassName(reader: WireReader, field: number): string {
  const found = reader.value()
  if (isClassName(found)) return found
  throw bad(`field ${field} is not a class name`)
}

/** A text that is too long for a trace context is none: a call is not refused for it. */
function readTrace(reader: WireReader, field: number): string | null {
  const found = readTextOrNil(reader, field)
  return found !== null && isTraceparent(found) ? found : null
}

/** Nor for what is no tracestate. */
function readTracestate(reader: WireReader): string | null {
  const found = reader.value()
  return isTracestate(found) ? found : null
}

function readPath(reader: WireReader, field: number): readonly string[] | null {
  const found = reader.value()
  if (found === null) return null
  if (Array.isArray(found) && found.length <= pathCallsMax && found.every((id) => typeof id === 'string')) return found
  throw bad(`field ${field} (path) is not a list of at most ${pathCallsMax} call ids`)
}

/** Fields of a later Theseus. */
function skip(reader: WireReader, fields: number): void {
  for (let i = 0; i < fields; i++) reader.skip()
}

/** For a fault's message: never the sender's own text, which may be long, or no text at all. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : `of type ${typeof value}`
}

function bad(message: string): Fault {
  return new Fault('protocol.bad-envelope', message)
}
