/**
 * A log in files: for the state of one host's nodes. One process at a time has it open: the lock of its
 * directory says which.
 *
 * F4. `process`: an entry counts when it was written, which survives kill -9. `disk`: when it was synced as
 *     well. All that arrive during a sync are written together after it, as one frame (F2).
 * F5. A write that failed leaves nothing: the file is cut off before anything else is written. After a sync
 *     that failed, the kernel may have dropped what was written, and a second sync would not tell. So the log
 *     fails, and takes nothing more until it is opened again.
 */
import { join } from 'node:path'
import { Fault, reasonOf } from '../../core/base/fault.js'
import type { Appended, Log, LogEntry, Position } from '../../core/ports/log.js'
import { type Files, systemFiles } from './files.js'
import {
  entriesOf,
  judgeFiles,
  nameOfSegment,
  nextSegmentName,
  type SegmentFile,
  segmentNowName,
  segmentsIn,
} from './logFiles.js'
import { encodeFrame, encodeHeader, type FileDurability, frameBytes, frameEntriesMax, headerBytes, newHeader } from './segment.js'

export interface FileLogOptions {
  readonly durability: FileDurability
  /** Whether a log was begun here before: then its files must be there. */
  readonly isBegun: boolean
  /** The position up to which the store behind the log holds everything. */
  readonly held: Position
  /** By default a log that lacks acknowledged entries is refused. */
  readonly lostLog?: 'refuse' | 'accept'
  readonly files?: Files
  readonly limits?: FileLogLimits
}

export interface FileLogLimits {
  readonly entryBytesMax: number
  /** A segment has about as many bytes. Its entries are given up together. */
  readonly segmentBytes: number
  /** With durability `disk` a file grows by so many bytes at once: a sync is faster inside a file. */
  readonly growBytes: number
}

export const fileLogLimits: FileLogLimits = { entryBytesMax: 2 ** 22, segmentBytes: 2 ** 24, growBytes: 2 ** 20 }

/** Throws `config.log-lost` when entries are missing that a process was told of. */
export async function openFileLog(directory: string, options: FileLogOptions): Promise<Log> {
  const { files = systemFiles, isBegun, held, lostLog } = options
  const found = judgeFiles(directory, { isBegun, held, acceptLoss: lostLog === 'accept' })
  // Behind the end: lost, or never said to be there.
  for (const { first, path } of segmentsIn(directory)) if (first > found.last) files.remove(path)
  const log = new FileLog(directory, found, { ...options, files, limits: options.limits ?? fileLogLimits })
  await log.begin()
  return log
}

interface Waiting {
  readonly bytes: Uint8Array
  readonly answer: (appended: Appended) => void
}

interface Made {
  readonly path: string
  readonly file: number
  readonly salt: number
  readonly size: number
}

class FileLog implements Log {
  readonly durability: FileDurability
  readonly entryBytesMax: number
  readonly #directory: string
  readonly #files: Files
  readonly #limits: FileLogLimits
  /** The newest is the one that is written. */
  readonly #segments: SegmentFile[]
  #first: Position
  /** The last that counts; and the last that was taken, which may still wait. */
  #last: Position
  #taken: Position
  #waiting: Waiting[] = []
  #file = -1
  #salt = 0
  /** Bytes that are written, and that the file has. */
  #at = 0
  #size = 0
  #isRunning = false
  /** The next segment, whole but for its name. */
  #next: Made | undefined
  #preparing: Promise<void> | undefined
  #failed: Fault | undefined
  #isClosed = false
  #idle: (() => void)[] = []

  constructor(
    directory: string,
    found: { readonly segments: readonly SegmentFile[]; readonly first: Position; readonly last: Position },
    { durability, files, limits }: FileLogOptions & Required<Pick<FileLogOptions, 'files' | 'limits'>>,
  ) {
    this.durability = durability
    this.entryBytesMax = limits.entryBytesMax
    this.#directory = directory
    this.#files = files
    this.#limits = limits
    this.#segments = [...found.segments]
    this.#first = found.first
    this.#last = found.last
    this.#taken = found.last
  }

