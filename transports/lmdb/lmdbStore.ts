/**
 * The state of a host's nodes on disk, in LMDB: memory-mapped reads, and many calls' writes in
 * one crash-safe commit.
 *
 * D1. A commit is one block of one LMDB transaction: all of its writes or none, in order, after those of
 *     earlier commits.
 * D2. Nothing is handed to lmdb that it would refuse: it would keep the writes before the refused one.
 * D3. `process`: the commit is in the kernel's hands. LMDB writes data to the disk before the page that names
 *     it, so a power cut can undo the last commits but not damage the store. `disk`: that page is on the disk
 *     too. `none`: a power cut can lose everything.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Database, RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb'
import { Fault, isFault, reasonOf } from '../../core/base/fault.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { type Entry, pageBytesMax, pagedRange } from '../../core/store/pagedRange.js'
import { canBeKey, checkBounds, checkWrites, closedFault } from '../../core/store/storeKeys.js'
import { ownFileMode } from '../ownDirectory.js'
import type { StateFactory } from '../stateFactory.js'
import { type DirectoryLock, lockDirectory } from './directoryLock.js'
import { keyEncoder } from './keyEncoder.js'

/** The failure that a commit on one disk can survive. */
export type LocalDurability = Exclude<StateStore['durability'], 'replicated'>

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
}

/**
 * State in a directory of its own, which one host at a time holds. The directory is made when it is missing.
 */
export function lmdb(directory: string, options: LmdbOptions = {}): StateFactory {
  const path = resolve(directory)
  return { open: () => openStore(path, options) }
}

/** The number of the layout on disk, so that a later Theseus can tell. */
const diskLayout = '1'

type Entries = Database<Buffer, string>

/** @internal `openRoot` opens the environment; by default lmdb does, loaded by the first who needs it. */
export async function openStore(
  directory: string,
  options: LmdbOptions,
  openRoot?: (options: RootDatabaseOptionsWithPath) => RootDatabase,
): Promise<StateStore> {
  const durability = options.durability ?? 'process'
  // Lock first: opening LMDB already writes.
  const lock = lockDirectory(directory)
  let root: RootDatabase | undefined
  try {
    checkFile(join(directory, 'data.mdb'))
    const open = openRoot ?? (await import('lmdb')).open
    root = open(environment(directory, durability, options.mapSizeBytes))
    closeFiles(directory)
    const about = root.openDB<string, string>({ name: 'about', encoding: 'string' })
    const entries = root.openDB<Buffer, string>({ name: 'entries', encoding: 'binary', keyEncoder } as { name: string })
    const directoryId = await identify(about)
    return new LmdbStore(directoryId, placeOf(directory), durability, root, entries, lock)
  } catch (error) {
    await root?.close()
    lock.release()
    if (isFault(error)) throw error
    throw new Fault(
      'config.invalid',
      `state directory ${directory} can't be opened: ${reasonOf(error)}`,
      { directory },
      { cause: error },
    )
  }
}

/** LMDB makes files that everybody can read. */
function closeFiles(directory: string): void {
  for (const name of ['data.mdb', 'lock.mdb']) {
    const path = join(directory, name)
    try {
      const { mode } = statSync(path)
      if ((mode & 0o007) !== 0) chmodSync(path, ownFileMode)
    } catch {
      // On a disk that is read only, or of a kind that has no modes. The permissions of the
      // directory are checked before.
    }
  }
}

/** LMDB's mark in the first page of its file. */
const magic = { position: 24, bytes: Buffer.from('dec0efbe', 'hex') } as const

/**
 * lmdb crashes the process when it opens a file that is not its own. An empty one is new, a missing one too.
 */
function checkFile(path: string): void {
  if (!existsSync(path)) return
  const found = Buffer.alloc(magic.position + magic.bytes.length)
  const file = openSync(path, 'r')
  try {
    if (readSync(file, found, 0, found.length, 0) === 0 || found.subarray(magic.position).equals(magic.bytes)) return
  } finally {
    closeSync(file)
  }
  throw new Error(`${path} is not an LMDB file. Restore it, or delete it to begin with no state`)
}

