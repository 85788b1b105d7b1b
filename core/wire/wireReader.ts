/**
 * A message while it is being read, value by value. It accepts the standard types of docs/protocol.md in each
 * of their forms and nothing else. Instants and 64-bit integers are left to msgpackr.
 *
 * Any bytes that it can't read are a fault `protocol.bad-envelope`.
 */

import { shortText, shortTextBytesMax } from '../base/shortText.js'
import { bareRecord } from './bareRecord.js'
import { DecodedRuns } from './decodedRuns.js'
import { endIsMissing, levelsMax, notStandard, tooManyValues, unpackedLength, unpackValue } from './messagePack.js'
import { nestingMax } from './plain.js'
import { safeInteger } from './safeInteger.js'

export class WireReader {
  readonly bytes: Buffer
  at = 0
  /**
   * Set when something was read that is rarely plain: a 64-bit integer, an instant, a key `__proto__`, deep
   * nesting. Everything else that is read is plain.
   */
  mayNotBePlain = false

  readonly #isBare: boolean
  /** Items of lists and fields of records so far. */
  values = 0

  /**
   * @param records by default ordinary ones
   * @param valuesMax one more is the fault `tooMany`, by default `protocol.too-large`
   */
  constructor(
    payload: Uint8Array,
    records?: 'without a prototype',
    private readonly valuesMax = Number.POSITIVE_INFINITY,
    private readonly tooMany = tooManyValues,
  ) {
    this.#isBare = records !== undefined
    this.bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  /** The length of the list that begins here; undefined, and nothing is read, if something else does. */
  list(): number | undefined {
    const token = this.#token()
    if ((token & 0xf0) === 0x90) {
      this.at++
      return token & 0x0f
    }
    if (token === 0xdc) return this.#unsigned(2)
    return token === 0xdd ? this.#unsigned(4) : undefined
  }

  /** True, and it is read, if nil begins here. */
  nil(): boolean {
    if (this.bytes[this.at] !== 0xc0) return false
    this.at++
    return true
  }

  /**
   * Any value of the standard types. `mayNotBePlain` tells whether it has to be looked at again.
   * @param depth lists and records that it is in
   */
  value(depth = 0): unknown {
    const token = this.#token()
    if (token < 0xc0) {
      this.at++
      if (token < 0x80) return token
      if (token < 0x90) return this.#record(token & 0x0f, depth)
      if (token < 0xa0) return this.#list(token & 0x0f, depth)
      return this.#text(token & 0x1f)
    }
    if (token >= 0xe0) {
      this.at++
      return token - 0x100
    }
    switch (token) {
      case 0xc0:
        this.at++
        return null
      case 0xc2:
      case 0xc3:
        this.at++
        return token === 0xc3
      case 0xc4:
        return this.#binary(1)
      case 0xc5:
        return this.#binary(2)
      case 0xc6:
        return this.#binary(4)
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
        return this.#text(this.#unsigned(1))
      case 0xda:
        return this.#text(this.#unsigned(2))
      case 0xdb:
        return this.#text(this.#unsigned(4))
      case 0xdc:
        return this.#list(this.#unsigned(2), depth)
      case 0xdd:
        return this.#list(this.#unsigned(4), depth)
      case 0xde:
        return this.#record(this.#unsigned(2), depth)
      case 0xdf:
        return this.#record(this.#unsigned(4), depth)
      default:
        return this.#unpacked()
    }
  }

  /** Passes over one value. */
  skip(): void {
    this.value()
  }

  #list(length: number, depth: number): unknown[] {
    this.#deepen(length, depth)
    // Most lists are arguments, one or two: an array that grows to that takes room for seventeen.
    if (length === 1) return [this.value(depth + 1)]
    if (length === 2) return [this.value(depth + 1), this.value(depth + 1)]
    const items: unknown[] = []
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1))
    return items
  }

  #record(keys: number, depth: number): Record<string, unknown> {
    this.#deepen(keys, depth)
    const record: Record<string, unknown> = this.#isBare ? bareRecord() : {}
    for (let i = 0; i < keys; i++) {
      const key = knownKeys.read(this)
      if (key === '__proto__') this.#putProto(record, depth)
      else record[key] = this.value(depth + 1)
    }
    return record
  }

  #deepen(items: number, depth: number): void {
    // Each item takes a byte at least: more are refused before anything is allocated for them.
    if (items > this.bytes.length - this.at) throw notStandard(endIsMissing)
    this.values += items
    if (this.values > this.valuesMax) throw this.tooMany()
    if (depth >= levelsMax) throw notStandard(`nested deeper than ${levelsMax}`)
    if (depth >= nestingMax) this.mayNotBePlain = true
  }

  /** Assigned, it would be the record's prototype. */
  #putProto(record: Record<string, unknown>, depth: number): void {
    this.mayNotBePlain = true
    Object.defineProperty(record, '__proto__', { value: this.value(depth + 1), enumerable: true, configurable: true })
  }

  /** A 64-bit integer that is not safe becomes a bigint, which is not plain. */
  #unpacked(): unknown {
    const start = this.#pass(unpackedLength(this.bytes, this.at))
    this.mayNotBePlain = true
    try {
      return unpackValue(this.bytes, start, this.at)
    } catch {
      throw notStandard(`the value at byte ${start}`)
    }
  }

  #token(): number {
    const token = this.bytes[this.at]
    if (token === undefined) throw notStandard(endIsMissing)
    return token
  }

  #binary(width: 1 | 2 | 4): Uint8Array {
    const size = this.#unsigned(width)
    const start = this.#pass(size)
    return new Uint8Array(this.bytes.subarray(start, this.at))
  }

  #text(size: number): string {
    const { bytes } = this
    const start = this.#pass(size)
    const isShort = size <= shortTextBytesMax && start + shortTextBytesMax <= bytes.length
    return (isShort ? shortText(bytes, start, size) : undefined) ?? bytes.toString('utf8', start, start + size)
  }

  /** The number after a header, of so many bytes. */
  #unsigned(width: 1 | 2 | 4): number {
    const { bytes } = this
    const first = this.#pass(1 + width) + 1
    if (width === 1) return bytes[first]!
    if (width === 2) return (bytes[first]! << 8) | bytes[first + 1]!
    return ((bytes[first]! << 24) | (bytes[first + 1]! << 16) | (bytes[first + 2]! << 8) | bytes[first + 3]!) >>> 0
  }

  #float(width: 4 | 8): number {
    const { bytes } = this
    const first = this.#pass(1 + width) + 1
    if (width === 4) return bytes.readFloatBE(first)
    return safeInteger(bytes, first) ?? bytes.readDoubleBE(first)
  }

  /** Moves on by so many bytes, all of which must be there. Where they begin. */
  #pass(size: number): number {
    const start = this.at
    const end = start + size
    if (end > this.bytes.length) throw notStandard(endIsMissing)
    this.at = end
    return start
  }
}

const knownKeys = new DecodedRuns((reader: WireReader) => {
  const { bytes, at } = reader
  const key = reader.value()
  if (typeof key === 'string') return key
  throw notStandard(`a map key of type 0x${bytes[at]!.toString(16)} at byte ${at}`)
})
