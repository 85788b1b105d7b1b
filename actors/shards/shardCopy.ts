/**
 * The local copy of a shard, brought up to its log (H6): from itself if it is a beginning of the log, else
 * from the newest named snapshot, with all entries behind either. It is begun while another host still owns
 * the shard, so that a new owner has only the last entries to read.
 *
 * H7. A log that ends before the copy, or whose chain differs from it, has lost entries that somebody was
 *     told of. Then nobody starts the shard, the copy is kept, and an operator decides. Only an owner knows
 *     the end of its log: before the claim such a copy may only have met somebody who lags behind. An entry
 *     `restored` is such a decision: copies of before it count no more (shardReplacement.ts).
 * H8. A snapshot is taken while the shard is written to. Writes are absolute, so the entries behind its
 *     beginning make it whole. Restoring refuses a gap, also one that comes about while it reads.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import { decodeEntry, entryDigest, isSameDigest } from '../../core/model/logEntry.js'
import type { Clock } from '../../core/ports/clock.js'
import type { ShardLog } from '../../core/ports/log.js'
import type { Write } from '../../core/ports/stateStore.js'
import { encodeMark, type LogMark } from '../../core/store/logCache.js'
import { writesIn } from '../../core/store/snapshotSlices.js'
import type { FewAtOnce } from '../base/fewAtOnce.js'
import { sleep } from '../base/timeouts.js'
import { type LogEnd, LogTail, type NamedSnapshot } from './logTail.js'
import type { ShardCache } from './shardCache.js'

export interface CopyServices {
  readonly clock: Clock
  /** Copies of one host that begin. */
  readonly copying: FewAtOnce
  readonly settings: {
    readonly backoffMs: number
    readonly transformBytesPerCommit: number
    readonly transformRecordsPerCommit: number
  }
}

/** The one who owns the shard meanwhile. */
type Owner = 'another' | 'this host'

/**
 * The last entry of the copy, in the log: `there`, or trimmed (`behind`), or another one or none is there
 * (`other`). `unknown`: the one who answers is not as far as it was before.
 */
type Found = 'there' | 'behind' | 'other' | 'unknown'

/** So often entries are found lost before it is said: an older owner may have trimmed the log just now. */
const lostLooks = 3

export class ShardCopy {
  /** Reads the log behind the copy. Undefined until the copy has begun. */
  #reader: LogTail | undefined
  #replay: Replay
  /** The snapshot with which the copy has begun. */
  #snapshot: NamedSnapshot | undefined
  #running: Promise<unknown> = Promise.resolve()
  #isEnded = false

  constructor(
    private readonly log: ShardLog,
    readonly cache: ShardCache,
    private readonly name: string,
    private readonly services: CopyServices,
  ) {
    this.#replay = new Replay(cache, services.settings)
  }

  /** The number of the last entry that it holds; 0 before it has begun. */
  get number(): number {
    return this.#reader?.end.number ?? 0
  }

  /**
   * Brings it nearer to the end that `tail` has read, while another may own the shard. Resolves with whether
   * it holds that end. A log or a copy that is of no use now is met again by the owner.
   */
  async prepare(tail: LogTail): Promise<boolean> {
    try {
      return await this.#alone(() => this.#bringTo(tail, 'another'))
    } catch {
      return false
    }
  }

