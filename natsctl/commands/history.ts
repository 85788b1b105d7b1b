/**
 * `natsctl history`: who installed what, when and why; and whether that can be believed. It
 * asks the upgrade database alone.
 */
import { readFile, writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { isFault } from 'theseus-actors'
import { verifyHistory } from 'theseus-actors/nkeys'
import { decodeManifest, digestOf, forksTable, identityIn, type Manifest } from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { targetOf } from '../context/target.js'
import { type Trust, trustedBy } from '../context/trust.js'
import { decodeHistoryFile, type ExportedHistory, encodeHistoryFile } from '../history/historyFile.js'
import { type ClaimedHead, headFault, knownHistory, printDoubt, trustAdvice } from '../history/knownHistory.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { type Column, printColumns, show as showForm } from '../output/forms.js'
import { count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'

interface HistoryFlags extends GlobalFlags {
  readonly file?: string
  readonly verify?: true
  readonly head?: string
}

export function addHistory(program: Program): void {
  const history = program.command
    .command('history')
    .description('the installed versions: by whom, when and why')
    .option('--file <file>', 'an exported history, instead of the upgrade database')
    .option('--verify', 'check that each manifest follows the one before, and was signed by one who was trusted; with --trust')
    .option('--head <digest>', 'with --verify: the digest that the newest manifest has to have')
    .action(program.action((_: unknown, command: Command) => show(command.optsWithGlobals())))
  history
    .command('export')
    .description('write the history to a file, with its signatures')
    .argument('<file>', 'where it goes')
    .action(program.action((file: string, _: unknown, command: Command) => exportTo(file, command.optsWithGlobals())))
}

async function show(flags: HistoryFlags): Promise<ExitCode> {
  if (flags.verify !== true && flags.head !== undefined) throw usageFailure('--head goes with --verify')
  const history = flags.file === undefined ? await stored(flags) : await exportedHistory(flags.file, flags)
  return flags.verify === true ? verify(history, flags) : list(history, flags)
}

/**
 * The manifests of the database, and its head: manifests that are missing at the end would not
 * be missed otherwise.
 */
interface Found extends ExportedHistory {
  readonly head: ClaimedHead | undefined
  /** Versions with two manifests, and what is known of them: nothing is installed meanwhile. */
  readonly forks: ReadonlyMap<string, string>
  /** The trust to verify by; undefined where none is given. */
  readonly trust: Trust | undefined
}

function stored(flags: GlobalFlags): Promise<Found> {
  return withKnownSystem(flags, async ({ database }, system, trust) => {
    const head = await database.head()
    return { system, trust, manifests: await database.manifests(1, head.version), head, forks: await database.table(forksTable) }
  })
}

/** The contents of a file that `history export` wrote. */
export async function exportedHistory(file: string, flags: GlobalFlags): Promise<Found> {
  const { system } = flags
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw new Failure(exitCodes.error, `error: can't read ${file}: ${(error as Error).message}`, { cause: error })
  }
  try {
    const found = decodeHistoryFile(bytes)
    if (system !== undefined && system !== found.system)
      throw usageFailure(`${file} is of system ${found.system}, not of ${system}`)
    const { trust } = await targetOf(flags)
    return { ...found, trust, head: undefined, forks: new Map() }
  } catch (error) {
    if (!isFault(error)) throw error
    throw new Failure(exitCodes.error, oneLine(`${error.code}: ${file}: ${error.message}`), { cause: error })
  }
}

async function exportTo(file: string, flags: GlobalFlags): Promise<ExitCode> {
  const { system, manifests } = await stored(flags)
  try {
    await writeFile(file, encodeHistoryFile({ system, manifests }), { mode: 0o600 })
  } catch (error) {
    throw new Failure(exitCodes.error, `error: can't write ${file}: ${(error as Error).message}`, { cause: error })
  }
  const digest = manifests.length === 0 ? null : digestOf(manifests.at(-1)!.bytes)
  showForm(flags.output, {
    table: () => print(`${file}: ${count(manifests.length, 'version')} of system ${system}`),
    document: () => ({ file, system, versions: manifests.length, digest }),
    names: () => manifests.map(({ bytes }) => versionName(decodeManifest(bytes))),
  })
  return exitCodes.done
}

interface Entry {
  readonly manifest: Manifest
  readonly digest: string
  readonly isVerified: boolean
  /** Whose signatures counted; of what is not verified, nobody's. */
  readonly by: readonly string[]
}

function list({ system, trust, manifests, head, forks }: Found, flags: GlobalFlags): ExitCode {
  const known = knownHistory(system, trust, manifests, head)
  const entries = manifests.map(({ bytes }, i) => ({
    manifest: known.manifests[i]!,
    digest: digestOf(bytes),
    isVerified: i < known.verified,
    by: known.by[i] ?? [],
  }))
  showForm(flags.output, {
    table: (isWide) => printEntries(entries, isWide),
    document: () => entries.map(entryJson),
    names: () => entries.map(({ manifest }) => versionName(manifest)),
  })
  printDoubt(known)
  const fork = forkFault(forks)
  if (fork !== undefined) note(fork)
  if (entries.length === 0) note(`system ${system} has no upgrades: it runs version 0`)
  return exitCodes.done
}

function verify({ system, trust, manifests, head, forks }: Found, flags: HistoryFlags): ExitCode {
  if (trust === undefined)
    throw usageFailure(
      `who may have signed? ${trustAdvice} (--trust nobody checks that the manifests follow each other, and no more)`,
    )
  const verdict = verifyHistory(system, trustedBy(trust), manifests)
  const entries = verdict.holds.map((verified) => ({ ...verified, isVerified: true }))
  const digest = verdict.holds.at(-1)?.digest ?? null
  const why =
    verdict.fault === undefined
      ? (headFault(verdict, head) ?? askedFault(digest, flags.head) ?? forkFault(forks))
      : `${verdict.fault.code}: ${verdict.fault.message}`
  showForm(flags.output, {
    table: (isWide) => {
      printEntries(entries, isWide)
      const verified = `${count(verdict.holds.length, 'version')} of system ${system} verified`
      if (why === undefined) print(`\n${verified}; the newest manifest is ${digest ?? 'none'}`)
    },
    document: () => ({
      system,
      verified: why === undefined,
      versions: entries.map(entryJson),
      digest,
      upgraders: verdict.trusted ?? null,
    }),
    names: () => verdict.holds.map(({ manifest }) => versionName(manifest)),
  })
  if (verdict.trusted === undefined) note('trust in nobody: signatures were not asked for')
  if (why === undefined) return exitCodes.done
  throw new Failure(exitCodes.error, oneLine(`${why}; ${count(verdict.holds.length, 'version')} before it verified`))
}

function askedFault(digest: string | null, asked: string | undefined): string | undefined {
  return asked === undefined || asked === digest
    ? undefined
    : `upgrade.predecessor: the newest manifest has the digest ${digest}, not ${asked}`
}

function forkFault(forks: Found['forks']): string | undefined {
  for (const [version, what] of forks)
    return `upgrade.forked: version ${version} has two manifests, ${what}: nothing is installed until it is removed from table ${forksTable}`
  return undefined
}

function entryJson({ manifest, digest, isVerified, by }: Entry) {
  const { version, title, upgrader, createdAt, reason, previous, upgraders, bundle } = manifest
  return {
    ...{ version, title, upgrader, createdAt, reason, digest, previous, upgraders, bundle: bundle.digest, verified: isVerified },
    ...{ signedBy: by, identity: identityIn(manifest) },
  }
}

function versionName({ version }: Pick<Manifest, 'version'>): string {
  return `version/${version}`
}

/** Enough to tell keys and digests apart. */
const shortLength = 12

function printEntries(entries: readonly Entry[], isWide: boolean): void {
  const short = (text: string | null): string => (text === null ? '-' : isWide ? text : text.slice(0, shortLength))
  const signers = (first: string | null, by: readonly string[]): string => {
    if (by.length < 2) return short(first)
    return isWide ? by.join(' ') : `${short(first)} +${by.length - 1}`
  }
  const columns: readonly Column<Entry>[] = [
    { title: 'VERSION', cell: ({ manifest }) => manifest.version },
    { title: 'TITLE', cell: ({ manifest }) => manifest.title },
    { title: 'UPGRADER', cell: ({ manifest, by }) => signers(manifest.upgrader, by) },
    { title: 'CREATED', cell: ({ manifest }) => manifest.createdAt },
    { title: 'MANIFEST', cell: ({ digest }) => short(digest) },
    { title: 'VERIFIED', cell: ({ isVerified }) => (isVerified ? 'yes' : { text: 'no', style: 'yellow' }) },
    { title: 'PREVIOUS', cell: ({ manifest }) => short(manifest.previous), isWide: true },
    { title: 'BUNDLE', cell: ({ manifest }) => short(manifest.bundle.digest), isWide: true },
    { title: 'REASON', cell: ({ manifest }) => manifest.reason ?? '' },
  ]
  printColumns(columns, entries, isWide)
}
