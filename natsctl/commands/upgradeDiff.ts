/** `natsctl upgrade diff`: the classes of an upgrade, or of two installed versions, old against new. */
import type { Command } from 'commander'
import type { Operator, Version } from 'theseus-actors'
import { changesOf, installedUpgrades } from 'theseus-actors/rollout'
import { verifiedBundle, withBundles } from '../build/runnableBundle.js'
import { loadUpgrade } from '../build/upgradeSource.js'
import { withOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { HistoryReader, type KnownHistory } from '../history/knownHistory.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { restrictForms } from '../output/forms.js'
import type { Program } from '../output/program.js'
import { showDiff, type UpgradeDiff } from './diffFormat.js'

export function addDiff(upgrade: Command, program: Program): void {
  const command = upgrade
    .command('diff')
    .description('the methods, events and state of the classes, old against new, and what simulation objects do with each method')
    .argument('<file|module|version>', 'a file that "upgrade build" made, a module, or an installed version; its code is run')
    .argument('[version]', 'after a version: the newer one to compare it with')
    .action(
      program.action((first: string, second: string | undefined, _: unknown, command: Command) =>
        diff(first, second, command.optsWithGlobals()),
      ),
    )
  restrictForms(command, 'table', 'json', 'yaml')
}

async function diff(first: string, second: string | undefined, flags: GlobalFlags): Promise<ExitCode> {
  const found = second === undefined ? await ofSource(first) : await ofVersions(first, second, flags)
  showDiff(found, flags)
  // As diff(1) has it.
  return found.changes.every(({ isSame }) => isSame) ? exitCodes.done : exitCodes.error
}

const isVersionNumber = (text: string) => /^\d{1,9}$/.test(text)

async function ofSource(source: string): Promise<UpgradeDiff> {
  if (isVersionNumber(source))
    throw usageFailure(`diff compares two versions, such as ${source} ${Number(source) + 1}, or takes a file`)
  const { upgrade } = await loadUpgrade(source)
  return { of: upgrade.title, changes: changesOf([upgrade]) }
}

async function ofVersions(first: string, second: string, flags: GlobalFlags): Promise<UpgradeDiff> {
  const [older, newer] = [Number(first), Number(second)]
  if (!isVersionNumber(first) || !isVersionNumber(second) || older >= newer)
    throw usageFailure('diff takes a file or a module, or two versions, the older one first')
  return withOperator(flags, async ({ database }, system, trust) => {
    const { newest, history: known } = await new HistoryReader(database, system, trust).read()
    if (newer > newest)
      throw new Failure(exitCodes.error, `error: version ${newer} is not installed: the newest of system ${system} is ${newest}`)
    const history = known.needed('upgrade diff')
    const versions = history.manifests.slice(older, newer).filter(({ classUpgrades }) => classUpgrades.length > 0)
    const upgrades = await loadAll(
      database,
      history,
      versions.map(({ version }) => version),
    )
    return { of: `versions ${older} and ${newer} of system ${system}`, changes: changesOf(upgrades) }
  })
}

async function loadAll(
  database: Operator['database'],
  history: ReturnType<KnownHistory['needed']>,
  versions: readonly Version[],
) {
  const upgrades = await withBundles((load) =>
    installedUpgrades(history, versions, async (verified) => load(await verifiedBundle(database, verified))),
  )
  return versions.map((version) => upgrades.get(version)!)
}
