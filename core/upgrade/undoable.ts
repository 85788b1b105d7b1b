/**
 * Whether an upgrade can be undone though others came after it (§8): nothing that stands may rest on it. Then
 * the versions between are, for the services that it upgrades, nothing but other names of its own version.
 */
import type { Version } from '../base/ids.js'
import { neighbourUseIn } from '../model/neighbour.js'
import type { NodeRow } from '../model/nodeRow.js'
import type { TableEntries } from '../model/tables.js'
import { methodsUsed, methodUseIn } from '../model/uses.js'
import { classesAt } from './classLineage.js'
import type { ClassUpgradeEntry, Manifest } from './manifest.js'
import { tablesOf } from './undo.js'

type Undoable = Pick<Manifest, 'version' | 'undoes' | 'classUpgrades' | 'tables'>

/**
 * Why version `undone` of this history can't be undone by the version after its newest; undefined where
 * nothing stands in the way. Whether its class upgrades have a way back is another matter (`undoDraft`).
 */
export function obstacleToUndo(history: readonly Undoable[], undone: Undoable): string | undefined {
  const { last, stands } = wordOn(history, undone.version)
  if (last !== undone.version && stands) return `version ${last} has brought it again: undo that one`
  if (last !== undone.version) return `version ${last} has undone it already`
  const turned = undone.classUpgrades.map(turnedUses)
  const tables = tablesOf(history, undone).entries
  const called = turned.flatMap(({ entry }) => entry.oldUses.filter(isClass).map((name) => calledBy(entry.oldClass, name)))
  for (const later of history.slice(undone.version)) {
    // Of an upgrade, its undo, the undo of that, and so on, the last one counts.
    if (!isLastWord(history, later.version)) continue
    const standing = standingAfter(history, later, undone.version)
    if (standing === undefined) continue
    const why =
      whyInTheWay(history, standing, undone, turned) ?? whyReplaced(standing, called) ?? whySet(history, standing, tables)
    if (why === undefined) continue
    const advice = later === standing ? '' : `, and version ${later.version} has brought it again`
    return `version ${standing.version} ${why}${advice}: undo version ${later.version} first`
  }
  return undefined
}

/**
 * Why an upgrade can't be undone or rewound after those that came later, in one line. A recording ends when
 * its node goes on, so only the newest version is rewound.
 */
export function laterObstacle(history: readonly Undoable[], undone: Undoable, rewinds: boolean): string | undefined {
  const { version } = undone
  if (version >= history.length) return undefined
  if (rewinds) {
    const why = `version ${history.length} came after it, and nodes that went on have ended their recordings: undo it instead`
    return `version ${version} can't be rewound: ${why}`
  }
  const obstacle = obstacleToUndo(history, undone)
  return obstacle && `version ${version} can't be undone: ${obstacle}`
}

/**
 * The newest of: the version, the one that undoes it, the one that undoes that, and so on; and whether the
 * version stands by its word.
 */
export function wordOn(
  history: readonly Pick<Manifest, 'version' | 'undoes'>[],
  version: Version,
): { readonly last: Version; readonly stands: boolean } {
  let [last, stands] = [version, true]
  for (const { version: by, undoes } of history) {
    if (undoes !== last) continue
    last = by
    stands = !stands
  }
  return { last, stands }
}

function isLastWord(history: readonly Undoable[], version: Version): boolean {
  return history.every(({ undoes }) => undoes !== version)
}

/** The upgrade that stands by the word of `last`, as far as it is newer than `version`. */
function standingAfter(history: readonly Undoable[], last: Undoable, version: Version): Undoable | undefined {
  let [standing, isThere] = [last, true]
  while (standing.undoes !== null && standing.undoes > version) {
    standing = history[standing.undoes - 1]!
    isThere = !isThere
  }
  return isThere ? standing : undefined
}

/** The class that is to be gone again, and the uses of the one that is to come back. */
interface TurnedUses {
  readonly entry: ClassUpgradeEntry
  readonly revisions: ReadonlyMap<string, string>
}

function turnedUses(entry: ClassUpgradeEntry): TurnedUses {
  return { entry, revisions: new Map(entry.oldUses.flatMap(revisionIn)) }
}

/** By the event's name. */
function revisionIn(used: string): readonly (readonly [string, string])[] {
  if (neighbourUseIn(used) !== undefined || methodUseIn(used) !== undefined) return []
  const [name, revision] = used.split('/')
  return revision === undefined ? [] : [[name!, revision]]
}

