/**
 * The chain of a log's entries, for its readers and its writer.
 *
 * H1. Readers accept the first entry that continues the chain of digests, and report any other: a server that
 *     has accepted two entries for one place is found out, and all readers decide alike.
 */
import { Fault } from '../base/fault.js'
import type { Write } from '../ports/stateStore.js'
import {
  type ChainedEntry,
  type EntryContent,
  encodeEntry,
  entryDigest,
  entryOverheadBytes,
  isSameDigest,
  noDigest,
  packWrites,
  unpackWrites,
} from './logEntry.js'

/** Where a chain ends: its last entry. */
export interface ChainEnd {
  readonly term: number
  readonly number: number
  readonly digest: Uint8Array
}

export const emptyChain: ChainEnd = { term: 0, number: 0, digest: noDigest }

export function isSameEnd(a: ChainEnd, b: ChainEnd): boolean {
  return a.term === b.term && a.number === b.number && isSameDigest(a.digest, b.digest)
}

/** An entry that is ready to be appended. */
export interface ReadyEntry {
  readonly bytes: Uint8Array
  /** The chain's end once it is there. */
  readonly end: ChainEnd
}

/** The entry that continues the chain. A claim begins the next term. */
export function nextEntry(after: ChainEnd, content: EntryContent): ReadyEntry {
  const term = content.kind === 'claim' ? after.term + 1 : after.term
  const number = numberOf(content, after)
  const bytes = encodeEntry({ term, number, before: after.digest, content })
  return { bytes, end: { term, number, digest: entryDigest(bytes) } }
}

/** Without gaps, but for an entry that puts another state in the place of all before it. */
function numberOf(content: EntryContent, after: ChainEnd): number {
  return content.kind === 'restored' ? Math.max(content.from, after.number) + 1 : after.number + 1
}

/** The entry of a commit; its parts where it would be larger than `entryBytesMax`. */
export function commitEntries(after: ChainEnd, writes: readonly Write[], entryBytesMax: number): readonly ReadyEntry[] {
  const whole = nextEntry(after, { kind: 'writes', writes })
  if (whole.bytes.length <= entryBytesMax) return [whole]
  const packed = packWrites(writes)
  const size = Math.max(1, entryBytesMax - entryOverheadBytes)
  const parts: ReadyEntry[] = []
  let end = after
  for (let at = 0; at < packed.length; at += size) {
    const isLast = at + size >= packed.length
    const part = nextEntry(end, { kind: 'part', index: parts.length, isLast, bytes: packed.subarray(at, at + size) })
    parts.push(part)
    end = part.end
  }
  return parts
}

/** Reads a chain, entry by entry. */
export class Chain {
  #end: ChainEnd
  #parts: Uint8Array[] = []

  constructor(end: ChainEnd = emptyChain) {
    this.#end = end
  }

  get end(): ChainEnd {
    return this.#end
  }

  /** Whether a commit has begun and its last part has not come. */
  get isInParts(): boolean {
    return this.#parts.length > 0
  }

  /** False, and nothing is changed, for one that does not continue the chain. */
  accept(entry: ChainedEntry, bytes: Uint8Array): boolean {
    const { term, number, before, content } = entry
    const end = this.#end
    const isNextTerm = content.kind === 'claim' ? term > end.term : term === end.term
    if (!isNextTerm || number !== numberOf(content, end) || !isSameDigest(before, end.digest)) return false
    this.#end = { term, number, digest: entryDigest(bytes) }
    return true
  }

  /**
   * The writes that count with this entry, which was accepted. A commit of which an owner has left only parts
   * never counts.
   */
  writesOf({ content }: ChainedEntry): readonly Write[] {
    switch (content.kind) {
      case 'writes':
        this.#parts = []
        return content.writes
      case 'part': {
        if (content.index === 0) this.#parts = []
        if (content.index !== this.#parts.length)
          throw new Fault('config.log-lost', `part ${content.index} of a commit follows ${this.#parts.length} parts`)
        this.#parts.push(content.bytes)
        if (!content.isLast) return []
        const packed = Buffer.concat(this.#parts)
        this.#parts = []
        return unpackWrites(packed)
      }
      case 'claim':
      case 'release':
      case 'restored':
        this.#parts = []
        return []
      case 'beat':
      case 'snapshot':
        return []
    }
  }
}
