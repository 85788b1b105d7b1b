/**
 * `natsctl upgrade sign`: adds a signature to an upgrade file. It runs no code of the upgrade and needs no
 * system, so it can be done where nothing else is done: on a machine that is offline.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Version } from 'theseus-actors'
import { identityAt, identityIn, isDigest } from 'theseus-actors/operator'
import { type HistoryPosition, type SignedUpgrade, signFor, withSignature } from '../build/signedUpgrade.js'
import { encodeUpgradeFile } from '../build/upgradeFile.js'
import { readUpgradeFile } from '../build/upgradeSource.js'
import { withOperator } from '../context/connection.js'
import { type GlobalFlags, versionFlag } from '../context/flags.js'
import { systemIn, targetOf } from '../context/target.js'
import { type Trust, trustedBy } from '../context/trust.js'
import { type KeyFlags, keyFlag, signerNeeded } from '../context/upgraderSeed.js'
import { type KnownHistory, knownHistory, printDoubt, readHistory } from '../history/knownHistory.js'
import { writeAtomically } from '../output/atomicFile.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { restrictForms, show } from '../output/forms.js'
import { oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { exportedHistory } from './history.js'

interface SignFlags extends GlobalFlags, KeyFlags {
  readonly for?: Version
  readonly after?: string
  readonly history?: string
  readonly reason?: string
  readonly anew?: true
}

/** The value of `--after` for version 1. */
const nothing = 'none'

export function addSign(upgrade: Command, program: Program): void {
  const command = upgrade
    .command('sign')
    .description('add a signature to an upgrade file; with --history, or with --for and --after, away from any system')
    .argument('<file>', 'a file that "upgrade build" made, or that somebody has signed already')
    .option(...keyFlag)
    .option('--for <version>', 'the version that it is to be, with --after', versionFlag)
    .addOption(
      new Option(
        '--after <digest>',
        `the digest of the manifest before it, as "natsctl history" has it; "${nothing}" for version 1`,
      ).argParser(afterFlag),
    )
    .option('--history <file>', 'an exported history that it is to follow, instead of --for and --after')
    .option('--reason <text>', 'why; kept in the history')
    .option('--anew', 'drop the signatures that the file has, and sign for another place')
    .action(program.action((file: string, _: unknown, command: Command) => sign(file, command.optsWithGlobals())))
  restrictForms(command, 'table', 'json', 'yaml')
}

async function sign(file: string, flags: SignFlags): Promise<ExitCode> {
  const built = await readUpgradeFile(file)
  const signer = await signerNeeded(flags)
  const before = flags.anew === true ? null : built.signed
  const signed =
    before === null
      ? signFor(
          built.manifest,
          await placeOf(flags),
          { reason: flags.reason ?? null, createdAt: new Date().toISOString() },
          signer,
        )
      : withSignature(await ofOwn(sameAs(before, file, flags), file, flags), signer)
  await writeAtomically(file, encodeUpgradeFile(built, signed))
  showSigned(file, signed, flags)
  return exitCodes.done
}

/** A later signer signs the same as those before. */
function sameAs(signed: SignedUpgrade, file: string, flags: SignFlags): SignedUpgrade {
  const { system, version, previous, reason } = signed.manifest
  const { for: asked, after, history, system: flagged } = flags
  const isOther =
    history !== undefined ||
    (asked !== undefined && asked !== version) ||
    (after !== undefined && (after === nothing ? null : after) !== previous) ||
    (flagged !== undefined && flagged !== system) ||
    (flags.reason !== undefined && flags.reason !== reason)
  if (!isOther) return signed
  throw usageFailure(
    `${file} is signed already, for version ${version} of system ${system}: a further signature is for the same; --anew drops those that are there`,
  )
}

/** One who was given the trust root of a system signs nothing for another one. */
async function ofOwn(signed: SignedUpgrade, file: string, flags: SignFlags): Promise<SignedUpgrade> {
  const { trust } = await targetOf(flags)
  const { manifest } = signed
  const own = identityAt(trustedBy(trust), manifest.version)
  if (own === null || own === identityIn(manifest)) return signed
  throw new Failure(
    exitCodes.error,
    `upgrade.signature: ${file} is signed for identity ${identityIn(manifest) ?? 'none'}, and the trust root is of ${own}: another system with the same name`,
  )
}

async function placeOf(flags: SignFlags): Promise<HistoryPosition> {
  const { for: version, after, history } = flags
  if (version !== undefined || after !== undefined) {
    if (version === undefined || after === undefined || history !== undefined)
      throw usageFailure('give --for and --after, or --history, or none of them to ask the system')
    const target = await targetOf(flags)
    const system = systemIn(target)
    if (version < 1 || (version === 1) !== (after === nothing))
      throw usageFailure(`version 1 comes after "${nothing}", and each other version after a manifest`)
    return placed({ system, version, previous: after === nothing ? null : after }, target.trust)
  }
  if (history === undefined)
    return withOperator(flags, async ({ database }, system, trust) => {
      const read = await readHistory(database, system, trust)
      return placeAfter(read.history, system, trust)
    })
  const { system, manifests, trust } = await exportedHistory(history, flags)
  const known = knownHistory(system, trust, manifests)
  printDoubt(known)
  return placeAfter(known, system, trust)
}

/** Where somebody says whom to believe, nothing is signed that follows something else. */
function placeAfter(known: KnownHistory, system: string, trust: Trust | undefined): HistoryPosition {
  if (trust !== undefined) known.needed('upgrade sign')
  return placed({ system, version: known.manifests.length + 1, previous: known.digest }, trust)
}

/** Never of what a server says: a false one would name another system of the same name. */
function placed(place: HistoryPosition, trust: Trust | undefined): HistoryPosition {
  return { ...place, identity: identityAt(trustedBy(trust), place.version) }
}

function showSigned(file: string, signed: SignedUpgrade, { output }: GlobalFlags): void {
  show(output, {
    table: () => {
      print(`${file}: ${oneLine(signed.manifest.title)}`)
      for (const line of signatureLines(signed)) print(line)
    },
    document: () => ({ file, title: signed.manifest.title, ...signaturesJson(signed) }),
  })
}

export function signatureLines({ manifest, signatures }: SignedUpgrade): readonly string[] {
  const { system, version, previous, reason } = manifest
  const identity = identityIn(manifest)
  return [
    `signed for version ${version} of system ${system}${identity === null ? '' : ` (identity ${identity})`}, after ${previous ?? 'nothing'}${reason === null ? '' : `: ${oneLine(reason)}`}`,
    ...[...signatures.keys()].map((key) => `  by ${key}`),
  ]
}

export function signaturesJson({ manifest, signatures }: SignedUpgrade) {
  const { system, version, previous, reason, createdAt } = manifest
  return { signed: { system, version, previous, reason, createdAt, identity: identityIn(manifest), by: [...signatures.keys()] } }
}

function afterFlag(text: string): string {
  if (text === nothing || isDigest(text)) return text
  throw new InvalidArgumentError(`Use a digest of 64 hexadecimal digits, or "${nothing}".`)
}
