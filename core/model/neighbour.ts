/**
 * Classes of other systems (§3: "multiple upgrade servers, each with its own version number"). A system whose
 * nodes are called from another one is its *neighbour*. It numbers its versions by itself, so a call to it is
 * labelled with a version of its own: that to which the named class belongs.
 */
import { Fault } from '../base/fault.js'
import { checkName, isName } from '../base/ids.js'
import type { NodeClass } from './nodeObject.js'

const brand: unique symbol = Symbol.for('theseus.neighbourClass') as never

/** A class of a neighbour, as a value: ⟨class, system⟩. `StockV1.of('warehouse')` makes one. */
export interface NeighbourClass<C extends NodeClass = NodeClass> {
  readonly [brand]: true
  readonly target: C
  /** The neighbour's name. */
  readonly system: string
}

export function neighbourClass<C extends NodeClass>(target: C, system: string): NeighbourClass<C> {
  return Object.freeze({ [brand]: true as const, target, system: checkName('system', system) })
}

/** By brand: another copy of `NodeObject` is as good. */
export function isNeighbourClass(value: unknown): value is NeighbourClass {
  return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true
}

/** A need of a class, as its description, its manifest and its row tell it. */
export interface NeighbourUse {
  readonly system: string
  readonly className: string
}

/**
 * As it stands in manifests and rows, among classes and events. A release that knows no neighbours takes it
 * for an event which nobody can publish, of a revision that is always the same.
 */
export function textOfUse({ system, className }: NeighbourUse): string {
  return `${className}@${system}/1`
}

const useText = /^([^@/]+)@([^@/]+)\/1$/

/** Undefined for a class of the system's own, and for an event. */
export function neighbourUseIn(used: string): NeighbourUse | undefined {
  const [, className, system] = useText.exec(used) ?? []
  return className === undefined || !isName(system) ? undefined : { className, system: system! }
}

/** All that are among these, each once, in order. */
export function neighbourUsesIn(uses: readonly string[]): readonly NeighbourUse[] {
  return [...new Set(uses)].sort().flatMap((used) => neighbourUseIn(used) ?? [])
}

/** The id of the system's pin in a neighbour's upgrade database, where it is a row. */
export function pinOf(system: string): string {
  const id = `${pinPrefix}${system}`
  if (isName(id)) return id
  throw new Fault('config.invalid', `system ${system} has neighbours, and its name is too long for that: "${id}" is no name`)
}

const pinPrefix = 'neighbour-'
/** The class that such a row tells. */
export const pinClass = 'Neighbour'

/** The system whose pin the row is; undefined for any other row. */
export function systemOfPin({ nodeId, className }: { readonly nodeId: string; readonly className: string }): string | undefined {
  return className === pinClass && nodeId.startsWith(pinPrefix) ? nodeId.slice(pinPrefix.length) : undefined
}
