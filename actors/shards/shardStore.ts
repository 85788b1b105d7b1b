/**
 * The state of a shard's nodes: a log, and a copy behind it. To the journal it is a store like any other.
 *
 * H2. Log first: a commit resolves when its entry is acknowledged. Then its values are seen, and the copy
 *     follows: one commit after the other, each with all that has come meanwhile.
 */

import { Fault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import { compareKeys, type StateStore, type Write } from '../../core/ports/stateStore.js'
import { overlaid } from '../../core/store/overlaid.js'
import { Signal } from '../base/signal.js'
import { backoffMs, sleep } from '../base/timeouts.js'
import type { LogWriter, WriterEnd } from './logWriter.js'
import type { ShardCache } from './shardCache.js'

export interface ShardStoreServices {
  readonly clock: Clock
  readonly random: Random
  readonly observe: HostObserver
  readonly settings: {
    readonly backoffMs: number
    readonly backoffMsMax: number
    /** Bytes that may wait for the copy; beyond, commits are refused. */
    readonly shardUncachedBytesMax: number
  }
}

interface Values {
  readonly writes: Map<string, Uint8Array | null>
  bytes: number
  end: WriterEnd | undefined
}

export class ShardStore implements StateStore {
  /** In the log, and not in the copy. */
  #fresh: Values = noValues()
  /** On their way to the copy. */
  #moving: Values = noValues()
  #isMoving = false
  #isClosed = false
  #idle: (() => void)[] = []
  #seen: WriterEnd
  /** Bytes that a commit has written. */
  readonly commits = new Signal<number>()

  constructor(
    readonly directoryId: string,
    readonly durability: StateStore['durability'],
    private readonly name: string,
    private readonly writer: LogWriter,
    private readonly cache: ShardCache,
    private readonly services: ShardStoreServices,
  ) {
    this.#seen = writer.end
  }

  get(key: string): Uint8Array | undefined {
    for (const { writes } of [this.#fresh, this.#moving]) {
      const value = writes.get(key)
      if (value !== undefined) return value ?? undefined
    }
    return this.cache.get(key)
  }

  *range(from: string, to: string, limit = Number.POSITIVE_INFINITY): Iterable<readonly [string, Uint8Array]> {
    let left = limit
    if (left <= 0) return
    for (const entry of overlaid(this.cache.range(from, to), this.#overlay(from, to))) {
      yield entry
      if (--left <= 0) return
    }
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (writes.length === 0) return
    const { shardUncachedBytesMax } = this.services.settings
    if (this.#fresh.bytes > shardUncachedBytesMax)
      throw new Fault(
        'unavailable.storage',
        `the copy of ${this.name} on this host can't be written: more than ${shardUncachedBytesMax} bytes wait`,
      )
    const end = await this.writer.commit(writes)
    let bytes = 0
    for (const [key, value] of writes) {
      this.#put(key, value)
      bytes += key.length + (value?.length ?? 0)
    }
    this.#fresh.end = this.#seen = end
    this.#move()
    this.commits.emit(bytes)
  }

  /** The last entry whose writes are seen here. */
  get seen(): WriterEnd {
    return this.#seen
  }

  /** Resolves when the copy has everything. */
  settled(): Promise<void> {
    if (!this.#isMoving) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Nothing more goes to the copy, nor to the log. */
  async close(): Promise<void> {
    await this.settled()
    this.abandon()
  }

  /** At once: as a process does that is killed. */
  abandon(): void {
    this.#isClosed = true
    this.writer.close()
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #put(key: string, value: Uint8Array | null): void {
    const { writes } = this.#fresh
    const known = writes.get(key)
    this.#fresh.bytes += key.length + (value?.length ?? 0) - (known === undefined ? 0 : key.length + (known?.length ?? 0))
    writes.set(key, value)
  }

  #overlay(from: string, to: string): (readonly [string, Uint8Array | null])[] {
    const merged = new Map<string, Uint8Array | null>()
    for (const { writes } of [this.#moving, this.#fresh])
      for (const [key, value] of writes) if (compareKeys(key, from) >= 0 && compareKeys(key, to) < 0) merged.set(key, value)
    return [...merged].sort(([a], [b]) => compareKeys(a, b))
  }

  #move(): void {
    if (this.#isMoving) return
    this.#isMoving = true
    void this.#moveAll()
  }

  async #moveAll(): Promise<void> {
    const { clock, random, settings, observe } = this.services
    for (let failures = 0; !this.#isClosed && (this.#fresh.writes.size > 0 || this.#moving.writes.size > 0); ) {
      if (this.#moving.writes.size === 0) {
        this.#moving = this.#fresh
        this.#fresh = noValues()
      }
      try {
        await this.cache.commit([...this.#moving.writes], this.#moving.end)
        this.#moving = noValues()
        failures = 0
      } catch (error) {
        if (failures++ === 0)
          observe({ type: 'warning', message: `the copy of ${this.name} can't be written; trying again`, error })
        await sleep(clock, backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next()))
      }
    }
    this.#isMoving = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

function noValues(): Values {
  return { writes: new Map(), bytes: 0, end: undefined }
}
