/** From an upgrade, as its module defines it, to what its manifest says of it. */

import { digestOf } from '../base/digest.js'
import { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import { describeClass } from '../model/nodeObject.js'
import { isSO, type None, type NotNeeded, none, notNeeded, type Simulation } from '../model/simulation.js'
import { checkAwaited } from '../schedules/awaitedServers.js'
import { eagerly } from '../schedules/eagerly.js'
import { checkAgreement, usesOf } from './agreement.js'
import { type ClassUpgradeEntry, type Manifest, type ManifestDraft, manifestFormat, type SimulationChoice } from './manifest.js'
import { undoTitle } from './reversedUpgrade.js'
import { neededInterface } from './runtimeInterface.js'
import { takesBack } from './undo.js'
import type { ClassUpgrade, Upgrade } from './upgrade.js'

/**
 * The part of an upgrade's manifest that is known when it is built. Throws `upgrade.invalid` if it leaves a
 * class behind that it knows of.
 */
export function draftManifest(upgrade: Upgrade, bundle: Uint8Array): ManifestDraft {
  for (const each of upgrade.classUpgrades) checkWayBack(each)
  const draft: ManifestDraft = {
    format: manifestFormat,
    runtime: neededInterface(upgrade.classUpgrades, upgrade.promises),
    title: upgrade.title,
    bundle: { digest: digestOf(bundle), bytes: bundle.length },
    classUpgrades: upgrade.classUpgrades.map(entryOf),
    tables: upgrade.tables,
    gate: upgrade.gate,
    ...(upgrade.promises.length === 0 ? {} : { promises: upgrade.promises }),
  }
  checkAwaited(upgrade.classUpgrades)
  const unaffected = upgrade.unaffected.map(describeClass)
  checkAgreement(
    [draft],
    unaffected.map((description) => ({ className: description.className, uses: usesOf(description) })),
  )
  return draft
}

function entryOf(upgrade: ClassUpgrade): ClassUpgradeEntry {
  const old = describeClass(upgrade.oldClass)
  const next = describeClass(upgrade.newClass)
  return {
    service: old.service,
    oldClass: old.className,
    newClass: next.className,
    pastSO: choiceOf(upgrade.pastSO),
    futureSO: choiceOf(upgrade.futureSO),
    only: upgrade.only,
    schedule: upgrade.schedule.describe,
    oldMethods: Object.fromEntries(old.methods),
    newMethods: Object.fromEntries(next.methods),
    oldUses: usesOf(old, methodsOfSO(upgrade.pastSO)),
    newUses: usesOf(next, methodsOfSO(upgrade.futureSO)),
    inverse: upgrade.inverse !== null,
    ...(upgrade.rewind === null ? {} : { rewind: upgrade.rewind }),
    ...(upgrade.schedule.takesAll === true ? { limit: 'all' as const } : {}),
    ...delegatedBy([upgrade.pastSO, upgrade.futureSO]),
  }
}

/** They run as objects of the class that is simulated. */
function methodsOfSO(so: Simulation | NotNeeded | None): readonly object[] {
  return isSO(so) ? Object.values(so.methods) : []
}

function delegatedBy(sos: readonly (Simulation | NotNeeded | None)[]): Pick<ClassUpgradeEntry, 'delegated'> {
  const delegated: Record<string, readonly string[]> = {}
  for (const so of sos) if (isSO(so) && so.delegates.length > 0) delegated[so.simulates.className] = [...so.delegates].sort()
  return Object.keys(delegated).length === 0 ? {} : { delegated }
}

/**
 * Checked where an upgrade is built, and not where it is loaded: by then it may be installed. A class does
 * not declare its collections, so what the SO's own methods use is read from their text.
 */
function checkWayBack({ oldClass, newClass, futureSO, inverse }: ClassUpgrade): void {
  if (inverse === null || !isSO(futureSO) || inverse.future !== undefined || inverse.futureRecords !== null) return
  const using = Object.entries(futureSO.methods).find(([, method]) => /\bthis\s*\.\s*collection\s*\(/.test(String(method)))
  if (using === undefined) return
  const advice = 'inverse.future or inverse.futureRecords makes them of the new class’s, or inverse.future: () => ({}) drops them'
  throw new Fault(
    'upgrade.invalid',
    `class upgrade ${oldClass.className} → ${newClass.className}: an undo would lose the collections of the future-SO, which ${using[0]} uses: ${advice}`,
  )
}

function choiceOf(so: Simulation | NotNeeded | None): SimulationChoice {
  return so === none ? 'none' : so === notNeeded ? 'notNeeded' : 'so'
}

/**
 * The words of a manifest for the upgrade that undoes this one. The undo of an undo is what was undone, as it
 * was: its schedule and its gate too. Throws `upgrade.invalid` if it is a point of no return.
 *
 * @param history the manifests of versions 1, 2, …
 * @param rewinds nodes go back by their recordings, as far as they have one
 */
export function undoDraft(undone: Manifest, history: readonly Manifest[] = [], rewinds = false): ManifestDraft {
  const { title, version, classUpgrades, ...manifest } = undone
  const brought = broughtAgain(undone, history)
  const without = classUpgrades.find(({ inverse, rewind }) => !inverse && (!rewinds || rewind === undefined))
  if (without !== undefined)
    throw new Fault(
      'upgrade.invalid',
      `version ${version} can't be ${rewinds ? 'rewound' : 'undone'}: class upgrade ${without.oldClass} → ${without.newClass} has no inverse`,
    )
  if (rewinds && brought !== undefined)
    throw new Fault('upgrade.invalid', `version ${version} can't be rewound: it takes back what version ${undone.undoes} brought`)
  if (rewinds && !classUpgrades.some(({ rewind }) => rewind !== undefined))
    throw new Fault('upgrade.invalid', `version ${version} can't be rewound: none of its class upgrades says "rewind"`)
  const { runtime, bundle } = manifest
  const format = manifestFormat
  if (brought !== undefined)
    return {
      ...{ format, runtime, title: undoTitle(title), bundle, tables: {} },
      ...{ classUpgrades: brought.classUpgrades, gate: brought.gate },
      ...(brought.promises === undefined ? {} : { promises: brought.promises }),
    }
  const named = rewinds ? `Rewind of “${title}”` : undoTitle(title)
  return { format, runtime, title: named, bundle, classUpgrades: classUpgrades.map(turned), tables: {}, gate: null }
}

/**
 * The upgrade that the undo of this manifest would bring again, if the manifest takes something back itself.
 */
function broughtAgain({ version, undoes }: Manifest, history: readonly Manifest[]): Manifest | undefined {
  if (undoes === null) return undefined
  const undoesAt = (at: Version) => (at === version ? undoes : (history[at - 1]?.undoes ?? null))
  return takesBack(undoesAt, version) ? history[undoes - 1] : undefined
}

function turned(entry: ClassUpgradeEntry): ClassUpgradeEntry {
  return {
    ...entry,
    oldClass: entry.newClass,
    newClass: entry.oldClass,
    pastSO: entry.futureSO,
    futureSO: entry.pastSO,
    schedule: eagerly().describe,
    oldMethods: entry.newMethods,
    newMethods: entry.oldMethods,
    oldUses: entry.newUses,
    newUses: entry.oldUses,
  }
}
