/**
 * The announcement of an upgrade by the upgrade server: enough to decide whether a node is concerned before
 * its bundle is fetched, and all that a signature binds. A manifest travels and is kept as the bytes that
 * were signed; it names the digest of the one before it, so history can't be rewritten unseen (C9).
 */
import { isDigest } from '../base/digest.js'
import { Fault } from '../base/fault.js'
import { formats, isRead, numbersRead, release as thisRelease } from '../base/formats.js'
import { isClassName, isName, isVersion, type Version } from '../base/ids.js'
import { instantMs } from '../base/instant.js'
import { isLevelRecord } from '../base/level.js'
import type { MethodKind } from '../model/methods.js'
import { isNodeFilter, type NodeFilter } from '../model/nodeFilter.js'
import { checkTables, type TableEntries } from '../model/tables.js'
import { isPromiseList, type RolloutPromise } from '../schedules/rolloutPromise.js'
import type { Signed } from '../trust/signed.js'
import { isUpgraderList, looksLikeUpgraderKey, type TrustChange } from '../trust/trust.js'
import { isIdentity, isNeed, type Need } from '../trust/trustRoot.js'
import type { GateLimits } from './gateLimits.js'
import { isRewindLimits, type RewindLimits } from './rewindLimits.js'

/** Classes and events that one class may need. */
export const usesMax = 256

/** Of drafts, and of manifests in a system without an identity: that of release 0.1.0. */
export const manifestFormat = 1
/** Names the identity of the system, and says when keys end and how many have to sign. */
export const identifiedFormat = 2
/** Says which release reads it. It may set the system's level, and undo any version. */
export const levelFormat = 3
/** Has promises, which its upgrade servers guard. */
export const promiseFormat = 4
export const bundleBytesMax = 16 * 1024 * 1024
export const manifestBytesMax = 256 * 1024
/** Bundles travel and are stored in chunks of this size, the last one shorter. */
export const bundleChunkBytes = 256 * 1024

export type SimulationChoice = 'so' | 'notNeeded' | 'none'

export interface ClassUpgradeEntry {
  readonly service: string
  readonly oldClass: string
  readonly newClass: string
  readonly pastSO: SimulationChoice
  readonly futureSO: SimulationChoice
  /** The nodes it is restricted to; null: all. */
  readonly only: NodeFilter | null
  /** The scheduling function, as people read it. */
  readonly schedule: string
  readonly oldMethods: Readonly<Record<string, MethodKind>>
  readonly newMethods: Readonly<Record<string, MethodKind>>
  /**
   * The needs of each class: the classes that it calls, and the events it publishes or hears,
   * as `page-changed/1`; the classes of neighbours, as `Stock.v1@warehouse/1`.
   */
  readonly oldUses: readonly string[]
  readonly newUses: readonly string[]
  /** Whether there is a way back. */
  readonly inverse: boolean
  /**
   * How far back it can be rewound. Left out where it can't. Releases before 0.2.0 pass it over: they record
   * nothing.
   */
  readonly rewind?: RewindLimits
  /**
   * All of its nodes may be away at once, whatever the limit of their hosts; left out elsewhere. A bundle
   * that says so is for runtime interface 2: release 0.1.0 loads none.
   */
  readonly limit?: 'all'
  /**
   * By class, the methods that the other one answers as they are: those that the simulation object delegates.
   * A class that calls no others is not touched by the upgrade. Left out where there are none; a release that
   * does not know it takes all for changed.
   */
  readonly delegated?: Readonly<Record<string, readonly string[]>>
}

/** The part that a build knows; the rest is added when it is published. */
export interface ManifestDraft {
  readonly format: typeof manifestFormat
  readonly runtime: number
  readonly title: string
  readonly bundle: { readonly digest: string; readonly bytes: number }
  readonly classUpgrades: readonly ClassUpgradeEntry[]
  /** Entries of upgrade-specific tables, by table and key. */
  readonly tables: TableEntries
  /** When the rollout pauses itself; null: never. */
  readonly gate: GateLimits | null
  /** The promises that hold while nodes go. Left out where there is none, and before format 4. */
  readonly promises?: readonly RolloutPromise[]
}

