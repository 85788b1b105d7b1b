/**
 * Each service has one lineage of classes; where an upgrade concerns some nodes only, the lineage forks into
 * classes of the same type. Upgrade k+1 is matched against the class that version k has, not against the
 * class that runs (DESIGN §5, "Which upgrade concerns me").
 */

import type { Version } from '../base/ids.js'
import { isAdmitted, type NodeIdentity } from '../model/nodeFilter.js'
import type { ClassUpgradeEntry, Manifest } from './manifest.js'
import { undoneBy } from './undo.js'

/** Upgrades 1, 2, …, as far as classes go. */
export type History = readonly (Pick<Manifest, 'classUpgrades'> & Partial<Pick<Manifest, 'undoes'>>)[]

/** The class upgrade of this upgrade that concerns `className` on a node, if any. */
export function concerning(
  manifest: Pick<Manifest, 'classUpgrades'>,
  className: string,
  node: NodeIdentity,
): ClassUpgradeEntry | undefined {
  let holding: ClassUpgradeEntry | undefined
  for (const entry of manifest.classUpgrades) {
    if (entry.oldClass !== className) continue
    if (entry.only === null || isAdmitted(entry.only, node)) return entry
    if (isHolding(entry)) holding ??= entry
  }
  return holding
}

/**
 * Whether it holds the nodes back that it is not for. Where neither needs a simulation object the classes are
 * of one type: the others keep their class, and advance, and the lineage forks. Elsewhere the service has the
 * new class from then on for all callers. The others answer it by their future-SO, until a later upgrade
 * takes them along.
 */
export function isHolding({ only, pastSO, futureSO }: Pick<ClassUpgradeEntry, 'only' | 'pastSO' | 'futureSO'>): boolean {
  return only !== null && (pastSO !== 'notNeeded' || futureSO !== 'notNeeded')
}

type Undoable = readonly Pick<Manifest, 'version' | 'undoes' | 'classUpgrades'>[]

/**
 * Whether a node with this lineage waits before `target`, since the upgrade is for others, and no later one
 * takes it along.
 */
export function isHeldBack(history: Undoable, lineage: readonly string[], target: Version, node: NodeIdentity): boolean {
  const holds = (version: Version) => {
    const entry = history[version - 1] && concerning(history[version - 1]!, lineage[version - 1]!, node)
    return entry === undefined ? undefined : isHolding(entry) && !isAdmitted(entry.only!, node)
  }
  if (holds(target) !== true) return false
  for (const { version, undoes } of history.slice(target))
    if (undoes === null && undoneBy(history, version) === null && holds(version) === false) return false
  return true
}

/**
 * The newest version that a node which waits before `target` is settled for: it answers all up to there, and
 * none of these asks anything of it.
 */
export function settledAt(history: Undoable, lineage: readonly string[], target: Version, node: NodeIdentity): Version {
  let settled = target
  while (settled < history.length && isSettled(settled + 1)) settled++
  return settled

  function isSettled(version: Version): boolean {
    return lineage[version] === lineage[version - 1] || isHeldBack(history, lineage, version, node)
  }
}

/** The oldest version that nodes may be held at, though none is there now: it does not die. */
export function oldestHeldAt(history: Undoable): Version | undefined {
  const stands = ({ version, undoes }: Undoable[number]) => undoes === null && undoneBy(history, version) === null
  const held = history.find((manifest) => {
    if (!stands(manifest)) return false
    const services = new Set(manifest.classUpgrades.filter(isHolding).map(({ service }) => service))
    for (const later of history.slice(manifest.version))
      if (stands(later)) for (const { service, only } of later.classUpgrades) if (only === null) services.delete(service)
    return services.size > 0
  })
  return held === undefined ? undefined : held.version - 1
}

/**
 * The class of a node at each version from 0 to the newest of `history` (manifests of versions 1, 2, …), in
 * the lineage that `className` belongs to. `className` may be any class of the lineage: code that starts a
 * node may be older or newer than the node.
 */
export function classLineage(history: History, className: string, node: NodeIdentity): readonly string[] {
  const lineage = [firstOf(history, className)]
  for (const manifest of history) {
    const current = lineage[lineage.length - 1]!
    lineage.push(concerning(manifest, current, node)?.newClass ?? current)
  }
  return lineage
}

/** Goes back from the first upgrade that made `className` to the class the lineage began with. */
function firstOf(history: History, className: string): string {
  let first = className
  let before = history.length
  for (;;) {
    const made = history
      .slice(0, before)
      .findIndex((manifest) => manifest.classUpgrades.some((entry) => entry.newClass === first))
    if (made === -1) return first
    first = history[made]!.classUpgrades.find((entry) => entry.newClass === first)!.oldClass
    before = made
  }
}

/** Whether any upgrade of the history names this class. */
export function isNamed(history: History, className: string): boolean {
  return history.some(({ classUpgrades }) =>
    classUpgrades.some(({ oldClass, newClass }) => oldClass === className || newClass === className),
  )
}

/** The classes that nodes of the lineage can have at each version: one, or several of the same type. */
export function classesAt(history: History, className: string): readonly ReadonlySet<string>[] {
  const classes: ReadonlySet<string>[] = [new Set([firstOf(history, className)])]
  for (const manifest of history) classes.push(classesAfter(classes, manifest))
  return classes
}

/**
 * The classes after an upgrade, out of those at each version before it. An undo brings back those of before,
 * also where what it undoes was for some nodes only.
 */
export function classesAfter(
  classes: readonly ReadonlySet<string>[],
  { undoes = null, classUpgrades }: History[number],
): ReadonlySet<string> {
  const before = classes[classes.length - 1]!
  const isBack = undoes !== null && classUpgrades.some(({ oldClass }) => before.has(oldClass))
  return isBack ? classes[undoes - 1]! : upgraded(before, classUpgrades)
}

/** The classes of a service after an upgrade. */
export function upgraded(before: ReadonlySet<string>, classUpgrades: readonly ClassUpgradeEntry[]): ReadonlySet<string> {
  const concerned = classUpgrades.filter(({ oldClass }) => before.has(oldClass))
  const after = new Set(before)
  for (const entry of concerned) if (entry.only === null || isHolding(entry)) after.delete(entry.oldClass)
  for (const { newClass } of concerned) after.add(newClass)
  return after
}

/**
 * The newest version at which the lineage has this class: what code written against that class is written
 * for.
 */
export function newestVersionOf(history: History, className: string): number {
  return classesAt(history, className).findLastIndex((classes) => classes.has(className))
}
