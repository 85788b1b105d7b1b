/**
 * The interface between bundles and the runtime, as a number. A bundle says for which it was built, and is
 * loaded by hosts that have it: each host has all since the first.
 *
 *   1  release 0.1.0
 *   2  `this.caller`, and `allow`: a host of before would let everybody call; timers of simulation objects;
 *      `Class.of(system)`, calls of another system; `observe()`; `atMost('all')`; `initialFrom`;
 *      `only` between classes of different types; promises; `birth` and `creates`;
 *      `uses`, and a record of calls; `ref(…, …, { deadline })`
 */
import { formats, isRead } from '../base/formats.js'
import { observeMethod } from '../model/methods.js'
import { type ClassDescription, describeClass } from '../model/nodeObject.js'
import { isSO } from '../model/simulation.js'
import { isUses } from '../model/uses.js'
import type { RolloutPromise } from '../schedules/rolloutPromise.js'
import type { ClassUpgrade } from './upgrade.js'

export const runtimeInterfaces = formats.runtime
/** The interface of this release. */
export const runtimeInterface = runtimeInterfaces.newest

const firstInterface = runtimeInterfaces.oldest
const secondInterface = 2

export function isRuntimeInterface(number: number): boolean {
  return isRead(formats.runtime, number)
}

/**
 * The oldest interface with which these classes and simulation objects work: so hosts of before
 * take all that they can.
 */
export function neededInterface(classUpgrades: readonly ClassUpgrade[], promises: readonly RolloutPromise[] = []): number {
  const needsSecond =
    promises.length > 0 ||
    classUpgrades.some(({ oldClass, newClass, pastSO, futureSO, schedule, only }) => {
      const methods = [pastSO, futureSO].flatMap((so) => (isSO(so) ? Object.values(so.methods) : []))
      const classes = [oldClass, newClass].map(describeClass)
      return (
        schedule.takesAll === true ||
        (only !== null && (isSO(pastSO) || isSO(futureSO))) ||
        classes.some((each) => needsSecondInterface(each) || each.neighbours.length > 0) ||
        methods.some((method) => readsCaller(method) || setsTimer(method) || givesDeadline(method)) ||
        (isSO(futureSO) && futureSO.initialFrom !== null)
      )
    })
  return needsSecond ? secondInterface : firstInterface
}

function needsSecondInterface(description: ClassDescription): boolean {
  const { allows, birth, definition } = description
  if (allows !== undefined || birth === 'explicit') return true
  return readsCaller(definition) || givesDeadline(definition) || offersMemory(description) || namesMethods(description)
}

/** A host of before knows lists of classes only. */
function namesMethods({ definition: { calls = [] } }: ClassDescription): boolean {
  const listed: unknown = typeof calls === 'function' ? calls() : calls
  return !Array.isArray(listed) || listed.some(isUses)
}

function readsCaller(source: object): boolean {
  return /\bthis\s*\.\s*caller\b/.test(Function.prototype.toString.call(source))
}

/** A host of before passes it over. */
function givesDeadline(source: object): boolean {
  return /\bthis\s*\.\s*(?:ref|sender)\s*\([^()]*,[^()]*,/.test(Function.prototype.toString.call(source))
}

/** A simulation object of the first interface has no timers. */
function setsTimer(method: object): boolean {
  return /\bthis\s*\.\s*after\b/.test(Function.prototype.toString.call(method))
}

/** A host of before takes `observe` for a public method that is not marked, and refuses the class. */
function offersMemory({ definition, methods }: ClassDescription): boolean {
  return observeMethod in definition.prototype && !methods.has(observeMethod)
}
