/** `natsctl audit`: who ordered what, from where, and what came of it; and whether that can be believed. */
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import { verifyHistory } from 'theseus-actors/nkeys'
import {
  type AuditEntry,
  type AuditHead,
  checkAudit,
  digestOf,
  instantMs,
  isDigest,
  type Signed,
  type SignedManifest,
  type Uncovered,
  uncovered,
} from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { type Trust, trustedBy } from '../context/trust.js'
import {
  entriesShown,
  limitFlag,
  newestEntries,
  type ReadEntry,
  readableDirectives,
  readEntry,
  sinceFlag,
} from '../history/auditEntries.js'
import { auditEntryText, uncoveredText } from '../history/auditFormat.js'
import { trustAdvice } from '../history/knownHistory.js'
import { writeAtomically } from '../output/atomicFile.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { type Column, show as showForm, showList } from '../output/forms.js'
import { count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'

interface AuditFlags extends GlobalFlags {
  readonly since?: number
  readonly limit?: number
  readonly file?: string
  readonly verify?: true
  readonly known?: string
}

export function addAudit(program: Program): void {
  const audit = program.command
    .command('audit')
    .description('the orders: by whom, from where, and what came of them')
    .option('--since <when>', 'only what is as new: 2h, or 2026-11-30T12:00:00Z', sinceFlag)
    .option('--limit <n>', `only so many, the newest (default: ${entriesShown})`, limitFlag)
    .option('--file <file>', 'an exported audit, instead of the upgrade database')
    .option('--verify', 'check that the entries follow each other, and that the verified history has their heads; with --trust')
    .option('--known <hash>', 'with --verify: the hash of an entry that has to be there')
    .action(program.action((_: unknown, command: Command) => show(command.optsWithGlobals())))
  audit
    .command('export')
    .description('write all entries to a file, one on a line, as they are hashed')
    .argument('<file>', 'where it goes')
    .action(program.action((file: string, _: unknown, command: Command) => exportTo(file, command.optsWithGlobals())))
}

interface Found {
  readonly system: string
  readonly trust: Trust | undefined
  readonly head: AuditHead
  readonly entries: readonly Uint8Array[]
  /** Read after the entries: whatever head they name is there. */
  readonly manifests: readonly SignedManifest[]
  /**
   * The contents before the entries were read, which have to be in them: so many versions, and these
   * directives; undefined: the login may not read them.
   */
  readonly newest: number
  readonly directives: readonly Signed[] | undefined
}

/** All that is kept, or the newest. */
function stored(flags: AuditFlags, last = Number.POSITIVE_INFINITY): Promise<Found> {
  return withKnownSystem(flags, async ({ database }, system, trust) => {
    const newest = (await database.head()).version
    const directives = flags.verify === true ? await readableDirectives(database) : undefined
    const head = await database.auditHead()
    const entries = flags.file === undefined ? await newestEntries(database, head, last) : await fileEntries(flags.file)
    const manifests = await database.manifests(1, (await database.head()).version)
    return { system, trust, head, entries, manifests, newest, directives }
  })
}

/** The entries that `audit export` wrote. */
async function fileEntries(file: string): Promise<readonly Uint8Array[]> {
  try {
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
    return lines.map((line) => new TextEncoder().encode(line))
  } catch (error) {
    throw new Failure(exitCodes.error, `error: can't read ${file}: ${(error as Error).message}`, { cause: error })
  }
}

async function show(flags: AuditFlags): Promise<ExitCode> {
  if (flags.verify === true) return verify(await settled(flags), flags)
  if (flags.known !== undefined) throw usageFailure('--known goes with --verify')
  const { since } = flags
  const limit = flags.limit ?? (since === undefined ? entriesShown : Number.POSITIVE_INFINITY)
  const { entries, head, system } = await stored(flags, since === undefined ? limit : undefined)
  const read = entries.flatMap((bytes) => readEntry(bytes) ?? [])
  const found = read.filter(({ entry: { at } }) => since === undefined || instantMs(at)! >= since)
  showList(flags.output, limit < found.length ? found.slice(-limit) : found, { columns, document: entryJson, name: entryName })
  if (read.length < entries.length)
    note(`${count(entries.length - read.length, 'entry')} can't be read: see "natsctl audit --verify"`)
  if (head.first > 1) note(`the audit begins at entry ${head.first}: older ones were dropped`)
  if (head.number === 0 && flags.file === undefined)
    note(`system ${system} has no audit yet: nothing was ordered since its upgrade servers keep one`)
  return exitCodes.done
}

/** An entry is written some moments after its version: one that is missing is looked for again. */
const entryMs = 1_000

async function settled(flags: AuditFlags): Promise<Found> {
  const found = await stored(flags)
  const { holds } = checkAudit(found.entries)
  if (flags.file !== undefined || missingIn(found, holds, 0).every(({ why }) => why !== 'none')) return found
  await pause(entryMs)
  const { head, entries, manifests } = await stored(flags)
  return { ...found, head, entries, manifests }
}

/** An exported audit is of when it was exported: it is not known which directives there were then. */
function missingIn({ manifests, newest, directives = [] }: Found, holds: readonly AuditEntry[], known: number, isFile = false) {
  const last = holds.at(-1)
  if (!isFile) return uncovered({ manifests: manifests.slice(0, newest), directives }, holds, known)
  if (last === undefined) return []
  return uncovered({ manifests: manifests.slice(0, last.head.version), directives: [] }, holds, known)
}

function verify(found: Found, flags: AuditFlags): ExitCode {
  const { system, trust, head, entries, manifests, directives } = found
  if (trust === undefined) throw usageFailure(`who may have signed the history? ${trustAdvice}`)
  const { known } = flags
  if (known !== undefined && !isDigest(known)) throw usageFailure('--known is no hash of an entry: 64 hexadecimal digits')
  const history = verifyHistory(system, trustedBy(trust), manifests)
  const digestAt = (version: number) => history.holds[version - 1]?.digest
  const { holds, broken } = checkAudit(entries, { digestAt, ...(flags.file === undefined ? { head } : {}) })
  const hashes = entries.slice(0, holds.length).map(digestOf)
  const hash = hashes.at(-1) ?? null
  const knownNumber = known === undefined ? 0 : (holds[hashes.indexOf(known)]?.number ?? 0)
  const missing = missingIn(found, holds, knownNumber, flags.file !== undefined)
  const untold = missing.filter((each) => each.why === 'none')
  const why =
    history.fault !== undefined
      ? `the history does not verify: ${history.fault.code}: ${history.fault.message}`
      : broken !== undefined
        ? `the audit is broken at entry ${broken.number}: ${broken.why}`
        : known !== undefined && !hashes.includes(known)
          ? `the audit has no entry with the hash ${known}`
          : untold.length > 0
            ? `${untold.slice(0, missingShown).map(uncoveredText).join('; ')}${untold.length > missingShown ? `; and ${untold.length - missingShown} more` : ''}`
            : undefined
  showForm(flags.output, {
    table: () => {
      if (why === undefined) print(`${entriesText(holds.length)} of system ${system} verified; the newest is ${hash ?? 'none'}`)
    },
    document: () => ({
      ...{ system, verified: why === undefined, entries: holds.length, first: holds[0]?.number ?? null },
      ...{ newest: holds.at(-1)?.number ?? null, hash, broken: broken ?? null, missing },
    }),
    names: () => holds.map((entry) => `audit/${entry.number}`),
  })
  tellMissing(missing.filter((each) => each.why !== 'none'))
  if (directives === undefined)
    note('the login may not read the directives, which are not compared: give it the operator’s ACL of docs/security.md')
  if (why === undefined) return exitCodes.done
  const how = broken === undefined ? 'verified' : 'before it verified'
  throw new Failure(exitCodes.error, oneLine(`upgrade.invalid: ${why}; ${entriesText(holds.length)} ${how}`))
}

/** One by one those who might be many would hide what counts. */
const missingShown = 8

function tellMissing(missing: readonly Uncovered[]): void {
  for (const one of missing.slice(0, missingShown)) note(uncoveredText(one))
  if (missing.length > missingShown) note(`and ${missing.length - missingShown} more without an entry: -o json has all`)
}

async function exportTo(file: string, flags: AuditFlags): Promise<ExitCode> {
  const { system, head, entries } = await stored(flags)
  await writeAtomically(file, Buffer.concat(entries.flatMap((bytes) => [bytes, Buffer.from('\n')])))
  showForm(flags.output, {
    table: () => print(`${file}: ${entriesText(entries.length)} of system ${system}`),
    document: () => ({ file, system, entries: entries.length, hash: head.hash }),
    names: () => [`audit/${file}`],
  })
  return exitCodes.done
}

function entriesText(number: number): string {
  return number === 1 ? '1 entry' : `${number} entries`
}

/** Enough to tell keys apart. */
const shortLength = 12

const columns: readonly Column<ReadEntry>[] = [
  { title: 'NUMBER', cell: ({ entry }) => entry.number },
  { title: 'AT', cell: ({ entry }) => entry.at },
  { title: 'WHAT', cell: ({ entry }) => auditEntryText(entry) },
  {
    title: 'OUTCOME',
    cell: ({ entry: { outcome } }) => (outcome === 'done' ? outcome : { text: outcome, style: 'yellow' }),
  },
  { title: 'BY', cell: ({ entry: { by } }) => by.map((key) => key.slice(0, shortLength)).join(' ') || '-' },
  { title: 'FROM', cell: ({ entry: { from } }) => (from === null ? '-' : (from.name ?? `${from.id} (its own word)`)) },
  { title: 'HEAD', cell: ({ entry: { head } }) => head.version, isWide: true },
  { title: 'HASH', cell: ({ hash }) => hash, isWide: true },
]

function entryJson({ entry, hash }: ReadEntry) {
  return { ...entry, hash }
}

function entryName({ entry }: ReadEntry): string {
  return `audit/${entry.number}`
}
