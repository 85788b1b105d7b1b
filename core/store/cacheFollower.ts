/**
 * Brings a cache behind its log: takes the writes that count, shows them over the cache, and commits them
 * to it in chunks, one after the other.
 */
import { type Fault, toFault } from '../base/fault.js'
import type { Clock } from '../ports/clock.js'
import type { Write } from '../ports/stateStore.js'
import { Chunk, firstIn, newestIn } from './chunk.js'
import { encodeMark, type LogCache, type LogMark } from './logCache.js'
import { overlaid } from './overlaid.js'
import { type Entry, takePage } from './pagedRange.js'

export interface CacheLimits {
  /** A chunk of so many writes, or bytes, goes to the cache at once. It holds up the loop meanwhile. */
  readonly chunkWritesMax: number
  readonly chunkBytesMax: number
  /** Chunks that wait go there together, up to so many writes: each commit of the cache costs a sync. */
  readonly flushWritesMax: number
  /** A smaller one goes there after this time. */
  readonly chunkMs: number
  /** Beyond so many writes, or bytes, that the cache does not hold, commits wait for it. */
  readonly aheadWritesMax: number
  readonly aheadBytesMax: number
  /** The first pause after a commit of the cache that failed; it doubles up to the longest. */
  readonly cacheRepeatMs: number
  readonly cacheRepeatMsMax: number
}

export const cacheLimits: CacheLimits = {
  chunkWritesMax: 1024,
  chunkBytesMax: 2 ** 20,
  flushWritesMax: 4096,
  chunkMs: 250,
  aheadWritesMax: 16_384,
  aheadBytesMax: 2 ** 25,
  cacheRepeatMs: 100,
  cacheRepeatMsMax: 5000,
}

export class CacheFollower {
  /** The writes that the cache does not hold yet, in order. The last chunk is being filled. */
  readonly #chunks: Chunk[]
  #aheadWrites = 0
  #aheadBytes = 0
  #isFlushing = false
  #isAbandoned = false
  /** Called when the cache has taken a chunk, has not, or has no more to take. */
  #moved: (() => void)[] = []
  #cancelTimer: (() => void) | undefined
  #fault: Fault | undefined
  #repeatMs: number

  constructor(
    private readonly cache: LogCache,
    private readonly clock: Pick<Clock, 'after' | 'turn'>,
    private readonly limits: CacheLimits,
    begin: LogMark,
    /** The cache holds everything up to this entry. */
    private readonly onHeld: (mark: LogMark) => void,
  ) {
    this.#chunks = [new Chunk(begin)]
    this.#repeatMs = limits.cacheRepeatMs
  }

  /** Why the cache does not follow, while it does not. */
  get fault(): Fault | undefined {
    return this.#fault
  }

  /** Whether the cache is so far behind that commits wait. */
  get isAhead(): boolean {
    return this.#aheadWrites >= this.limits.aheadWritesMax || this.#aheadBytes >= this.limits.aheadBytesMax
  }

  get(key: string): Uint8Array | undefined {
    const value = newestIn(this.#chunks, key)
    if (value === undefined) return this.cache.get(key)
    return value === null ? undefined : new Uint8Array(value)
  }

  /** The entries of one moment, at or after `from`: at most `limit`, and none when there are no more. */
  page(from: string, to: string, limit: number): Entry[] {
    if (this.#aheadWrites === 0) return takePage(this.cache.range(from, to, limit), limit)
    for (let start = from; ; ) {
      const own = firstIn(this.#chunks, start, to, limit)
      // Behind the last of so many there may be more, so the page ends there.
      const isCut = own.length === limit
      const end = isCut ? `${own[limit - 1]![0]}\u0000` : to
      const mine = own.map(([key, value]) => [key, value === null ? null : new Uint8Array(value)] as const)
      const page = takePage(overlaid(this.cache.range(start, end), mine), limit)
      if (page.length > 0 || !isCut) return page
      start = end
    }
  }

  /** Shows a commit that counts. The entry `at` is its last. */
  apply(writes: readonly Write[], at: LogMark): void {
    const chunk = this.#chunks.at(-1)!
    const { bytes } = chunk
    const { size } = chunk.writes
    for (let i = 0; i < writes.length; i++) {
      const [key, value] = writes[i]!
      // The caller may use its own again once the commit has ended.
      chunk.put(key, value === null ? null : new Uint8Array(value))
    }
    chunk.mark = at
    this.#aheadBytes += chunk.bytes - bytes
    this.#aheadWrites += chunk.writes.size - size
    if (chunk.writes.size >= this.limits.chunkWritesMax || chunk.bytes >= this.limits.chunkBytesMax) this.#cut()
    else this.#cancelTimer ??= this.clock.after(this.limits.chunkMs, () => this.#cut())
  }

  /** An entry that writes nothing. */
  pass(at: LogMark): void {
    this.#chunks.at(-1)!.mark = at
  }

  /** Resolves when the cache has taken a chunk or has failed to. */
  moved(): Promise<void> {
    return new Promise((resolve) => this.#moved.push(resolve))
  }

  /** Gives the cache all that there is. Resolves when it has it, or has failed to take it. */
  async flush(): Promise<void> {
    this.#cut()
    while (this.#isFlushing && this.#fault === undefined) await this.moved()
  }

  abandon(): void {
    this.#isAbandoned = true
    this.#cancelTimer?.()
  }

  /** The chunk is not filled any more, and goes to the cache when those before it are there. */
  #cut(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    const filled = this.#chunks.at(-1)!
    if (filled.writes.size > 0) this.#chunks.push(new Chunk(filled.mark))
    if (this.#isFlushing || this.#chunks.length === 1) return
    this.#isFlushing = true
    this.clock.turn(() => this.#flushFirst())
  }

  #flushFirst(): void {
    if (this.#isAbandoned) return
    const writes: Write[] = []
    let count = 0
    for (const chunk of this.#chunks.slice(0, -1)) {
      if (count > 0 && writes.length + chunk.writes.size > this.limits.flushWritesMax) break
      for (const write of chunk.writes) writes.push(write)
      count++
    }
    this.cache.commitUpTo(writes, encodeMark(this.#chunks[count - 1]!.mark)).then(
      () => this.#held(count),
      (error: unknown) => this.#notHeld(toFault(error, 'unavailable.storage')),
    )
  }

  #held(count: number): void {
    const chunks = this.#chunks.splice(0, count)
    for (const chunk of chunks) {
      this.#aheadWrites -= chunk.writes.size
      this.#aheadBytes -= chunk.bytes
    }
    this.#fault = undefined
    this.#repeatMs = this.limits.cacheRepeatMs
    this.onHeld(chunks[count - 1]!.mark)
    if (this.#chunks.length > 1) this.clock.turn(() => this.#flushFirst())
    else this.#isFlushing = false
    this.#tell()
  }

  /** The log has it: nothing is lost, and the cache is asked again. */
  #notHeld(fault: Fault): void {
    if (this.#isAbandoned) return
    this.#fault = fault
    const pauseMs = this.#repeatMs
    this.#repeatMs = Math.min(pauseMs * 2, this.limits.cacheRepeatMsMax)
    this.clock.after(pauseMs, () => this.#flushFirst())
    this.#tell()
  }

  #tell(): void {
    for (const resolve of this.#moved.splice(0)) resolve()
  }
}
