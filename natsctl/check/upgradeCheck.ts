/** `natsctl upgrade check`: an upgrade, or a chain of them, tried against the paper's criteria in memory. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { isFault } from 'theseus-actors'
import type { CheckReport } from 'theseus-actors/rehearsal'
import type { ReadUpgrades } from '../build/readUpgrades.js'
import { durationFlag, type GlobalFlags } from '../context/flags.js'
import { refuseSeeds } from '../context/upgraderSeed.js'
import { writeAtomically } from '../output/atomicFile.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { restrictForms, show } from '../output/forms.js'
import { oneLine, print, printTable } from '../output/output.js'
import type { Program } from '../output/program.js'
import { checkJson } from './checkFormat.js'
import { sarifOf } from './checkSarif.js'
import { type ContractChange, contractChanges, contractsOf, readContracts, withContracts } from './contracts.js'

interface CheckFlags extends GlobalFlags {
  readonly histories?: number
  readonly seed: number
  readonly within: number
  readonly sarif?: string
  readonly with?: string
  readonly state?: string
  readonly baseline?: string
  readonly updateBaseline?: true
}

const historiesMax = 1_000_000

export function addCheck(upgrade: Command, program: Program): void {
  const command = upgrade
    .command('check')
    .description('look for histories in which the versions of an upgrade contradict one another')
    .argument('<module...>', 'modules whose default exports are upgrades, oldest first, from version 0 on; they are run')
    .addOption(
      new Option(
        '--histories <number>',
        'random histories that are played (default: 1000, or 200 where nodes call one another)',
      ).argParser(numberFlag(historiesMax)),
    )
    .addOption(new Option('--seed <number>', 'the same seed plays the same histories').argParser(numberFlag(2 ** 31)).default(1))
    .addOption(new Option('--within <duration>', 'ends after this time').argParser(durationFlag).default(60_000, '60s'))
    .option('--with <file>', 'plays real traffic too: a file of "natsctl record"')
    .option('--state <file>', 'begins with real states too: a file of "natsctl backup --directory" or "--service"')
    .option('--baseline <file>', 'holds the classes and simulation objects against the contracts in this file')
    .option('--update-baseline', 'writes them into that file')
    .option('--sarif <file>', 'also writes the findings as SARIF 2.1.0, for code scanning')
    .action(
      program.action((sources: string[], _: unknown, command: Command) => checkUpgrades(sources, command.optsWithGlobals())),
    )
  restrictForms(command, 'table', 'wide', 'json', 'yaml')
}

async function checkUpgrades(sources: readonly string[], flags: CheckFlags): Promise<ExitCode> {
  refuseSeeds('the upgrade’s module')
  // Loaded here only: a compiler, a bundler and a runtime are much to load for listing nodes.
  const [{ readUpgrades }, { check }] = await Promise.all([
    import('../build/readUpgrades.js'),
    import('theseus-actors/rehearsal'),
  ])
  const { histories, seed, within, sarif, output, baseline, updateBaseline, state } = flags
  if (updateBaseline === true && baseline === undefined)
    throw usageFailure('--update-baseline writes the file of --baseline: name it')
  const { upgrades, source } = await readUpgrades(sources).catch((error: unknown) => {
    // The compiler's own lines, as editors and people know them.
    if (isFault(error) && error.code === 'upgrade.invalid') throw new Failure(exitCodes.error, error.message, { cause: error })
    throw error
  })
  const contracts = baseline === undefined ? [] : await heldAgainst(baseline, updateBaseline === true, upgrades, source)
  const options = {
    ...{ source, seed, withinMs: within },
    ...(histories === undefined ? {} : { histories }),
    ...(flags.with === undefined ? {} : { with: flags.with }),
    ...(state === undefined ? {} : { state }),
  }
  const report = await check(upgrades, options).catch(asFailure)
  if (sarif !== undefined) await writeAtomically(sarif, Buffer.from(JSON.stringify(sarifOf(report, contracts), undefined, 2)))
  show(output, {
    table: (isWide) => {
      showReport(report, isWide)
      for (const { of, change, isAccounted } of contracts)
        print(oneLine(`${isAccounted ? 'contract' : 'broken contract'}: ${of}: ${change}`))
    },
    document: () => ({
      ...checkJson(report),
      contracts: contracts.map(({ isAccounted, ...change }) => ({ ...change, accounted: isAccounted })),
    }),
  })
  return report.holds && contracts.every(({ isAccounted }) => isAccounted) ? exitCodes.done : exitCodes.degraded
}

/** A file that is not what it should be, or of other classes. */
function asFailure(error: unknown): never {
  if (isFault(error)) throw new Failure(exitCodes.error, `${error.code}: ${error.message}`, { cause: error })
  throw error instanceof Error && error.constructor.name === 'NothingFits' ? usageFailure(error.message) : error
}

/** The changes against the baseline; none once it is written anew. */
async function heldAgainst(
  file: string,
  isUpdated: boolean,
  upgrades: ReadUpgrades['upgrades'],
  source: ReadUpgrades['source'],
): Promise<readonly ContractChange[]> {
  const [known, current] = [await readContracts(file), contractsOf(upgrades, source)]
  if (isUpdated) {
    await writeAtomically(file, Buffer.from(`${JSON.stringify(withContracts(known, current), undefined, 2)}\n`))
    return []
  }
  if (known === undefined) throw usageFailure(`there is no file ${file}: write it with --update-baseline, and commit it`)
  return contractChanges(known, current, upgrades)
}

function showReport(report: CheckReport, isWide: boolean): void {
  for (const line of report.text.split('\n')) print(line.startsWith(' ') ? `  ${oneLine(line)}` : oneLine(line))
  if (!isWide) return
  print('')
  printTable(
    ['VERSION', 'CLASS', 'METHOD', 'CALLS', 'REFUSED', 'THREW'],
    report.tried.map(({ version, className, method, calls, refused, threw }) => [
      version,
      className,
      method,
      calls,
      refused,
      threw,
    ]),
  )
}

function numberFlag(most: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= 1 && number <= most) return number
    throw new InvalidArgumentError(`Use a whole number from 1 to ${most}.`)
  }
}