interface Published extends Omit<ManifestDraft, 'format'> {
  readonly system: string
  readonly version: Version
  /** The digest of the manifest before this one; null for version 1. */
  readonly previous: string | null
  readonly reason: string | null
  /** The version that this one undoes; null for any other upgrade. Before format 3, the one before it. */
  readonly undoes: Version | null
  /**
   * Whether nodes go back by their recordings (§8). Left out for any other undo. A release before 0.2.0
   * passes it over: its nodes have no recording, and go back by the inverse.
   */
  readonly rewinds?: true
  /**
   * The version that it undoes is paused in the same moment: no node goes there that has not heard of the
   * undo. Left out for any other undo. A release before 0.2.0 passes it over, and undoes alone.
   */
  readonly aborts?: true
  /** RFC 3339. */
  readonly createdAt: string
  /** The public key of who signed first; null where nobody did. */
  readonly upgrader: string | null
  /** The keys that are trusted to sign what comes after this manifest; null: those of before. */
  readonly upgraders: readonly string[] | null
}

export interface FirstManifest extends Published {
  readonly format: typeof manifestFormat
}

interface Identified extends Published {
  /** When keys of `upgraders` end, RFC 3339 by public key; those that are left out have no end. */
  readonly until: Readonly<Record<string, string>>
  /** How many have to sign what comes after; null: as many as before. */
  readonly need: Need | null
}

export interface IdentifiedManifest extends Identified {
  readonly format: typeof identifiedFormat
  /** That of the system (core/trust/trustRoot.ts). */
  readonly identity: string
}

export interface LevelManifest extends Identified {
  readonly format: typeof levelFormat
  /** Null in a system without a trust root. */
  readonly identity: string | null
  /** The oldest release that reads it: one that does not can say which is needed. */
  readonly release: string
  /** T2. The newest numbers that may be written from then on (core/base/level.ts); null: those of before. */
  readonly level: Readonly<Record<string, number>> | null
}

export interface PromiseManifest extends Omit<LevelManifest, 'format'> {
  readonly format: typeof promiseFormat
  readonly promises: readonly RolloutPromise[]
}

export type Manifest = FirstManifest | IdentifiedManifest | LevelManifest | PromiseManifest

/** The fields of a manifest that its draft does not have. */
export type Publication = Omit<FirstManifest, keyof ManifestDraft> &
  Partial<Pick<IdentifiedManifest, 'until' | 'need'>> &
  Partial<Pick<LevelManifest, 'level' | 'release'>> & { readonly identity: string | null }

/** A whole manifest, in the first format where no newer one is needed: each release reads that. */
export function manifestOf(
  draft: ManifestDraft,
  { identity, until = {}, need = null, level = null, release = '', ...about }: Publication,
): Manifest {
  const { promises } = draft
  if (promises !== undefined)
    return { ...draft, ...about, format: promiseFormat, identity, until, need, release: release || thisRelease, level, promises }
  const isLater = about.undoes !== null && about.undoes !== about.version - 1
  if (level !== null || isLater) return { ...draft, ...about, format: levelFormat, identity, until, need, release, level }
  if (identity !== null) return { ...draft, ...about, format: identifiedFormat, identity, until, need }
  if (need === null && Object.keys(until).length === 0) return { ...draft, ...about }
  throw new Fault('config.invalid', 'ends of keys, and how many have to sign, need a trust root: "natsctl trust new" makes one')
}

/** The identity that a manifest names, if any. */
export function identityIn(manifest: Manifest): string | null {
  return manifest.format === manifestFormat ? null : manifest.identity
}

/**
 * The changes to the trust that count after it. A manifest of the first format may have any
 * fields beside its own.
 */