  /**
   * Brings it to the end that `tail` has read, which is the new owner's claim. While nobody answers for the
   * log it is tried again, until it is ended, or another has the shard: then it resolves with false. Throws
   * `config.log-lost` (H7), and whatever the copy throws.
   */
  async restore(tail: LogTail): Promise<boolean> {
    for (let lostBefore = 0; !this.#isEnded; ) {
      try {
        if (await this.#alone(() => this.#bringTo(tail, 'this host'))) return true
      } catch (error) {
        const isLost = isFault(error) && error.code === 'config.log-lost' && ++lostBefore >= lostLooks
        if (isLost && (await this.#hasNextOwner(tail))) return false
        if (isLost || !isFault(error) || (error.kind !== 'unavailable' && error.code !== 'config.log-lost')) throw error
      }
      await sleep(this.services.clock, this.services.settings.backoffMs)
    }
    return false
  }

  /** This host was frozen, say, and its successor has trimmed the log since. False if nobody tells. */
  async #hasNextOwner({ end }: LogTail): Promise<boolean> {
    const now = new LogTail(this.log, this.name, () => {})
    await now.advance().catch(() => {})
    return now.end.term > end.term
  }

  /** Resolves when nothing of it writes to the copy any more: another begins behind it. */
  async end(): Promise<void> {
    this.#isEnded = true
    await this.#running.catch(() => {})
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#running.catch(() => {}).then(work)
    this.#running = done
    return done
  }

  /** False if the one who answers is not as far as `tail`. */
  async #bringTo(tail: LogTail, owner: Owner): Promise<boolean> {
    const goal = tail.end.number
    try {
      if (this.#reader === undefined) await this.services.copying.run(() => this.#copy(tail, owner))
      else if (this.number < goal) await this.#read(this.#reader, goal)
      return this.number >= goal && !this.#isEnded
    } catch (error) {
      // Trimmed meanwhile, or the copy took nothing: it begins anew, from what it holds by then.
      this.#beginAnew()
      throw error
    }
  }

  #beginAnew(): void {
    this.#reader = undefined
    this.#replay = new Replay(this.cache, this.services.settings)
  }

  async #copy(tail: LogTail, owner: Owner): Promise<void> {
    if (this.#isEnded) return
    this.#reader = await this.#begin(tail, owner)
    if (this.#reader !== undefined) await this.#read(this.#reader, tail.end.number)
  }

  async #read(reader: LogTail, goal: number): Promise<void> {
    for await (const { end, content, writes, isInParts } of reader.read()) {
      if (this.#isEnded) break
      // Its owner has trimmed the log behind a newer snapshot while this one was read.
      if (reader.beginning.number > (this.#snapshot?.from ?? 0)) throw gap(this.name, reader.beginning.number)
      const isAhead = end.number > (this.#snapshot?.from ?? 0)
      if (isAhead && content.kind === 'restored' && content.name !== this.#snapshot?.name) return this.#beginAnew()
      if (isAhead) await this.#replay.add(writes, end, isInParts)
      if (end.number >= goal && !isInParts) break
    }
    await this.#replay.flush()
  }

  /** Where the copy is a snapshot now, or empty, its reader begins with the first entry that is kept. */
  async #begin(tail: LogTail, owner: Owner): Promise<LogTail | undefined> {
    const { cache, name } = this
    const { held } = cache
    this.#snapshot = undefined
    const found = held === undefined ? 'behind' : await this.#find(held, tail)
    if (found === 'there') return new LogTail(this.log, name, () => {}, { from: held })
    if (found === 'unknown') return undefined
    if (found === 'other') {
      if (owner === 'another') return undefined
      throw lost(name, held!.end.number, tail.end)
    }
    const { snapshot } = tail
    const trimmed = await this.#trimmedUpTo()
    if (trimmed === undefined || this.#isEnded) return undefined
    if (trimmed > (snapshot?.from ?? 0)) throw gap(name, trimmed)
    await cache.clear()
    if (snapshot !== undefined) {
      this.#snapshot = snapshot
      for await (const writes of writesIn(this.log.snapshots.read(snapshot.name))) {
        if (this.#isEnded) return undefined
        await cache.commit(writes)
      }
    }
    return new LogTail(this.log, name, () => {})
  }

  async #find({ position, end }: LogMark, tail: LogTail): Promise<Found> {
    if (end.number < tail.restored) return 'behind'
    if (end.number > tail.end.number) return 'other'
    const { first } = await this.log.ends()
    if (position + 1 < first) return 'behind'
    for await (const entry of this.log.read(Math.max(position, first) - 1)) {
      const { number, before } = decodeEntry(entry.bytes)
      const isSame =
        entry.position === position
          ? number === end.number && isSameDigest(entryDigest(entry.bytes), end.digest)
          : number === end.number + 1 && isSameDigest(before, end.digest)
      return isSame ? 'there' : 'other'
    }
    return 'unknown'
  }

  /** The number of the entry before the first that is kept. Undefined if nobody tells. */
  async #trimmedUpTo(): Promise<number | undefined> {
    const { first } = await this.log.ends()
    for await (const { bytes } of this.log.read(first - 1)) return decodeEntry(bytes).number - 1
    return undefined
  }
}

/** Writes that go to the copy together. They stay until it has them. */
class Replay {
  #writes = new Map<string, Uint8Array | null>()
  #bytes = 0
  /** Behind it the log can be gone on with: it is not in the middle of a commit. */
  #end: LogEnd | undefined

  constructor(
    private readonly cache: ShardCache,
    private readonly settings: CopyServices['settings'],
  ) {}

  async add(writes: readonly Write[], end: LogEnd, isInParts: boolean): Promise<void> {
    for (const [key, value] of writes) {
      this.#writes.set(key, value)
      this.#bytes += key.length + (value?.length ?? 0)
    }
    if (isInParts) return
    this.#end = end
    const { transformBytesPerCommit, transformRecordsPerCommit } = this.settings
    if (this.#bytes >= transformBytesPerCommit || this.#writes.size >= transformRecordsPerCommit) await this.flush()
  }

  async flush(): Promise<void> {
    const end = this.#end
    if (end === undefined) return
    await this.cache.commitUpTo([...this.#writes], encodeMark({ position: end.last, end }))
    this.#writes = new Map()
    this.#bytes = 0
    this.#end = undefined
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
