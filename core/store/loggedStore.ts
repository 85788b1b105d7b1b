/**
 * A state store that is a log and a cache behind it. A commit is one entry of the log. It counts, and is
 * seen, when the log says so. The cache follows in larger commits.
 *
 * H2. Log first. The cache holds only what counts, and in the same transaction up to which entry.
 * H10. The local store's log is a file, a shard's is replicated: the store is the same.
 */
import { Fault } from '../base/fault.js'
import { Chain, type ChainEnd, commitEntries, emptyChain, nextEntry, type ReadyEntry } from '../model/logChain.js'
import { decodeEntry, type EntryContent, entryDigest, isSameDigest } from '../model/logEntry.js'
import type { Clock } from '../ports/clock.js'
import type { Log, LogEntry } from '../ports/log.js'
import type { StateStore, Write } from '../ports/stateStore.js'
import { CacheFollower, type CacheLimits, cacheLimits } from './cacheFollower.js'
import { decodeMark, encodeMark, type LogCache, type LogMark } from './logCache.js'
import { type AppendWatch, LogWriter, type LogWriterLimits, logWriterLimits } from './logWriter.js'
import { type Entry, pagedRange } from './pagedRange.js'
import { canBeKey, checkBounds, checkWrites, closedFault } from './storeKeys.js'

export interface LoggedStoreLimits extends LogWriterLimits, CacheLimits {}

export const loggedStoreLimits: LoggedStoreLimits = { ...logWriterLimits, ...cacheLimits }

export interface LoggedStoreOptions {
  readonly log: Log
  readonly cache: LogCache
  readonly clock: Pick<Clock, 'after' | 'turn'>
  /** Entries that the cache holds are given up by the store (default), or by others, after snapshots. */
  readonly trim?: 'behind the cache' | 'by others'
  readonly limits?: LoggedStoreLimits
  /**
   * An entry that does not continue the chain. By default the store is not opened: its log has no other
   * writer.
   */
  readonly onStranger?: (entry: LogEntry) => void
  /** Another writer has the log: nothing is committed any more. */
  readonly onOther?: (fault: Fault) => void
  /** Hears when each entry that counts was sent. */
  readonly watch?: AppendWatch
}

/**
 * Opens the store: brings the cache up to the end of the log. Throws `config.log-lost` when the log ends
 * before the cache, or is another one's.
 */
export async function openLoggedStore(options: LoggedStoreOptions): Promise<LoggedStore> {
  const { log, cache, limits = loggedStoreLimits } = options
  const begin = cache.mark === undefined ? { position: 0, end: emptyChain } : decodeMark(cache.mark)
  const { first, last } = await log.ends()
  if (last < begin.position)
    throw new Fault('config.log-lost', `the log ends with entry ${last}, and the store behind it holds entry ${begin.position}`)
  if (begin.position > 0 && first <= begin.position) await checkHeld(log, begin)
  const chain = new Chain(begin.end)
  const replay = new Replay(cache, limits)
  let position = begin.position
  for await (const entry of log.read(begin.position)) {
    position = entry.position
    const decoded = decodeEntry(entry.bytes)
    if (chain.accept(decoded, entry.bytes)) {
      const writes = chain.writesOf(decoded)
      // No mark in the middle of a commit's parts: the rest would be read without those before.
      if (!chain.isInParts) await replay.add(writes, { position, end: chain.end })
    } else if (options.onStranger === undefined)
      throw new Fault('config.log-lost', `entry ${position} of the log does not continue the one before it`)
    else options.onStranger(entry)
  }
  await replay.flush()
  return new LoggedStore(options, { position, end: chain.end })
}

/** The last entry that the cache holds must be the one that the log has there. */
async function checkHeld(log: Log, { position, end }: LogMark): Promise<void> {
  for await (const { bytes } of log.read(position - 1)) {
    if (decodeEntry(bytes).number === end.number && isSameDigest(entryDigest(bytes), end.digest)) return
    break
  }
  const problem = `entry ${position} of the log is not the one that the store behind it holds: the log is another store's`
  throw new Fault('config.log-lost', problem)
}

/** Brings a cache up to the end of its log, in bounded transactions. */
class Replay {
  #writes: Write[] = []
  #bytes = 0
  #mark: LogMark | undefined

  constructor(
    private readonly cache: LogCache,
    private readonly limits: CacheLimits,
  ) {}

