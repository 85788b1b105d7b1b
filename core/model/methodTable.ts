/**
 * The methods that an object or an SO answers, built when a version is installed and not per call (DESIGN
 * §9). A delegated method is the next object's own entry, one hop further: a chain of delegations costs
 * nothing when a call runs.
 *
 * C6. A call that an SO refuses is refused: neither the SO nor the next object carries it out.
 *
 * A table says what a class and the SOs over it do, and is the same for all their nodes: it is built once.
 * The receivers on a node say which object of that node carries it out.
 */

import { Fault, type FaultDetails, isFault, toFault } from '../base/fault.js'
import { invariant } from '../base/invariant.js'
import { promiseOf, whenSettled } from '../base/maybePromise.js'
import { copied } from '../wire/copied.js'
import type { MethodKind } from './methods.js'
import type { ClassDescription } from './nodeObject.js'
import type { Simulation } from './simulation.js'

/** An object of a node's chain as its methods need it: the object itself or an SO. */
export interface Receiver {
  /** `this` of its methods. */
  readonly self: object
  /** Called before a command of it runs: it tells the node state whose root may be written. */
  touch(): void
}

export interface MethodEntry {
  readonly kind: MethodKind
  /** How many simulation objects a call passes on its way. */
  readonly hops: number
  /** Whose method it is, counted from the object, which is 0, outwards. */
  readonly level: number
  readonly method: AnyMethod
  /** A command that is carried out, and not refused. */
  readonly touches: boolean
}

export interface MethodTable {
  /** Of the outermost receiver whose methods are here. */
  readonly level: number
  readonly entries: ReadonlyMap<string, MethodEntry>
}

export type AnyMethod = (this: any, ...args: any[]) => unknown

/** @param receivers those of the link that the entry was found in, the object first */
export function invoke(
  { level, touches, method }: MethodEntry,
  receivers: readonly Receiver[],
  args: readonly unknown[],
): unknown {
  const receiver = receivers[level]!
  if (touches) receiver.touch()
  return method.apply(receiver.self, args as unknown[])
}

const objectTables = new WeakMap<ClassDescription, MethodTable>()

export function objectTable(description: ClassDescription): MethodTable {
  return getOrCreate(objectTables, description, () => {
    const entries = new Map<string, MethodEntry>()
    const methods = description.definition.prototype as Record<string, AnyMethod>
    for (const [name, kind] of description.methods) entries.set(name, carriedOut(methods[name]!, kind, 0, 0))
    return { level: 0, entries }
  })
}

const simulationTables = new WeakMap<MethodTable, WeakMap<Simulation, MethodTable>>()

/** The table of an SO over `next`: `simulated` says which methods there are and of which kind. */
export function simulationTable(so: Simulation, simulated: ClassDescription, next: MethodTable): MethodTable {
  const over = getOrCreate(simulationTables, next, () => new WeakMap())
  return getOrCreate(over, so, () => {
    const level = next.level + 1
    const delegates = new Set(so.delegates)
    const entries = new Map<string, MethodEntry>()
    for (const [name, kind] of simulated.methods) {
      const own = so.methods[name]
      // The next object may have lost the method by its own restriction: the same to the caller as a refusal.
      const delegated = delegates.has(name) ? next.entries.get(name) : undefined
      const isCarriedOut = own !== undefined || delegated !== undefined
      invariant(!(isCarriedOut && so.refuses.includes(name)), `C6: ${simulated.className}.${name} is refused and carried out`)
      if (own !== undefined) entries.set(name, carriedOut(own, kind, 1, level))
      else if (delegated !== undefined) entries.set(name, { ...delegated, kind, hops: delegated.hops + 1 })
      else entries.set(name, refused(so, name, kind, level))
    }
    return { level, entries }
  })
}

const restrictedTables = new WeakMap<MethodTable, WeakMap<ClassDescription, MethodTable>>()

