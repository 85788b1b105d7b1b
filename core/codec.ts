/**
 * Envelopes and state to bytes and back, by msgpackr kept to standard MessagePack: no records, no private extensions but the standard
 * timestamp. Its decoder accepts more than that, so everything is checked after decoding.
 */
import { type Options, Packr, Unpackr } from 'msgpackr'
import {
  type CallEnvelope,
  deadlineMsMax,
  type Envelope,
  envelopeFormat,
  kinds,
  methodBytesMax,
  pathCallsMax,
  type Replier,
} from './envelope.js'
import { Fault, type FaultCode } from './fault.js'
import { isClassName, isName, isVersion, type Version } from './ids.js'
import { notStandard } from './messagePack.js'
import { checkPlain } from './plain.js'

// 'auto' is missing from msgpackr's types: an int64 becomes a number where it is safe, a BigInt otherwise.
const standard = {
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  int64AsType: 'auto',
  copyBuffers: true,
  useToJSON: false,
} as unknown as Options
const packr = new Packr(standard)

/** Plain data to bytes. Throws `protocol.bad-arguments` for anything else. */
export function pack(value: unknown, what = 'value'): Uint8Array {
  checkPlain(value, what)
  return packr.pack(value)
}

/** Bytes that this host packed itself, back to data. */
export function unpack(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}

export function encodeCall(call: CallEnvelope): Uint8Array {
  checkPlain(call.args, 'arguments')
  // What the receiver would refuse takes the other calls of its message with it.
  if (!isVersion(call.label)) throw new Fault('protocol.bad-arguments', `${call.label} is not a version`)
  if (!isMethodName(call.method)) throw new Fault('protocol.bad-arguments', `the method's name is longer than ${methodBytesMax}`)
  if (call.path !== null && call.path.length > pathCallsMax)
    throw new Fault('protocol.bad-arguments', `more than ${pathCallsMax} calls are made for one another`)
  return packr.pack([
    envelopeFormat,
    call.kind,
    call.label,
    call.seq,
    call.method,
    call.args,
    call.deadlineMs,
    call.caller,
    call.incarnation,
    call.callerClass,
    call.callerVersion,
    call.expects,
    call.path,
    call.trace,
  ])
}

export function encodeReply(label: Version, seq: number, value: unknown, replier: Replier, hops: number): Uint8Array {
  checkPlain(value, 'result')
  const reply = [envelopeFormat, kinds.reply, label, seq, value, replier.node, replier.className, replier.version, hops]
  // MessagePack has nil only: a method without a result is told apart from one that answers null by a field of its own.
  if (value === undefined) reply.push(true)
  return packr.pack(reply)
}

export function encodeFault(label: Version, seq: number, fault: Fault, replier: Replier): Uint8Array {
  const { code, message, retryable } = fault
  return packr.pack([
    envelopeFormat,
    kinds.fault,
    label,
    seq,
    [code, message, retryable, plainDetails(fault)],
    replier.node,
    replier.className,
    replier.version,
  ])
}

/** Details come from user code too: what can't travel is left out, for a fault must always get through. */
function plainDetails(fault: Fault): unknown {
  try {
    checkPlain(fault.details, 'details')
    return fault.details
  } catch {
    return {}
  }
}

export function encodeAnnouncement(version: Version, digest: string | null): Uint8Array {
  return packr.pack([envelopeFormat, kinds.announcement, version, digest])
}

/** All envelopes of one message. Throws `protocol.bad-envelope` or `protocol.format`; then none of them counts. */
export function decode(payload: Uint8Array): Envelope[] {
  const problem = notStandard(payload)
  if (problem !== undefined) throw bad(`the message is not MessagePack as docs/protocol.md has it: ${problem}`)
  let values: unknown[]
  try {
    values = unpackr.unpackMultiple(payload) as unknown[]
  } catch (error) {
    throw new Fault('protocol.bad-envelope', 'the message is not MessagePack', {}, { cause: error })
  }
  const envelopes: Envelope[] = []
  for (const value of values) envelopes.push(envelopeOf(value))
  return envelopes
}

const unpackr = new Unpackr(standard)