function environment(
  directory: string,
  durability: LocalDurability,
  mapSizeBytes: number | undefined,
): RootDatabaseOptionsWithPath {
  return {
    path: directory,
    // Otherwise a directory with a dot in its name would become a file.
    noSubdir: false,
    // With lmdb's batches by turn of the loop, a failed commit rejects a promise that nobody
    // can reach, which ends the process.
    eventTurnBatching: false,
    // With it, lmdb 3.5 resolves a commit no sooner than without, and never closes after a failed one.
    overlappingSync: false,
    noSync: durability === 'none',
    noMetaSync: durability === 'process',
    ...(mapSizeBytes !== undefined && { mapSize: mapSizeBytes }),
  }
}

/**
 * The directory's identity, which lies in a database beside the entries, where no key and no
 * range of a node reaches.
 */
async function identify(about: Database<string, string>): Promise<string> {
  const layout = about.get('layout')
  if (layout === undefined) {
    await about.batch(() => {
      about.put('layout', diskLayout)
      about.put('directoryId', randomUUID())
    })
  } else if (layout !== diskLayout) {
    throw new Fault('config.invalid', `the state directory has layout ${layout}: this Theseus reads layout ${diskLayout}`)
  }
  return about.get('directoryId')!
}

/** The file's own: a copy has another. Neither writing to it nor moving it changes that. */
function placeOf(directory: string): string {
  const { ino, birthtimeNs } = statSync(join(directory, 'data.mdb'), { bigint: true })
  return `${ino}-${birthtimeNs}`
}

class LmdbStore implements StateStore {
  /** The newest commit, whatever became of it: commits end in order, so when it has ended, all have. */
  #newest: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  readonly #root: RootDatabase
  readonly #entries: Entries
  readonly #lock: DirectoryLock

  constructor(
    readonly directoryId: string,
    readonly place: string,
    readonly durability: LocalDurability,
    root: RootDatabase,
    entries: Entries,
    lock: DirectoryLock,
  ) {
    this.#root = root
    this.#entries = entries
    this.#lock = lock
  }

  get(key: string): Uint8Array | undefined {
    if (this.#closed !== undefined) throw closedFault()
    return canBeKey(key) ? this.#entries.getBinary(key) : undefined
  }

  range(from: string, to: string, limit?: number): Iterable<Entry> {
    checkBounds(from, to)
    return pagedRange((start, most) => this.#page(start, to, most), from, limit)
  }

  /**
   * The cursor is closed when this returns: one that is open when the store closes would crash the process.
   */
  #page(start: string, end: string, limit: number): Entry[] {
    if (this.#closed !== undefined) throw closedFault()
    const page: Entry[] = []
    // To lmdb, no bytes at all would be no bound.
    if (end === '') return page
    let bytes = 0
    for (const { key, value } of this.#entries.getRange({ start: start === '' ? undefined! : start, end, limit })) {
      page.push([key, value])
      bytes += value.length
      if (bytes >= pageBytesMax) break
    }
    return page
  }

  /** Values are read until the commit ends: don't change them before. */
  commit(writes: readonly Write[]): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(closedFault())
    try {
      checkWrites(writes)
    } catch (fault) {
      return Promise.reject(fault)
    }
    if (writes.length === 0) return Promise.resolve()
    const entries = this.#entries
    const done = entries
      .batch(() => {
        for (let i = 0; i < writes.length; i++) {
          const write = writes[i]!
          if (write[1] === null) entries.remove(write[0])
          else entries.put(write[0], write[1] as Buffer)
        }
      })
      .then(nothing, notWritten)
    this.#newest = done
    return done
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#newest.catch(nothing)
    await this.#root.close()
    this.#lock.release()
  }
}

function nothing(): void {}

/**
 * lmdb rejects with one error for all, and with a promise in it that rejects with the reason. Unread, that
 * would end the process.
 */
async function notWritten(error: Error & { commitError?: Promise<never> }): Promise<never> {
  const cause = await error.commitError?.catch((reason: unknown) => reason)
  throw new Fault('unavailable.storage', `the state was not written: ${reasonOf(cause ?? error)}`, {}, { cause: cause ?? error })
}
