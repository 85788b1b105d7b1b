/**
 * Each service has one lineage of classes; where an upgrade concerns some nodes only, the lineage forks into
 * classes of the same type. Upgrade k+1 is matched against the class that version k has, not against the
 * class that runs (DESIGN §5, "Which upgrade concerns me").
 */

import { isAdmitted, type NodeIdentity } from '../model/nodeFilter.js'
import type { ClassUpgradeEntry, Manifest } from './manifest.js'

/** Upgrades 1, 2, …, as far as classes go. */
export type History = readonly Pick<Manifest, 'classUpgrades'>[]

/** The class upgrade of this upgrade that concerns `className` on a node, if any. */
export function concerning(
  manifest: Pick<Manifest, 'classUpgrades'>,
  className: string,
  node: NodeIdentity,
): ClassUpgradeEntry | undefined {
  return manifest.classUpgrades.find(({ oldClass, only }) => oldClass === className && (only === null || isAdmitted(only, node)))
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
  for (const { classUpgrades } of history) classes.push(upgraded(classes[classes.length - 1]!, classUpgrades))
  return classes
}

/** The classes of a service after an upgrade. */
export function upgraded(before: ReadonlySet<string>, classUpgrades: readonly ClassUpgradeEntry[]): ReadonlySet<string> {
  const concerned = classUpgrades.filter(({ oldClass }) => before.has(oldClass))
  const after = new Set(before)
  for (const { oldClass, only } of concerned) if (only === null) after.delete(oldClass)
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
