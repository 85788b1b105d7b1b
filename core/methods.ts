/**
 * Which methods of a class are remote, and whether each may modify the node's state.
 *
 * A public method is remote and carries `@command` (may modify) or `@query` (observes only); helpers are `#private` or module
 * functions. §7 speaks of calls that observe and calls that modify; these marks are how the runtime knows which is which.
 */
import { Fault } from './fault.js'
import { type IsReserved, lifecycleMethods, type ReservedName, whyReserved } from './reservedNames.js'
import { noteClass } from './undeclaredCalls.js'

export type MethodKind = 'command' | 'query'

const marks: unique symbol = Symbol.for('theseus.methods') as never

type Marked = { [marks]?: Map<string, MethodKind> }

/** What the compiler says where decorators are called in the other way. */
type NotLegacy = 'Theseus needs "experimentalDecorators": true in tsconfig.json'

function mark(kind: MethodKind) {
  return <Name>(
    prototype: object,
    name: Name extends string ? (Name extends ReservedName ? IsReserved : Name) : NotLegacy,
    _descriptor?: PropertyDescriptor,
  ): void => {
    if (typeof name !== 'string') {
      throw new Fault(
        'config.invalid',
        `@${kind} works with TypeScript's "experimentalDecorators": true and on methods with plain names only`,
      )
    }
    markMethod(prototype, name, kind)
  }
}

export function markMethod(prototype: object, name: string, kind: MethodKind): void {
  const own = Object.hasOwn(prototype, marks) ? (prototype as Marked)[marks]! : new Map<string, MethodKind>()
  own.set(name, kind)
  Object.defineProperty(prototype, marks, { value: own, configurable: true })
  noteClass(prototype.constructor)
}

/** Marks a remote method that may modify the node's state. A command is never sent twice by the runtime. */
export const command = mark('command')

/** Marks a remote method that only observes. A query may be sent again when its answer is lost. */
export const query = mark('query')

/** On the base class itself, and nowhere below it. */
export const baseBrand: unique symbol = Symbol.for('theseus.nodeObject') as never

/** A class's own prototype and those it inherits from, up to the base of whichever copy of this package it extends. */
export function* prototypesOf(prototype: object): Iterable<object> {
  for (let at = prototype; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at.constructor, baseBrand)) return
    yield at
  }
}

/**
 * The remote methods of a class, with those it inherits. Throws `config.invalid` for a public method without a mark: it would be
 * neither remote nor private, and nobody could tell which was meant.
 */
export function methodsOf(prototype: object, className: string): ReadonlyMap<string, MethodKind> {
  const found = new Map<string, MethodKind>()
  for (const at of prototypesOf(prototype)) {
    const own = Object.hasOwn(at, marks) ? (at as Marked)[marks]! : new Map<string, MethodKind>()
    for (const name of own.keys()) checkRemote(at, name, className)
    for (const name of Object.getOwnPropertyNames(at)) {
      if (lifecycleMethods.has(name) || found.has(name)) continue
      const kind = own.get(name)
      if (kind !== undefined) found.set(name, kind)
      else if (typeof Object.getOwnPropertyDescriptor(at, name)?.value === 'function' && !inheritsMark(at, name)) {
        throw new Fault(
          'config.invalid',
          `${className}.${name} is public but unmarked: add @command or @query, or make it #private`,
        )
      } else if (inheritsMark(at, name)) found.set(name, inheritsMark(at, name)!)
    }
  }
  return found
}

function checkRemote(prototype: object, name: string, className: string): void {
  const why = whyReserved(name)
  if (why !== undefined)
    throw new Fault('config.invalid', `${className}.${name} can't be a remote method: ${why}; give it another name`)
  const property = Object.getOwnPropertyDescriptor(prototype, name)
  // One that was taken out of the class again is nothing to call.
  if (property !== undefined && typeof property.value !== 'function')
    throw new Fault('config.invalid', `${className}.${name} is marked and no method: only methods can be remote`)
}

/** An override keeps the mark of what it overrides. */
function inheritsMark(from: object, name: string): MethodKind | undefined {
  for (const at of prototypesOf(Object.getPrototypeOf(from))) {
    const kind = Object.hasOwn(at, marks) ? (at as Marked)[marks]!.get(name) : undefined
    if (kind !== undefined) return kind
  }
  return undefined
}
