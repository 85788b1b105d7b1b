/**
 * The standard types of MessagePack, with text as map keys and the standard timestamp: where a value ends,
 * and what msgpackr packs and unpacks. Its decoder takes more than the standard, and not all of it ends: its
 * string bundles (ext 0x62) can point back to themselves, and its references (ext 0x69 and 0x70) make a few
 * hundred bytes into 2⁴⁰ values. So it gets only values that were looked over.
 */
import { type Options, Packr, Unpackr } from 'msgpackr'
import { Fault } from '../base/fault.js'
import { nestingMax } from './plain.js'

// 'auto' is missing from msgpackr's types: an int64 becomes a number where it is safe, a BigInt otherwise.
const standard = { useRecords: false, int64AsType: 'auto', copyBuffers: true } as unknown as Options
const packr = new Packr(standard)
const unpackr = new Unpackr(standard)

/** As a timestamp, in the shortest form that holds it. */
export function packInstant(instant: globalThis.Date): Uint8Array {
  return packr.pack(instant)
}

/** The value between two positions. Bytes of others must have been looked over. */
export function unpackValue(bytes: Uint8Array, start: number, end: number): unknown {
  return unpackr.unpack(bytes, { start, end })
}

/** An envelope, a fault's list in it, and what is inside. */
export const levelsMax = nestingMax + 2

/**
 * Values of one message: items of lists and fields of records. An empty record is one byte on
 * the wire and more than a hundred in memory, so bytes bound too little. A sender that has more
 * sends bytes, or several messages.
 */
export const messageValuesMax = 2 ** 18

export function tooManyValues(): Fault {
  return new Fault('protocol.too-large', `more than ${messageValuesMax} values in one message: send less at once, or bytes`)
}

/** Items still to come at each level; the keys of a map are the even ones. */
const left = new Uint32Array(levelsMax + 1)
const isMap = new Uint8Array(levelsMax + 1)

/**
 * Where the value that begins at `start` ends. Throws `protocol.bad-envelope` unless all of it
 * is there, in standard types.
 */
export function endOfValue(bytes: Uint8Array, start: number): number {
  const end = bytes.length
  let level = 0
  let at = start
  do {
    if (at >= end) throw notStandard(endIsMissing)
    const token = bytes[at++]!
    if (level > 0 && isMap[level] === 1 && (left[level]! & 1) === 0 && !isText(token))
      throw notStandard(`a map key of type 0x${token.toString(16)} at byte ${at - 1}`)
    let items = -1
    let map = 0
    if (token < 0x80 || token >= 0xe0) {
    } else if (token < 0x90) {
      items = (token & 0x0f) * 2
      map = 1
    } else if (token < 0xa0) items = token & 0x0f
    else if (token < 0xc0) at += token & 0x1f
    else {
      const size = uintAfter(bytes, at, token)
      switch (token) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          break
        case 0xc4: // bin, str
        case 0xd9:
          at += 1 + size
          break
        case 0xc5:
        case 0xda:
          at += 2 + size
          break
        case 0xc6:
        case 0xdb:
          at += 4 + size
          break
        case 0xcc: // numbers
        case 0xd0:
          at += 1
          break
        case 0xcd:
        case 0xd1:
          at += 2
          break
        case 0xca:
        case 0xce:
        case 0xd2:
          at += 4
          break
        case 0xcb:
        case 0xcf:
        case 0xd3:
          at += 8
          break
        case 0xd6: // the timestamp in 4, 8 or 12 bytes
          if (bytes[at] !== 0xff) throw notStandard(`an extension at byte ${at - 1}`)
          at += 5
          break
        case 0xd7:
          if (bytes[at] !== 0xff) throw notStandard(`an extension at byte ${at - 1}`)
          at += 9
          break
        case 0xc7:
          if (bytes[at] !== 12 || bytes[at + 1] !== 0xff) throw notStandard(`an extension at byte ${at - 1}`)
          at += 14
          break
        case 0xdc:
          items = size
          at += 2
          break
        case 0xdd:
          items = size
          at += 4
          break
        case 0xde:
          items = size * 2
          map = 1
          at += 2
          break
        case 0xdf:
          items = size * 2
          map = 1
          at += 4
          break
        default:
          throw notStandard(`0x${token.toString(16)} at byte ${at - 1}`)
      }
      if (items > end - at) throw notStandard(endIsMissing)
    }
    if (items > 0) {
      if (level === levelsMax) throw notStandard(`nested deeper than ${levelsMax}`)
      level++
      left[level] = items
      isMap[level] = map
    } else {
      while (level > 0 && --left[level]! === 0) level--
    }
  } while (level > 0)
  if (at > end) throw notStandard(endIsMissing)
  return at
}

export const endIsMissing = 'its end is missing'

export function notStandard(problem: string): Fault {
  return new Fault('protocol.bad-envelope', `the message is not MessagePack as docs/protocol.md has it: ${problem}`)
}

function isText(token: number): boolean {
  return (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb)
}

/** The length that follows a header which has one; past the end it is 0, and the end is missing anyway. */
function uintAfter(bytes: Uint8Array, at: number, token: number): number {
  switch (token) {
    case 0xc4:
    case 0xd9:
      return bytes[at] ?? 0
    case 0xc5:
    case 0xda:
    case 0xdc:
    case 0xde:
      return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    case 0xc6:
    case 0xdb:
    case 0xdd:
    case 0xdf:
      return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
    default:
      return 0
  }
}
