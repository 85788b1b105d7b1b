/**
 * `natsctl restore`: gives an upgrade database what it is missing of a backup. It is an order: signed where
 * orders are, and in the audit before anything is changed. Nothing that is there is changed: neither
 * versions, nor entries of tables, nor pauses.
 */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { isFault, type Operator } from 'theseus-actors'
import { verifyHistory } from 'theseus-actors/nkeys'
import { type Control, controlKey, decodeManifest, digestOf, isDigest, type SignedManifest } from 'theseus-actors/operator'
import { withSigningOperator } from '../context/connection.js'
import { asOrder, dryRunField, withReason } from '../context/orders.js'
import { targetOf } from '../context/target.js'
import { trustedBy } from '../context/trust.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { trustAdvice } from '../history/knownHistory.js'
import { requireConfirmation } from '../output/confirm.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { CopyReader } from '../state/copyFile.js'
import { type RestoreStateFlags, restoreState } from '../state/restoreState.js'
import { serversTables } from './backup.js'
import { type Backup, decodeBackup } from './backupFile.js'

type RestoreFlags = RestoreStateFlags & KeyFlags

export function addRestore(program: Program): void {
  const restore = program.command
    .command('restore')
    .description('give the upgrade database what it is missing of a backup, or restore a copy of state')
    .argument('<file>', 'what "natsctl backup" wrote')
    .option('--digest <digest>', 'the digest that the file has to have, as "natsctl backup" and the audit told it')
    .option('--directory <directory>', 'where the copy of a state directory goes: it is made')
    .option('--replicas <number>', 'of the logs of a sharded service that are not there')
    .option('--yes', 'do not ask')
    .option(...keyFlag)
    .action(program.action((file: string, _: unknown, command: Command) => restoreFrom(file, command.optsWithGlobals())))
  asOrder(withReason(restore))
}

async function restoreFrom(file: string, flags: RestoreFlags): Promise<ExitCode> {
  return (await CopyReader.isCopy(file)) ? restoreState(file, flags) : restoreDatabase(file, flags)
}

async function restoreDatabase(file: string, flags: RestoreFlags): Promise<ExitCode> {
  if (flags.directory !== undefined || flags.replicas !== undefined)
    throw usageFailure(`${file} is no copy of state: it takes no --directory and no --replicas`)
  const { backup, digest } = await verified(file, flags)
  const ofSystem = (system: string) => {
    if (system !== backup.system) throw usageFailure(`${file} is of system ${backup.system}, not of ${system}`)
  }
  if (flags.yes !== true && flags.dryRun !== true) {
    const before = await withSigningOperator(flags, (operator, system) => {
      ofSystem(system)
      return missingIn(operator, backup)
    })
    const ended = await requireConfirmation(flags, {
      does: `gives system ${backup.system} back ${described(before)}`,
      question: `Give system ${backup.system} back ${described(before)}?`,
      refused: 'nothing was restored',
      before: () => tell(before),
    })
    if (ended !== undefined) return ended
  }
  return withSigningOperator(flags, async (operator, system) => {
    ofSystem(system)
    const missing = await missingIn(operator, backup)
    const isAny = !isNothing(missing)
    if (flags.dryRun !== true && isAny) {
      await operator.recordRestore(digest, backup.manifests.length, flags.reason)
      await giveBack(operator, backup, missing.versions)
    }
    show(flags.output, {
      table: () => {
        const did = flags.dryRun === true ? 'would restore' : 'restored'
        print(isAny ? `${did} ${described(missing)}` : `nothing of ${file} is missing in system ${system}`)
        tell(missing)
      },
      document: () => ({ file, system, digest, ...documentOf(missing), ...dryRunField(flags) }),
      names: () => missing.versions.map((version) => `version/${version}`),
    })
    return exitCodes.done
  })
}

/** Signed documents are verified; the rest is the file's word. */
async function verified(file: string, flags: RestoreFlags): Promise<{ readonly backup: Backup; readonly digest: string }> {
  const { trust } = await targetOf(flags)
  if (trust === undefined) throw usageFailure(`who may have signed what is in ${file}? ${trustAdvice}`)
  if (flags.digest !== undefined && !isDigest(flags.digest)) throw usageFailure('--digest is no digest: 64 hexadecimal digits')
  const failed = (why: string, cause?: unknown) => new Failure(exitCodes.error, oneLine(`${why}: nothing is restored`), { cause })
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw failed(`error: can't read ${file}: ${(error as Error).message}`, error)
  }
  const digest = digestOf(bytes)
  if (flags.digest !== undefined && flags.digest !== digest) throw failed(`upgrade.digest: ${file} has the digest ${digest}`)
  try {
    const backup = decodeBackup(bytes)
    const { fault } = verifyHistory(backup.system, trustedBy(trust), backup.manifests)
    if (fault !== undefined) throw fault
    for (const [name, bundle] of backup.bundles)
      if (digestOf(bundle) !== name) throw failed(`upgrade.digest: bundle ${name} of ${file} has another digest`)
    return { backup, digest }
  } catch (error) {
    if (!isFault(error)) throw error
    throw failed(`${error.code}: ${file}: ${error.message}`, error)
  }
}

