/**
 * `natsctl trust`: the trust root of a system, made once and given to everybody: hosts, upgrade
 * servers, operators.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { isFault, type TrustRoot, type Version } from 'theseus-actors'
import { trustIn } from 'theseus-actors/nkeys'
import { isTrustRoot, type Need, type TrustedKey, trustRootFormat } from 'theseus-actors/operator'
import { type GlobalFlags, versionFlag } from '../context/flags.js'
import { systemIn, targetOf } from '../context/target.js'
import { trustFrom } from '../context/trust.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { restrictForms, show as showForm } from '../output/forms.js'
import { note, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { keyArgument, needFlag, needHelp } from './upgrader.js'

interface NewFlags extends GlobalFlags {
  readonly need?: Need
  readonly since?: Version
  readonly out?: string
}

export function addTrust(program: Program): void {
  const trust = program.command
    .command('trust')
    .description('the trust root of a system: its identity, its keys, and how many have to sign')
  const making = trust
    .command('new')
    .description('make an identity, and write the trust root to a file')
    .argument('<keys...>', 'the public keys of the upgraders at version 0; <key>=<time> for one that ends', keyArgument)
    .addOption(new Option('--need <numbers>', needHelp).argParser(needFlag))
    .option('--since <version>', 'the first version that names the identity, for a system that has some already', versionFlag)
    .option('-O, --out <file>', 'where it goes; nothing is overwritten (default: <system>.trust.json in this directory)')
    .action(program.action((keys: TrustedKey[], _: unknown, command: Command) => make(keys, command.optsWithGlobals())))
  const showing = trust
    .command('show')
    .description('check the file of a trust root, and print it')
    .argument('<file>', 'the file')
    .action(program.action((file: string, _: unknown, command: Command) => show(file, command.optsWithGlobals())))
  for (const command of [making, showing]) restrictForms(command, 'table', 'json', 'yaml')
}

async function make(keys: readonly TrustedKey[], flags: NewFlags): Promise<ExitCode> {
  const { need, since, output } = flags
  const system = systemIn(await targetOf(flags))
  const file = flags.out ?? `${system}.trust.json`
  const root: TrustRoot = {
    ...{ format: trustRootFormat, system, identity: randomBytes(16).toString('hex') },
    ...{ ...(since === undefined ? {} : { since }), keys, ...(need === undefined ? {} : { need }) },
  }
  try {
    trustIn(root, system)
  } catch (error) {
    throw usageFailure(isFault(error) ? error.message : String(error))
  }
  try {
    // One that is overwritten is lost, and with it the identity of a system.
    await writeFile(file, `${JSON.stringify(root, undefined, 2)}\n`, { flag: 'wx' })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'EEXIST' ? `${file} is there already: a system has one trust root` : `can't write ${file}: ${message}`
    throw new Failure(exitCodes.error, `error: ${why}`)
  }
  showRoot(file, root, output)
  note('give it to all hosts, upgrade servers and operators; nothing in it is secret')
  return exitCodes.done
}

async function show(file: string, { output }: GlobalFlags): Promise<ExitCode> {
  let root: ReturnType<typeof trustFrom>
  try {
    root = trustFrom(file)
  } catch (error) {
    throw new Failure(exitCodes.error, `error: ${(error as Error).message}`)
  }
  if (root === undefined || root === 'nobody' || !isTrustRoot(root))
    throw new Failure(exitCodes.error, 'error: this is no file of a trust root: "natsctl trust new" makes one')
  showRoot(file, root, output)
  return exitCodes.done
}

function showRoot(file: string, root: TrustRoot, output: GlobalFlags['output']): void {
  const { system, identity, keys, need = {}, since } = root
  showForm(output, {
    table: () => {
      print(`${file}: the trust root of system ${system}`)
      print(`identity ${identity}${since === undefined ? '' : `, from version ${since} on`}`)
      for (const { key, until } of keys) print(`  ${key}${until === undefined ? '' : ` until ${until}`}`)
      for (const [decision, k] of Object.entries(need)) print(`${decision}: ${k} have to sign`)
    },
    document: () => ({ file, ...root }),
  })
}