export function trustChangeIn(manifest: Manifest): TrustChange {
  const { upgraders } = manifest
  if (manifest.format === manifestFormat) return { upgraders }
  const { identity, until, need } = manifest
  return { ...(identity === null ? {} : { identity }), upgraders, until, need }
}

/** The level that counts after it; null: that of before. */
export function levelIn(manifest: Manifest): Readonly<Record<string, number>> | null {
  return saysRelease(manifest) ? manifest.level : null
}

/** The promises that its rollout has to keep. */
export function promisesIn(manifest: Manifest): readonly RolloutPromise[] {
  return manifest.format === promiseFormat ? manifest.promises : []
}

/** The format that a draft's manifest has at least. */
export function formatOf({ promises }: Pick<ManifestDraft, 'promises'>): Manifest['format'] {
  return promises === undefined ? manifestFormat : promiseFormat
}

/** Whether it is of format 3 or newer. */
export function saysRelease(manifest: Manifest): manifest is LevelManifest | PromiseManifest {
  return manifest.format === levelFormat || manifest.format === promiseFormat
}

/** The bytes of a manifest and the signature over them. */
export type SignedManifest = Signed

export function encodeManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(manifest))
}

/** Throws `upgrade.invalid` for anything that is not a whole manifest. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > manifestBytesMax)
    throw new Fault('upgrade.invalid', `manifest of ${bytes.length} bytes; at most ${manifestBytesMax} are accepted`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new Fault('upgrade.invalid', 'the manifest is not JSON', {}, { cause: error })
  }
  checkManifest(value)
  return value
}

function checkManifest(value: unknown): asserts value is Manifest {
  const m = value as Manifest
  const wrong = (field: string): never => {
    throw new Fault('upgrade.invalid', `manifest: ${field} is missing or wrong`, { field })
  }
  if (typeof m !== 'object' || m === null || Array.isArray(m)) wrong('the whole')
  if (!isRead(formats.manifest, m.format)) throw unreadFormat(m) ?? wrong('format')
  if (!Number.isInteger(m.runtime)) wrong('runtime')
  if (!isName(m.system)) wrong('system')
  if (!isVersion(m.version) || m.version < 1) wrong('version')
  if (m.previous !== null && !isDigest(m.previous)) wrong('previous')
  if (typeof m.title !== 'string') wrong('title')
  if (m.reason !== null && typeof m.reason !== 'string') wrong('reason')
  if (m.undoes !== null && !mayUndo(m)) wrong('undoes')
  if (m.rewinds !== undefined && (m.rewinds !== true || m.undoes === null)) wrong('rewinds')
  if (m.aborts !== undefined && (m.aborts !== true || m.undoes === null)) wrong('aborts')
  if (typeof m.createdAt !== 'string') wrong('createdAt')
  if (m.upgrader !== null && !looksLikeUpgraderKey(m.upgrader)) wrong('upgrader')
  if (m.upgraders !== null && !isUpgraderList(m.upgraders)) wrong('upgraders')
  if (m.format !== manifestFormat) checkIdentified(m, wrong)
  if (saysRelease(m)) checkLevel(m, wrong)
  if (m.format === promiseFormat && (!isPromiseList(m.promises) || m.level !== null)) wrong('promises')
  if (!isDigest(m.bundle?.digest) || !Number.isInteger(m.bundle.bytes) || m.bundle.bytes < 0 || m.bundle.bytes > bundleBytesMax)
    wrong('bundle')
  if (!isTables(m.tables)) wrong('tables')
  if (m.gate !== null && !isGate(m.gate)) wrong('gate')
  if (!Array.isArray(m.classUpgrades)) wrong('classUpgrades')
  m.classUpgrades.forEach((entry, i) => {
    checkEntry(entry, () => wrong(`classUpgrades[${i}]`))
  })
}

function mayUndo(manifest: Manifest): boolean {
  const { version, undoes } = manifest
  if (saysRelease(manifest)) return isVersion(undoes) && undoes > 0 && undoes < version
  return undoes === version - 1
}

/** T1. That of a later release is not wrong, and it says which one. */
function unreadFormat(manifest: object): Fault | undefined {
  const { format, version, release } = manifest as Readonly<Record<string, unknown>>
  if (!Number.isInteger(format) || (format as number) <= formats.manifest.newest) return undefined
  const named = typeof release === 'string' && /^[\w.+-]{1,64}$/.test(release) ? `${release} or newer` : 'a newer one'
  const of = isVersion(version) ? ` of version ${version}` : ''
  const message = `the manifest${of} has format ${format}, and this release reads ${numbersRead(formats.manifest)}: run release ${named}`
  return new Fault('upgrade.release', message, { format, release })
}

