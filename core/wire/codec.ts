/**
 * Envelopes and state to bytes and back, one at a time. Envelopes that are sent often are written into their
 * message instead (`WireWriter`).
 */

import { Fault, shortenedFault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import { type CallEnvelope, type Envelope, envelopeFormat, type Replier } from './envelope.js'
import { formatOf, readEnvelope } from './envelopeReader.js'
import { packCallerFields, writeAnnouncement, writeBounded, writeCall, writeFault, writeReply } from './envelopeWriter.js'
import { messageValuesMax, notStandard } from './messagePack.js'
import { notPlain } from './plain.js'
import { WireReader } from './wireReader.js'
import { WireWriter } from './wireWriter.js'

/** Plain data to bytes. Throws `protocol.bad-arguments` for anything else. */
export function pack(value: unknown, what = 'value'): Uint8Array {
  return encoded((writer) => {
    if (!writer.plain(value)) throw notPlain(value, what)
  })
}

/** The same of what is to travel. Throws `protocol.too-large` too. */
export function packToSend(value: unknown, what: string): Uint8Array {
  return encoded((writer) => writeBounded(writer, value, what))
}

/** Bytes that this host packed itself, back to data. */
export function unpack(bytes: Uint8Array): unknown {
  return new WireReader(bytes).value()
}

/**
 * The same of persistent state: its records have no prototype. Objects keep by key what callers
 * name, and a caller may name a key as `__proto__` or `constructor`: where there is no
 * prototype, no key means anything but its value.
 */
export function unpackState(bytes: Uint8Array): unknown {
  return new WireReader(bytes, 'without a prototype').value()
}

export function encodeCall(call: CallEnvelope): Uint8Array {
  return encoded((writer) => writeCall(writer, call, packCallerFields(call)))
}

export function encodeReply(
  label: Version,
  seq: number,
  value: unknown,
  replier: Replier,
  hops: number,
  format = envelopeFormat,
): Uint8Array {
  return encoded((writer) => writeReply(writer, { label, seq, value, replier, hops, format }))
}

/** A fault that would be longer than `bytesMax` is shortened. */
export function encodeFault(
  label: Version,
  seq: number,
  fault: Fault,
  replier: Replier,
  bytesMax = Number.POSITIVE_INFINITY,
  format?: number,
): Uint8Array {
  const whole = encoded((writer) => writeFault(writer, label, seq, fault, replier, format))
  if (whole.length <= bytesMax) return whole
  return encoded((writer) => writeFault(writer, label, seq, shortenedFault(fault), replier, format))
}

/** The fault about a message that can't be read, in a format that its sender can read. */
export function encodeRefusal(message: Uint8Array, fault: Fault, replier: Replier, bytesMax: number): Uint8Array {
  return encodeFault(0, 0, fault, replier, bytesMax, formatOf(new WireReader(message)))
}

export function encodeAnnouncement(version: Version, digest: string | null): Uint8Array {
  return encoded((writer) => writeAnnouncement(writer, version, digest))
}

/** A longer one is not kept for the next. */
const scratchBytesMax = 1 << 20
let scratch = new WireWriter()

function encoded(write: (writer: WireWriter) => void): Uint8Array {
  const writer = scratch
  // A getter of the value may itself pack something.
  const start = writer.length
  try {
    write(writer)
    return writer.copy(start)
  } finally {
    writer.truncate(start)
    if (writer.capacity > scratchBytesMax) scratch = new WireWriter()
  }
}

/** The memory that a message takes beside its bytes, in values. */
export interface Counted {
  /** As much as there is room for. */
  max: number
  /** The number that it was. */
  values: number
}

/** An envelope, and what its receiver keeps for it, take about as much as so many values. */
export const valuesPerEnvelope = 4

/**
 * All envelopes of one message. Throws `protocol.too-large`, `protocol.bad-envelope` or `protocol.format`,
 * and `unavailable.overloaded` as soon as it is more than there is room for; then none of them counts.
 */
export function decode(payload: Uint8Array, counted?: Counted): Envelope[] {
  const reader =
    counted === undefined || counted.max >= messageValuesMax
      ? new WireReader(payload, undefined, messageValuesMax)
      : new WireReader(payload, undefined, counted.max, noRoom)
  if (reader.isAtEnd) throw notStandard('it is empty')
  const envelopes: Envelope[] = []
  if (counted === undefined) {
    while (!reader.isAtEnd) envelopes.push(readEnvelope(reader))
    return envelopes
  }
  while (!reader.isAtEnd) {
    envelopes.push(readEnvelope(reader))
    if (reader.values + valuesPerEnvelope * envelopes.length > counted.max) throw noRoom()
  }
  counted.values = reader.values + valuesPerEnvelope * envelopes.length
  return envelopes
}

function noRoom(): Fault {
  return new Fault('unavailable.overloaded', 'this message holds more than there is room for, beside the calls that wait already')
}
