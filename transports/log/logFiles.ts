/**
 * The files of a log when it is opened: which entries count, and whether any is missing that a process was
 * told of.
 *
 * F3. A torn end is what nobody was told of. A hole before a whole entry, or an end before the position that
 *     the store behind the log holds, is a loss: after a power cut it is one that durability `process`
 *     allows, and `config.log-lost` otherwise.
 */
import { readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../core/base/fault.js'
import type { LogEntry, Position } from '../../core/ports/log.js'
import { bootId } from '../bootId.js'
import { contentOf, decodeHeader, type SegmentContent, type SegmentHeader } from './segment.js'

/** A segment is named after its first position. */
const segmentName = /^log-(\d{16})$/
/** One that was made before it is needed, and one that is made when it is. */
export const nextSegmentName = 'log-next'
export const segmentNowName = 'log-now'

export function nameOfSegment(first: Position): string {
  return `log-${String(first).padStart(16, '0')}`
}

export interface SegmentFile {
  readonly first: Position
  readonly path: string
}

export function segmentsIn(directory: string): SegmentFile[] {
  return readdirSync(directory)
    .flatMap((name) => {
      const found = segmentName.exec(name)
      return found === null ? [] : [{ first: Number(found[1]), path: join(directory, name) }]
    })
    .sort((a, b) => a.first - b.first)
}

/** Removes the log, with all that it holds. */
export function removeLog(directory: string): void {
  for (const { path } of segmentsIn(directory)) unlinkSync(path)
}

export interface FoundLog {
  /** In order. They hold the entries from `first` to `last` without a gap. */
  readonly segments: readonly SegmentFile[]
  readonly first: Position
  readonly last: Position
}

export interface Judgement {
  /** Whether there is a log: a process has begun one. */
  readonly isBegun: boolean
  /** The position up to which the store behind the log holds everything. */
  readonly held: Position
  /** A loss is taken as it is: the operator has decided so. */
  readonly acceptLoss: boolean
}

/** Throws `config.log-lost` when entries are missing that a process was told of. */
export function judgeFiles(directory: string, { isBegun, held, acceptLoss }: Judgement): FoundLog {
  const files = segmentsIn(directory)
  let header: SegmentHeader | undefined
  /** Goes on only where it was never promised that this is not lost. */
  const lose = (problem: string): void => {
    const wasPromised = header?.durability !== 'process' || header.boot === null || header.boot === bootId()
    if (wasPromised && !acceptLoss) throw lost(directory, problem)
  }
  /** The run of entries that ends with the newest one: from, to. */
  let first: Position | undefined
  let last: Position = 0
  /** The log has been there, whether or not all before it can be read. */
  let seen: Position = 0
  walk: for (const [i, file] of files.entries()) {
    const end = files[i + 1]?.first ?? Number.POSITIVE_INFINITY
    const read = readSegment(file)
    seen = Math.max(seen, file.first - 1)
    if (read === undefined) {
      // All that it held is in the store behind the log, or the operator does without.
      if (end <= held + 1) continue
      lose(`${file.path} has no header that can be read`)
      break
    }
    // A gap before this segment is the loss of the one before.
    if (file.first <= Math.max(last, held) + 1) header = read.header
    for (const { position } of [...read.entries, ...read.behindHole]) {
      // The next segment was begun where this one was judged to end.
      if (position >= end) break
      if (first === undefined || position !== last + 1) {
        if (position > held + 1) {
          lose(`entries ${Math.max(last, held) + 1} to ${position - 1} are missing, and entry ${position} is there`)
          break walk
        }
        first = position
      }
      last = position
    }
    seen = Math.max(seen, last)
    header = read.header
  }
  if (isBegun && files.length === 0) lose('there are none')
  else if (seen < held) lose(`they end with ${seen}, and the store behind them holds ${held}`)
  if (seen > last && seen > held) lose(`entries ${Math.max(last, held) + 1} to ${seen} are missing`)
  if (first === undefined || last < held) return { segments: [], first: held + 1, last: held }
  const begin = first
  return { segments: files.filter((file, i) => file.first <= last && (files[i + 1]?.first ?? last + 1) > begin), first, last }
}

interface ReadSegment extends SegmentContent {
  readonly header: SegmentHeader
}

function readSegment({ first, path }: SegmentFile): ReadSegment | undefined {
  const bytes = readFileSync(path)
  const header = decodeHeader(bytes)
  return header && { header, ...contentOf(bytes, header, first) }
}

/** Entries of segments that were judged, from `after` + 1 to `last`. */
export function* entriesOf(segments: readonly SegmentFile[], after: Position, last: Position): Generator<LogEntry> {
  for (const [i, file] of segments.entries()) {
    const end = Math.min(segments[i + 1]?.first ?? Number.POSITIVE_INFINITY, last + 1)
    if (end <= after + 1) continue
    const read = readSegment(file)
    for (const { position, bytes } of [...(read?.entries ?? []), ...(read?.behindHole ?? [])])
      if (position > after && position < end) yield { position, bytes: new Uint8Array(bytes) }
  }
}

function lost(directory: string, problem: string): Fault {
  const todo = 'restore the files; or open the store once with lostLog: "accept", to go on without what is lost'
  return new Fault(
    'config.log-lost',
    `the log files in ${directory} lack entries that were acknowledged: ${problem}. To go on: ${todo}`,
    {
      directory,
    },
  )
}
