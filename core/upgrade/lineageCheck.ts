/** The checks of an upgrade server on an upgrade's classes before it installs it. */

import { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import type { NodeRow } from '../model/nodeRow.js'
import { eagerly } from '../schedules/eagerly.js'
import { checkAgreement } from './agreement.js'
import { classesAfter, classesAt, isHolding, isNamed, upgraded } from './classLineage.js'
import { undoDraft } from './draftManifest.js'
import type { ClassUpgradeEntry, Manifest } from './manifest.js'
import { takesBack, undoesIn } from './undo.js'
import { laterObstacle } from './undoable.js'

/** An upgrade on its way to be a version. */
export type Candidate = Pick<Manifest, 'version' | 'bundle' | 'classUpgrades'> & Partial<Pick<Manifest, 'undoes'>>

/**
 * All that is asked of an upgrade's classes before it is installed, or given back by a host after a loss.
 * Nodes that have gone on to its version say nothing of what was before it; there are none while it is new.
 * Throws `upgrade.invalid`.
 *
 * @param final the newest version that nobody goes back from
 */
export function checkClasses(history: readonly Manifest[], manifest: Manifest, rows: readonly NodeRow[], final: Version): void {
  if (manifest.undoes !== null) checkUndo(manifest, history[manifest.undoes - 1], final, history)
  checkNew(history, manifest)
  const before = rows.filter(({ version }) => version < manifest.version)
  checkFits(history, manifest, before)
}

/**
 * Each service has one lineage of classes: an upgrade goes on from where it stands, and leaves
 * nobody behind who calls it or hears it. The history and the running nodes tell which classes
 * there are. Throws `upgrade.invalid`.
 */
export function checkFits(history: readonly Manifest[], candidate: Candidate, rows: readonly NodeRow[]): void {
  for (const service of new Set(candidate.classUpgrades.map((entry) => entry.service))) {
    const running = new Set(rows.filter((row) => row.service === service).map((row) => row.className))
    checkLineage(history, running, candidate, service)
  }
  const newest = new Map(rows.map(({ className, uses = [] }) => [className, { className, uses }]))
  for (const className of newest.keys()) if (!classesAt(history, className).at(-1)!.has(className)) newest.delete(className)
  checkAgreement([...history, candidate], [...newest.values()])
}

/**
 * Throws `upgrade.invalid` where the upgrade is in force already: the classes alone don't tell of one that is
 * restricted to some nodes. An upgrade that is undone may be published again.
 */
export function checkNew(history: readonly Manifest[], { bundle, undoes, classUpgrades }: Manifest): void {
  if (undoes !== null || classUpgrades.length === 0) return
  const same = history.findLast((manifest) => manifest.bundle.digest === bundle.digest)
  if (same !== undefined && !isBack(history, same)) throw isInstalled(same)
}

/** Whether it takes back what its bundle brought: the undo of an undo does not. */
function isBack(history: readonly Manifest[], { undoes }: Manifest): boolean {
  return undoes !== null && !takesBack(undoesIn(history), undoes)
}

function isInstalled({ version }: Manifest): Fault {
  return new Fault('upgrade.invalid', `this upgrade is version ${version} already`)
}

/**
 * Throws `upgrade.invalid` unless the upgrade goes on from the classes that the service has, and leaves it
 * with classes of one type.
 *
 * @param history the manifests before this one
 * @param running the classes that nodes of the service run, where the history does not name any
 */
export function checkLineage(
  history: readonly Manifest[],
  running: ReadonlySet<string>,
  manifest: Candidate,
  service: string,
): void {
  const entries = manifest.classUpgrades.filter((entry) => entry.service === service)
  const named = classesNamed(history, service)
  const before = named?.at(-1) ?? (running.size === 0 ? undefined : running)
  const version = manifest.version - 1
  for (const { oldClass } of entries) {
    if (before === undefined || before.has(oldClass)) continue
    const same = history.find(({ bundle }) => bundle.digest === manifest.bundle.digest)
    if (same !== undefined) throw isInstalled(same)
    const why = isNamed(history, oldClass) ? 'the upgrade was written against an older version' : 'no version has that class'
    throw new Fault('upgrade.invalid', `at version ${version} service ${service} has ${words(before)}, not ${oldClass}: ${why}`)
  }
  for (const entry of entries) checkHolding(entry)
  const after =
    named === undefined
      ? upgraded(before ?? new Set(entries.map(({ oldClass }) => oldClass)), entries)
      : classesAfter(named, { undoes: manifest.undoes ?? null, classUpgrades: entries })
  if (after.size === 1) return
  const types = typesOf([...history.flatMap(({ classUpgrades }) => classUpgrades), ...entries])
  const [first, ...others] = [...after]
  const other = others.find((className) => types.get(className) !== types.get(first!))
  if (other === undefined) return
  throw new Fault(
    'upgrade.invalid',
    `some nodes of service ${service} would have ${first} and others ${other}, which are of different types: name ${words(before ?? new Set())} in the upgrade`,
  )
}

/** Throws `upgrade.invalid` unless the upgrade is what undoes the one that it names, and nothing else. */
export function checkUndo(
  manifest: Manifest,
  undone: Manifest | undefined,
  final: Version,
  history: readonly Manifest[] = [],
): void {
  if (undone === undefined) throw new Fault('upgrade.invalid', `there is no version ${manifest.undoes} to undo`)
  if (undone.version <= final)
    throw new Fault('upgrade.invalid', `version ${undone.version} is final: the states to go back to are dropped`)
  const obstacle = laterObstacle(history, undone, manifest.rewinds === true)
  if (obstacle !== undefined) throw new Fault('upgrade.invalid', obstacle)
  const { runtime, bundle, classUpgrades, gate, promises } = undoDraft(undone, history, manifest.rewinds === true)
  const text = (entries: readonly ClassUpgradeEntry[], of: Manifest['gate']) => JSON.stringify([manifest.bundle, entries, of])
  const found = text(manifest.classUpgrades, manifest.gate)
  // Release 0.1.0 writes every undo as one that is eager and has no gate. Hosts ask the bundle
  // for the schedule.
  const eager = classUpgrades.map((entry) => ({ ...entry, schedule: eagerly().describe }))
  const isTurned = found === text(classUpgrades, gate) || found === text(eager, null)
  // Fewer may have to sign an undo than an upgrade: it brings nothing else with it.
  const isMore = Object.keys(manifest.tables).length > 0 || JSON.stringify(manifest.promises) !== JSON.stringify(promises)
  // One that no host has would keep every node from whatever comes after it.
  const isOtherRuntime = manifest.runtime !== runtime
  const isOtherBundle = bundle.digest !== manifest.bundle.digest || bundle.bytes !== manifest.bundle.bytes
  if (isOtherBundle || isOtherRuntime || !isTurned || isMore)
    throw new Fault(
      'upgrade.invalid',
      `version ${manifest.version} says that it undoes version ${undone.version}, and does something else`,
    )
}

/** The classes of a service at each version; undefined where the history does not name any. */
function classesNamed(history: readonly Manifest[], service: string): readonly ReadonlySet<string>[] | undefined {
  const named = history.flatMap(({ classUpgrades }) => classUpgrades).find((entry) => entry.service === service)
  return named && classesAt(history, named.oldClass)
}

/**
 * Nodes that it is not for answer the new version by their future-SO, and the others the old one by a
 * past-SO.
 */
function checkHolding(entry: ClassUpgradeEntry): void {
  if (!isHolding(entry) || (entry.pastSO !== 'none' && entry.futureSO !== 'none')) return
  const { oldClass, newClass } = entry
  const what = `class upgrade ${oldClass} → ${newClass} is for some nodes only`
  throw new Fault('upgrade.invalid', `${what}: it needs a past-SO and a future-SO, so that each node answers both versions`)
}

/** The types of classes, as texts that can be compared. */
function typesOf(entries: readonly ClassUpgradeEntry[]): ReadonlyMap<string, string> {
  const types = new Map<string, string>()
  for (const { oldClass, newClass, oldMethods, newMethods } of entries) {
    types.set(oldClass, JSON.stringify(Object.entries(oldMethods).sort()))
    types.set(newClass, JSON.stringify(Object.entries(newMethods).sort()))
  }
  return types
}

function words(classes: ReadonlySet<string>): string {
  return [...classes].join(' and ')
}
