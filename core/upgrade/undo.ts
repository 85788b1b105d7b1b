import type { Version } from '../base/ids.js'
import type { TableEntries, TablesUndone } from '../model/tables.js'
import type { Manifest } from './manifest.js'

/** The version that a version undoes; null for one that undoes none, or that nobody knows. */
export type Undoes = (version: Version) => Version | null

export function undoesIn(manifests: readonly Pick<Manifest, 'undoes'>[]): Undoes {
  return (version) => manifests[version - 1]?.undoes ?? null
}

/**
 * Whether a version takes back what another one brought. An undo does. The undo of an
 * undo brings it again, and is a rollout like that of the upgrade itself: with its schedule,
 * its limits, its gate, and held by a pause.
 */
export function takesBack(undoes: Undoes, version: Version): boolean {
  const undone = undoes(version)
  return undone !== null && !takesBack(undoes, undone)
}

/**
 * The version whose SO, with its state, stands for `version` until the node upgrades: its own, or, for an
 * undo, the past-SO of the version that it means again.
 */
export function proxyVersion(version: Version, undoes: Version | null): Version {
  return undoes === null ? version : undoes - 1
}

/** The version that undoes this one, if it stands: an undo of the undo makes this one stand again. */
export function undoneBy(
  manifests: readonly { readonly version: Version; readonly undoes: Version | null }[],
  version: Version,
): Version | null {
  const standing = manifests.find(({ undoes, version: by }) => undoes === version && undoneBy(manifests, by) === null)
  return standing?.version ?? null
}

type Undoing = Pick<Manifest, 'version' | 'undoes' | 'tables'>

/**
 * The entries of tables that installing this manifest is about; and, where it undoes something, what becomes
 * of them: an undo has none of its own.
 */
export function tablesOf(
  history: readonly Undoing[],
  manifest: Undoing,
): { readonly entries: TableEntries; readonly undone: TablesUndone | null } {
  let way: TablesUndone['way'] | undefined
  let origin = manifest
  while (origin.undoes !== null) {
    const undone = history[origin.undoes - 1]
    if (undone === undefined) return { entries: {}, undone: null }
    way = way === 'takesBack' ? 'bringsAgain' : 'takesBack'
    origin = undone
  }
  return { entries: origin.tables, undone: way === undefined ? null : { way, of: origin.version } }
}