/** Only the methods that the class of that version has: a version's callers see that version. */
export function restrictedTable(table: MethodTable, description: ClassDescription): MethodTable {
  const of = getOrCreate(restrictedTables, table, () => new WeakMap())
  return getOrCreate(of, description, () => {
    const entries = new Map<string, MethodEntry>()
    for (const name of description.methods.keys()) {
      const entry = table.entries.get(name)
      if (entry !== undefined) entries.set(name, entry)
    }
    return { level: table.level, entries }
  })
}

/**
 * The type of an SO's `this.next`: asynchronous throughout, so that an SO can't tell whether the next is the
 * object or another SO.
 */
export type NextObject = new (receivers: readonly Receiver[]) => object

const nextObjects = new WeakMap<MethodTable, NextObject>()

export function nextObject(table: MethodTable): NextObject {
  return getOrCreate(nextObjects, table, () => {
    class Next {
      readonly #receivers: readonly Receiver[]

      constructor(receivers: readonly Receiver[]) {
        this.#receivers = receivers
      }

      static method(entry: MethodEntry): AnyMethod {
        return function (this: Next, ...args) {
          return promised(entry, this.#receivers, args)
        }
      }
    }
    for (const [name, entry] of table.entries) Object.defineProperty(Next.prototype, name, { value: Next.method(entry) })
    return Next
  })
}

/**
 * Set on a promise whose value nobody can change: the next simulation object on the way passes it on as it
 * is. Everything else is copied at each border between two objects, as if it had travelled: none of them can
 * change the state of another.
 */
const unchangeable: unique symbol = Symbol('unchangeable') as never

/** Not an async function: it would wrap the promise of a next SO in another one, at each hop. */
function promised(entry: MethodEntry, receivers: readonly Receiver[], args: readonly unknown[]): Promise<unknown> {
  try {
    const answer = invoke(entry, receivers, handedOver(args))
    const promise = promiseOf(answer)
    if (promise === undefined) return answered(answer)
    if ((promise as { [unchangeable]?: true })[unchangeable] === true) return promise
    return whenSettled(promise, resultHandedOver, failed)
  } catch (error) {
    return Promise.reject(faultHandedOver(error))
  }
}

function answered(value: unknown): Promise<unknown> {
  const promise = Promise.resolve(resultHandedOver(value))
  if (typeof value !== 'object') (promise as { [unchangeable]?: true })[unchangeable] = true
  return promise
}

function handedOver(args: readonly unknown[]): readonly unknown[] {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (typeof arg === 'object' || typeof arg === 'function') return args.map((each) => copied(each, 'an argument'))
  }
  return args
}

function resultHandedOver(value: unknown): unknown {
  return copied(value, 'the result')
}

function failed(error: unknown): never {
  throw faultHandedOver(error)
}

/** The details of a fault are plain data too. */
function faultHandedOver(error: unknown): unknown {
  if (!isFault(error)) return error
  const fault = toFault(error, 'application.error')
  const { code, message, details, retryable } = fault
  for (const name in details)
    if (typeof details[name] === 'object') return new Fault(code, message, plainDetails(details), { retryable, cause: error })
  return fault
}

function plainDetails(details: FaultDetails): FaultDetails {
  try {
    return copied(details, 'details')
  } catch {
    return {}
  }
}

function carriedOut(method: AnyMethod, kind: MethodKind, hops: number, level: number): MethodEntry {
  return { kind, hops, level, method, touches: kind === 'command' }
}

function refused(so: Simulation, name: string, kind: MethodKind, level: number): MethodEntry {
  const from = so.simulates.className
  const over = so.over.className
  const method = () => {
    throw new Fault('simulation.refused', `${from}.${name} can't be carried out on ${over}`, {
      method: name,
      simulates: from,
      over,
    })
  }
  return { kind, hops: 1, level, method, touches: false }
}

function getOrCreate<Key extends WeakKey, Value>(values: WeakMap<Key, Value>, key: Key, make: () => Value): Value {
  let value = values.get(key)
  if (value === undefined) values.set(key, (value = make()))
  return value
}
