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
import { join } from 'node:path'
import type { Database, RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb'
import { Fault, isFault, reasonOf } from '../../core/base/fault.js'
import { formats, isRead, numbersRead } from '../../core/base/formats.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import type { LogCache } from '../../core/store/logCache.js'
import { type Entry, pageBytesMax, pagedRange } from '../../core/store/pagedRange.js'
import { canBeKey, checkBounds, checkWrites, closedFault } from '../../core/store/storeKeys.js'
import { ownFileMode } from '../ownDirectory.js'
import { type DirectoryLock, lockDirectory } from './directoryLock.js'
import { keyEncoder } from './keyEncoder.js'

/** The failure that a commit on one disk can survive. */
export type LocalDurability = Exclude<StateStore['durability'], 'replicated'>

type About = Database<string, string>
type Entries = Database<Buffer, string>

export interface LmdbSettings {
  readonly durability: LocalDurability
  readonly mapSizeBytes?: number | undefined
  /** The identity of a directory that is new, where it is a copy of another. */
  readonly directoryId?: string
}

export type OpenRoot = (options: RootDatabaseOptionsWithPath) => RootDatabase

/** `openRoot` opens the environment; by default lmdb does, loaded by the first who needs it. */
export async function openLmdb(directory: string, options: LmdbSettings, openRoot?: OpenRoot): Promise<LmdbStore> {
  const { durability } = options
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
    const directoryId = await identify(about, options.directoryId ?? randomUUID())
    return new LmdbStore(directoryId, placeOf(directory), durability, root, about, entries, lock)
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
async function identify(about: About, newId: string): Promise<string> {
  const layout = about.get('layout')
  if (layout === undefined) {
    await about.batch(() => {
      about.put('layout', String(formats.store.first))
      about.put('directoryId', newId)
    })
  } else if (!isRead(formats.store, Number(layout))) {
    const read = numbersRead(formats.store)
    throw new Fault('config.invalid', `the state directory has layout ${layout}: this Theseus reads layout ${read}`)
  }
  return about.get('directoryId')!
}

/** The file's own: a copy has another. Neither writing to it nor moving it changes that. */
function placeOf(directory: string): string {
  const { ino, birthtimeNs } = statSync(join(directory, 'data.mdb'), { bigint: true })
  return `${ino}-${birthtimeNs}`
}

/**
 * A process that was killed while it copied the store holds its pages, and the file grows, until it is looked
 * for.
 */
const commitsPerReaderCheck = 1_024

export class LmdbStore implements LogCache {
  #commits = 0
  /** The newest commit, whatever became of it: commits end in order, so when it has ended, all have. */
  #newest: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  readonly #root: RootDatabase
  readonly #about: About
  readonly #entries: Entries
  readonly #lock: DirectoryLock

  constructor(
    readonly directoryId: string,
    readonly place: string,
    readonly durability: LocalDurability,
    root: RootDatabase,
    about: About,
    entries: Entries,
    lock: DirectoryLock,
  ) {
    this.#root = root
    this.#about = about
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

  /** The number of the directory's layout. */
  get layout(): number {
    return Number(this.#about.get('layout'))
  }

  get mark(): Uint8Array | undefined {
    const mark = this.#about.get('log')
    return mark === undefined ? undefined : Buffer.from(mark, 'base64')
  }

  /** From now on there is a log before the store, or none any more: then its mark goes too. */
  setLayout(layout: number): Promise<void> {
    const about = this.#about
    return this.#batch(() => {
      about.put('layout', String(layout))
      if (layout === formats.store.first) about.remove('log')
    })
  }

  /** Values are read until the commit ends: don't change them before. */
  commit(writes: readonly Write[]): Promise<void> {
    return this.#commit(writes, undefined)
  }

  commitUpTo(writes: readonly Write[], mark: Uint8Array): Promise<void> {
    return this.#commit(writes, Buffer.from(mark).toString('base64'))
  }

  #commit(writes: readonly Write[], mark: string | undefined): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(closedFault())
    try {
      checkWrites(writes)
    } catch (fault) {
      return Promise.reject(fault)
    }
    if (writes.length === 0 && mark === undefined) return Promise.resolve()
    const entries = this.#entries
    return this.#batch(() => {
      for (let i = 0; i < writes.length; i++) {
        const write = writes[i]!
        if (write[1] === null) entries.remove(write[0])
        else entries.put(write[0], write[1] as Buffer)
      }
      if (mark !== undefined) this.#about.put('log', mark)
    })
  }

  #batch(write: () => void): Promise<void> {
    if (++this.#commits % commitsPerReaderCheck === 0) this.#root.readerCheck()
    const done = this.#entries.batch(write).then(nothing, notWritten)
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
