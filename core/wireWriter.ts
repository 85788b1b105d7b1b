/**
 * A message while it is being filled: envelopes are written straight into its bytes, one directly after the other. What is short and
 * common is written here, everything else by msgpackr; both give the forms that docs/protocol.md says Theseus sends.
 */
import { packScratch } from './messagePack.js'

const firstBytes = 1024
/** Up to this length a loop over characters is faster than a call into the runtime. */
const loopLengthMax = 16

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(firstBytes)
  #at = 0

  get length(): number {
    return this.#at
  }

  /** Bytes that it holds memory for. */
  get capacity(): number {
    return this.#bytes.length
  }

  /** Takes back everything after the first `length` bytes. */
  truncate(length: number): void {
    this.#at = length
  }

  /** A copy of what was written from `start` on. */
  copy(start = 0): Uint8Array {
    const copy = Buffer.allocUnsafe(this.#at - start)
    this.#bytes.copy(copy, 0, start, this.#at)
    return copy
  }

  /** Whole values that were packed before. */
  packed(values: Uint8Array): void {
    this.#room(values.length)
    this.#bytes.set(values, this.#at)
    this.#at += values.length
  }

  byte(byte: number): void {
    this.#room(1)
    this.#bytes[this.#at++] = byte
  }

  list(length: number): void {
    this.#room(5)
    if (length < 16) this.#bytes[this.#at++] = 0x90 | length
    else if (length < 0x10000) this.#sized(0xdc, 2, length)
    else this.#sized(0xdd, 4, length)
  }

  /** −0 becomes 0, as an integer. */
  number(value: number): void {
    this.#room(9)
    if (value >>> 0 === value) this.#uint(value)
    else if ((value | 0) === value) this.#negative(value)
    else {
      this.#bytes[this.#at] = 0xcb
      this.#at = this.#bytes.writeDoubleBE(value, this.#at + 1)
    }
  }

  text(text: string): void {
    const { length } = text
    this.#room(5 + length * 3)
    if (length <= loopLengthMax ? this.#shortAscii(text, length) : this.#mediumAscii(text, length)) return
    this.#utf8(text)
  }

  textOrNil(text: string | null): void {
    if (text === null) this.byte(0xc0)
    else this.text(text)
  }

  /** Writes nil, a boolean, a number or text; false, and nothing, for everything else. */
  scalar(value: unknown): boolean {
    switch (typeof value) {
      case 'string':
        if (!value.isWellFormed()) return false
        this.text(value)
        return true
      case 'number':
        this.number(value)
        return true
      case 'boolean':
        this.byte(value ? 0xc3 : 0xc2)
        return true
      case 'undefined':
        this.byte(0xc0)
        return true
      case 'object':
        if (value !== null) return false
        this.byte(0xc0)
        return true
      default:
        return false
    }
  }

  /** Any plain value. Whether it is plain is for the caller to know. */
  value(value: unknown): void {
    const packed = packScratch(value)
    this.#room(packed.end - packed.start)
    this.#at += packed.copy(this.#bytes, this.#at, packed.start, packed.end)
  }

  #uint(value: number): void {
    if (value < 0x80) this.#bytes[this.#at++] = value
    else if (value < 0x100) this.#sized(0xcc, 1, value)
    else if (value < 0x10000) this.#sized(0xcd, 2, value)
    else this.#sized(0xce, 4, value)
  }

  #negative(value: number): void {
    if (value >= -0x20) this.#bytes[this.#at++] = value & 0xff
    else if (value >= -0x80) this.#sized(0xd0, 1, value)
    else if (value >= -0x8000) this.#sized(0xd1, 2, value)
    else this.#sized(0xd2, 4, value)
  }

  /** A header and the number that belongs to it, in 1, 2 or 4 bytes. */
  #sized(header: number, width: 1 | 2 | 4, value: number): void {
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = header
    if (width === 4) {
      bytes[at++] = value >>> 24
      bytes[at++] = value >>> 16
    }
    if (width > 1) bytes[at++] = value >>> 8
    bytes[at++] = value
    this.#at = at
  }

  /** False, and nothing written that counts, if one character is not ASCII. */
  #shortAscii(text: string, length: number): boolean {
    const bytes = this.#bytes
    const at = this.#at
    bytes[at] = 0xa0 | length
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return false
      bytes[at + 1 + i] = unit
    }
    this.#at = at + 1 + length
    return true
  }

  /** The same in one call into the runtime: of ASCII, as many bytes are written as there are characters. */
  #mediumAscii(text: string, length: number): boolean {
    if (length >= 0x100) return false
    const at = this.#at
    const first = length < 32 ? at + 1 : at + 2
    if (this.#bytes.write(text, first) !== length) return false
    if (length < 32) this.#bytes[at] = 0xa0 | length
    else {
      this.#bytes[at] = 0xd9
      this.#bytes[at + 1] = length
    }
    this.#at = first + length
    return true
  }

  #utf8(text: string): void {
    const size = Buffer.byteLength(text)
    if (size < 32) this.#bytes[this.#at++] = 0xa0 | size
    else if (size < 0x100) this.#sized(0xd9, 1, size)
    else if (size < 0x10000) this.#sized(0xda, 2, size)
    else this.#sized(0xdb, 4, size)
    this.#at += this.#bytes.write(text, this.#at)
  }

  #room(bytes: number): void {
    const least = this.#at + bytes
    if (least <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(least, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}
