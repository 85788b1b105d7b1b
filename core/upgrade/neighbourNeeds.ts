/**
 * The versions of its neighbours that a system needs, out of its own history and rows, and whether a
 * neighbour has them (N2, N3). Pure: upgrade servers and natsctl decide here alike.
 */
import type { Version } from '../base/ids.js'
import { readsOf, releaseOf, type Software } from '../base/level.js'
import { type NeighbourUse, neighbourUsesIn } from '../model/neighbour.js'
import type { NodeRow } from '../model/nodeRow.js'
import { type History, isNamed, newestVersionOf } from './classLineage.js'
import type { ClassUpgradeEntry } from './manifest.js'

/** The versions that are over in the system that calls. */
export interface Ended {
  /** Versions older than this one are dead. */
  readonly dead: Version
  /** The newest version that nobody goes back from. */
  readonly final: Version
}

/**
 * The neighbours' classes that objects and simulation objects of this system may call, now or after an undo:
 * those of the newest classes, of the classes that upgrades have replaced while the old version lives or can
 * come back, and of the classes that nodes run.
 */
export function neighboursNeeded(history: History, rows: readonly NodeRow[], { dead, final }: Ended): readonly NeighbourUse[] {
  const uses = rows.flatMap((row) => row.uses ?? [])
  const replaced = new Set<string>()
  for (let version = history.length; version > 0; version--) {
    const { classUpgrades } = history[version - 1]!
    const isWayBack = version > dead || version > final
    for (const { oldUses, newClass, newUses } of classUpgrades) {
      if (isWayBack) uses.push(...oldUses)
      if (isWayBack || !replaced.has(newClass)) uses.push(...newUses)
    }
    for (const { oldClass, only } of classUpgrades) if (only === null) replaced.add(oldClass)
  }
  return neighbourUsesIn(uses)
}

/**
 * The formats that every process of this system reads, for the row that stands for all of them in a
 * neighbour's database: no level is raised there that one of them could not read.
 */
export function softwareOfAll(rows: readonly Pick<NodeRow, 'software'>[], own: Software): Software {
  const reads: Record<string, number> = { ...own.reads }
  let { release } = own
  for (const { software } of rows) {
    const theirs = readsOf(software)
    for (const [name, number] of Object.entries(reads)) {
      const read = theirs[name] ?? 0
      if (read >= number) continue
      reads[name] = read
      release = releaseOf(software)
    }
  }
  return { release, reads, since: own.since }
}

/** A neighbour, as far as it is known. */
export interface NeighbourState {
  readonly history: History
  /** The classes that its registered nodes run. */
  readonly running: ReadonlySet<string>
  /** Versions before `inForce` are dead, and those before `below` will be. */
  readonly death: { readonly below: Version; readonly inForce: Version }
}

export type NeededVersion =
  | { readonly is: 'alive'; readonly version: Version }
  /** It lives until the death that is declared takes effect, unless somebody pins it. */
  | { readonly is: 'dying'; readonly version: Version }
  | { readonly is: 'dead'; readonly version: Version; readonly oldest: Version }
  /** No version has the class. */
  | { readonly is: 'missing'; readonly newest: Version }

/** The version to which the class belongs (N1). */
export function neededVersion({ history, running, death }: NeighbourState, className: string): NeededVersion {
  if (!isNamed(history, className) && !running.has(className)) return { is: 'missing', newest: history.length }
  const version = newestVersionOf(history, className)
  if (version < death.inForce) return { is: 'dead', version, oldest: death.inForce }
  return version < death.below ? { is: 'dying', version } : { is: 'alive', version }
}

/** The needs of an upgrade's new classes: by whom, and what. */
export function usesBrought(entries: readonly ClassUpgradeEntry[]): readonly (NeighbourUse & { readonly by: string })[] {
  return entries.flatMap(({ newClass, newUses }) => neighbourUsesIn(newUses).map((use) => ({ ...use, by: newClass })))
}

/**
 * Why the upgrade that brings the need can't be installed, and which one must come first; undefined where it
 * can.
 */
export function troubleWith(by: string, { system, className }: NeighbourUse, found: NeededVersion): string | undefined {
  const need = `${by} calls ${className} of ${system}`
  switch (found.is) {
    case 'alive':
    case 'dying':
      return undefined
    case 'missing':
      return `${need}, and no version of ${system} has that class: its newest is ${found.newest}. The upgrade of ${system} that brings ${className} must be published first`
    case 'dead':
      return `${need}, which belongs to version ${found.version} there, and that version is dead: the oldest that lives is ${found.oldest}. ${by} must be built against a class of ${system} that lives`
  }
}
