/**
 * The state of a shard for its new owner (H6): the local copy if it is a beginning of the log, else the
 * newest named snapshot, and all entries behind either.
 *
 * H7. A log that ends before the copy, or whose chain differs from it, has lost entries that somebody was
 *     told of. Then nobody starts the shard, the copy is kept, and an operator decides. An entry `restored`
 *     is such a decision: copies of before it count no more, and say nothing (shardReplacement.ts).
 * H8. A snapshot is taken while the shard is written to. Writes are absolute, so the entries behind its
 *     beginning make it whole. Restoring refuses a gap.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { isSameDigest, unpackWrites } from '../../core/model/logEntry.js'
import type { Clock } from '../../core/ports/clock.js'
import type { ShardLog } from '../../core/ports/log.js'
import type { Write } from '../../core/ports/stateStore.js'
import { encodeMark, type LogMark } from '../../core/store/logCache.js'
import { sleep } from '../base/timeouts.js'
import { type LogEnd, LogTail } from './logTail.js'
import type { ShardCache } from './shardCache.js'

export interface RestoreServices {
  readonly clock: Clock
  readonly observe: HostObserver
  readonly settings: {
    readonly backoffMs: number
    readonly transformBytesPerCommit: number
    readonly transformRecordsPerCommit: number
  }
}

/**
 * Brings the copy to the end that `tail` has read, which is the new owner's claim. While nobody answers for
 * the log it is tried again, as long as `isWanted` says so. Throws `config.log-lost` (H7), and whatever the
 * copy throws.
 */
export async function restoreShard(
  log: ShardLog,
  tail: LogTail,
  cache: ShardCache,
  name: string,
  isWanted: () => boolean,
  services: RestoreServices,
): Promise<void> {
  while (isWanted()) {
    try {
      if (await restoreOnce(log, tail, cache, name, services.settings)) return
    } catch (error) {
      if (!isFault(error) || error.kind !== 'unavailable') throw error
    }
    await sleep(services.clock, services.settings.backoffMs)
  }
}

/** False if the one who answers is not as far as the one who took the claim. */
async function restoreOnce(
  log: ShardLog,
  tail: LogTail,
  cache: ShardCache,
  name: string,
  settings: RestoreServices['settings'],
): Promise<boolean> {
  const from = await beginning(log, tail, cache, name)
  // Entries that a snapshot contains are passed over.
  const after = from?.end.number ?? tail.snapshot?.from ?? 0
  const replay = new Replay(cache, settings)
  const entries = new LogTail(log, name, () => {}, { from })
  for await (const { end, writes, isInParts } of entries.read()) {
    if (end.number <= after) continue
    await replay.add(writes, end, isInParts)
    if (end.number >= tail.end.number) break
  }
  if (entries.end.number < tail.end.number) return false
  await replay.end(entries.end)
  return true
}

/** The mark of a copy to go on from; undefined where the copy is a snapshot now, or empty. */
async function beginning(log: ShardLog, tail: LogTail, cache: ShardCache, name: string): Promise<LogMark | undefined> {
  const { held } = cache
  if (held !== undefined && held.end.number >= Math.max(tail.beginning.number, tail.restored)) {
    const isThere = held.end.number <= tail.end.number && tail.sought !== undefined && isSameDigest(tail.sought, held.end.digest)
    if (isThere) return held
    throw lost(name, held.end.number, tail.end)
  }
  const { snapshot, beginning: trimmed } = tail
  if (snapshot === undefined && trimmed.number > 0) throw gap(name, trimmed.number)
  if (snapshot !== undefined && snapshot.from < trimmed.number) throw gap(name, trimmed.number)
  await cache.clear()
  if (snapshot !== undefined) for await (const slice of log.snapshots.read(snapshot.name)) await cache.commit(unpackWrites(slice))
  return undefined
}

/** Writes that go to the copy together. */
class Replay {
  #writes = new Map<string, Uint8Array | null>()
  #bytes = 0
  #isCommitted = false

  constructor(
    private readonly cache: ShardCache,
    private readonly settings: RestoreServices['settings'],
  ) {}

  async add(writes: readonly Write[], end: LogEnd, isInParts: boolean): Promise<void> {
    for (const [key, value] of writes) {
      this.#writes.set(key, value)
      this.#bytes += key.length + (value?.length ?? 0)
    }
    const { transformBytesPerCommit, transformRecordsPerCommit } = this.settings
    this.#isCommitted = false
    const isFull = this.#bytes >= transformBytesPerCommit || this.#writes.size >= transformRecordsPerCommit
    // In the middle of a commit the log can't be gone on with.
    if (isFull && !isInParts) await this.end(end)
  }

  async end(end: LogEnd): Promise<void> {
    if (this.#isCommitted) return
    await this.cache.commitUpTo([...this.#writes], encodeMark({ position: end.last, end }))
    this.#writes = new Map()
    this.#bytes = 0
    this.#isCommitted = true
  }
}

function lost(name: string, seen: number, end: LogEnd): Fault {
  const message =
    seen > end.number
      ? `the log of ${name} ends at entry ${end.number}, and this host has seen ${seen}`
      : `entry ${seen} in the log of ${name} is not the one that this host has seen`
  return new Fault(
    'config.log-lost',
    `${message}: acknowledged entries are lost. The copy here is kept; restore the log, or accept the loss`,
    { shard: name, seen, end: end.number },
  )
}

function gap(name: string, trimmed: number): Fault {
  return new Fault(
    'config.log-lost',
    `the log of ${name} begins behind entry ${trimmed}, and no snapshot has what was before: restore it`,
    { shard: name, trimmed },
  )
}