interface Missing {
  readonly versions: readonly number[]
  readonly entries: readonly (readonly [table: string, key: string, value: string])[]
  readonly controls: readonly Extract<Control, { kind: 'pause' | 'hold' }>[]
  /** Null: it is final already. */
  readonly final: number | null
  /** There with another value. */
  readonly kept: readonly string[]
}

async function missingIn({ database }: Operator, backup: Backup): Promise<Missing> {
  const { version } = await database.head()
  checkSame(version === 0 ? [] : await database.manifests(1, version), backup)
  const entries: (readonly [string, string, string])[] = []
  const kept: string[] = []
  for (const [name, table] of backup.tables) {
    // Upgrade servers know by themselves what is in theirs.
    if (name.startsWith(serversTables)) continue
    const there = await database.table(name)
    for (const [key, value] of table) {
      const found = there.get(key)
      if (found === undefined) entries.push([name, key, value])
      else if (found !== value) kept.push(`${name}: ${key}`)
    }
  }
  const there = new Set((await database.controls()).map(controlKey))
  // A control that lets a node go now, or try again, was for that moment.
  const controls = backup.controls.flatMap((control) =>
    (control.kind === 'pause' || control.kind === 'hold') && !there.has(controlKey(control)) ? [control] : [],
  )
  const final = backup.final > (await database.finalized()) ? backup.final : null
  const versions = backup.manifests.slice(version).map((_, i) => version + i + 1)
  return { versions, entries, controls, final, kept }
}

function checkSame(there: readonly SignedManifest[], { manifests }: Backup): void {
  const other = there.findIndex(({ bytes }, i) => manifests[i] !== undefined && digestOf(manifests[i].bytes) !== digestOf(bytes))
  if (other === -1) return
  throw new Failure(
    exitCodes.error,
    `upgrade.forked: version ${other + 1} of the backup is another one than that of the system: nothing is restored`,
  )
}

async function giveBack(operator: Operator, backup: Backup, versions: readonly number[]): Promise<void> {
  for (const version of versions) {
    const manifest = backup.manifests[version - 1]!
    const bundle = backup.bundles.get(decodeManifest(manifest.bytes).bundle.digest) ?? null
    // Hosts may have been faster; it waits while the database is on probation.
    await operator.publishSigned(bundle, manifest)
  }
  // With the versions their own tables have come.
  const { entries, controls, final } = await missingIn(operator, backup)
  for (const [table, key, value] of entries) await operator.setInTable(table, key, value)
  for (const control of controls)
    await (control.kind === 'pause'
      ? operator.pause(control.version, control.reason)
      : operator.hold(control.nodeId, control.reason))
  if (final === null) return
  const now = await operator.finalize(final)
  if (now < final) note(`version ${final} was final, and is not yet: a node of an older version is registered`)
}

function isNothing({ versions, entries, controls, final }: Missing): boolean {
  return versions.length + entries.length + controls.length === 0 && final === null
}

function described({ versions, entries, controls, final }: Missing): string {
  const parts = [
    ...(versions.length === 0 ? [] : [count(versions.length, 'version')]),
    ...(entries.length === 0 ? [] : [`${entries.length} ${entries.length === 1 ? 'entry' : 'entries'} of tables`]),
    ...(controls.length === 0 ? [] : [`${controls.map(controlKey).join(', ')}`]),
    ...(final === null ? [] : [`that version ${final} is final`]),
  ]
  return parts.length === 0 ? 'nothing' : parts.join('; ')
}

/** Tables, pauses and holds are signed by nobody: whoever signs this order should see them. */
function tell({ entries, kept }: Missing): void {
  for (const [table, key, value] of entries) note(`${table}: ${key} = ${value}`)
  for (const one of kept) note(`${one} has another value now, and keeps it`)
}

function documentOf({ versions, entries, controls, final, kept }: Missing) {
  return { versions, entries: entries.map(([table, key, value]) => ({ table, key, value })), controls, final, kept }
}
