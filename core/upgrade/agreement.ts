/**
 * Whether the classes of a system agree with one another at one version. A class that an upgrade leaves alone
 * advances with the others at once (§3), and its label with it: it must still be answered as its code expects
 * (DESIGN §3, "its label would run ahead of its code").
 *
 * A1. A class that another declares to call is, at every version of the caller, of the type that the caller
 *     was written against, or a subtype. Where it is known which methods are called, those count alone.
 * A2. All who publish or hear an event at one version mean the same parameters: the same revision.
 */

import { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import { neighbourUseIn, textOfUse } from '../model/neighbour.js'
import type { ClassDescription } from '../model/nodeObject.js'
import { methodsCalled, methodsUsed, methodUseIn, textOfMethodUse } from '../model/uses.js'
import { classesAt, type History, upgraded } from './classLineage.js'

/** A class, by what it needs of others. */
export interface ClassUses {
  readonly className: string
  /**
   * Classes that it calls, and events that it publishes or hears, as `page-changed/1`. Classes of neighbours,
   * as `Stock.v1@warehouse/1`, are the neighbour's affair: they are called at its version.
   */
  readonly uses: readonly string[]
}

/** @param more functions that run as objects of the class, as a simulation object's methods */
export function usesOf(description: ClassDescription, more: readonly object[] = []): readonly string[] {
  const { calls, publishes, hears, neighbours } = description
  const events = [...publishes, ...[...hears.values()].map(({ event }) => event)]
  const methods = methodsCalled(description, more).map(textOfMethodUse)
  return [
    ...new Set([
      ...calls,
      ...methods,
      ...events.map(({ name, revision }) => `${name}/${revision}`),
      ...neighbours.map(textOfUse),
    ]),
  ].sort()
}

/**
 * The events that upgrades have brought to a class which neither published nor heard them before: by name,
 * the versions, oldest first.
 */
export function introducedEvents(history: History): ReadonlyMap<string, readonly Version[]> {
  const found = new Map<string, Version[]>()
  history.forEach(({ classUpgrades }, i) => {
    for (const { oldUses, newUses } of classUpgrades) {
      const before = new Set(oldUses.map(eventOf))
      for (const name of new Set(newUses.map(eventOf))) {
        if (name === undefined || before.has(name)) continue
        const versions = found.get(name)
        if (versions === undefined) found.set(name, [i + 1])
        else if (versions.at(-1) !== i + 1) versions.push(i + 1)
      }
    }
  })
  return found
}

/** The event's name; undefined for a class that is called, here or at a neighbour. */
function eventOf(used: string): string | undefined {
  if (neighbourUseIn(used) !== undefined || methodUseIn(used) !== undefined) return undefined
  const [name, revision] = used.split('/')
  return revision === undefined ? undefined : name
}

/**
 * Throws `upgrade.invalid` if after the last upgrade of `history` some class is left behind.
 *
 * @param others classes beside those that the last upgrade makes
 */
export function checkAgreement(history: History, others: readonly ClassUses[]): void {
  const last = history[history.length - 1]!
  const taken = new Set(last.classUpgrades.filter(({ only }) => only === null).map(({ oldClass }) => oldClass))
  const made = last.classUpgrades.map(({ newClass, newUses }) => ({ className: newClass, uses: newUses }))
  const speakers = [...others.filter(({ className }) => !taken.has(className)), ...made]
  const revisions = new Map<string, { readonly revision: string; readonly className: string }>()
  for (const { className, uses } of speakers) {
    for (const used of uses) {
      if (neighbourUseIn(used) !== undefined || methodUseIn(used) !== undefined) continue
      const [name, revision] = used.split('/') as [string, string | undefined]
      if (revision === undefined) checkCalled(history, className, name, methodsUsed(uses, name))
      else {
        const known = revisions.get(name)
        if (known !== undefined && known.revision !== revision) throw disagree(name, [known, { revision, className }])
        revisions.set(name, { revision, className })
      }
    }
  }
}

/**
 * A1, from the newest version at which the called class is there.
 *
 * @param methods the only ones that are called, if it is known
 */
function checkCalled(history: History, caller: string, called: string, methods: readonly string[] | undefined): void {
  const classes = classesAt(history, called)
  const from = classes.findLastIndex((at) => at.has(called))
  let current: ReadonlySet<string> = new Set([called])
  for (const { classUpgrades } of history.slice(from)) {
    for (const { oldClass, newClass, pastSO, delegated } of classUpgrades) {
      if (pastSO === 'notNeeded' || !current.has(oldClass)) continue
      const changed = methods?.filter((method) => !(delegated?.[oldClass] ?? []).includes(method))
      if (changed?.length === 0) continue
      const what = changed === undefined ? `${called}, whose type` : `${called}.${changed.join(', ')}, which`
      throw new Fault(
        'upgrade.invalid',
        `${caller} calls ${what} ${newClass} changes: upgrade ${caller} too, so that it does not call the new type with its old code`,
        { caller, called },
      )
    }
    current = upgraded(current, classUpgrades)
  }
}

function disagree(name: string, [one, other]: readonly { readonly revision: string; readonly className: string }[]): Fault {
  return new Fault(
    'upgrade.invalid',
    `${one!.className} has revision ${one!.revision} of event ${name} and ${other!.className} revision ${other!.revision}: upgrade both to the same`,
    { event: name },
  )
}
