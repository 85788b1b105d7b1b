/**
 * Files for the reader's own repository: all of them or none, and nothing that is there is ever written over.
 */
import { access, mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { exitCodes, Failure } from '../output/exitCodes.js'

export interface NewFile {
  /** From the directory in which natsctl runs. */
  readonly path: string
  /** Its description, in a few words. */
  readonly about: string
  readonly text: string
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Throws a failure that names the first file that is there already, before anything is written. */
export async function checkNew(files: readonly NewFile[]): Promise<void> {
  for (const { path } of files) if (await exists(path)) throw isThere(path)
}

export async function writeNew(files: readonly NewFile[]): Promise<void> {
  await checkNew(files)
  for (const { path, text } of files) {
    try {
      await mkdir(dirname(resolve(path)), { recursive: true })
      // 'wx': somebody may have made it since it was looked for.
      await writeFile(path, text, { flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw isThere(path)
      throw new Failure(exitCodes.error, `error: can't write ${path}: ${(error as Error).message}`, { cause: error })
    }
  }
}

function isThere(path: string): Failure {
  return new Failure(exitCodes.error, `error: ${path} is there already, and nothing is written over: rename or remove it first`)
}
