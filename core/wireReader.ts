/**
 * A message while it is being read, value by value. It accepts the standard types of docs/protocol.md in each of their forms and nothing
 * else: what is short and common is read here; the rest is looked over first (`endOfValue`) and then unpacked by msgpackr.
 *
 * Whatever it can't read is a fault `protocol.bad-envelope`.
 */
import { endIsMissing, endOfValue, notStandard, unpackValue } from './messagePack.js'

/** What `scalar` answers where a value of another kind begins. Not a value of MessagePack. */
export const notScalar: unique symbol = Symbol('notScalar') as never

export class WireReader {
  readonly bytes: Buffer
  at = 0

  constructor(private readonly payload: Uint8Array) {
    this.bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  /** The length of the list that begins here; undefined if something else does. */
  list(): number | undefined {
    const token = this.#token()
    let length: number
    if (token >= 0x90 && token < 0xa0) {
      this.at++
      return token & 0x0f
    }
    if (token === 0xdc) length = this.#unsigned(2)
    else if (token === 0xdd) length = this.#unsigned(4)
    else return undefined
    // Each item takes a byte at least: a longer list is refused before anything is allocated for it.
    if (length > this.bytes.length - this.at) throw notStandard(endIsMissing)
    return length
  }

  /** Nil, a boolean, text, or a number that is no 64-bit integer; `notScalar`, and nothing is read, for everything else. */
  scalar(): null | boolean | number | string | typeof notScalar {
    const token = this.#token()
    if (token < 0x80) {
      this.at++
      return token
    }
    if (token >= 0xe0) {
      this.at++
      return token - 0x100
    }
    if (token >= 0xa0 && token < 0xc0) return this.#text(this.at + 1, token & 0x1f)
    switch (token) {
      case 0xc0:
        this.at++
        return null
      case 0xc2:
      case 0xc3:
        this.at++
        return token === 0xc3
      case 0xca:
        return this.#float(4)
      case 0xcb:
        return this.#float(8)
      case 0xcc:
        return this.#unsigned(1)
      case 0xcd:
        return this.#unsigned(2)
      case 0xce:
        return this.#unsigned(4)
      case 0xd0:
        return (this.#unsigned(1) << 24) >> 24
      case 0xd1:
        return (this.#unsigned(2) << 16) >> 16
      case 0xd2:
        return this.#unsigned(4) | 0
      case 0xd9:
        return this.#sizedText(1)
      case 0xda:
        return this.#sizedText(2)
      case 0xdb:
        return this.#sizedText(4)
      default:
        return notScalar
    }
  }

  /** Any value of the standard types. A 64-bit integer that is not safe becomes a bigint, which is not plain. */
  value(): unknown {
    const scalar = this.scalar()
    return scalar === notScalar ? this.#unpacked() : scalar
  }

  /** Passes over one value. */
  skip(): void {
    this.at = endOfValue(this.bytes, this.at)
  }

  #unpacked(): unknown {
    const start = this.at
    this.at = endOfValue(this.bytes, start)
    try {
      return unpackValue(this.payload, start, this.at)
    } catch {
      throw notStandard(`the value at byte ${start}`)
    }
  }

  #token(): number {
    const token = this.bytes[this.at]
    if (token === undefined) throw notStandard(endIsMissing)
    return token
  }

  #sizedText(width: 1 | 2 | 4): string {
    const size = this.#unsigned(width)
    return this.#text(this.at, size)
  }

  #text(start: number, size: number): string {
    const { bytes } = this
    const end = start + size
    if (end > bytes.length) throw notStandard(endIsMissing)
    this.at = end
    return bytes.toString('utf8', start, end)
  }

  /** The number after a header, of so many bytes. */
  #unsigned(width: 1 | 2 | 4): number {
    const { bytes } = this
    const first = this.at + 1
    this.at = first + width
    if (this.at > bytes.length) throw notStandard(endIsMissing)
    if (width === 1) return bytes[first]!
    if (width === 2) return (bytes[first]! << 8) | bytes[first + 1]!
    return ((bytes[first]! << 24) | (bytes[first + 1]! << 16) | (bytes[first + 2]! << 8) | bytes[first + 3]!) >>> 0
  }

  #float(width: 4 | 8): number {
    const first = this.at + 1
    this.at = first + width
    if (this.at > this.bytes.length) throw notStandard(endIsMissing)
    return width === 4 ? this.bytes.readFloatBE(first) : this.bytes.readDoubleBE(first)
  }
}
