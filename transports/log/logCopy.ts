/**
 * The entries in the files of a log, as another process reads them while its host writes on. The files are
 * read first, and the store behind the log afterwards: that lacks nothing that was cut off before.
 */
import { readFileSync } from 'node:fs'
import { Fault } from '../../core/base/fault.js'
import type { LogEntry, Position } from '../../core/ports/log.js'
import { segmentsIn } from './logFiles.js'
import { contentOf, decodeHeader } from './segment.js'

/** The host removes files, and makes others, while they are read. */
const triesMax = 10

export interface CopiedSegment {
  readonly first: Position
  readonly path: string
  readonly bytes: Buffer
}

/** Whole files, of one moment or a later one. */
export function copySegments(directory: string): readonly CopiedSegment[] {
  for (let tries = 1; ; tries++) {
    try {
      return segmentsIn(directory).map(({ first, path }) => ({ first, path, bytes: readFileSync(path) }))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === triesMax) throw error
    }
  }
}

/**
 * The entries behind `held`, up to the first that is not whole. Throws `config.log-lost` where one is missing
 * before others.
 */
export function* entriesIn(segments: readonly CopiedSegment[], held: Position): Generator<LogEntry> {
  let last = held
  for (const [i, { first, path, bytes }] of segments.entries()) {
    const end = segments[i + 1]?.first ?? Number.POSITIVE_INFINITY
    if (end <= last + 1) continue
    const header = decodeHeader(bytes)
    if (header === undefined) throw lost(`${path} has no header that can be read`)
    const { entries, behindHole } = contentOf(bytes, header, first)
    for (const entry of [...entries, ...behindHole]) {
      if (entry.position >= end || entry.position <= last) continue
      if (entry.position !== last + 1) throw lost(`entry ${last + 1} is missing, and entry ${entry.position} is there`)
      last = entry.position
      yield { position: last, bytes: new Uint8Array(entry.bytes) }
    }
  }
}

function lost(problem: string): Fault {
  const advice = 'start its host: it says what is to be done'
  return new Fault('config.log-lost', `the log files lack entries that were acknowledged: ${problem}; ${advice}`)
}
