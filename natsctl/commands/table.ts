/**
 * `natsctl table`: the upgrade-specific tables, by which an upgrader controls how an upgrade proceeds (§4).
 */
import { type Command, InvalidArgumentError } from 'commander'
import type { Operator } from 'theseus-actors'
import { isTableKey, isTableValue, tableKeyLengthMax, tableValueBytesMax } from 'theseus-actors/operator'
import { withSigningOperator } from '../context/connection.js'
import { type GlobalFlags, nameFlag } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { keyFlag } from '../context/upgraderSeed.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { type Column, printColumns, show, showList } from '../output/forms.js'
import { didYouMean } from '../output/nearest.js'
import { note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'

export function addTable(program: Program): void {
  const table = program.command.command('table').description('the upgrade-specific tables, which scheduling functions may read')
  table
    .command('ls')
    .description('list the tables')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
  table
    .command('get')
    .description('print a table, or the value of one key')
    .argument('<table>', 'its name', nameFlag)
    .argument('[key]', 'only this one', keyArgument)
    .action(
      program.action((name: string, key: string | undefined, _: unknown, command: Command) =>
        key === undefined ? get(name, command.optsWithGlobals()) : getKey(name, key, command.optsWithGlobals()),
      ),
    )
  const setting = table
    .command('set')
    .description('set the value of a key; a table comes with its first key')
    .argument('<table>', 'its name', nameFlag)
    .argument('<key>', 'any text', keyArgument)
    .argument('<value>', 'any text; after -- also what looks like a flag', valueArgument)
    .option(...keyFlag)
    .action(
      program.action((name: string, key: string, value: string, _: unknown, command: Command) =>
        set(name, key, value, command.optsWithGlobals()),
      ),
    )
  const removing = table
    .command('rm')
    .description('remove a key; a table goes with its last key')
    .argument('<table>', 'its name', nameFlag)
    .argument('<key>', 'the key', keyArgument)
    .option(...keyFlag)
    .action(
      program.action((name: string, key: string, _: unknown, command: Command) => remove(name, key, command.optsWithGlobals())),
    )
  for (const command of [setting, removing]) asSignedOrder(command)
}

function keyArgument(text: string): string {
  if (isTableKey(text)) return text
  throw new InvalidArgumentError(`Use text of 1 to ${tableKeyLengthMax} characters.`)
}

function valueArgument(text: string): string {
  if (isTableValue(text)) return text
  throw new InvalidArgumentError(`Use text of at most ${tableValueBytesMax / 1024} KiB.`)
}

function list(flags: GlobalFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }, system) => {
    const names = await database.tables()
    const sizes = new Map<string, number>()
    if (flags.output === 'wide') for (const name of names) sizes.set(name, (await database.table(name)).size)
    showList(flags.output, names, {
      columns: [
        { title: 'TABLE', cell: (name) => name },
        { title: 'KEYS', cell: (name) => sizes.get(name) ?? '-', isWide: true },
      ],
      document: (table) => ({ table }),
      name: (name) => `table/${name}`,
    })
    if (names.length === 0) note(`system ${system} has no tables`)
    return exitCodes.done
  })
}

const entryColumns: readonly Column<readonly [string, string]>[] = [
  { title: 'KEY', cell: ([key]) => key },
  { title: 'VALUE', cell: ([, value]) => value },
  { title: 'BYTES', cell: ([, value]) => Buffer.byteLength(value), isWide: true },
]

function get(name: string, flags: GlobalFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }, system) => {
    const entries = [...(await database.table(name))]
    show(flags.output, {
      table: (isWide) => printColumns(entryColumns, entries, isWide),
      document: () => entries.map(([key, value]) => ({ key, value })),
      names: () => (entries.length === 0 ? [] : [`table/${name}`]),
    })
    if (entries.length === 0) note(`system ${system} has no table ${name}${didYouMean(name, await database.tables())}`)
    return exitCodes.done
  })
}

function getKey(name: string, key: string, flags: GlobalFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }, system) => {
    const value = (await database.table(name)).get(key)
    if (value === undefined) throw await noKey(database, system, name, key)
    show(flags.output, {
      table: () => print(oneLine(value)),
      document: () => ({ key, value }),
      names: () => [`table/${name}`],
    })
    return exitCodes.done
  })
}

function set(name: string, key: string, value: string, flags: OrderFlags): Promise<ExitCode> {
  return withSigningOperator(flags, async (operator) => {
    if (flags.dryRun !== true) await operator.setInTable(name, key, value, flags.reason)
    show(flags.output, {
      table: () => print(oneLine(`${flags.dryRun === true ? 'would set ' : ''}${name}: ${key} = ${value}`)),
      document: () => ({ table: name, key, value, ...dryRunField(flags) }),
      names: () => [`table/${name}`],
    })
    return exitCodes.done
  })
}

function remove(name: string, key: string, flags: OrderFlags): Promise<ExitCode> {
  return withSigningOperator(flags, async (operator, system) => {
    const isThere =
      flags.dryRun === true
        ? (await operator.database.table(name)).has(key)
        : await operator.removeFromTable(name, key, flags.reason)
    if (!isThere) throw await noKey(operator.database, system, name, key)
    show(flags.output, {
      table: () => print(oneLine(`${name}: ${flags.dryRun === true ? 'would remove' : 'removed'} ${key}`)),
      document: () => ({ table: name, key, ...dryRunField(flags) }),
      names: () => [`table/${name}`],
    })
    return exitCodes.done
  })
}

async function noKey(database: Operator['database'], system: string, name: string, key: string): Promise<Failure> {
  const known = await database.table(name)
  const near = known.size === 0 ? didYouMean(name, await database.tables()) : didYouMean(key, known.keys())
  return new Failure(exitCodes.error, oneLine(`error: table ${name} of system ${system} has no key ${key}${near}`))
}
