/** `natsctl upgrade`: from a module to an installed version. The way of an upgrade begins here (DESIGN §2, "An upgrade"). */
import { rename, rm, writeFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import type { Command } from 'commander'
import type { Manifest, ManifestDraft } from 'theseus'
import type { Program } from './commands.js'
import { asking, withOperator } from './connection.js'
import { type ExitCode, exitCodes, Failure } from './exitCodes.js'
import type { GlobalFlags } from './flags.js'
import { count, note, oneLine, print, printJson, printTable } from './output.js'
import { addDiff } from './upgradeDiff.js'
import { addPlan } from './upgradePlan.js'
import { type KeyFlags, keyFlag, signerOf } from './upgraderSeed.js'
import { buildModule, readUpgradeFile } from './upgradeSource.js'

interface BuildFlags extends GlobalFlags {
  readonly check?: true
  readonly out?: string
}

interface VerifyFlags extends GlobalFlags {
  readonly digest?: string
}

interface PublishFlags extends GlobalFlags, KeyFlags {
  readonly reason?: string
}

export function addUpgrade(program: Program): void {
  const upgrade = program.command.command('upgrade').description('build, compare, plan, publish and list upgrades')
  upgrade
    .command('build')
    .description('type-check and bundle an upgrade')
    .argument('<module>', 'the module whose default export is the upgrade; it is run')
    .option('--check', 'hold it against the running system too: whether it goes on from its classes, and leaves nobody behind')
    .option('-O, --out <file>', 'where the upgrade goes (default: <module>.upgrade in this directory)')
    .action(program.action((source: string, _: unknown, command: Command) => build(source, command.optsWithGlobals())))
  upgrade
    .command('verify')
    .description('check an upgrade file, without a system and without running it')
    .argument('<file>', 'a file that "upgrade build" made')
    .option('--digest <digest>', 'the digest that its bundle has to have, as the build printed it')
    .action(program.action((file: string, _: unknown, command: Command) => verify(file, command.optsWithGlobals())))
  addDiff(upgrade, program)
  addPlan(upgrade, program)
  upgrade
    .command('publish')
    .description('sign an upgrade, and install it as the next version')
    .argument('<file>', 'a file that "upgrade build" made')
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .action(program.action((file: string, _: unknown, command: Command) => publish(file, command.optsWithGlobals())))
  upgrade
    .command('ls')
    .description('list the versions that are installed')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
}

async function build(source: string, flags: BuildFlags): Promise<ExitCode> {
  // Loaded here only: a bundler is much to load for listing nodes.
  const { encodeUpgradeFile } = await import('./upgradeFile.js')
  const built = await buildModule(source)
  if (flags.check === true) await withOperator(flags, (operator, system) => asking(system, operator.check(built)))
  const file = flags.out ?? `${basename(source, extname(source))}.upgrade`
  await write(file, encodeUpgradeFile(built))
  const { manifest } = built
  if (flags.output === 'json') {
    printJson({ file, title: manifest.title, digest: manifest.bundle.digest, bytes: manifest.bundle.bytes, ...changes(manifest) })
  } else {
    print(`${file}: ${oneLine(manifest.title)}`)
    print(`digest ${manifest.bundle.digest}, ${manifest.bundle.bytes} bytes`)
    printClassUpgrades(manifest)
  }
  return exitCodes.done
}

/** Whole or not at all: half an upgrade file would be published by nobody, but believed by a build that looks at dates. */
async function write(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.new`
  try {
    await writeFile(temporary, bytes)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw new Failure(exitCodes.error, `error: can't write ${file}: ${(error as Error).message}`, { cause: error })
  }
}

/** What is signed is made when it is published, for it binds the version and the manifest before; what can be wrong in the file is told here. */
async function verify(file: string, { digest, output }: VerifyFlags): Promise<ExitCode> {
  const { manifest } = await readUpgradeFile(file)
  if (digest !== undefined && digest !== manifest.bundle.digest)
    throw new Failure(exitCodes.error, `upgrade.digest: ${file}: its bundle has the digest ${manifest.bundle.digest}`)
  if (output === 'json') {
    printJson({ file, title: manifest.title, digest: manifest.bundle.digest, bytes: manifest.bundle.bytes, ...changes(manifest) })
  } else {
    print(`${file}: ${oneLine(manifest.title)}: whole`)
    print(`digest ${manifest.bundle.digest}, ${manifest.bundle.bytes} bytes`)
    printClassUpgrades(manifest)
  }
  return exitCodes.done
}

async function publish(file: string, flags: PublishFlags): Promise<ExitCode> {
  const built = await readUpgradeFile(file)
  const upgrader = await signerOf(flags)
  return withOperator(
    flags,
    async (operator, system) => {
      // Before the publication: once that is done, nothing may fail any more.
      const rows = await operator.database.nodes()
      const version = await asking(system, operator.publish(built, flags.reason === undefined ? {} : { reason: flags.reason }))
      const { manifest } = built
      if (flags.output === 'json') {
        printJson({ version, title: manifest.title, digest: manifest.bundle.digest, ...changes(manifest) })
        return exitCodes.done
      }
      print(`version ${version} of system ${system}: ${oneLine(manifest.title)}`)
      for (const { service, oldClass, newClass } of manifest.classUpgrades) {
        const nodes = rows.filter((row) => row.service === service)
        print(`  ${service}: ${oldClass} → ${newClass}, ${count(nodes.length, 'node')}`)
        if (nodes.length === 0) note(`no node of service ${service} is registered`)
      }
      const without = manifest.classUpgrades.filter(({ inverse }) => !inverse).map(({ newClass }) => newClass)
      if (without.length > 0) note(`this is a point of no return: ${without.join(', ')} has no inverse`)
      return exitCodes.done
    },
    upgrader,
  )
}

function list(flags: GlobalFlags): Promise<ExitCode> {
  return withOperator(flags, async (operator, system) => {
    const manifests = await asking(system, operator.history())
    if (flags.output === 'json') printJson(manifests.map(versionJson))
    else printTable(['VERSION', 'TITLE', 'CREATED', 'DIGEST', 'CLASS UPGRADES'], manifests.map(versionCells))
    if (manifests.length === 0) note(`system ${system} has no upgrades: it runs version 0`)
    return exitCodes.done
  })
}

/** Enough to tell bundles apart, as people know it from commits. */
const shortDigestLength = 12

function versionCells({ version, title, createdAt, bundle, classUpgrades }: Manifest) {
  const classes = classUpgrades.map(({ oldClass, newClass }) => `${oldClass} → ${newClass}`).join(', ')
  return [version, title, createdAt, bundle.digest.slice(0, shortDigestLength), classes]
}

function versionJson(manifest: Manifest) {
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
    ...changes(manifest),
  }
}

function changes({ classUpgrades }: ManifestDraft) {
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
      entry.pastSO,
      entry.futureSO,
      entry.schedule,
    ]),
  )
}
