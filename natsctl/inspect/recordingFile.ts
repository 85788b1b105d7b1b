/**
 * A recording as a file: a line of JSON for its header, then one for each entry. Written as it happens, so
 * that a look that is cut short is kept.
 */
import { createWriteStream, type WriteStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { note, toJson } from '../output/output.js'
import { Recording } from './recording.js'
import { isEntry, isHeader, type RecordingEntry, type RecordingHeader } from './recordingEntry.js'

export const recordingBytesMax = 256 * 1024 * 1024

export class RecordingFile {
  #bytes = 0
  #isFull = false

  private constructor(
    private readonly stream: WriteStream,
    private readonly path: string,
  ) {}

  /** Throws for a file that is there already: a recording is not written over. */
  static async create(path: string, header: RecordingHeader): Promise<RecordingFile> {
    const stream = createWriteStream(path, { flags: 'wx', mode: 0o600 })
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve())
      stream.once('error', (error) => reject(cannot('write', path, error)))
    })
    stream.on('error', (error) => note(`${path} can't be written any more: ${error.message}`))
    const file = new RecordingFile(stream, path)
    file.#write(header)
    return file
  }

  add(entries: readonly RecordingEntry[]): void {
    for (const entry of entries) this.#write(entry)
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.stream.end(() => resolve()))
  }

  #write(value: RecordingEntry | RecordingHeader): void {
    if (this.#isFull) return
    const line = `${toJson(value)}\n`
    this.#bytes += line.length
    this.#isFull = this.#bytes > recordingBytesMax
    if (this.#isFull) note(`${this.path} has ${recordingBytesMax} bytes: nothing more is recorded`)
    else this.stream.write(line)
  }
}

/**
 * Reads a whole recording. Entries that this version does not know are left out; a last line
 * that is cut off too.
 */
export async function openRecording(path: string): Promise<Recording> {
  let file: FileHandle | undefined
  let recording: Recording | undefined
  try {
    let entries: RecordingEntry[] = []
    file = await open(path)
    for await (const line of file.readLines()) {
      const value = parsed(line)
      if (recording === undefined) {
        if (!isHeader(value)) throw new Failure(exitCodes.error, `error: ${path} is no recording of natsctl inspect`)
        recording = new Recording(value)
      } else if (isEntry(value)) entries.push(value)
      if (entries.length >= 10_000) {
        recording.add(entries)
        entries = []
      }
    }
    recording?.add(entries)
  } catch (error) {
    throw error instanceof Failure ? error : cannot('read', path, error as Error)
  } finally {
    await file?.close()
  }
  if (recording === undefined) throw new Failure(exitCodes.error, `error: ${path} is empty`)
  return recording
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function cannot(what: string, path: string, { code, message }: NodeJS.ErrnoException): Failure {
  const reasons: Record<string, string> = {
    EEXIST: 'it is there already',
    ENOENT: 'there is no such file',
    EISDIR: 'it is a directory',
  }
  return new Failure(exitCodes.error, `error: can't ${what} ${path}: ${reasons[code ?? ''] ?? message}`)
}
