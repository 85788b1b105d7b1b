/** `natsctl upgrader`: who may install upgrades. The list changes by a signed upgrade, like everything else. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Manifest } from 'theseus'
import { isUpgraderKey } from 'theseus/nkeys'
import type { Program } from './commands.js'
import { asking, withOperator } from './connection.js'
import { type ExitCode, exitCodes } from './exitCodes.js'
import type { GlobalFlags } from './flags.js'
import { type Column, printColumns, show } from './forms.js'
import { askHistory } from './knownHistory.js'
import { ifDry, isOrder, type OrderFlags } from './orders.js'
import { note, print } from './output.js'
import { type KeyFlags, keyFlag, signerOf } from './upgraderSeed.js'

interface SetFlags extends OrderFlags, KeyFlags {
  readonly reason?: string
}

export function addUpgrader(program: Program): void {
  const upgrader = program.command.command('upgrader').description('who may install upgrades')
  upgrader
    .command('ls')
    .description('list the public keys that the newest upgrade leaves in force')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
  const setting = upgrader
    .command('set')
    .description('install a version that changes nothing but who may install what comes after it')
    .argument('<keys...>', 'the public keys of all upgraders from then on', keyArgument)
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .action(program.action((keys: string[], _: unknown, command: Command) => set(keys, command.optsWithGlobals())))
  isOrder(setting)
}

/** For commander, which gives each of several arguments with those before it. */
function keyArgument(text: string, before: readonly string[] | undefined): readonly string[] {
  // The text itself is not repeated: somebody may have taken the seed for the key.
  if (!isUpgraderKey(text))
    throw new InvalidArgumentError('It is not the public key of an upgrader, as "natsctl key new" prints it.')
  return [...(before ?? []), text]
}

function list(flags: GlobalFlags): Promise<ExitCode> {
  return withOperator(flags, async (operator, system, trust) => {
    const { manifests, doubt } = await asking(system, askHistory(operator, system, trust))
    const said = manifests.findLast(({ upgraders }) => upgraders !== null)
    const keys = said?.upgraders ?? []
    const columns: readonly Column<string>[] = [
      { title: 'UPGRADER', cell: (key) => key },
      {
        title: 'LAST INSTALLED',
        cell: (key) => (lastOf(manifests, key) === undefined ? '-' : `version ${lastOf(manifests, key)!.version}`),
      },
      { title: 'CREATED', cell: (key) => lastOf(manifests, key)?.createdAt ?? '-', isWide: true },
    ]
    show(flags.output, {
      table: (isWide) => {
        if (said !== undefined) printColumns(columns, keys, isWide)
      },
      document: () => ({ since: said?.version ?? null, upgraders: said?.upgraders ?? null, verified: doubt === undefined }),
      names: () => keys.map(upgraderName),
    })
    if (said === undefined)
      note(`no upgrade of system ${system} says who may install: those do whom hosts and upgrade servers were told to trust`)
    else note(`since version ${said.version}; "natsctl history" shows how it came about`)
    return exitCodes.done
  })
}

function lastOf(manifests: readonly Manifest[], key: string): Manifest | undefined {
  return manifests.findLast(({ upgrader }) => upgrader === key)
}

export function upgraderName(key: string): string {
  return `upgrader/${key}`
}

async function set(keys: readonly string[], flags: SetFlags): Promise<ExitCode> {
  const upgrader = await signerOf(flags)
  return withOperator(
    flags,
    async (operator, system) => {
      const options = flags.reason === undefined ? {} : { reason: flags.reason }
      const isDry = flags.dryRun === true
      const version = isDry
        ? (await operator.database.head()).version + 1
        : await asking(system, operator.setUpgraders(keys, options))
      show(flags.output, {
        table: () => {
          print(
            `${isDry ? 'would be ' : ''}version ${version} of system ${system}: from the next version on, upgrades are signed by`,
          )
          for (const key of keys) print(`  ${key}`)
        },
        document: () => ({ version, upgraders: keys, ...ifDry(flags) }),
        names: () => [`version/${version}`],
      })
      return exitCodes.done
    },
    upgrader,
  )
}
