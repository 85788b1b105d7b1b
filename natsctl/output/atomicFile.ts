/**
 * Files that are written whole or not at all: half an upgrade file would be published by nobody, but believed
 * by a build that looks at dates.
 */
import { rename, rm, writeFile } from 'node:fs/promises'
import { exitCodes, Failure } from './exitCodes.js'

export async function writeAtomically(file: string, bytes: Uint8Array, mode = 0o666): Promise<void> {
  const temporary = `${file}.${process.pid}.new`
  try {
    await writeFile(temporary, bytes, { mode })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw new Failure(exitCodes.error, `error: can't write ${file}: ${(error as Error).message}`, { cause: error })
  }
}
