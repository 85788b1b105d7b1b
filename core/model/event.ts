/**
 * Events (§2: the model "to message-passing"; §8): a node publishes that something has happened, and every
 * node hears it whose class says so. An event is a one-way call labelled with its publisher's version:
 * hearers of other versions receive it through their own simulation objects. It is delivered at most once to
 * each hearer, and never to one that is down.
 */
import { Fault } from '../base/fault.js'
import { isName, nameLengthMax } from '../base/ids.js'
import type { IsReserved, ReservedName } from '../wire/reservedNames.js'
import { markMethod, prototypesOf } from './methods.js'

/** The type of an event that is published: a name, and the parameters that its hearers take. */
export interface EventType<Args extends readonly unknown[]> {
  readonly name: string
  /**
   * Counts the parameter lists that the name has had. At one version all publishers and hearers
   * mean the same.
   */
  readonly revision: number
  readonly [args]?: (...given: Args) => void
}
declare const args: unique symbol

/**
 * Describes an event: `event<[url: string]>('page-changed')`. The next parameter list is
 * another event of the same name, with the next revision, and the upgrade that brings it takes
 * all classes along that publish or hear it.
 */
export function event<Args extends readonly unknown[]>(
  name: string,
  options: { readonly revision?: number } = {},
): EventType<Args> {
  const { revision = 1 } = options
  if (!isName(name)) {
    const advice = `use 1 to ${nameLengthMax} letters, digits, - and _, beginning with a letter or digit`
    throw new Fault('config.invalid', `event ${JSON.stringify(name)}: ${advice}`)
  }
  if (!Number.isInteger(revision) || revision < 1) throw new Fault('config.invalid', `event ${name}: revisions count from 1`)
  return { name, revision }
}

const heard: unique symbol = Symbol.for('theseus.hears') as never

type Hearer = { [heard]?: Map<string, EventType<any>> }

/** Marks a command that is also called when an event is published, whoever publishes it. */
export function hears<Args extends readonly unknown[]>(type: EventType<Args>) {
  return <Method extends (...given: Args) => void | Promise<void>, Name extends string>(
    prototype: object,
    method: Name extends ReservedName ? IsReserved : Name,
    _descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    markMethod(prototype, method, 'command')
    const own = Object.hasOwn(prototype, heard) ? (prototype as Hearer)[heard]! : new Map<string, EventType<any>>()
    own.set(method, type)
    Object.defineProperty(prototype, heard, { value: own, configurable: true })
  }
}

/** The method that hears an event in a class. */
export interface Hearing {
  readonly event: EventType<any>
  readonly method: string
}

/**
 * The events that a class hears, by name, with those that it inherits. Throws `config.invalid` where two
 * methods hear one event.
 */
export function hearingsOf(prototype: object, className: string): ReadonlyMap<string, Hearing> {
  const hearings = new Map<string, Hearing>()
  for (const at of prototypesOf(prototype)) {
    if (!Object.hasOwn(at, heard)) continue
    for (const [method, type] of (at as Hearer)[heard]!) {
      const known = hearings.get(type.name)
      if (known !== undefined && known.method !== method)
        throw new Fault('config.invalid', `${className}.${known.method} and ${className}.${method} both hear event ${type.name}`)
      if (known === undefined) hearings.set(type.name, { event: type, method })
    }
  }
  return hearings
}
