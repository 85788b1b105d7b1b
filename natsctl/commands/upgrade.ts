/**
 * `natsctl upgrade`: from a module to an installed version. The way of an upgrade begins here
 * (DESIGN §2, "An upgrade").
 */
import { basename, extname } from 'node:path'
import type { Command } from 'commander'
import { isFault, type ManifestDraft, type Operator, type PublishOptions, type Version } from 'theseus-actors'
import { type Manifest, wordOn } from 'theseus-actors/operator'
import { type SignedUpgrade, signedManifestOf } from '../build/signedUpgrade.js'
import type { UpgradeFile } from '../build/upgradeFile.js'
import { buildModule, readUpgradeFile } from '../build/upgradeSource.js'
import { addCheck } from '../check/upgradeCheck.js'
import { explainNoServer, withOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { asOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag, signerOf } from '../context/upgraderSeed.js'
import { askHistory, knownHistory, printDoubt, verifiedColumn } from '../history/knownHistory.js'
import { checkNeighbours } from '../history/neighbours.js'
import { writeAtomically } from '../output/atomicFile.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { type Column, restrictForms, show, showList } from '../output/forms.js'
import { count, note, oneLine, print, printTable } from '../output/output.js'
import type { Program } from '../output/program.js'
import { addDiff } from './upgradeDiff.js'
import { addPlan } from './upgradePlan.js'
import { addSign, signatureLines, signaturesJson } from './upgradeSign.js'

interface BuildFlags extends GlobalFlags {
  readonly check?: true
  readonly out?: string
}

interface VerifyFlags extends GlobalFlags {
  readonly digest?: string
}

interface PublishFlags extends OrderFlags, KeyFlags {
  readonly paused?: true
}

export function addUpgrade(program: Program): void {
  const upgrade = program.command.command('upgrade').description('build, compare, plan, publish and list upgrades')
  const building = upgrade
    .command('build')
    .description('type-check and bundle an upgrade')
    .argument('<module>', 'the module whose default export is the upgrade; it is run')
    .option('--check', 'hold it against the running system too: whether it goes on from its classes, and leaves nobody behind')
    .option('-O, --out <file>', 'where the upgrade goes (default: <module>.upgrade in this directory)')
    .action(program.action((source: string, _: unknown, command: Command) => build(source, command.optsWithGlobals())))
  const verifying = upgrade
    .command('verify')
    .description('check an upgrade file, without a system and without running it')
    .argument('<file>', 'a file that "upgrade build" made')
    .option('--digest <digest>', 'the digest that its bundle has to have, as the build printed it')
    .action(program.action((file: string, _: unknown, command: Command) => verify(file, command.optsWithGlobals())))
  addCheck(upgrade, program)
  addDiff(upgrade, program)
  addPlan(upgrade, program)
  addSign(upgrade, program)
  const publishing = upgrade
    .command('publish')
    .description('install an upgrade as the next version; one that is not signed already is signed')
    .argument('<file>', 'a file that "upgrade build" made')
    .option('--reason <text>', 'why; kept in the history')
    .option('--paused', 'pause the version before it is installed: no node goes until "rollout resume" or "rollout promote"')
    .option(...keyFlag)
    .action(program.action((file: string, _: unknown, command: Command) => publish(file, command.optsWithGlobals())))
  asOrder(publishing)
  upgrade
    .command('ls')
    .description('list the versions that are installed')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
  for (const command of [building, verifying]) restrictForms(command, 'table', 'json', 'yaml')
}

async function build(source: string, flags: BuildFlags): Promise<ExitCode> {
  // Loaded here only: a bundler is much to load for listing nodes.
  const { encodeUpgradeFile } = await import('../build/upgradeFile.js')
  const built = await buildModule(source)
  if (flags.check === true)
    await withOperator(flags, async (operator, system) => {
      await explainNoServer(system, operator.check(built))
      await checkNeighbours(built.manifest, system)
    })
  const file = flags.out ?? `${basename(source, extname(source))}.upgrade`
  await writeAtomically(file, encodeUpgradeFile(built))
  const { manifest } = built
  showFile(flags, file, manifest, oneLine(manifest.title))
  return exitCodes.done
}

/** Whether those who signed are trusted is for the history: `publish` and the upgrade server check it. */
async function verify(file: string, { digest, output }: VerifyFlags): Promise<ExitCode> {
  const { manifest, signed } = await readUpgradeFile(file)
  if (digest !== undefined && digest !== manifest.bundle.digest)
    throw new Failure(exitCodes.error, `upgrade.digest: ${file}: its bundle has the digest ${manifest.bundle.digest}`)
  showFile({ output }, file, manifest, `${oneLine(manifest.title)}: whole`, signed)
  return exitCodes.done
}

function showFile(
  { output }: Pick<GlobalFlags, 'output'>,
  file: string,
  manifest: ManifestDraft,
  what: string,
  signed: SignedUpgrade | null = null,
): void {
  const { title, bundle } = manifest
  show(output, {
    table: () => {
      print(`${file}: ${what}`)
      print(`digest ${bundle.digest}, ${bundle.bytes} bytes`)
      for (const line of signed === null ? [] : signatureLines(signed)) print(line)
      printClassUpgrades(manifest)
    },
    document: () => ({
      ...{ file, title, digest: bundle.digest, bytes: bundle.bytes, ...changes(manifest) },
      ...(signed === null ? {} : signaturesJson(signed)),
    }),
  })
}

async function publish(file: string, flags: PublishFlags): Promise<ExitCode> {
  const built = await readUpgradeFile(file)
  const { signed } = built
  const isPaused = flags.paused === true
  if (signed !== null && ((flags.key !== undefined && !isPaused) || flags.reason !== undefined))
    throw usageFailure(`${file} is signed already, with its reason: publish it without --key and --reason`)
  // A pause is an order of its own, which is signed now.
  const upgrader = signed === null || isPaused ? await signerOf(flags) : undefined
  return withOperator(
    flags,
    async (operator, system, trust) => {
      // Before the publication: once that is done, nothing may fail any more.
      const rows = await operator.database.nodes()
      const history = knownHistory(system, trust, await explainNoServer(system, operator.signedHistory()))
      const anew = republicationWarning(built.manifest, history.manifests)
      if (anew !== undefined) {
        note(anew)
        printDoubt(history)
      }
      const options = flags.reason === undefined ? {} : { reason: flags.reason }
      const isDry = flags.dryRun === true
      const version = await explainNoServer(
        system,
        isDry
          ? wouldBe(operator, file, built)
          : isPaused
            ? installPaused(operator, file, built, options, history.manifests.length + 1)
            : install(operator, file, built, options),
      )
      const { manifest } = built
      const nodesOf = (service: string): number => rows.filter((row) => row.service === service).length
      show(flags.output, {
        table: () => {
          print(`${isDry ? 'would be ' : ''}version ${version} of system ${system}: ${oneLine(manifest.title)}`)
          for (const { service, oldClass, newClass } of manifest.classUpgrades)
            print(`  ${service}: ${oldClass} → ${newClass}, ${count(nodesOf(service), 'node')}`)
          if (isPaused)
            note(
              `${isDry ? 'it would be' : 'it is'} paused: "natsctl rollout promote 10%" lets some nodes go, "natsctl rollout resume" all`,
            )
        },
        document: () => ({
          version,
          title: manifest.title,
          digest: manifest.bundle.digest,
          ...changes(manifest),
          ...(isPaused ? { paused: true } : {}),
          ...dryRunField(flags),
        }),
        names: () => [`version/${version}`],
      })
      for (const { service } of manifest.classUpgrades)
        if (nodesOf(service) === 0) note(`no node of service ${service} is registered`)
      const without = manifest.classUpgrades.filter(({ inverse }) => !inverse).map(({ newClass }) => newClass)
      if (without.length > 0) note(`this is a point of no return: ${without.join(', ')} has no inverse`)
      return exitCodes.done
    },
    upgrader,
  )
}

/**
 * The warning for an operator who undid an upgrade, corrected it and publishes it anew: it begins anew, for
 * what was written through the undone version belongs to that one. Undefined where nothing was undone, or it
 * was of other classes.
 */
export function republicationWarning(
  { classUpgrades }: Pick<ManifestDraft, 'classUpgrades'>,
  history: readonly Pick<Manifest, 'version' | 'undoes' | 'classUpgrades'>[],
): string | undefined {
  const again = (before: (typeof history)[number]) =>
    classUpgrades.filter(({ newClass }) => before.classUpgrades.some((entry) => entry.newClass === newClass))
  const undone = history.findLast(
    (before) => before.undoes === null && !wordOn(history, before.version).stands && again(before).length > 0,
  )
  if (undone === undefined) return undefined
  const classes = again(undone)
    .map(({ newClass }) => newClass)
    .join(', ')
  const way = `undo the undo to have that back ("natsctl rollout undo ${wordOn(history, undone.version).last}")`
  return `${classes} begins anew: writes through version ${undone.version}, which is undone, are not in it; ${way}`
}

/** As it was signed, or signed now. */
async function install(
  operator: Operator,
  file: string,
  { signed, ...built }: UpgradeFile,
  options: PublishOptions,
): Promise<Version> {
  if (signed === null) return operator.publish(built, options)
  try {
    return await operator.publishSigned(built.bundle, signedManifestOf(signed))
  } catch (error) {
    if (!isFault(error) || error.code !== 'upgrade.conflict') throw error
    throw isLate(file, signed, error)
  }
}

/**
 * The pause comes first, so that there is no moment without it. It is taken back where the version is not
 * installed; a crash in between leaves a pause of a version that is not there.
 */
async function installPaused(
  operator: Operator,
  file: string,
  built: UpgradeFile,
  options: PublishOptions,
  version: Version,
): Promise<Version> {
  const { reason = 'published with --paused' } = options
  await operator.pause(version, reason)
  try {
    return await install(operator, file, built, { ...options, asVersion: version })
  } catch (error) {
    await operator.resume(version, 'the version was not installed').catch(() => {
      note(`version ${version} is not installed, and its pause is left: "natsctl rollout resume ${version}" ends it`)
    })
    throw error
  }
}

function isLate(file: string, { manifest }: SignedUpgrade, cause?: unknown): Failure {
  const message = `upgrade.conflict: ${file} is signed for version ${manifest.version}, and another version comes next: "natsctl upgrade sign ${file} --anew"`
  return new Failure(exitCodes.error, oneLine(message), { cause })
}

/** The version that it would become, if the upgrade server would take it. */
async function wouldBe(operator: Operator, file: string, { signed, ...built }: UpgradeFile): Promise<Version> {
  await operator.check(built)
  const version = (await operator.history()).length + 1
  if (signed === null || signed.manifest.version === version) return version
  throw isLate(file, signed)
}

function list(flags: GlobalFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async (operator, system, trust) => {
    const { manifests, verified } = await explainNoServer(system, askHistory(operator, system, trust))
    showList(flags.output, manifests, {
      columns: [...versionColumns, verifiedColumn(verified)],
      document: (manifest) => versionJson(manifest, verified),
      name: ({ version }) => `version/${version}`,
    })
    if (manifests.length === 0) note(`system ${system} has no upgrades: it runs version 0`)
    return exitCodes.done
  })
}

