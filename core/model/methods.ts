/**
 * Which methods of a class are remote, and whether each may modify the node's state.
 *
 * A public method is remote and carries `@command` (may modify) or `@query` (observes only); helpers are
 * `#private` or module functions. §7 speaks of calls that observe and calls that modify; these marks are how
 * the runtime knows which is which.
 */

import { Fault } from '../base/fault.js'
import { type IsReserved, lifecycleMethods, type ReservedName, whyReserved } from '../wire/reservedNames.js'
import { type Allow, type Rule, ruleOf } from './allow.js'
import { noteClass } from './undeclaredCalls.js'

export type MethodKind = 'command' | 'query'

/** The options of a mark beside its kind. */
export interface MethodOptions {
  /** The callers that may call it, instead of those that the class allows. An override keeps it. */
  readonly allow?: Allow
}

export interface CommandOptions extends MethodOptions {
  /**
   * It makes the node that it is called on, if that has never been. For classes of sharded
   * services with `birth = 'explicit'`. An override keeps it.
   */
  readonly creates?: true
}

const creators: unique symbol = Symbol.for('theseus.creates') as never
const allows: unique symbol = Symbol.for('theseus.allows') as never
const marks: unique symbol = Symbol.for('theseus.methods') as never

type Marked = { [marks]?: Map<string, MethodKind>; [allows]?: Map<string, unknown>; [creators]?: Map<string, true> }

/** The compiler's message where decorators are called in the other way. */
type NotLegacy = 'Theseus needs "experimentalDecorators": true in tsconfig.json'

type Decorator = <Name>(
  prototype: object,
  name: Name extends string ? (Name extends ReservedName ? IsReserved : Name) : NotLegacy,
  _descriptor?: PropertyDescriptor,
) => void

/** `@command`, or `@command({ allow: 'web' })`. */
interface Mark<Options> extends Decorator {
  (options: Options): Decorator
}

function mark<Options extends MethodOptions>(kind: MethodKind): Mark<Options> {
  const decorate = (prototype: object, name: unknown, options: CommandOptions): void => {
    if (typeof name !== 'string') {
      throw new Fault(
        'config.invalid',
        `@${kind} works with TypeScript's "experimentalDecorators": true and on methods with plain names only`,
      )
    }
    markMethod(prototype, name, kind)
    if (options.allow !== undefined) own(prototype, allows).set(name, options.allow)
    if (options.creates === true) own(prototype, creators).set(name, true)
  }
  return ((...given: readonly [object, unknown?, unknown?]) => {
    if (given.length > 1) return decorate(given[0], given[1], {})
    const options = optionsOf(given[0], kind)
    return (prototype: object, name: unknown) => decorate(prototype, name, options)
  }) as Mark<Options>
}

function optionsOf(options: unknown, kind: MethodKind): CommandOptions {
  const isRecord = typeof options === 'object' && options !== null
  const unknown = isRecord
    ? Object.keys(options).find((name) => name !== 'allow' && !(name === 'creates' && kind === 'command'))
    : ''
  if (unknown === undefined) return options as CommandOptions
  throw new Fault('config.invalid', `@${kind}(${unknown ? `{ ${unknown}: … }` : '…'}): use @${kind} or @${kind}({ allow: … })`)
}

function own<Key extends typeof marks | typeof allows | typeof creators>(prototype: object, key: Key): NonNullable<Marked[Key]> {
  if (Object.hasOwn(prototype, key)) return (prototype as Marked)[key]!
  const value = new Map<string, never>()
  Object.defineProperty(prototype, key, { value })
  return value as NonNullable<Marked[Key]>
}

export function markMethod(prototype: object, name: string, kind: MethodKind): void {
  own(prototype, marks).set(name, kind)
  noteClass(prototype.constructor)
}

/** Marks a remote method that may modify the node's state. A command is never sent twice by the runtime. */
export const command = mark<CommandOptions>('command')

/** Marks a remote method that only observes. A query may be sent again when its answer is lost. */
export const query = mark<MethodOptions>('query')

/**
 * Tells observers of the object's memory, unless it is marked: then it is a remote method like any other.
 * Classes of before may have one.
 */
export const observeMethod = 'observe'

/** On the base class itself, and nowhere below it. */
export const baseBrand: unique symbol = Symbol.for('theseus.nodeObject') as never

/**
 * A class's own prototype and those it inherits from, up to the base of whichever copy of this
 * package it extends.
 */
export function* prototypesOf(prototype: object): Iterable<object> {
  for (let at = prototype; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at.constructor, baseBrand)) return
    yield at
  }
}

/**
 * The remote methods of a class, with those it inherits. Throws `config.invalid` for a public method without
 * a mark: it would be neither remote nor private, and nobody could tell which was meant.
 */
export function methodsOf(prototype: object, className: string): ReadonlyMap<string, MethodKind> {
  const found = new Map<string, MethodKind>()
  for (const at of prototypesOf(prototype)) {
    const own = Object.hasOwn(at, marks) ? (at as Marked)[marks]! : new Map<string, MethodKind>()
    for (const name of own.keys()) checkRemote(at, name, className)
    for (const name of Object.getOwnPropertyNames(at)) {
      if (lifecycleMethods.has(name) || found.has(name)) continue
      const kind = own.get(name)
      if (name === observeMethod && kind === undefined && !inheritsMark(at, name)) continue
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

/**
 * The callers that may call each of these methods, where any caller is left out: by the method's mark, or
 * else by the class. Undefined: everybody may all.
 */
export function allowsOf(
  definition: { readonly prototype: object; readonly allow?: unknown },
  methods: Iterable<string>,
  className: string,
): ReadonlyMap<string, Rule> | undefined {
  const ofClass = definition.allow === undefined ? undefined : ruleOf(definition.allow, className)
  const rules = new Map<string, Rule>()
  for (const name of methods) {
    const said = saidOf(definition.prototype, name)
    const rule = said === undefined ? ofClass : ruleOf(said, `${className}.${name}`)
    if (rule !== undefined) rules.set(name, rule)
  }
  return rules.size === 0 ? undefined : rules
}

/** The commands that are marked to make nodes. */
export function creatorsOf(prototype: object, methods: Iterable<string>): ReadonlySet<string> {
  const isMarked = (name: string) =>
    [...prototypesOf(prototype)].some((at) => Object.hasOwn(at, creators) && (at as Marked)[creators]!.has(name))
  return new Set([...methods].filter(isMarked))
}

function saidOf(prototype: object, name: string): unknown {
  for (const at of prototypesOf(prototype)) {
    const said = Object.hasOwn(at, allows) ? (at as Marked)[allows]!.get(name) : undefined
    if (said !== undefined) return said
  }
  return undefined
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
