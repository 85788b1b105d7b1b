/**
 * A segment: one of the files that a log on disk consists of. A header, then frames.
 *
 * F1. A frame is whole or it does not count: its checksum covers its entries, their positions, and the
 *     header's salt. So nothing of a file's life before counts, when the file is used again.
 * F2. With durability `disk` a frame is written when the one before it is synced. So a bad frame before a
 *     good one is damage, and never the end of a write that was cut short.
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { LogEntry, Position } from '../../core/ports/log.js'
import { bootId } from '../bootId.js'

export type FileDurability = 'process' | 'disk'

export interface SegmentHeader {
  /** Of the process that writes it. */
  readonly durability: FileDurability
  /** When it is written: a process's writes survive until the machine stops. */
  readonly boot: string | null
  readonly salt: number
}

export const headerBytes = 64
/** Frames begin at multiples of it. */
const alignment = 8
/** Checksum, bytes of the entries with their lengths, first position, number of entries. */
const frameHeaderBytes = 16
const lengthBytes = 4

const magic = Buffer.from('THESEUSL')
const layout = 1
const durabilities: readonly FileDurability[] = ['process', 'disk']
const bootBytesMax = 36

export function newHeader(durability: FileDurability): SegmentHeader {
  return { durability, boot: bootId(), salt: randomBytes(4).readUInt32LE() }
}

export function encodeHeader({ durability, boot, salt }: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  magic.copy(bytes)
  bytes[8] = layout
  bytes[9] = durabilities.indexOf(durability)
  bytes.writeUInt32LE(salt, 12)
  bytes.write((boot ?? '').slice(0, bootBytesMax), 16, 'latin1')
  bytes.writeUInt32LE(crc32(bytes.subarray(0, headerBytes - 4)), headerBytes - 4)
  return bytes
}

/** Undefined for one that is damaged, or of another layout. */
export function decodeHeader(file: Buffer): SegmentHeader | undefined {
  if (file.length < headerBytes || !file.subarray(0, magic.length).equals(magic) || file[8] !== layout) return undefined
  if (file.readUInt32LE(headerBytes - 4) !== crc32(file.subarray(0, headerBytes - 4))) return undefined
  const durability = durabilities[file[9]!]
  if (durability === undefined) return undefined
  const boot = file.toString('latin1', 16, 16 + bootBytesMax).replace(/\0+$/, '')
  return { durability, boot: boot === '' ? null : boot, salt: file.readUInt32LE(12) }
}

/** Of a frame with these entries. */
export function frameBytes(entries: readonly Uint8Array[]): number {
  const bytes = entries.reduce((sum, { length }) => sum + lengthBytes + length, frameHeaderBytes)
  return Math.ceil(bytes / alignment) * alignment
}

export function encodeFrame(first: Position, entries: readonly Uint8Array[], salt: number): Buffer {
  const size = frameBytes(entries)
  const frame = Buffer.allocUnsafe(size)
  let at = frameHeaderBytes
  for (const entry of entries) {
    frame.writeUInt32LE(entry.length, at)
    frame.set(entry, at + lengthBytes)
    at += lengthBytes + entry.length
  }
  frame.fill(0, at)
  frame.writeUInt32LE(at - frameHeaderBytes, 4)
  frame.writeUIntLE(first, 8, 6)
  frame.writeUInt16LE(entries.length, 14)
  frame.writeUInt32LE(crc32(frame.subarray(4), salt), 0)
  return frame
}

export const frameEntriesMax = 0xffff

interface Frame {
  readonly first: Position
  readonly entries: readonly Uint8Array[]
  readonly end: number
}

/**
 * The frame that begins there, of an entry from `least` to `most`; undefined if none does. Its entries are
 * parts of the file's bytes.
 */
function frameAt(file: Buffer, at: number, salt: number, least: Position, most: Position): Frame | undefined {
  // First: otherwise the checksum of half a file would be computed at each place of it.
  const first = file.readUIntLE(at + 8, 6)
  if (first < least || first > most) return undefined
  const length = file.readUInt32LE(at + 4)
  const count = file.readUInt16LE(at + 14)
  const end = at + Math.ceil((frameHeaderBytes + length) / alignment) * alignment
  if (count === 0 || length < count * lengthBytes || end > file.length) return undefined
  if (file.readUInt32LE(at) !== crc32(file.subarray(at + 4, end), salt)) return undefined
  const entries: Uint8Array[] = []
  let next = at + frameHeaderBytes
  for (let i = 0; i < count; i++) {
    const size = file.readUInt32LE(next)
    entries.push(file.subarray(next + lengthBytes, next + lengthBytes + size))
    next += lengthBytes + size
  }
  return { first, entries, end }
}

export interface SegmentContent {
  /** Those that follow each other from the segment's first position on. */
  readonly entries: readonly LogEntry[]
  /** Entries that are whole, behind something that is not. */
  readonly behindHole: readonly LogEntry[]
}

/** Everything in a segment whose header was read. */
export function contentOf(file: Buffer, { salt }: SegmentHeader, first: Position): SegmentContent {
  const entries: LogEntry[] = []
  const behindHole: LogEntry[] = []
  // Behind a hole: a file has no more entries than that.
  const most = first + Math.ceil(file.length / lengthBytes)
  let expected = first
  let found = entries
  for (let at = headerBytes; at + frameHeaderBytes <= file.length; ) {
    const frame = frameAt(file, at, salt, expected, found === entries ? expected : most)
    if (frame === undefined) {
      found = behindHole
      at += alignment
      continue
    }
    for (const [i, bytes] of frame.entries.entries()) found.push({ position: frame.first + i, bytes })
    expected = frame.first + frame.entries.length
    at = frame.end
  }
  return { entries, behindHole }
}
