/**
 * The standard types of MessagePack, with text as map keys and the standard timestamp: what msgpackr
 * packs and unpacks of them. Its decoder takes more than the standard, and not all of it ends: its
 * string bundles (ext 0x62) can point back to themselves, and its references (ext 0x69 and 0x70) make a few
 * hundred bytes into 2⁴⁰ values. So it gets only values that were looked over.
 */
import { type Options, Packr, Unpackr } from 'msgpackr'
import { Fault } from '../base/fault.js'
import { nestingMax } from './plain.js'

// 'auto' is missing from msgpackr's types: an int64 becomes a number where it is safe, a BigInt otherwise.
const standard = { useRecords: false, int64AsType: 'auto' } as unknown as Options
const packr = new Packr(standard)
const unpackr = new Unpackr(standard)

/** As a timestamp, in the shortest form that holds it. */
export function packInstant(instant: globalThis.Date): Uint8Array {
  return packr.pack(instant)
}

/** The value between two positions. Bytes of others must have been looked over. */
export function unpackValue(bytes: Buffer, start: number, end: number): unknown {
  const isInteger = bytes[start] === 0xcf || bytes[start] === 0xd3
  return isInteger ? unpackr.unpack(bytes, { start, end }) : instantIn(bytes, start, end - start)
}

const nanosecondsMax = 999_999_999

/**
 * The millisecond that has begun, before 1970 as well. Of more nanoseconds than a second has, the instant is
 * invalid. msgpackr takes those of 12 bytes as a signed number and rounds before 1970 upwards.
 */
function instantIn(bytes: Buffer, start: number, length: number): globalThis.Date {
  const long = length === 15
  const first = start + (long ? 3 : 2)
  const head = bytes.readUInt32BE(first)
  if (length === 6) return new globalThis.Date(head * 1_000)
  const nanoseconds = long ? head : head >>> 2
  const seconds = long ? Number(bytes.readBigInt64BE(first + 4)) : (head & 3) * 2 ** 32 + bytes.readUInt32BE(first + 4)
  const ms = nanoseconds > nanosecondsMax ? Number.NaN : seconds * 1_000 + Math.floor(nanoseconds / 1e6)
  return new globalThis.Date(ms)
}

/** Levels that a message is read to: an envelope, a fault's list in it, and the data inside. */
export const levelsMax = nestingMax + 2

/**
 * Levels that a message has when it is sent, its envelope the first: readers in C keep 32
 * (`MSGPACK_EMBED_STACK_SIZE`). Release 0.1.0 sends up to `levelsMax`, which is still read.
 */
export const sentLevelsMax = 32
/** Of arguments and results. */
export const valueLevelsMax = sentLevelsMax - 1
/** Of a fault's details. */
export const detailsLevelsMax = sentLevelsMax - 2

/**
 * Values of one message: items of lists and fields of records. An empty record is one byte on
 * the wire and more than a hundred in memory, so bytes bound too little. A sender that has more
 * sends bytes, or several messages.
 */
export const messageValuesMax = 2 ** 18

export function tooManyValues(): Fault {
  return new Fault('protocol.too-large', `more than ${messageValuesMax} values in one message: send less at once, or bytes`)
}

/**
 * The length of the value that begins at `at`, with its header: a 64-bit integer or an instant. msgpackr
 * reads these. Throws `protocol.bad-envelope` for any other type.
 */
export function unpackedLength(bytes: Uint8Array, at: number): number {
  const token = bytes[at]!
  switch (token) {
    case 0xcf:
    case 0xd3:
      return 9
    case 0xd6: // the timestamp in 4, 8 or 12 bytes
      if (bytes[at + 1] === 0xff) return 6
      break
    case 0xd7:
      if (bytes[at + 1] === 0xff) return 10
      break
    case 0xc7:
      if (bytes[at + 1] === 12 && bytes[at + 2] === 0xff) return 15
      break
    default:
      throw notStandard(`0x${token.toString(16)} at byte ${at}`)
  }
  throw notStandard(`an extension at byte ${at}`)
}

export const endIsMissing = 'its end is missing'

export function notStandard(problem: string): Fault {
  return new Fault('protocol.bad-envelope', `the message is not MessagePack as docs/protocol.md has it: ${problem}`)
}