/** Enough to tell bundles apart, as people know it from commits. */
const shortDigestLength = 12

const versionColumns: readonly Column<Manifest>[] = [
  { title: 'VERSION', cell: ({ version }) => version },
  { title: 'TITLE', cell: ({ title }) => title },
  { title: 'CREATED', cell: ({ createdAt }) => createdAt },
  { title: 'DIGEST', cell: ({ bundle }) => bundle.digest.slice(0, shortDigestLength) },
  { title: 'BYTES', cell: ({ bundle }) => bundle.bytes, isWide: true },
  { title: 'UPGRADER', cell: ({ upgrader }) => upgrader ?? '-', isWide: true },
  {
    title: 'CLASS UPGRADES',
    cell: ({ classUpgrades }) => classUpgrades.map(({ oldClass, newClass }) => `${oldClass} → ${newClass}`).join(', '),
  },
  { title: 'REASON', cell: ({ reason }) => reason ?? '', isWide: true },
]

function versionJson(manifest: Manifest, verified: Version) {
  const { version, title, createdAt, reason, undoes, upgrader, previous, bundle } = manifest
  return {
    version,
    title,
    createdAt,
    reason,
    undoes,
    upgrader,
    digest: bundle.digest,
    bytes: bundle.bytes,
    previous,
    verified: version <= verified,
    ...changes(manifest),
  }
}

function changes({ classUpgrades }: Pick<ManifestDraft, 'classUpgrades'>) {
  return {
    classUpgrades: classUpgrades.map(({ service, oldClass, newClass, pastSO, futureSO, schedule, inverse }) => {
      return { service, oldClass, newClass, pastSO, futureSO, schedule, inverse }
    }),
  }
}

function printClassUpgrades(manifest: ManifestDraft): void {
  printTable(
    ['SERVICE', 'OLD CLASS', 'NEW CLASS', 'PAST SO', 'FUTURE SO', 'SCHEDULE'],
    manifest.classUpgrades.map((entry) => [
      entry.service,
      entry.oldClass,
      entry.newClass,
      simulationCell(entry.pastSO, entry.oldClass),
      simulationCell(entry.futureSO, entry.newClass),
      entry.schedule,
    ]),
  )
}

/** An SO has no name of its own: the class that it simulates says which one it is. */
function simulationCell(choice: ManifestDraft['classUpgrades'][number]['pastSO'], simulated: string): string {
  switch (choice) {
    case 'so':
      return `simulates ${simulated}`
    case 'notNeeded':
      return 'not needed'
    case 'none':
      return 'none'
  }
}
