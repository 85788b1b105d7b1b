/**
 * The state store in memory: for tests, rehearsals and embedded systems. It behaves as the one on disk does:
 * commits take place later, whole and in order, readers see committed values only, bytes are never shared,
 * and one host at a time holds it.
 */
import { randomUUID } from 'node:crypto'
import { Fault, toFault } from '../../core/base/fault.js'
import type { Write } from '../../core/ports/stateStore.js'
import type { LogCache } from '../../core/store/logCache.js'
import { type Entry, pageBytesMax, pagedRange } from '../../core/store/pagedRange.js'
import { canBeKey, checkBounds, checkWrites, closedFault } from '../../core/store/storeKeys.js'
import type { StateFactory } from '../stateFactory.js'
import { OrderedMap } from './orderedMap.js'

export interface MemoryStoreOptions {
  /** Runs an action later, as `Clock.turn` does; commits take place there. By default `setImmediate`. */
  readonly turn?: (action: () => void) => void
  /** By default a random one. */
  readonly directoryId?: string
}

/**
 * The data outlive the store: opening the same factory again is a host that starts again on its directory.
 */
export interface MemoryState extends StateFactory {
  /**
   * The next commit that would take place rejects, and writes nothing. An error that is no fault becomes
   * `unavailable.storage`.
   */
  failNextCommit(error: unknown): void
  /**
   * Runs before each commit, which waits for it, and those behind it wait too. An exception of
   * it fails the commit.
   */
  beforeCommit: ((writes: readonly Write[]) => void | Promise<void>) | undefined
  /**
   * Runs when a commit has taken place, before anybody hears of it: a host that is killed here never knows.
   */
  afterCommit: ((writes: readonly Write[]) => void) | undefined
  /**
   * The same as kill -9 of the host: running commits neither take place nor end, and the store
   * can be opened again.
   */
  kill(): void
}

export function memoryStore(options: MemoryStoreOptions = {}): MemoryState {
  return new Memory(options)
}

/** A state store in memory that can stand behind a log. */
export interface MemoryCache extends MemoryState {
  open(): Promise<LogCache>
}

export function memoryCache(options: MemoryStoreOptions = {}): MemoryCache {
  return new Memory(options)
}

type Data = OrderedMap<Uint8Array>

interface Commit {
  readonly writes: readonly Write[]
  /** Of a cache behind a log. */
  readonly mark: Uint8Array | undefined
  readonly done: () => void
  readonly failed: (fault: Fault) => void
}

class Memory implements MemoryCache {
  beforeCommit: MemoryState['beforeCommit']
  afterCommit: MemoryState['afterCommit']
  readonly turn: (action: () => void) => void
  readonly #directoryId: string
  readonly #place = randomUUID()
  /** A cache's, behind a log. */
  mark: Uint8Array | undefined
  readonly #data: Data = new OrderedMap()
  #opened: MemoryStore | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(options: MemoryStoreOptions) {
    this.turn = options.turn ?? setImmediate
    this.#directoryId = options.directoryId ?? randomUUID()
  }

  open(): Promise<LogCache> {
    if (this.#opened !== undefined) {
      return Promise.reject(new Fault('config.directory-held', 'this memory store is open: close it first, or use another one'))
    }
    this.#opened = new MemoryStore(this.#directoryId, this.#place, this.#data, this)
    return Promise.resolve(this.#opened)
  }

  failNextCommit(error: unknown): void {
    this.#failure = { error }
  }

  kill(): void {
    this.#opened?.abandon()
    this.#opened = undefined
  }

  /** Throws the failure that was asked for, once. */
  failNow(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
  }

  release(): void {
    this.#opened = undefined
  }
}

class MemoryStore implements LogCache {
  readonly durability = 'none'
  #commits: Commit[] = []
  #running = false
  #abandoned = false
  #newest: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  readonly #data: Data
  readonly #memory: Memory

  constructor(
    readonly directoryId: string,
    readonly place: string,
    data: Data,
    memory: Memory,
  ) {
    this.#data = data
    this.#memory = memory
  }

  get(key: string): Uint8Array | undefined {
    this.#checkOpen()
    const value = canBeKey(key) ? this.#data.get(key) : undefined
    return value === undefined ? undefined : new Uint8Array(value)
  }

  range(from: string, to: string, limit?: number): Iterable<Entry> {
    checkBounds(from, to)
    return pagedRange((start, most) => this.#page(start, to, most), from, limit)
  }

  #page(start: string, end: string, limit: number): Entry[] {
    this.#checkOpen()
    const page: Entry[] = []
    let bytes = 0
    for (const [key, value] of this.#data.range(start, end)) {
      page.push([key, new Uint8Array(value)])
      bytes += value.length
      if (page.length >= limit || bytes >= pageBytesMax) break
    }
    return page
  }

  get mark(): Uint8Array | undefined {
    return this.#memory.mark
  }

  commit(writes: readonly Write[]): Promise<void> {
    return this.#commit(writes, undefined)
  }

  commitUpTo(writes: readonly Write[], mark: Uint8Array): Promise<void> {
    return this.#commit(writes, new Uint8Array(mark))
  }

  #commit(writes: readonly Write[], mark: Uint8Array | undefined): Promise<void> {
    try {
      this.#checkOpen()
      checkWrites(writes)
    } catch (fault) {
      return Promise.reject(fault)
    }
    if (writes.length === 0 && mark === undefined) return Promise.resolve()
    const copied = writes.map(([key, value]): Write => [key, value === null ? null : new Uint8Array(value)])
    const ended = new Promise<void>((done, failed) => {
      this.#commits.push({ writes: copied, mark, done, failed })
    })
    this.#newest = ended
    this.#run()
    return ended
  }

  #run(): void {
    if (this.#running) return
    this.#running = true
    this.#memory.turn(() => {
      void this.#commitAll()
    })
  }

  /**
   * Without a `beforeCommit` that waits, all of them within the turn: the deterministic world has no
   * microtask to wait for.
   */
  async #commitAll(): Promise<void> {
    for (let commit = this.#commits.shift(); commit !== undefined; commit = this.#commits.shift()) {
      try {
        this.#memory.failNow()
        const held = this.#memory.beforeCommit?.(commit.writes)
        if (held !== undefined) await held
        if (this.#abandoned) return
        this.#data.apply(commit.writes as readonly [string, Uint8Array | null][])
        if (commit.mark !== undefined) this.#memory.mark = commit.mark
        this.#memory.afterCommit?.(commit.writes)
        if (this.#abandoned) return
        commit.done()
      } catch (error) {
        if (this.#abandoned) return
        commit.failed(toFault(error, 'unavailable.storage'))
      }
    }
    this.#running = false
  }

  abandon(): void {
    this.#abandoned = true
    this.#commits = []
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    // The host that was killed has nothing to wait for, and the store may be another's by now.
    if (this.#abandoned) return
    await this.#newest.catch(() => {})
    this.#memory.release()
  }

  #checkOpen(): void {
    if (this.#closed !== undefined || this.#abandoned) throw closedFault()
  }
}
