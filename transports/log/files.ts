/** The calls of the file system that a log on disk makes: a test's own fail when they are told to. */
import { closeSync, fdatasync, fstatSync, fsync, ftruncateSync, open, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { ownFileMode } from '../ownDirectory.js'

export interface Files {
  /** Makes the file where there is none. */
  open(path: string): number
  sizeOf(file: number): number
  /** All of it, or it throws. */
  write(file: number, bytes: Uint8Array, at: number): void
  truncate(file: number, size: number): void
  /** Until what was written survives a power cut. */
  sync(file: number): Promise<void>
  rename(from: string, to: string): void
  remove(path: string): void
  close(file: number): void
  /** Until the names in it survive a power cut. */
  syncDirectory(path: string): Promise<void>
}

const syncData = promisify(fdatasync)

export const systemFiles: Files = {
  open(path) {
    try {
      return openSync(path, 'r+')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return openSync(path, 'wx+', ownFileMode)
    }
  },
  sizeOf: (file) => fstatSync(file).size,
  write(file, bytes, at) {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done)
  },
  truncate: ftruncateSync,
  sync: (file) => syncData(file),
  rename: renameSync,
  remove: unlinkSync,
  close: closeSync,
  async syncDirectory(path) {
    const directory = await promisify(open)(path, 'r')
    try {
      await promisify(fsync)(directory)
    } catch (error) {
      // Windows syncs no directories.
      if (process.platform !== 'win32') throw error
    } finally {
      closeSync(directory)
    }
  },
}
