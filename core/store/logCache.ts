/**
 * The store behind a log: it holds what the log's entries say, up to one of them, and knows up to which.
 *
 * H2. In the same transaction as the last writes it stores where in the log they end.
 */
import { Fault } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import type { ChainEnd } from '../model/logChain.js'
import { digestBytes } from '../model/logEntry.js'
import type { Position } from '../ports/log.js'
import type { StateStore, Write } from '../ports/stateStore.js'
import { pack, unpack } from '../wire/codec.js'

export interface LogCache extends StateStore {
  /** As it was given with the last commit; undefined in a store that was never behind a log. */
  readonly mark: Uint8Array | undefined
  /** As `commit`, with a new mark in the same transaction. There may be no writes. */
  commitUpTo(writes: readonly Write[], mark: Uint8Array): Promise<void>
}

/** The last entry that a cache holds. */
export interface LogMark {
  readonly position: Position
  readonly end: ChainEnd
}

export function encodeMark({ position, end }: LogMark): Uint8Array {
  return pack([formats.log.newest, position, end.term, end.number, end.digest])
}

/** Throws `config.invalid` for one of another format. */
export function decodeMark(bytes: Uint8Array): LogMark {
  const [format, position, term, number, digest] = unpack(bytes) as any[]
  if (!isRead(formats.log, format))
    throw new Fault(
      'config.invalid',
      `a store has the mark of a log of format ${format}: this Theseus reads ${numbersRead(formats.log)}`,
    )
  if (![position, term, number].every((each) => Number.isSafeInteger(each) && each >= 0) || digest?.length !== digestBytes)
    throw new Fault('config.log-lost', 'the mark that says how much of its log a store holds can’t be read')
  return { position, end: { term, number, digest } }
}
