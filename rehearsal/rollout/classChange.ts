/**
 * A class upgrade, old class against new: methods, events, calls, the shape of the state, and what each
 * simulation object does with each method. As far as code can be asked at run time: parameters and results
 * are the compiler's, and are not compared.
 */

import { Fault, reasonOf } from '../../core/base/fault.js'
import type { MethodKind } from '../../core/model/methods.js'
import { type ClassDescription, describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { isSO, type None, type NotNeeded, none, type Simulation } from '../../core/model/simulation.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { collectionsNamed, type Shape, shapeOf } from './stateShape.js'

/**
 * The fate of a call to a method at a node of the other class. `implements`: the SO carries it out.
 * `mayRefuse`: the same, and its code says "refuse". `delegates`: it goes on to the object as it is.
 * `refuses`: `simulation.refused`. `asIs`: no SO is needed, the object answers. `cut`: there is no SO,
 * `version.cut`. `open`: neither simulated nor refused.
 */
export type Treatment = 'implements' | 'mayRefuse' | 'delegates' | 'refuses' | 'asIs' | 'cut' | 'open'

export interface MethodChange {
  readonly method: string
  /** Null where the class has no such method. */
  readonly old: MethodKind | null
  readonly new: MethodKind | null
  /** Of a call at the new version to a node of the old class; null where the new class has no such method. */
  readonly futureSO: Treatment | null
  /** Of a call at the old version to a node of the new class. */
  readonly pastSO: Treatment | null
}

/** The items that only one of the two has. */
export interface Differences {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly kept: readonly string[]
}

export interface StateChange extends Differences {
  /** Fields of another shape. */
  readonly changed: readonly { readonly field: string; readonly old: string; readonly new: string }[]
  readonly old: Shape
  readonly new: Shape
}

export interface ClassChange {
  readonly service: string
  readonly oldClass: string
  readonly newClass: string
  readonly pastSO: 'so' | 'notNeeded' | 'none'
  readonly futureSO: 'so' | 'notNeeded' | 'none'
  /** By name. */
  readonly methods: readonly MethodChange[]
  /** Events as `page-changed/1`. */
  readonly publishes: Differences
  readonly hears: Differences
  /** The classes that it declares to call. */
  readonly calls: Differences
  readonly state: StateChange
  /** As far as their names stand in the code. */
  readonly collections: Differences
  /** Methods whose calls are neither simulated nor refused by anything that is checked. */
  readonly open: readonly OpenMethod[]
  /** Methods that answer otherwise on purpose, as their upgrades say. */
  readonly meant: readonly MeantDifference[]
  readonly isSame: boolean
}

export interface MeantDifference {
  readonly method: string
  readonly reason: string
}

export interface OpenMethod {
  readonly method: string
  readonly role: 'futureSO' | 'pastSO'
  readonly why: 'open' | 'cut' | 'asIs'
}

type SO = Simulation | NotNeeded | None

/** The parts of a class upgrade that are compared. */
export type Compared = Pick<ClassUpgrade, 'oldClass' | 'newClass' | 'pastSO' | 'futureSO' | 'changes'>

/**
 * Of one class upgrade, or of several that follow one another, oldest first: a call then goes
 * through the SOs of all of them.
 */
export function classChange(...steps: readonly [Compared, ...Compared[]]): ClassChange {
  const { oldClass } = steps[0]
  const { newClass } = steps.at(-1)!
  const old = describeClass(oldClass)
  const next = describeClass(newClass)
  const pastSOs = steps.map(({ pastSO }) => pastSO)
  const futureSOs = steps.map(({ futureSO }) => futureSO).reverse()
  const names = [...new Set([...old.methods.keys(), ...next.methods.keys()])].sort()
  const methods = names.map(
    (method): MethodChange => ({
      method,
      old: old.methods.get(method) ?? null,
      new: next.methods.get(method) ?? null,
      futureSO: next.methods.has(method) ? treatmentOf(method, futureSOs) : null,
      pastSO: old.methods.has(method) ? treatmentOf(method, pastSOs) : null,
    }),
  )
  const change = {
    service: next.service,
    oldClass: old.className,
    newClass: next.className,
    pastSO: choiceOf(pastSOs),
    futureSO: choiceOf(futureSOs),
    methods,
    publishes: differences(old.publishes.map(eventName), next.publishes.map(eventName)),
    hears: differences(heardBy(old), heardBy(next)),
    calls: differences(old.calls, next.calls),
    state: stateChange(stateOf(oldClass), stateOf(newClass)),
    collections: differences(collectionsNamed(oldClass), collectionsNamed(newClass)),
    meant: steps.flatMap(meantIn),
    open: methods.flatMap((method) => [...openOf(method, 'futureSO'), ...openOf(method, 'pastSO')]),
  }
  return { ...change, isSame: isSame(change) }
}

export function meantIn({ changes = {} }: Pick<ClassUpgrade, 'changes'>): readonly MeantDifference[] {
  return Object.entries(changes).map(([method, reason]) => ({ method, reason }))
}

/** The first SO that does not pass the call on decides. */
function treatmentOf(method: string, sos: readonly SO[]): Treatment {
  let treatment: Treatment = 'asIs'
  for (const so of sos) {
    const its = treatmentBy(so, method)
    if (its !== 'asIs') treatment = its
    if (its !== 'asIs' && its !== 'delegates') break
  }
  return treatment
}

function treatmentBy(so: SO, method: string): Treatment {
  if (so === none) return 'cut'
  if (!isSO(so)) return 'asIs'
  if (so.delegates.includes(method)) return 'delegates'
  if (so.refuses.includes(method)) return 'refuses'
  const own = so.methods[method]
  if (own === undefined) return 'open'
  return /\brefuse\s*\(/.test(Function.prototype.toString.call(own)) ? 'mayRefuse' : 'implements'
}

/**
 * The methods that nothing at run time has checked: that is said of `asIs` where the other class has the
 * method with another mark only.
 */
function openOf(change: MethodChange, role: OpenMethod['role']): readonly OpenMethod[] {
  const why = change[role]
  const isOpen =
    why === 'open' || why === 'cut' || (why === 'asIs' && change.old !== change.new && change.old !== null && change.new !== null)
  return isOpen ? [{ method: change.method, role, why: why as OpenMethod['why'] }] : []
}

function choiceOf(sos: readonly SO[]): ClassChange['pastSO'] {
  return sos.includes(none) ? 'none' : sos.some(isSO) ? 'so' : 'notNeeded'
}

function eventName({ name, revision }: { readonly name: string; readonly revision: number }): string {
  return `${name}/${revision}`
}

function heardBy({ hears }: ClassDescription): readonly string[] {
  return [...hears.values()].map(({ event, method }) => `${eventName(event)} by ${method}`)
}

function stateOf(definition: NodeClass): Shape {
  try {
    return shapeOf(definition.initial())
  } catch (error) {
    const message = `${definition.className}.initial() throws: ${reasonOf(error)}`
    throw new Fault('upgrade.invalid', message, {}, { cause: error })
  }
}

function stateChange(old: Shape, next: Shape): StateChange {
  const found = differences(Object.keys(old), Object.keys(next))
  const changed = found.kept
    .map((field) => ({ field, old: old[field]!, new: next[field]! }))
    .filter((field) => field.old !== field.new)
  return { ...found, changed, old, new: next }
}

function differences(old: readonly string[], next: readonly string[]): Differences {
  const sorted = (names: readonly string[]) => [...new Set(names)].sort()
  return {
    added: sorted(next.filter((name) => !old.includes(name))),
    removed: sorted(old.filter((name) => !next.includes(name))),
    kept: sorted(old.filter((name) => next.includes(name))),
  }
}

function isSame({ methods, publishes, hears, calls, state, collections, meant }: Omit<ClassChange, 'isSame'>): boolean {
  if (meant.length > 0) return false
  const kept = [publishes, hears, calls, state, collections].every(({ added, removed }) => added.length + removed.length === 0)
  return kept && state.changed.length === 0 && methods.every((method) => method.old === method.new)
}
