/**
 * An upgrader's seed: read from a file or the environment, never from the command line, which everybody on
 * the machine can read; and shown nowhere.
 */
import { readFile, stat } from 'node:fs/promises'
import { isFault, type Signer } from 'theseus-actors'
import { signer } from 'theseus-actors/nkeys'
import { exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { note } from '../output/output.js'

export interface KeyFlags {
  readonly key?: string
}

export const keyFlag = ['--key <file>', 'the file with the upgrader’s seed (env: THESEUS_UPGRADER_SEED_FILE)'] as const

/** More is no seed. */
const seedFileBytesMax = 1024

let hidden: string | undefined

/** Takes the seed out of the environment: nothing that natsctl starts is to inherit it. */
export function hideSeed(): void {
  hidden = process.env.THESEUS_UPGRADER_SEED || undefined
  delete process.env.THESEUS_UPGRADER_SEED
}

/**
 * Before code of a user's is run in this process or in one that it starts: such code can read this process's
 * memory, the environment with which it was started, and every file of its user. So a process that runs such
 * code has no seed, nor is told where one is.
 */
export function refuseSeeds(what: string): void {
  const named = hidden === undefined ? 'THESEUS_UPGRADER_SEED_FILE' : 'THESEUS_UPGRADER_SEED'
  if (hidden === undefined && !process.env.THESEUS_UPGRADER_SEED_FILE) return
  throw usageFailure(
    `${what} would run here, and could read the seed that ${named} gives: unset it, and sign what was built with "natsctl upgrade sign"`,
  )
}

/**
 * The signer: `--key`, or THESEUS_UPGRADER_SEED_FILE, or THESEUS_UPGRADER_SEED; undefined when none is given.
 */
export async function signerOf({ key }: KeyFlags): Promise<Signer | undefined> {
  const file = key ?? (process.env.THESEUS_UPGRADER_SEED_FILE || undefined)
  if (file === undefined) return hidden === undefined ? undefined : signerFrom('THESEUS_UPGRADER_SEED', hidden)
  if (/^S[A-Z][A-Z2-7]{40,}$/.test(file)) {
    throw usageFailure(
      'this is the seed itself, where its file is expected; anybody who saw this command line can sign upgrades now',
    )
  }
  return signerFrom(file, await read(file))
}

/** The same, where a key is needed. */
export async function signerNeeded(flags: KeyFlags): Promise<Signer> {
  const found = await signerOf(flags)
  if (found !== undefined) return found
  throw usageFailure('which key? Give --key <file>, or set THESEUS_UPGRADER_SEED_FILE or THESEUS_UPGRADER_SEED')
}

function signerFrom(where: string, seed: string): Signer {
  try {
    return signer(seed)
  } catch (error) {
    if (!isFault(error)) throw error
    throw new Failure(exitCodes.error, `${error.code}: ${where}: ${error.message}`)
  }
}

async function read(file: string): Promise<string> {
  try {
    const { size, mode } = await stat(file)
    if (size > seedFileBytesMax) throw new Error(`it has ${size} bytes, which is no seed`)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      note(`${file} can be read by others than its owner: chmod 600 ${file}`)
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new Failure(exitCodes.error, `error: can't read ${file}: ${(error as Error).message}`)
  }
}
