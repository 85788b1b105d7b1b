/** `natsctl key`: an upgrader's key. The public key is for everybody; the seed is for its file. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { newKey } from 'theseus-actors/nkeys'
import type { GlobalFlags } from '../context/flags.js'
import { type KeyFlags, keyFlag, signerNeeded } from '../context/upgraderSeed.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { restrictForms, show as showForm } from '../output/forms.js'
import { note, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { upgraderName } from './upgrader.js'

interface NewFlags extends GlobalFlags {
  readonly out?: string
  readonly printSeed?: true
}

const defaultFile = 'upgrader.nk'

export function addKey(program: Program): void {
  const key = program.command.command('key').description('make an upgrader’s key, and look at its public part')
  const making = key
    .command('new')
    .description('write the seed of a new key to a file, and print its public key')
    .option('-O, --out <file>', `where the seed goes; nothing is overwritten (default: ${defaultFile} in this directory)`)
    .option('--print-seed', 'print the seed, and write no file')
    .action(program.action((_: unknown, command: Command) => make(command.optsWithGlobals())))
  restrictForms(making, 'table', 'json', 'yaml')
  key
    .command('show')
    .description('print the public key of a seed')
    .option(...keyFlag)
    .action(program.action((_: unknown, command: Command) => show(command.optsWithGlobals())))
}

async function make({ out, printSeed, output }: NewFlags): Promise<ExitCode> {
  if (printSeed === true && out !== undefined) throw usageFailure('give --out or --print-seed, not both')
  const { publicKey, seed } = newKey()
  if (printSeed === true) {
    showForm(output, { table: () => print(`${publicKey}\n${seed}`), document: () => ({ publicKey, seed }) })
    return exitCodes.done
  }
  const file = out ?? defaultFile
  await writeSeed(file, seed)
  showForm(output, { table: () => print(publicKey), document: () => ({ publicKey, file }) })
  note(`the seed is in ${file}: anybody who has it can install upgrades wherever the key is trusted`)
  return exitCodes.done
}

async function writeSeed(file: string, seed: string): Promise<void> {
  try {
    // A seed that is overwritten is lost, and with it perhaps the last key of a system.
    await writeFile(file, `${seed}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why =
      code === 'EEXIST' ? `${file} is there already, and a seed is never overwritten` : `can't write ${file}: ${message}`
    throw new Failure(exitCodes.error, `error: ${why}`)
  }
}

async function show(flags: KeyFlags & GlobalFlags): Promise<ExitCode> {
  const { publicKey } = await signerNeeded(flags)
  showForm(flags.output, {
    table: () => print(publicKey),
    document: () => ({ publicKey }),
    names: () => [upgraderName(publicKey)],
  })
  return exitCodes.done
}
