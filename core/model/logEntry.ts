/**
 * An entry of a log (core/ports/log.ts): one commit of one store, or what its owner says there. MessagePack:
 * [format, term, number, digest of the entry before it, kind, body].
 */
import { hash } from 'node:crypto'
import { Fault, reasonOf } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import type { Write } from '../ports/stateStore.js'
import { WireReader } from '../wire/wireReader.js'
import { WireWriter } from '../wire/wireWriter.js'

export type EntryContent =
  /** The first of a term: from here on the log is this owner's. */
  | { readonly kind: 'claim'; readonly owner: string; readonly leaseMs: number }
  | { readonly kind: 'writes'; readonly writes: readonly Write[] }
  /**
   * A piece of a commit's packed writes, where they are more than fits. The last makes the commit count. The
   * first, of index 0, begins anew: a commit may have failed behind some of its parts.
   */
  | { readonly kind: 'part'; readonly index: number; readonly isLast: boolean; readonly bytes: Uint8Array }
  /** The owner lives. */
  | { readonly kind: 'beat' }
  /**
   * A snapshot is whole. `from`: the number of the last entry that it is sure to hold. It repeats who owns
   * the log: the claim may be trimmed.
   */
  | { readonly kind: 'snapshot'; readonly name: string; readonly from: number; readonly owner: string; readonly leaseMs: number }
  /**
   * An operator has put the state of a snapshot in the place of all that was before (H6). It repeats who owns
   * the log, as a snapshot does. `from`: its own number less one. It is above all numbers that any copy of
   * the shard has had, so numbers may be left out before it.
   */
  | { readonly kind: 'restored'; readonly name: string; readonly from: number; readonly owner: string; readonly leaseMs: number }
  /** The owner has ended, and leaves the log to `to` before others. `needs`: what a successor must have. */
  | { readonly kind: 'release'; readonly to: string | null; readonly needs: Readonly<Record<string, unknown>> }

/** An entry of a chain: each names the digest of the one before it (H1). */
export interface ChainedEntry {
  /** Counts the owners of the log. 0 where nobody claims it: a local store's. */
  readonly term: number
  /** Of the entries that count, from 1. */
  readonly number: number
  readonly before: Uint8Array
  readonly content: EntryContent
}

export const digestBytes = 16

/** In place of the digest of an entry before the first. */
export const noDigest: Uint8Array = new Uint8Array(digestBytes)

/** The beginning of the SHA-256. It shows damage and other writers. It proves nobody's identity. */
export function entryDigest(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer').subarray(0, digestBytes)
}

export function isSameDigest(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < digestBytes; i++) if (a[i] !== b[i]) return false
  return a.length === digestBytes && b.length === digestBytes
}

/** More than the fields before the body take, and the body's own headers. */
export const entryOverheadBytes = 64

const kinds = [
  'claim',
  'writes',
  'part',
  'beat',
  'snapshot',
  'release',
  'restored',
] as const satisfies readonly EntryContent['kind'][]

/** One larger is not kept for the next entry. */
const keptBytesMax = 2 ** 20
let kept = new WireWriter()

function written(write: (writer: WireWriter) => void): Uint8Array {
  const writer = kept
  writer.truncate(0)
  write(writer)
  const bytes = writer.copy()
  if (writer.capacity > keptBytesMax) kept = new WireWriter()
  return bytes
}

export function encodeEntry(entry: ChainedEntry): Uint8Array {
  return written((writer) => {
    writer.list(6)
    writer.number(formats.log.newest)
    writer.number(entry.term)
    writer.number(entry.number)
    writer.plain(entry.before)
    writer.number(kinds.indexOf(entry.content.kind))
    putBody(writer, entry.content)
  })
}

/** The writes of a commit, to be cut into parts. */
export function packWrites(writes: readonly Write[]): Uint8Array {
  return written((writer) => putWrites(writer, writes))
}

function putBody(writer: WireWriter, content: EntryContent): void {
  switch (content.kind) {
    case 'claim':
      writer.list(2)
      writer.text(content.owner)
      writer.number(content.leaseMs)
      return
    case 'writes':
      putWrites(writer, content.writes)
      return
    case 'part':
      writer.list(3)
      writer.number(content.index)
      writer.boolean(content.isLast)
      writer.plain(content.bytes)
      return
    case 'beat':
      writer.byte(0xc0)
      return
    case 'snapshot':
    case 'restored':
      writer.list(4)
      writer.text(content.name)
      writer.number(content.from)
      writer.text(content.owner)
      writer.number(content.leaseMs)
      return
    case 'release':
      writer.list(2)
      writer.plain(content.to)
      if (!writer.plain(content.needs)) throw new Fault('config.invalid', 'the needs of a release are not plain data')
  }
}

