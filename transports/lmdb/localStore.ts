/**
 * The state of a host's nodes in a directory of its own: LMDB, and before it a log in files as soon as the
 * system's level allows one (format `store` 2). Release 0.1.0 reads LMDB alone, and refuses a directory with
 * a log by its layout.
 *
 * D4. A directory with a log has layout 2, written when the log is there and before its first entry. With
 *     durability `none` there is no log: it is emptied into LMDB, and the directory has layout 1 again.
 */
import { resolve } from 'node:path'
import { Fault, isFault, reasonOf } from '../../core/base/fault.js'
import { formats } from '../../core/base/formats.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { decodeMark } from '../../core/store/logCache.js'
import { openLoggedStore } from '../../core/store/loggedStore.js'
import type { Entry } from '../../core/store/pagedRange.js'
import { closedFault } from '../../core/store/storeKeys.js'
import { type FileLogOptions, openFileLog } from '../log/fileLog.js'
import { removeLog } from '../log/logFiles.js'
import type { StateFactory } from '../stateFactory.js'
import { systemClock } from '../systemClock.js'
import { type LmdbStore, type LocalDurability, type OpenRoot, openLmdb } from './lmdbStore.js'

export interface LmdbOptions {
  /**
   * The failure that an acknowledged commit survives: `process` (default) kill -9 of the host, `disk` a power
   * cut as well, `none` neither for certain.
   */
  readonly durability?: LocalDurability
  /**
   * Address space to map at first, in bytes: neither memory nor disk. The map grows when it is full; a good
   * guess saves remapping.
   */
  readonly mapSizeBytes?: number
  /**
   * A log that lacks entries which were acknowledged is refused with `config.log-lost` (default), or taken
   * as it is: `accept` is the operator's decision, for one start.
   */
  readonly lostLog?: 'refuse' | 'accept'
}

/**
 * State in a directory of its own, which one host at a time holds. The directory is made when it is missing.
 */
export function lmdb(directory: string, options: LmdbOptions = {}): StateFactory {
  const path = resolve(directory)
  return { directory: path, open: () => openStore(path, options) }
}

/** @internal `openRoot` opens LMDB's environment. */
export async function openStore(directory: string, options: LmdbOptions, openRoot?: OpenRoot): Promise<StateStore> {
  const { durability = 'process', mapSizeBytes } = options
  const cache = await openLmdb(directory, { durability, mapSizeBytes }, openRoot)
  try {
    const store = new LocalStore(directory, durability, options, cache)
    if (cache.layout !== formats.store.first) await store.goOnWithLog()
    return store
  } catch (error) {
    await cache.close()
    if (isFault(error)) throw error
    const message = `the log in state directory ${directory} can't be opened: ${reasonOf(error)}`
    throw new Fault('config.invalid', message, { directory }, { cause: error })
  }
}

class LocalStore implements StateStore {
  readonly directoryId: string
  readonly place: string
  /** LMDB, or the log with LMDB behind it. */
  #store: StateStore
  /** Set while the log is begun: commits wait for it. */
  #beginning: Promise<void> | undefined
  /** The newest commit to LMDB alone: the log begins behind it. */
  #newest: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined

  constructor(
    private readonly directory: string,
    readonly durability: LocalDurability,
    private readonly options: LmdbOptions,
    private readonly cache: LmdbStore,
  ) {
    this.directoryId = cache.directoryId
    this.place = cache.place
    this.#store = cache
  }

  get withoutLog(): LmdbStore {
    return this.cache
  }

  get(key: string): Uint8Array | undefined {
    return this.#store.get(key)
  }

  range(from: string, to: string, limit?: number): Iterable<Entry> {
    return this.#store.range(from, to, limit)
  }

  commit(writes: readonly Write[]): Promise<void> {
    if (this.#beginning !== undefined) return this.#beginning.then(() => this.#store.commit(writes))
    const done = this.#store.commit(writes)
    if (this.#store === this.cache) this.#newest = done
    return done
  }

  keepLog(): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(closedFault())
    if (this.durability === 'none' || this.#store !== this.cache) return Promise.resolve()
    this.#beginning ??= this.#beginLog().finally(() => {
      this.#beginning = undefined
    })
    return this.#beginning
  }

  /** Of an attempt that was cut short there may be files. They hold nothing. */
  async #beginLog(): Promise<void> {
    await this.#newest.catch(() => {})
    removeLog(this.directory)
    const log = await openFileLog(this.directory, { ...this.#logOptions, isBegun: false, held: 0 })
    try {
      await this.cache.setLayout(formats.store.newest)
      this.#store = await openLoggedStore({ log, cache: this.cache, clock: systemClock })
    } catch (error) {
      await log.close()
      throw error
    }
  }

  /** The directory has one: what LMDB lacks is there. */
  async goOnWithLog(): Promise<void> {
    const { cache, directory } = this
    const held = cache.mark === undefined ? 0 : decodeMark(cache.mark).position
    const log = await openFileLog(directory, { ...this.#logOptions, isBegun: true, held })
    try {
      const store = await openLoggedStore({ log, cache, clock: systemClock })
      if (this.durability !== 'none') {
        this.#store = store
        return
      }
    } catch (error) {
      await log.close()
      throw error
    }
    await log.close()
    await cache.setLayout(formats.store.first)
    removeLog(directory)
  }

  get #logOptions(): Pick<FileLogOptions, 'durability' | 'lostLog'> {
    const { durability, options } = this
    return { durability: durability === 'disk' ? 'disk' : 'process', lostLog: options.lostLog ?? 'refuse' }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#beginning?.catch(() => {})
    await this.#store.close()
  }
}