function envelopeOf(value: unknown): Envelope {
  if (!Array.isArray(value)) throw bad('the envelope is not an array')
  if (value[0] !== envelopeFormat)
    throw new Fault('protocol.format', `envelope format ${shown(value[0])}; this host accepts ${envelopeFormat}`, {
      accepts: [envelopeFormat],
    })
  switch (value[1]) {
    case kinds.call:
    case kinds.send:
    case kinds.event:
      return callOf(value, value[1])
    case kinds.reply:
      checkPlain(value[4], 'result')
      return {
        kind: kinds.reply,
        label: versionAt(value, 2),
        seq: uintAt(value, 3),
        value: value[9] === true ? undefined : value[4],
        replier: replierAt(value, 5),
        hops: typeof value[8] === 'number' ? value[8] : 0,
      }
    case kinds.fault:
      return {
        kind: kinds.fault,
        label: versionAt(value, 2),
        seq: uintAt(value, 3),
        fault: faultOf(value[4]),
        replier: replierAt(value, 5),
      }
    case kinds.announcement:
      return { kind: kinds.announcement, version: versionAt(value, 2), digest: typeof value[3] === 'string' ? value[3] : null }
    default:
      throw bad(`unknown kind ${shown(value[1])}`)
  }
}

function callOf(value: unknown[], kind: CallEnvelope['kind']): CallEnvelope {
  const args = value[5]
  if (!Array.isArray(args)) throw bad('field 5 (arguments) is not an array')
  checkPlain(args, 'arguments')
  const method = stringAt(value, 4)
  if (!isMethodName(method)) throw bad(`field 4 (method) is longer than ${methodBytesMax}`)
  return {
    kind,
    label: versionAt(value, 2),
    seq: uintAt(value, 3),
    method,
    args,
    deadlineMs: Math.min(uintAt(value, 6), deadlineMsMax),
    caller: nameAt(value, 7),
    incarnation: uintAt(value, 8),
    callerClass: classNameAt(value, 9),
    callerVersion: versionAt(value, 10),
    expects: optionalStringAt(value, 11),
    path: pathAt(value, 12),
    trace: optionalStringAt(value, 13),
  }
}

function faultOf(value: unknown): Fault {
  if (!Array.isArray(value) || typeof value[0] !== 'string' || !value[0].includes('.'))
    throw bad('field 4 (fault) is not [code, message, retryable, details]')
  const [code, message, retryable, details] = value
  if (typeof message !== 'string') throw bad('field 4 (fault): the message is not text')
  checkPlain(details, 'details')
  const record = typeof details === 'object' && details !== null && !Array.isArray(details) ? details : {}
  return new Fault(code as FaultCode, message, record, { retryable: retryable === true })
}

function replierAt(value: unknown[], i: number): Replier {
  return { node: nameAt(value, i), className: classNameAt(value, i + 1), version: versionAt(value, i + 2) }
}

function versionAt(value: unknown[], i: number): Version {
  const found = value[i]
  if (isVersion(found)) return found
  throw bad(`field ${i} is not a version`)
}

function uintAt(value: unknown[], i: number): number {
  const found = value[i]
  if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return found
  throw bad(`field ${i} is not an unsigned integer`)
}

function stringAt(value: unknown[], i: number): string {
  const found = value[i]
  if (typeof found === 'string') return found
  throw bad(`field ${i} is not a string`)
}

function isMethodName(method: string): boolean {
  return method.length * 3 <= methodBytesMax || Buffer.byteLength(method) <= methodBytesMax
}

/** Names are kept by who receives them, so they are bounded. */
function nameAt(value: unknown[], i: number): string {
  const found = value[i]
  if (isName(found)) return found
  throw bad(`field ${i} is not a name`)
}

function classNameAt(value: unknown[], i: number): string {
  const found = value[i]
  if (isClassName(found)) return found
  throw bad(`field ${i} is not a class name`)
}

function optionalStringAt(value: unknown[], i: number): string | null {
  return value[i] === null || value[i] === undefined ? null : stringAt(value, i)
}

function pathAt(value: unknown[], i: number): readonly string[] | null {
  const found = value[i]
  if (found === null || found === undefined) return null
  if (Array.isArray(found) && found.length <= pathCallsMax && found.every((id) => typeof id === 'string')) return found
  throw bad(`field ${i} (path) is not a list of at most ${pathCallsMax} call ids`)
}

/** For a fault's message: never the sender's own text, which may be long, or no text at all. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : `of type ${typeof value}`
}

function bad(message: string): Fault {
  return new Fault('protocol.bad-envelope', message)
}
