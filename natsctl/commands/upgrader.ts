/**
 * `natsctl upgrader`: who may install upgrades. The list changes by a signed upgrade, like everything else.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { isUpgraderKey } from 'theseus-actors/nkeys'
import { decisions, instantMs, isNeed, isTrustRoot, type Manifest, type Need, type TrustedKey } from 'theseus-actors/operator'
import { explainNoServer, withOperator, withSigningOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { askHistory, trustAdvice } from '../history/knownHistory.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { type Column, printColumns, show } from '../output/forms.js'
import { note, print } from '../output/output.js'
import type { Program } from '../output/program.js'

interface SetFlags extends OrderFlags, KeyFlags {
  readonly need?: Need
  readonly reason?: string
}

export function addUpgrader(program: Program): void {
  const upgrader = program.command.command('upgrader').description('the keys that may install upgrades')
  upgrader
    .command('ls')
    .description('list the public keys that the newest upgrade leaves in force')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
  const setting = upgrader
    .command('set')
    .description('install a version that changes nothing but who may install what comes after it')
    .argument('<keys...>', 'the public keys of all upgraders from then on; <key>=<time> for one that ends', keyArgument)
    .addOption(new Option('--need <numbers>', needHelp).argParser(needFlag))
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .action(program.action((keys: TrustedKey[], _: unknown, command: Command) => set(keys, command.optsWithGlobals())))
  const removing = upgrader
    .command('rm')
    .description('take one key away: the others stay, with their ends')
    .argument('<key>', 'the public key', keyArgument)
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .action(
      program.action(([key]: TrustedKey[], _: unknown, command: Command) =>
        remove(key!.key, command.optsWithGlobals<SetFlags>()),
      ),
    )
  for (const command of [setting, removing]) asSignedOrder(command)
}

/** For commander, which gives each of several arguments with those before it. */
export function keyArgument(text: string, before: readonly TrustedKey[] | undefined): readonly TrustedKey[] {
  const [key = '', ...rest] = text.split('=')
  // The text itself is not repeated: somebody may have taken the seed for the key.
  if (!isUpgraderKey(key))
    throw new InvalidArgumentError('It is not the public key of an upgrader, as "natsctl key new" prints it.')
  const until = rest.join('=')
  if (rest.length === 0) return [...(before ?? []), { key }]
  const end = instantMs(until)
  if (end === undefined) throw new InvalidArgumentError('A key ends at a time such as <key>=2027-01-31T00:00:00Z.')
  return [...(before ?? []), { key, until }]
}

export const needHelp = `how many of them have to sign, such as upgrade=2,final=2 (of ${decisions.join(', ')})`

/** The value of `--need`. */
export function needFlag(text: string): Need {
  const pairs = text.split(',').map((part) => /^([a-z]+)=(\d{1,2})$/.exec(part.trim()))
  const need = Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', Number(pair?.[2])]))
  if (isNeed(need)) return need
  throw new InvalidArgumentError(`Use numbers such as upgrade=2,final=2, of ${decisions.join(', ')}.`)
}

function list(flags: GlobalFlags): Promise<ExitCode> {
  return withOperator(flags, async (operator, system, trust) => {
    const { manifests, doubt, trusted } = await explainNoServer(system, askHistory(operator, system, trust))
    const said = manifests.findLast(({ upgraders }) => upgraders !== null)
    // Of what is verified; a root says it where no upgrade does.
    const ends = new Map(trusted?.keys.map(({ key, until }) => [key, until]))
    const isRoot = said === undefined && trust !== undefined && trust !== 'nobody' && isTrustRoot(trust)
    const keys = said?.upgraders ?? (isRoot ? [...ends.keys()] : [])
    const columns: readonly Column<string>[] = [
      { title: 'UPGRADER', cell: (key) => key },
      ...([...ends.values()].every((end) => end === undefined)
        ? []
        : [{ title: 'UNTIL', cell: (key: string) => ends.get(key) ?? '-' }]),
      {
        title: 'LAST INSTALLED',
        cell: (key) => (lastOf(manifests, key) === undefined ? '-' : `version ${lastOf(manifests, key)!.version}`),
      },
      { title: 'CREATED', cell: (key) => lastOf(manifests, key)?.createdAt ?? '-', isWide: true },
    ]
    show(flags.output, {
      table: (isWide) => {
        if (keys.length > 0) printColumns(columns, keys, isWide)
      },
      document: () => ({
        ...{ since: said?.version ?? null, upgraders: said?.upgraders ?? (isRoot ? keys : null), verified: doubt === undefined },
        ...endsOf(trusted?.keys ?? []),
        ...(trusted === undefined || trusted.identity === null ? {} : { identity: trusted.identity, need: trusted.need }),
      }),
      names: () => keys.map(upgraderName),
    })
    if (trusted !== undefined && Object.keys(trusted.need).length > 0) note(`as many have to sign: ${needText(trusted.need)}`)
    if (isRoot) note(`the trust root says it: no upgrade of system ${system} has changed it`)
    else if (said === undefined)
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

async function set(keys: readonly TrustedKey[], flags: SetFlags): Promise<ExitCode> {
  return withSigningOperator(flags, async (operator, system) => {
    const { reason, need } = flags
    const options = { ...(reason === undefined ? {} : { reason }), ...(need === undefined ? {} : { need }) }
    const isDry = flags.dryRun === true
    const version = isDry
      ? (await operator.database.head()).version + 1
      : await explainNoServer(system, operator.setUpgraders(keys, options))
    show(flags.output, {
      table: () => {
        print(
          `${isDry ? 'would be ' : ''}version ${version} of system ${system}: from the next version on, upgrades are signed by`,
        )
        for (const { key, until } of keys) print(`  ${key}${until === undefined ? '' : ` until ${until}`}`)
        if (need !== undefined) print(`and as many have to sign: ${needText(need)}`)
      },
      document: () => ({
        version,
        upgraders: keys.map(({ key }) => key),
        ...endsOf(keys),
        ...(need && { need }),
        ...dryRunField(flags),
      }),
      names: () => [`version/${version}`],
    })
    return exitCodes.done
  })
}

/** The others are those of the verified history: an end that is not said again would be gone. */
async function remove(key: string, flags: SetFlags): Promise<ExitCode> {
  const keys = await withOperator(flags, async (operator, system, trust) => {
    const { trusted, doubt } = await explainNoServer(system, askHistory(operator, system, trust))
    if (doubt !== undefined) throw new Failure(exitCodes.error, 'error: the others are not known: the history is not verified')
    if (trusted === undefined) throw usageFailure(`who is trusted now? ${trustAdvice}`)
    if (!trusted.keys.some((known) => known.key === key))
      throw new Failure(exitCodes.error, `error: ${key} is not a trusted upgrader of system ${system}`)
    return trusted.keys.filter((known) => known.key !== key)
  })
  if (keys.length === 0) throw usageFailure('it is the last key: "natsctl upgrader set" puts another one in its place')
  return set(keys, flags)
}

function needText(need: Need): string {
  return Object.entries(need)
    .map(([decision, k]) => `${k} for ${decision}`)
    .join(', ')
}

function endsOf(keys: readonly TrustedKey[]): { readonly until?: Readonly<Record<string, string>> } {
  const ends = keys.flatMap(({ key, until }) => (until === undefined ? [] : [[key, until] as const]))
  return ends.length === 0 ? {} : { until: Object.fromEntries(ends) }
}
