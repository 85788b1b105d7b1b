/**
 * `natsctl backup`: a copy of what nobody else can restore of an upgrade database. It is an order: signed
 * where orders are, and in the audit.
 */
import type { Command } from 'commander'
import type { Operator } from 'theseus-actors'
import { auditPageMax, decodeManifest, digestOf, type SignedManifest, storedBundle } from 'theseus-actors/operator'
import { withSigningOperator } from '../context/connection.js'
import { asOrder, dryRunField, type OrderFlags, withReason } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { writeAtomically } from '../output/atomicFile.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { count, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { backUpDirectory, backUpService, type StateFlags } from '../state/backupState.js'
import { type Backup, encodeBackup } from './backupFile.js'

type Database = Operator['database']

/** Hosts restore these themselves. */
export const serversTables = 'theseus-'

export function addBackup(program: Program): void {
  const backup = program.command
    .command('backup')
    .description('write what nobody else can restore of the upgrade database to a file, or a copy of state')
    .argument('<file>', 'where it goes')
    .option('--directory <directory>', "the state directory of a host of this machine, in the database's place")
    .option('--service <name>', "the state of all nodes of a sharded service, in the database's place")
    .option(...keyFlag)
    .action(program.action((file: string, _: unknown, command: Command) => backUp(file, command.optsWithGlobals())))
  asOrder(withReason(backup), (flags) => !('directory' in flags))
}

function backUp(file: string, flags: StateFlags & KeyFlags): Promise<ExitCode> {
  const { directory, service } = flags
  if (directory !== undefined && service !== undefined) throw usageFailure('give --directory or --service, not both')
  if (directory !== undefined) return backUpDirectory(file, directory, flags)
  return service === undefined ? backUpDatabase(file, flags) : backUpService(file, service, flags)
}

function backUpDatabase(file: string, flags: OrderFlags & KeyFlags): Promise<ExitCode> {
  return withSigningOperator(flags, async (operator, system) => {
    const backup = await copyOf(operator.database, system)
    const bytes = encodeBackup(backup)
    const digest = digestOf(bytes)
    const versions = backup.manifests.length
    // Before anybody has it: a copy that the audit does not tell of is written nowhere.
    if (flags.dryRun !== true) {
      await operator.recordBackup(digest, versions, flags.reason)
      await writeAtomically(file, bytes, 0o600)
    }
    const missing = versionsWithoutBundle(backup)
    show(flags.output, {
      table: () => {
        const would = flags.dryRun === true ? 'would write ' : ''
        print(`${would}${file}: ${count(versions, 'version')} of system ${system}, ${bytes.length} bytes, digest ${digest}`)
      },
      document: () => ({ file, system, versions, bytes: bytes.length, digest, missing, ...dryRunField(flags) }),
      names: () => [`backup/${file}`],
    })
    if (missing.length === 0) return exitCodes.done
    const which = missing.length === 1 ? 'version' : 'versions'
    throw new Failure(
      exitCodes.error,
      `upgrade.fetch: ${file} lacks the bundles of ${which} ${missing.join(', ')}: they are not whole in the upgrade database. Back up again when hosts have given them back ("natsctl doctor")`,
    )
  })
}

async function copyOf(database: Database, system: string): Promise<Backup> {
  const { version } = await database.head()
  const manifests = version === 0 ? [] : await database.manifests(1, version)
  const tables = (await database.tables()).filter((name) => !name.startsWith(serversTables))
  return {
    ...{ system, takenAt: Date.now(), manifests, final: await database.finalized() },
    bundles: await bundlesOf(database, manifests),
    tables: new Map(await Promise.all(tables.map(async (name) => [name, await database.table(name)] as const))),
    controls: await database.controls(),
    audit: await auditOf(database),
  }
}

async function bundlesOf(database: Database, manifests: readonly SignedManifest[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const bundles = new Map<string, Uint8Array>()
  for (const { bytes } of manifests) {
    const { digest, bytes: length } = decodeManifest(bytes).bundle
    if (bundles.has(digest)) continue
    const stored = await storedBundle(database, digest, length)
    if (stored.state === 'whole') bundles.set(digest, stored.bytes)
  }
  return bundles
}

function versionsWithoutBundle({ manifests, bundles }: Pick<Backup, 'manifests' | 'bundles'>): readonly number[] {
  return manifests.flatMap(({ bytes }, i) => (bundles.has(decodeManifest(bytes).bundle.digest) ? [] : [i + 1]))
}

async function auditOf(database: Database): Promise<readonly Uint8Array[]> {
  const { first, number } = await database.auditHead()
  const entries: Uint8Array[] = []
  for (let from = first; from <= number; from += auditPageMax)
    entries.push(...(await database.audit(from, Math.min(from + auditPageMax - 1, number))))
  return entries
}
