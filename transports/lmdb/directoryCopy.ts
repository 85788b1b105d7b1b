/**
 * Copies of state directories: one is read while its host serves, and a new one is made of such a copy.
 *
 * - The copy is of one moment: LMDB's, and then what its log has behind it.
 * - Copies of shards are left out. Their logs have all of it, and an older copy is of no use.
 * - A directory is made beside its name, and gets the name when it is whole.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { Fault, isFault, reasonOf } from '../../core/base/fault.js'
import { formats, isRead, numbersRead } from '../../core/base/formats.js'
import { Chain, emptyChain } from '../../core/model/logChain.js'
import { decodeEntry } from '../../core/model/logEntry.js'
import type { Write } from '../../core/ports/stateStore.js'
import { decodeMark, type LogMark } from '../../core/store/logCache.js'
import { copySegments, entriesIn } from '../log/logCopy.js'
import { checkReadableHere } from './directoryLock.js'
import { keyEncoder } from './keyEncoder.js'
import { openLmdb } from './lmdbStore.js'

/** Of the host's copies of shards (actors/host/offeredService.ts). */
const shardCopies = 'shard/'

/** Writes that are given, or committed, together. */
const writesMax = 1_000
const bytesMax = 2 ** 20

/** A state directory at one moment. */
export interface DirectoryCopy {
  readonly directoryId: string
  /** In order: each value takes the place of an earlier one, and null deletes it. To be read once. */
  readonly writes: AsyncIterable<readonly Write[]>
  close(): Promise<void>
}

/**
 * Opens a directory for reading. Its host may run, on this machine. Throws `config.invalid` for one that is
 * no state directory, `config.directory-held` where its host is another machine's, and `config.log-lost` for
 * one whose log can't be read.
 */
export async function copyOfDirectory(directory: string): Promise<DirectoryCopy> {
  const path = resolve(directory)
  if (!existsSync(`${path}/data.mdb`)) throw new Fault('config.invalid', `${path} is no state directory: it has no data.mdb`)
  checkReadableHere(path)
  const segments = copySegments(path)
  const { open } = await import('lmdb')
  const root = open({ path, noSubdir: false, readOnly: true, eventTurnBatching: false, overlappingSync: false })
  try {
    const about = root.openDB<string, string>({ name: 'about', encoding: 'string' })
    const entries = root.openDB<Buffer, string>({ name: 'entries', encoding: 'binary', keyEncoder } as { name: string })
    // One moment, for all that is read by it.
    const transaction = entries.useReadTransaction()
    const layout = Number(about.get('layout', { transaction }))
    if (!isRead(formats.store, layout))
      throw new Fault('config.invalid', `${path} has layout ${layout}: this Theseus reads layout ${numbersRead(formats.store)}`)
    const mark = about.get('log', { transaction })
    const held = mark === undefined ? { position: 0, end: emptyChain } : decodeMark(Buffer.from(mark, 'base64'))
    const inLog = layout === formats.store.first ? [] : writesBehind(segments, held)
    return {
      directoryId: about.get('directoryId', { transaction })!,
      writes: together(both(entries.getRange({ transaction, snapshot: true }) as Iterable<Pair>, inLog)),
      close: async () => {
        transaction.done()
        await root.close()
      },
    }
  } catch (error) {
    await root.close()
    if (isFault(error)) throw error
    throw new Fault('config.invalid', `${path} can't be read: ${reasonOf(error)}`, { directory: path }, { cause: error })
  }
}

type Pair = { readonly key: string; readonly value: Buffer }

function* both(entries: Iterable<Pair>, inLog: Iterable<readonly Write[]>): Generator<Write> {
  for (const { key, value } of entries) if (!key.startsWith(shardCopies)) yield [key, value]
  for (const writes of inLog) for (const write of writes) if (!write[0].startsWith(shardCopies)) yield write
}

function* writesBehind(segments: ReturnType<typeof copySegments>, held: LogMark): Generator<readonly Write[]> {
  const chain = new Chain(held.end)
  for (const { position, bytes } of entriesIn(segments, held.position)) {
    const entry = decodeEntry(bytes)
    if (!chain.accept(entry, bytes))
      throw new Fault('config.log-lost', `entry ${position} of the log does not continue the one before it`)
    yield chain.writesOf(entry)
  }
}

async function* together(writes: Iterable<Write>): AsyncGenerator<readonly Write[]> {
  let some: Write[] = []
  let bytes = 0
  for (const write of writes) {
    some.push(write)
    bytes += write[0].length + (write[1]?.length ?? 0)
    if (some.length < writesMax && bytes < bytesMax) continue
    yield some
    some = []
    bytes = 0
  }
  if (some.length > 0) yield some
}

/**
 * Makes a state directory of a copy. A host may be started on it. Throws `config.invalid` if there is
 * something in the directory already; then, and when `writes` throws, nothing is made.
 */
export async function makeDirectory(
  directory: string,
  directoryId: string,
  writes: AsyncIterable<readonly Write[]>,
): Promise<void> {
  const path = resolve(directory)
  checkEmpty(path)
  const making = `${path}.${randomUUID()}.new`
  try {
    const store = await openLmdb(making, { durability: 'disk', directoryId })
    try {
      for await (const some of writes) await store.commit(some)
    } finally {
      await store.close()
    }
    checkEmpty(path)
    renameSync(making, path)
  } catch (error) {
    rmSync(making, { recursive: true, force: true })
    throw error
  }
}

function checkEmpty(path: string): void {
  if (!existsSync(path) || readdirSync(path).length === 0) return
  throw new Fault('config.invalid', `there is something in ${path} already: move it away, or name another directory`)
}
