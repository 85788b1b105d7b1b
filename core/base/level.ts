/**
 * T2. The system's *level* is one number for each format: the newest that may be written. Everybody writes
 *     the level, and not their best, so a release can be rolled back until the level is raised. It is part of
 *     the signed history (core/upgrade/manifest.ts), so the upgrade database can't lose it.
 *
 * T3. It is raised on purpose, never lowered, and only to numbers that everybody who is registered reads.
 */
import { type FormatName, firstRelease, formats, release } from './formats.js'
import { isInstantMs } from './instant.js'

/** Number by format. A later release may have formats that this one does not know. */
export type Level = Readonly<Record<FormatName, number>> & Readonly<Record<string, number>>

const names = Object.keys(formats) as readonly FormatName[]

function levelOf(number: 'first' | 'newest'): Level {
  return Object.fromEntries(names.map((name) => [name, formats[name][number]])) as Level
}

/** The numbers that release 0.1.0 reads: each system begins there. */
export const firstLevel: Level = levelOf('first')
/** The newest that this release reads and writes. An embedded system has one release, so it begins there. */
export const newestLevel: Level = levelOf('newest')

/** A process as it tells of itself. */
export interface Software {
  readonly release: string
  /** The newest number of each format. */
  readonly reads: Readonly<Record<string, number>>
  /** Milliseconds since 1970, by its own clock. */
  readonly since: number
}

/** Of this process. */
export function softwareSince(since: number): Software {
  return { release, reads: newestLevel, since }
}

/** Release 0.1.0 says nothing of itself. */
export function readsOf(software: Pick<Software, 'reads'> | undefined): Readonly<Record<string, number>> {
  return software?.reads ?? firstLevel
}

export function releaseOf(software: Pick<Software, 'release'> | undefined): string {
  return software?.release ?? firstRelease
}

/** The formats whose level this one does not read, as `envelope 2`. */
export function unreadOf(level: Level, reads: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(level).flatMap(([name, number]) => ((reads[name] ?? 0) < number ? [`${name} ${number}`] : []))
}

/** Names and numbers are bounded: they come from other processes. No format is called `constructor`. */
export const levelFormatsMax = 32

export function isLevelRecord(value: unknown): value is Readonly<Record<string, number>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return (
    entries.length <= levelFormatsMax &&
    entries.every(
      ([name, number]) =>
        /^[a-z][A-Za-z]{0,31}$/.test(name) && !(name in {}) && Number.isInteger(number) && number >= 0 && number < 1e6,
    )
  )
}

export function isSoftware(value: unknown): value is Software {
  const { release: name, reads, since } = (value ?? {}) as Partial<Record<keyof Software, unknown>>
  return typeof name === 'string' && name.length <= 64 && isLevelRecord(reads) && isInstantMs(since)
}

/** Each number as it is in the one where it is greater: a level is never lowered. */
export function raised(level: Level, by: Readonly<Record<string, number>>): Level {
  const found: Record<string, number> = { ...level }
  for (const [name, number] of Object.entries(by)) found[name] = Math.max(found[name] ?? 0, number)
  return found as Level
}

export function isSameLevel(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  const all = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...all].every((name) => a[name] === b[name])
}
