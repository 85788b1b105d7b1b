import type { Version } from '../base/ids.js'

/**
 * Whether a version takes back what the one before it brought. An undo does. The undo of an
 * undo brings it again, and is a rollout like that of the upgrade itself: with its schedule,
 * its limits, its gate, and held by a pause.
 */
export function takesBack(isUndo: (version: Version) => boolean, version: Version): boolean {
  return isUndo(version) && !takesBack(isUndo, version - 1)
}

/** The version that undoes this one, if it stands: an undo of the undo makes this one stand again. */
export function undoneBy(
  manifests: readonly { readonly version: Version; readonly undoes: Version | null }[],
  version: Version,
): Version | null {
  const standing = manifests.find(({ undoes, version: by }) => undoes === version && undoneBy(manifests, by) === null)
  return standing?.version ?? null
}