function checkLevel(
  { level, release, classUpgrades, undoes }: LevelManifest | PromiseManifest,
  wrong: (field: string) => never,
): void {
  if (typeof release !== 'string' || !/^[\w.+-]{1,64}$/.test(release)) wrong('release')
  if (level === null) return
  if (!isLevelRecord(level)) wrong('level')
  // A node of any class takes it for an alias of the version before.
  if (!Array.isArray(classUpgrades) || classUpgrades.length > 0) wrong('classUpgrades')
  if (undoes !== null) wrong('undoes')
}

function checkIdentified(m: IdentifiedManifest | LevelManifest | PromiseManifest, wrong: (field: string) => never): void {
  if (m.identity === null && saysRelease(m)) {
    if (m.need !== null || Object.keys(m.until ?? { '': '' }).length > 0) wrong('identity')
    return
  }
  if (!isIdentity(m.identity)) wrong('identity')
  if (m.upgrader === null) wrong('upgrader')
  if (instantMs(m.createdAt) === undefined) wrong('createdAt')
  if (m.need !== null && !isNeed(m.need)) wrong('need')
  const isUntil =
    typeof m.until === 'object' &&
    m.until !== null &&
    Object.entries(m.until).every(([key, end]) => m.upgraders?.includes(key) === true && instantMs(end) !== undefined)
  if (!isUntil) wrong('until')
}

function isGate(value: unknown): boolean {
  const { moreFailuresMax, slowerMax, callsMin } = (value ?? {}) as Record<string, unknown>
  return [moreFailuresMax, slowerMax, callsMin].every((limit) => typeof limit === 'number')
}

function isTables(value: unknown): boolean {
  try {
    checkTables(value as TableEntries)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

const choices: ReadonlySet<unknown> = new Set(['so', 'notNeeded', 'none'])

function checkEntry(entry: ClassUpgradeEntry, wrong: () => never): void {
  const whole =
    typeof entry === 'object' &&
    entry !== null &&
    isName(entry.service) &&
    isClassName(entry.oldClass) &&
    isClassName(entry.newClass) &&
    choices.has(entry.pastSO) &&
    choices.has(entry.futureSO) &&
    (entry.only === null || isNodeFilter(entry.only)) &&
    typeof entry.schedule === 'string' &&
    isMethodRecord(entry.oldMethods) &&
    isMethodRecord(entry.newMethods) &&
    isUses(entry.oldUses) &&
    isUses(entry.newUses) &&
    typeof entry.inverse === 'boolean' &&
    (entry.rewind === undefined || isRewindLimits(entry.rewind)) &&
    (entry.limit === undefined || entry.limit === 'all') &&
    (entry.delegated === undefined || isDelegated(entry.delegated))
  if (!whole) wrong()
}

function isUses(value: unknown): boolean {
  return Array.isArray(value) && value.length <= usesMax && value.every((used) => typeof used === 'string')
}

function isDelegated(value: unknown): boolean {
  const isList = (list: unknown) => Array.isArray(list) && list.every((method) => typeof method === 'string')
  return typeof value === 'object' && value !== null && Object.values(value).every(isList)
}

function isMethodRecord(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && Object.values(value).every((kind) => kind === 'command' || kind === 'query')
  )
}

/** How many chunks a bundle of so many bytes travels in. */
export function chunkCount(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / bundleChunkBytes))
}
