/**
 * A message while it is being filled: envelopes are written straight into its bytes, one directly after the
 * other, in the forms that docs/protocol.md says Theseus sends. Instants are left to msgpackr. That a value
 * is plain is seen while it is written: to look at it first would cost as much again.
 */

import { isWellFormed, unitAt } from '../base/text.js'
import { packInstant } from './messagePack.js'
import { isPlainDate, isRecord, nestingMax } from './plain.js'

const firstBytes = 1024
/** It would arrive under another name, or not at all. */
const protoKey = '__proto__'
/** Up to this length a loop over characters is faster than a call into the runtime. */
const loopLengthMax = 16

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(firstBytes)
  #view = viewOf(this.#bytes)
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
    this.#count(length, 0x90, 0xdc)
  }

  boolean(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2)
  }

  /** −0 becomes 0, as an integer. */
  number(value: number): void {
    this.#room(9)
    if (value >>> 0 === value) this.#uint(value)
    else if ((value | 0) === value) this.#negative(value)
    else {
      this.#bytes[this.#at] = 0xcb
      this.#view.setFloat64(this.#at + 1, value)
      this.#at += 9
    }
  }

  /** Half a surrogate pair becomes U+FFFD. */
  text(text: string): void {
    if (!this.#text(text)) this.#text(text.toWellFormed())
  }

  textOrNil(text: string | null): void {
    if (text === null) this.byte(0xc0)
    else this.text(text)
  }

  /** Items of lists and fields of records that were ever written, but for those that were packed before. */
  values = 0

  /**
   * Any plain value. False, and part of it written, if it is not plain: `notPlain` tells why.
   * @param depth lists and records that it is in
   */
  plain(value: unknown, depth = 0): boolean {
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        this.number(value)
        return true
      case 'boolean':
        this.boolean(value)
        return true
      case 'undefined':
        this.byte(0xc0)
        return true
      case 'object':
        if (value !== null) return this.#object(value, depth)
        this.byte(0xc0)
        return true
      default:
        return false
    }
  }

  #object(value: object, depth: number): boolean {
    if (Array.isArray(value)) {
      if (depth >= nestingMax) return false
      this.values += value.length
      this.list(value.length)
      for (let i = 0; i < value.length; i++) if (!this.plain(value[i], depth + 1)) return false
      return true
    }
    if (isRecord(value)) return depth < nestingMax && this.#record(value as Record<string, unknown>, depth)
    if (value instanceof Uint8Array) {
      this.#room(5 + value.length)
      this.#sized(value.length, 0xc4)
      this.packed(value)
      return true
    }
    if (!isPlainDate(value)) return false
    this.packed(packInstant(value))
    return true
  }

  #record(value: Record<string, unknown>, depth: number): boolean {
    // Faster than for…in, which slows down for all records once it has met one of an unusual kind.
    const keys = Object.keys(value)
    this.values += keys.length
    this.#count(keys.length, 0x80, 0xde)
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      if (key === protoKey || !this.#text(key) || !this.plain(value[key], depth + 1)) return false
    }
    return true
  }

  #uint(value: number): void {
    if (value < 0x80) this.#bytes[this.#at++] = value
    else if (value < 0x100) this.#numbered(0xcc, 1, value)
    else if (value < 0x10000) this.#numbered(0xcd, 2, value)
    else this.#numbered(0xce, 4, value)
  }

  #negative(value: number): void {
    if (value >= -0x20) this.#bytes[this.#at++] = value & 0xff
    else if (value >= -0x80) this.#numbered(0xd0, 1, value)
    else if (value >= -0x8000) this.#numbered(0xd1, 2, value)
    else this.#numbered(0xd2, 4, value)
  }

  /**
   * The header of a list or a record. @param short, sized the one that holds the number, and
   * the one that is followed by it
   */
  #count(items: number, short: 0x80 | 0x90, sized: 0xdc | 0xde): void {
    this.#room(5)
    if (items < 16) this.#bytes[this.#at++] = short | items
    else if (items < 0x10000) this.#numbered(sized, 2, items)
    else this.#numbered(sized + 1, 4, items)
  }

  /** The header of bytes or text with its length; `header` is the one for a length of one byte. */
  #sized(length: number, header: 0xc4 | 0xd9): void {
    if (length < 0x100) this.#numbered(header, 1, length)
    else if (length < 0x10000) this.#numbered(header + 1, 2, length)
    else this.#numbered(header + 2, 4, length)
  }

  /** A header and the number that belongs to it, in 1, 2 or 4 bytes. */
  #numbered(header: number, width: 1 | 2 | 4, value: number): void {
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

  /** False, and nothing written that counts, if it has half a surrogate pair. */
  #text(text: string): boolean {
    const { length } = text
    this.#room(5 + length * 3)
    return (length <= loopLengthMax && this.#shortAscii(text, length)) || this.#anyText(text, length)
  }

  /** False, and nothing written that counts, if one character is not ASCII. */
  #shortAscii(text: string, length: number): boolean {
    const bytes = this.#bytes
    const at = this.#at
    bytes[at] = 0xa0 | length
    for (let i = 0; i < length; i++) {
      const unit = unitAt(text, i)
      if (unit > 0x7f) return false
      bytes[at + 1 + i] = unit
    }
    this.#at = at + 1 + length
    return true
  }

  /**
   * Most text is ASCII, with as many bytes as characters: its header is left room for by that,
   * and moved where it is not.
   */
  #anyText(text: string, length: number): boolean {
    const start = this.#at
    const first = start + textHeaderBytes(length)
    const size = this.#bytes.write(text, first)
    if (size !== length) {
      if (!isWellFormed(text)) return false
      const belongs = start + textHeaderBytes(size)
      if (belongs !== first) this.#bytes.copyWithin(belongs, first, first + size)
    }
    if (size < 32) this.#bytes[this.#at++] = 0xa0 | size
    else this.#sized(size, 0xd9)
    this.#at += size
    return true
  }

  #room(bytes: number): void {
    const least = this.#at + bytes
    if (least <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(least, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
    this.#view = viewOf(larger)
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}

/** Of text of so many bytes. */
function textHeaderBytes(size: number): 1 | 2 | 3 | 5 {
  if (size < 32) return 1
  if (size < 0x100) return 2
  return size < 0x10000 ? 3 : 5
}