  async begin(): Promise<void> {
    await this.#prepare()
    this.#rotate()
    await this.#files.syncDirectory(this.#directory)
  }

  append(bytes: Uint8Array, after: Position): Promise<Appended> {
    if (this.#isClosed) return Promise.resolve({ kind: 'refused', fault: closedLog() })
    if (this.#failed !== undefined) return Promise.resolve({ kind: 'refused', fault: this.#failed })
    if (bytes.length > this.entryBytesMax)
      return refused(`an entry of ${bytes.length} bytes is larger than the log takes, ${this.entryBytesMax}`)
    if (after !== this.#taken) return Promise.resolve({ kind: 'conflict' })
    this.#taken++
    if (this.durability === 'process') return Promise.resolve(this.#appendNow(bytes))
    return new Promise((answer) => {
      this.#waiting.push({ bytes, answer })
      if (this.#isRunning) return
      this.#isRunning = true
      // Those of this turn share a frame.
      queueMicrotask(() => void this.#run())
    })
  }

  #appendNow(bytes: Uint8Array): Appended {
    try {
      if (!this.#hasRoom(frameBytes([bytes]))) this.#rotate()
      this.#write(encodeFrame(this.#last + 1, [bytes], this.#salt))
    } catch (error) {
      this.#taken = this.#last
      return { kind: 'refused', fault: this.#failed ?? notWritten(error) }
    }
    this.#last++
    this.#prepareInTime()
    return appended
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        await this.#writeGroup(group)
      } catch (error) {
        this.#refuse(group, this.#failed ?? notWritten(error))
        continue
      }
      this.#last += group.length
      for (const { answer } of group) answer(appended)
      this.#prepareInTime()
    }
    this.#isRunning = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #nextGroup(): readonly Waiting[] {
    let count = 0
    let bytes = 0
    for (const { bytes: each } of this.#waiting) {
      bytes += frameBytes([each])
      if (count > 0 && (bytes > this.#limits.segmentBytes / 2 || count >= frameEntriesMax)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const entries = group.map(({ bytes }) => bytes)
    const isNew = !this.#hasRoom(frameBytes(entries))
    if (isNew) {
      await this.#preparing
      this.#rotate()
    }
    const from = this.#at
    this.#write(encodeFrame(this.#last + 1, entries, this.#salt))
    try {
      await this.#files.sync(this.#file)
      if (isNew) await this.#files.syncDirectory(this.#directory)
    } catch (error) {
      this.#fail(error, from)
      throw error
    }
  }

  /** Those behind the group can't count either: the log does not end where they belong (H1). */
  #refuse(group: readonly Waiting[], fault: Fault): void {
    this.#taken = this.#last
    for (const { answer } of group) answer({ kind: 'refused', fault })
    for (const { answer } of this.#waiting.splice(0))
      answer(this.#failed === undefined ? { kind: 'conflict' } : { kind: 'refused', fault })
  }

  #hasRoom(bytes: number): boolean {
    return this.#at + bytes <= this.#limits.segmentBytes || this.#at === headerBytes
  }

  #write(frame: Buffer): void {
    const from = this.#at
    try {
      this.#files.write(this.#file, frame, from)
    } catch (error) {
      this.#cutOff(from)
      throw error
    }
    this.#at = from + frame.length
    if (this.#at > this.#size) this.#size = this.durability === 'disk' ? this.#grow() : this.#at
  }

  /** Without room for that the log still goes on, slower. */
  #grow(): number {
    const size = Math.ceil(this.#at / this.#limits.growBytes) * this.#limits.growBytes
    try {
      this.#files.write(this.#file, Buffer.alloc(size - this.#at), this.#at)
      return size
    } catch {
      return this.#at
    }
  }

  /** F5. */
  #cutOff(at: number): void {
    try {
      this.#files.truncate(this.#file, at)
      this.#size = at
    } catch (error) {
      this.#failed = broken(this.#directory, error)
    }
  }

  #fail(error: unknown, from: number): void {
    this.#failed = broken(this.#directory, error)
    try {
      this.#files.truncate(this.#file, from)
    } catch {
      // The entry may be there when the log is opened again: nobody was told of it.
    }
  }

  /** Begins the next segment, which was made before: to make one now takes a while. */
  #rotate(): void {
    const made = this.#next ?? this.#make(this.#pathOf(segmentNowName))
    const segment = { first: this.#last + 1, path: this.#pathOf(nameOfSegment(this.#last + 1)) }
    this.#files.rename(made.path, segment.path)
    if (this.#file !== -1) this.#files.close(this.#file)
    this.#next = undefined
    this.#file = made.file
    this.#salt = made.salt
    this.#size = made.size
    this.#at = headerBytes
    this.#segments.push(segment)
  }

  #pathOf(name: string): string {
    return join(this.#directory, name)
  }

  /** A segment under a name that is none yet: one with a name has a whole header. */
  #make(path: string): Made {
    const file = this.#files.open(path)
    try {
      const header = newHeader(this.durability)
      this.#files.write(file, encodeHeader(header), 0)
      return { path, file, salt: header.salt, size: Math.max(headerBytes, this.#files.sizeOf(file)) }
    } catch (error) {
      this.#files.close(file)
      throw error
    }
  }

  #prepareInTime(): void {
    if (this.#at > this.#limits.segmentBytes / 2 && this.#next === undefined) this.#prepare()
  }

  #prepare(): Promise<void> {
    this.#preparing ??= this.#prepareNext()
      // Then the next segment is made when it is needed, and the failure is its append's.
      .catch(() => {})
      .finally(() => {
        this.#preparing = undefined
      })
    return this.#preparing
  }

  async #prepareNext(): Promise<void> {
    const made = this.#make(this.#pathOf(nextSegmentName))
    try {
      await this.#files.sync(made.file)
      this.#next = made
    } catch (error) {
      this.#files.close(made.file)
      throw error
    }
  }

  async *read(after: Position): AsyncGenerator<LogEntry> {
    this.#checkOpen()
    const last = this.#last
    if (after + 1 < this.#first && after < last)
      throw new Fault('config.log-lost', `the log begins at ${this.#first}: the entries from ${after + 1} on were trimmed`)
    for (const entry of entriesOf(this.#segments, after, last)) {
      this.#checkOpen()
      yield entry
    }
  }

  async ends(): Promise<{ readonly first: Position; readonly last: Position }> {
    this.#checkOpen()
    return { first: this.#first, last: this.#last }
  }

  /** Whole segments only. One is kept to be used again, where files grow at a cost. */
  async trim(upTo: Position): Promise<void> {
    this.#checkOpen()
    const gone = Math.min(upTo, this.#last - 1)
    while (this.#segments.length > 1 && this.#segments[1]!.first <= gone + 1) {
      const { path } = this.#segments.shift()!
      const isReused = this.durability === 'disk' && this.#next === undefined && this.#preparing === undefined
      if (isReused) {
        this.#files.rename(path, this.#pathOf(nextSegmentName))
        void this.#prepare()
      } else this.#files.remove(path)
      this.#first = this.#segments[0]!.first
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await this.#preparing
    if (this.#next !== undefined) this.#files.close(this.#next.file)
    this.#next = undefined
    if (this.#file !== -1) this.#files.close(this.#file)
    this.#file = -1
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedLog()
  }
}

const appended: Appended = { kind: 'appended' }

function refused(problem: string): Promise<Appended> {
  return Promise.resolve({ kind: 'refused', fault: new Fault('unavailable.storage', problem) })
}

function closedLog(): Fault {
  return new Fault('unavailable.storage', 'the log is closed')
}

function notWritten(error: unknown): Fault {
  return new Fault('unavailable.storage', `the state was not written: ${reasonOf(error)}`, {}, { cause: error })
}

function broken(directory: string, error: unknown): Fault {
  const message = `the log in ${directory} has failed, and takes nothing more: ${reasonOf(error)}. Look at the disk, then restart the host`
  return new Fault('unavailable.storage', message, { directory }, { cause: error })
}
