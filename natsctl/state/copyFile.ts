/** Files of copies of state (copyFormat.ts), written once and read twice: first all of it is verified. */
import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { nodeIdOfKey, type StateWrite } from 'theseus-actors/operator'
import { exitCodes, Failure } from '../output/exitCodes.js'
import {
  type CopyHeader,
  type CopyRecord,
  copyMagic,
  decodeCopyRecord,
  encodeCopyRecord,
  lengthBytes,
  notACopy,
  recordBytesMax,
} from './copyFormat.js'

/** A file that gets its name when it is whole. */
export class CopyWriter {
  #hash: Hash = createHash('sha256')
  #at = 0

  /** `file`: undefined where nothing is written, and all is counted. */
  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: FileHandle | undefined,
  ) {}

  static async begin(path: string, header: CopyHeader, isWritten: boolean): Promise<CopyWriter> {
    const temporary = `${path}.${process.pid}.new`
    const file = isWritten
      ? await open(temporary, 'w', 0o600).catch((error) => Promise.reject(notWritten(path, error)))
      : undefined
    const writer = new CopyWriter(path, temporary, file)
    await writer.#write(copyMagic)
    await writer.append({ kind: 'header', header })
    return writer
  }

  append(record: CopyRecord): Promise<void> {
    return this.#write(encodeCopyRecord(record))
  }

  /** Returns what goes back to this place: what was appended behind it is gone. */
  mark(): () => void {
    const at = this.#at
    const hash = this.#hash.copy()
    return () => {
      this.#at = at
      this.#hash = hash.copy()
    }
  }

  async finish(): Promise<{ readonly bytes: number; readonly digest: string }> {
    await this.append({ kind: 'end', digest: this.#hash.copy().digest('hex') })
    await this.file?.truncate(this.#at)
    await this.file?.sync()
    await this.file?.close()
    if (this.file !== undefined) await rename(this.temporary, this.path)
    return { bytes: this.#at, digest: this.#hash.digest('hex') }
  }

  async abandon(): Promise<void> {
    await this.file?.close().catch(() => {})
    await rm(this.temporary, { force: true })
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    try {
      await this.file?.write(bytes, 0, bytes.length, this.#at)
    } catch (error) {
      throw notWritten(this.path, error)
    }
    this.#at += bytes.length
  }
}

interface Place {
  readonly number: number
  readonly from: number
  readonly to: number
}

export class CopyReader {
  private constructor(
    private readonly file: FileHandle,
    readonly header: CopyHeader,
    readonly digest: string,
    readonly nodeIds: readonly string[],
    private readonly places: ReadonlyMap<number, Place>,
  ) {}

  /** Whether the file is one of these. Throws for one that can't be read. */
  static async isCopy(path: string): Promise<boolean> {
    const file = await open(path).catch((error) => Promise.reject(notRead(path, error)))
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(copyMagic.length), 0, copyMagic.length, 0)
      return bytesRead === copyMagic.length && buffer.equals(copyMagic)
    } finally {
      await file.close()
    }
  }

  /** Reads all of it. Throws `config.invalid` for one that is damaged, or cut off. */
  static async open(path: string): Promise<CopyReader> {
    const file = await open(path).catch((error) => Promise.reject(notRead(path, error)))
    try {
      return await verified(file, (...found) => new CopyReader(file, ...found))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  get parts(): readonly number[] {
    return [...this.places.keys()]
  }

  /** Of the last entry of its log that the part holds; 0 where the copy has nothing of it. */
  numberOf(part: number): number {
    return this.places.get(part)?.number ?? 0
  }

  /** None where the copy has nothing of the part. */
  async *writes(part: number): AsyncGenerator<readonly StateWrite[]> {
    const { from, to } = this.places.get(part) ?? { from: 0, to: 0 }
    for await (const { record } of recordsOf(this.file, from, to)) if (record.kind === 'writes') yield record.writes
  }

  close(): Promise<void> {
    return this.file.close()
  }
}

type Found = readonly [header: CopyHeader, digest: string, nodeIds: readonly string[], places: ReadonlyMap<number, Place>]

async function verified<T>(file: FileHandle, make: (...found: Found) => T): Promise<T> {
  const { size } = await file.stat()
  const hash = createHash('sha256').update(copyMagic)
  const nodeIds = new Set<string>()
  const places = new Map<number, Place>()
  let header: CopyHeader | undefined
  let open: { readonly part: number; readonly from: number } | undefined
  let isEnded = false
  for await (const { record, bytes, from, to } of recordsOf(file, copyMagic.length, size)) {
    if (isEnded || (header === undefined) !== (record.kind === 'header')) throw notACopy('its records are in no order')
    if (record.kind === 'end' && record.digest !== hash.copy().digest('hex'))
      throw notACopy('it is damaged: its digest is another')
    hash.update(bytes)
    switch (record.kind) {
      case 'header':
        header = record.header
        break
      case 'part':
        if (open !== undefined || places.has(record.part)) throw notACopy('its records are in no order')
        open = { part: record.part, from: to }
        break
      case 'writes':
        if (open === undefined) throw notACopy('its records are in no order')
        for (const [key, value] of record.writes) noteNode(nodeIds, key, value)
        break
      case 'whole':
        if (open === undefined) throw notACopy('its records are in no order')
        places.set(open.part, { number: record.number, from: open.from, to: from })
        open = undefined
        break
      case 'end':
        isEnded = open === undefined
    }
  }
  if (header === undefined || !isEnded) throw notACopy('it is cut off')
  return make(header, hash.digest('hex'), [...nodeIds], places)
}

function noteNode(nodeIds: Set<string>, key: string, value: Uint8Array | null): void {
  const nodeId = nodeIdOfKey(key)
  if (nodeId === undefined) return
  if (value === null) nodeIds.delete(nodeId)
  else nodeIds.add(nodeId)
}

interface ReadRecord {
  readonly record: CopyRecord
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
}

async function* recordsOf(file: FileHandle, from: number, to: number): AsyncGenerator<ReadRecord> {
  for (let at = from; at < to; ) {
    const length = (await read(file, at, lengthBytes)).readUInt32BE()
    if (length > recordBytesMax || at + lengthBytes + length > to) throw notACopy('it is cut off')
    const bytes = await read(file, at, lengthBytes + length)
    const end = at + bytes.length
    yield { record: decodeCopyRecord(bytes.subarray(lengthBytes)), bytes, from: at, to: end }
    at = end
  }
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done)
    if (bytesRead === 0) throw notACopy('it is cut off')
    done += bytesRead
  }
  return bytes
}

function notWritten(path: string, error: unknown): Failure {
  return new Failure(exitCodes.error, `error: can't write ${path}: ${(error as Error).message}`, { cause: error })
}

function notRead(path: string, error: unknown): Failure {
  return new Failure(exitCodes.error, `error: can't read ${path}: ${(error as Error).message}`, { cause: error })
}