function whyInTheWay(
  history: readonly Undoable[],
  later: Undoable,
  undone: Undoable,
  turned: readonly TurnedUses[],
): string | undefined {
  for (const { service, newClass, newUses } of later.classUpgrades) {
    if (undone.classUpgrades.some((entry) => entry.service === service)) return `upgrades service ${service} too`
    // Another upgrade has replaced it since.
    if (!classesAt(history, newClass).at(-1)!.has(newClass)) continue
    for (const { entry, revisions } of turned) {
      // A class that its predecessor can stand for needs no future-SO.
      if (newUses.includes(entry.newClass) && entry.futureSO !== 'notNeeded' && !isServedBefore(entry, newUses))
        return `has brought ${newClass}, which calls ${entry.newClass}`
      const other = newUses.flatMap(revisionIn).find(([name, revision]) => (revisions.get(name) ?? revision) !== revision)
      if (other !== undefined)
        return `has brought ${newClass}, which has revision ${other[1]} of event ${other[0]}, and ${entry.oldClass} has ${revisions.get(other[0])}`
    }
  }
  return undefined
}

/** Whether the class that comes back answers as they are all methods of the new one that are called. */
function isServedBefore({ newClass, delegated }: ClassUpgradeEntry, uses: readonly string[]): boolean {
  return methodsUsed(uses, newClass)?.every((method) => delegated?.[newClass]?.includes(method)) ?? false
}

/** A class that the one which comes back calls; and those that stand for it, of its type or a subtype. */
interface Called {
  readonly by: string
  readonly name: string
  readonly now: Set<string>
}

function calledBy(by: string, name: string): Called {
  return { by, name, now: new Set([name]) }
}

function isClass(used: string): boolean {
  return neighbourUseIn(used) === undefined && !used.includes('/')
}

function whyReplaced(later: Undoable, called: readonly Called[]): string | undefined {
  for (const { oldClass, newClass, pastSO } of later.classUpgrades)
    for (const { by, name, now } of called) {
      if (!now.has(oldClass)) continue
      if (pastSO !== 'notNeeded') return `has brought ${newClass} in place of ${name}, which ${by} calls`
      now.add(newClass)
    }
  return undefined
}

/** Also one that brings entries again, or takes them back. */
function whySet(history: readonly Undoable[], later: Undoable, tables: TableEntries): string | undefined {
  for (const [table, entries] of Object.entries(tablesOf(history, later).entries)) {
    const key = Object.keys(entries).find((each) => tables[table]?.[each] !== undefined)
    if (key !== undefined) return `sets ${key} of table ${table} too`
  }
  return undefined
}

/**
 * Why a group of nodes can't pass over `undone`, as a group that has not gone there would have to: it passes
 * over all up to the undo, and an upgrade between is for another of its members. Undefined where all can.
 */
export function groupInTheWay(history: readonly Undoable[], undone: Undoable, rows: readonly NodeRow[]): string | undefined {
  const services = new Set(undone.classUpgrades.map(({ service }) => service))
  const behind = rows.filter(({ group, version }) => group !== undefined && version < undone.version)
  for (const { group, hostId } of behind.filter(({ service }) => services.has(service))) {
    const members = behind.filter((row) => row.group === group && row.hostId === hostId)
    for (const later of history.slice(undone.version)) {
      if (!isLastWord(history, later.version)) continue
      const standing = standingAfter(history, later, undone.version)
      const other = members.find(({ service }) => standing?.classUpgrades.some((entry) => entry.service === service))
      if (other !== undefined)
        return `group ${group} has not gone there, and version ${standing!.version} upgrades service ${other.service}, which is in it too: let it go to version ${undone.version}, or undo version ${later.version} first`
    }
  }
  return undefined
}

/**
 * The version that a node goes on to which passes over `target`: that of its undo. Null where nothing undoes
 * it, or where an upgrade between is one for the node, and stands.
 *
 * @param undoOf the version that undoes one, be it undone itself
 * @param isConcerned whether an upgrade is one for the node, or for a member of its group
 */
export function passedTo(
  undoOf: (version: Version) => Version | null,
  isConcerned: (version: Version) => boolean,
  target: Version,
): Version | null {
  const undo = undoOf(target)
  if (undo === null) return null
  for (let version = target + 1; version < undo; version++) {
    if (!isConcerned(version)) continue
    const to = passedTo(undoOf, isConcerned, version)
    if (to === null || to >= undo) return null
    version = to
  }
  return undo
}