  async add(writes: readonly Write[], mark: LogMark): Promise<void> {
    for (const write of writes) {
      this.#writes.push(write)
      this.#bytes += write[1]?.length ?? 0
    }
    this.#mark = mark
    if (this.#writes.length >= this.limits.aheadWritesMax || this.#bytes >= this.limits.aheadBytesMax) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#mark !== undefined) await this.cache.commitUpTo(this.#writes, encodeMark(this.#mark))
    this.#writes = []
    this.#bytes = 0
    this.#mark = undefined
  }
}

export class LoggedStore implements StateStore {
  readonly directoryId: string
  readonly place?: string
  readonly durability: StateStore['durability']
  readonly #log: Log
  readonly #cache: LogCache
  readonly #writer: LogWriter
  readonly #follower: CacheFollower
  readonly #trims: boolean
  /** Commits that wait for the cache. */
  #held: (() => void)[] = []
  /** A power cut may take back the cache's last commit: the log is needed from the one before it on. */
  #safe: LogMark
  #closed: Promise<void> | undefined

  /** `openLoggedStore` brings the cache up to `end` first, as a new owner of a shard does. */
  constructor(options: LoggedStoreOptions, end: LogMark) {
    const { log, cache, clock, limits = loggedStoreLimits, onOther, trim, watch } = options
    this.directoryId = cache.directoryId
    if (cache.place !== undefined) this.place = cache.place
    this.durability = log.durability
    this.#log = log
    this.#cache = cache
    this.#trims = trim !== 'by others'
    this.#safe = end
    this.#writer = new LogWriter(log, clock, end, limits, onOther, watch)
    this.#follower = new CacheFollower(cache, clock, limits, end, (mark) => this.#cacheHolds(mark))
  }

  /** The last entry that counts and ends a commit: the log can be trimmed up to it. */
  get end(): LogMark {
    return this.#writer.whole
  }

  get(key: string): Uint8Array | undefined {
    this.#checkOpen()
    return canBeKey(key) ? this.#follower.get(key) : undefined
  }

  range(from: string, to: string, limit?: number): Iterable<Entry> {
    checkBounds(from, to)
    return pagedRange(
      (start, most) => {
        this.#checkOpen()
        return this.#follower.page(start, to, most)
      },
      from,
      limit,
    )
  }

  /** Values are read until the commit ends: don't change them before. */
  commit(writes: readonly Write[]): Promise<void> {
    try {
      this.#checkOpen()
      checkWrites(writes)
    } catch (fault) {
      return Promise.reject(fault)
    }
    if (writes.length === 0) return Promise.resolve()
    return this.#append(
      (after) => commitEntries(after, writes, this.#log.entryBytesMax),
      (at) => this.#follower.apply(writes, at),
    )
  }

  /** Appends an entry that is no commit. It counts in its order with commits. */
  append(content: Exclude<EntryContent, { kind: 'writes' | 'part' }>): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(closedFault())
    return this.#append(
      (after) => [nextEntry(after, content)],
      (at) => this.#follower.pass(at),
    )
  }

  #append(make: (after: ChainEnd) => readonly ReadyEntry[], apply: (at: LogMark) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const counted = (at: LogMark): void => {
        apply(at)
        resolve()
      }
      const start = () => this.#writer.append({ make, counted, lost: reject })
      if (!this.#follower.isAhead && this.#held.length === 0) {
        start()
        return
      }
      this.#held.push(() => (this.#follower.fault === undefined ? start() : reject(this.#follower.fault)))
      if (this.#held.length === 1) void this.#releaseHeld()
    })
  }

  /** Starts what waits when the cache has come nearer. While the cache fails it is refused. */
  async #releaseHeld(): Promise<void> {
    while (this.#held.length > 0) {
      if (this.#follower.fault === undefined && this.#follower.isAhead) await this.#follower.flush()
      else this.#held.shift()!()
    }
  }

  #cacheHolds(mark: LogMark): void {
    const upTo = this.#safe.position
    this.#safe = mark
    // The log is longer than it need be until the next time.
    if (this.#trims) this.#log.trim(upTo).catch(() => {})
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    while (this.#held.length > 0) await this.#follower.moved()
    await this.#writer.close()
    // If the cache does not take the rest: the log has it.
    await this.#follower.flush()
    this.#follower.abandon()
    await this.#log.close()
    await this.#cache.close()
  }

  /** The same as kill -9 of the host: nothing is written any more. The log and the cache are the caller's. */
  abandon(): void {
    this.#closed ??= Promise.resolve()
    this.#follower.abandon()
    this.#writer.abandon()
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw closedFault()
  }
}