/** A key and its value, one after the other: nil deletes it. */
function putWrites(writer: WireWriter, writes: readonly Write[]): void {
  writer.list(writes.length * 2)
  for (let i = 0; i < writes.length; i++) {
    const write = writes[i]!
    writer.text(write[0])
    writer.plain(write[1])
  }
}

/**
 * Throws `config.log-lost` for bytes that are no entry, and `config.release` for one of a later format. The
 * values are copies.
 */
export function decodeEntry(bytes: Uint8Array): ChainedEntry {
  return read(bytes, (reader) => {
    const fields = reader.list()
    const format = fields === undefined || fields === 0 ? undefined : reader.value()
    if (Number.isSafeInteger(format) && !isRead(formats.log, format))
      throw new Fault('config.release', `a log's entry has format ${format}: this Theseus reads ${numbersRead(formats.log)}`)
    if (fields !== 6) throw new Error('it has not six fields')
    const term = count(reader.value(), 'term')
    const number = count(reader.value(), 'number')
    const before = reader.value()
    if (!(before instanceof Uint8Array) || before.length !== digestBytes) throw new Error('it names no entry before it')
    const kind = kinds[count(reader.value(), 'kind')]
    if (kind === undefined) throw new Error('its kind is not known')
    return { term, number, before, content: contentOf(kind, reader) }
  })
}

/** The opposite of `packWrites`. Throws as `decodeEntry` does. */
export function unpackWrites(bytes: Uint8Array): readonly Write[] {
  return read(bytes, writesIn)
}

function read<T>(bytes: Uint8Array, readAll: (reader: WireReader) => T): T {
  try {
    const reader = new WireReader(bytes)
    const found = readAll(reader)
    if (!reader.isAtEnd) throw new Error('something follows it')
    return found
  } catch (error) {
    if (error instanceof Fault && error.code === 'config.release') throw error
    throw new Fault('config.log-lost', `${bytes.length} bytes in a log are no entry: ${reasonOf(error)}`, {}, { cause: error })
  }
}

function count(value: unknown, name: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new Error(`its ${name} is not one`)
}

function contentOf(kind: EntryContent['kind'], reader: WireReader): EntryContent {
  if (kind === 'writes') return { kind, writes: writesIn(reader) }
  const body = reader.value()
  switch (kind) {
    case 'claim': {
      const [owner, leaseMs, ...more] = listOf(body)
      if (typeof owner === 'string' && more.length === 0) return { kind, owner, leaseMs: count(leaseMs, 'lease') }
      break
    }
    case 'part': {
      const [index, isLast, bytes, ...more] = listOf(body)
      if (typeof isLast === 'boolean' && bytes instanceof Uint8Array && more.length === 0)
        return { kind, index: count(index, 'index'), isLast, bytes }
      break
    }
    case 'beat':
      if (body === null) return { kind }
      break
    case 'snapshot':
    case 'restored': {
      const [name, from, owner, leaseMs, ...more] = listOf(body)
      if (typeof name === 'string' && typeof owner === 'string' && more.length === 0)
        return { kind, name, from: count(from, 'beginning'), owner, leaseMs: count(leaseMs, 'lease') }
      break
    }
    case 'release': {
      const [to, needs, ...more] = listOf(body)
      const isNamed = to === null || typeof to === 'string'
      if (
        isNamed &&
        typeof needs === 'object' &&
        needs !== null &&
        Object.getPrototypeOf(needs) === Object.prototype &&
        more.length === 0
      )
        return { kind, to, needs: needs as Readonly<Record<string, unknown>> }
    }
  }
  throw new Error(`its body is not that of a ${kind}`)
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function writesIn(reader: WireReader): readonly Write[] {
  const fields = reader.list()
  if (fields === undefined || fields % 2 !== 0 || fields > reader.bytes.length) throw new Error('its writes are no list of pairs')
  const writes: Write[] = []
  for (let i = 0; i < fields; i += 2) {
    const key = reader.value()
    const value = reader.value()
    if (typeof key !== 'string' || (value !== null && !(value instanceof Uint8Array)))
      throw new Error(`its write ${i / 2} is no key with bytes`)
    writes.push([key, value])
  }
  return writes
}
