/**
 * The base of a user's class: one object per node, an actor. Calls to it run one at a time; its
 * persistent state is a small root record (`this.state`) and keyed collections; everything else
 * in it is memory and dies with it (§2: "when the node recovers, the object reinitializes
 * itself from the persistent portion of its state").
 */

import type { Duration } from '../base/duration.js'
import { Fault } from '../base/fault.js'
import { checkName, isClassName } from '../base/ids.js'
import type { CallerInfo } from '../wire/callerInfo.js'
import type { Allow, Rule } from './allow.js'
import type { Collection } from './collection.js'
import { type EventType, type Hearing, hearingsOf } from './event.js'
import { allowsOf, baseBrand, type MethodKind, methodsOf, prototypesOf } from './methods.js'
import { isNeighbourClass, type NeighbourClass, type NeighbourUse, neighbourClass } from './neighbour.js'
import { birthOf, checkShards } from './shard.js'
import type { Accepts } from './standardSchema.js'
import { checkUndeclaredCalls } from './undeclaredCalls.js'
import { declaredUses, isUses, type Uses } from './uses.js'

/**
 * The key under which the runtime gives an object its surroundings. A symbol, since every plain
 * public name would be remote.
 */
export const contextKey: unique symbol = Symbol.for('theseus.context') as never
/**
 * Nothing has it: it tells the compiler the types of a class's collections, which it can't find
 * out from a generic method.
 */
declare const collectionsKey: unique symbol

/** How the calls of a reference are made. */
export interface CallOptions {
  /**
   * How long a call may take, instead of the host's `callDeadlineMs`: ten minutes at most, and never longer
   * than the call that is being answered.
   */
  readonly deadline?: Duration
}

/** The questions that an object, or a simulation object, may ask of its node. Provided by the runtime. */
export interface ObjectContext {
  readonly nodeId: string
  /** Aborted when the object stops: for an upgrade, for a restart, or with its host. */
  readonly signal: AbortSignal
  /** The caller of the call that is being answered. Throws `protocol.not-here` where none is. */
  readonly caller: CallerInfo
  collection(name: string): Collection<unknown>
  /** Calls leave labelled with the version of the object that makes them (§3). */
  ref(target: NodeClass | NeighbourClass, nodeId?: string, options?: CallOptions): object
  sender(target: NodeClass | NeighbourClass, nodeId?: string, options?: CallOptions): object
  /**
   * Tells every node whose class hears the event; labelled like a call. Leaves with the commit
   * of the command that publishes.
   */
  publish(event: EventType<any>, args: readonly unknown[]): void
  /** Calls this object's own method after `ms`, as a call in the mailbox. Ends with the object. */
  after(ms: number, method: string, args: readonly unknown[]): void
  /** Milliseconds since 1970 by the host's clock. */
  now(): number
  /** A number in [0, 1) from the host's source of chance. */
  random(): number
}

type Plain = Record<string, any>

export abstract class NodeObject<State extends object = Plain, Collections extends Plain = Plain> {
  static readonly className: string
  /**
   * The lasting name callers use. By default the class name up to its first dot, in lower case:
   * `Pages.v1` → `pages`.
   */
  static readonly service?: string
  /**
   * The classes whose services its objects call, beside their own; a function where classes name each other.
   * Those of another system as `StockV1.of('warehouse')`. `uses(OrdersV1, ['paidAfter'])` names the methods:
   * then an upgrade that changes others does not touch this class.
   */
  static readonly calls?: ClassList
  /**
   * Whether a call to its own node, which its running call leads to, runs inside that one. Otherwise it is
   * refused: `protocol.call-cycle`.
   */
  static readonly reentrant?: boolean
  /**
   * The callers that may call its methods, where a method's own mark says nothing else
   * (`@command({ allow: … })`). Left out: everybody.
   */
  static readonly allow?: Allow
  /**
   * The number of shards of its service, of which hosts that offer the service own some each. It never
   * changes. Left out: a node lives on the host that starts it.
   */
  static readonly shards?: number
  /**
   * How a node of a sharded service begins: by its first command (left out), or `explicit`: by a command that
   * is marked with `@command({ creates: true })` alone. Any other call of a node that has never been is
   * refused: `unavailable.no-such-node`.
   */
  static readonly birth?: 'explicit'
  /** The events that its objects publish. */
  static readonly publishes?: readonly EventType<any>[]
  /** Schemas of the arguments of its methods, as Standard Schema has them: for `check` alone. */
  static readonly accepts?: Accepts
  static initial(): object {
    return {}
  }

  /** This class in another system, a neighbour: `StockV1.of('warehouse')`, for `calls` and `ref`. */
  static of<C extends NodeClass>(this: C, system: string): NeighbourClass<C> {
    // biome-ignore lint/complexity/noThisInStatic: the class that it is called on
    return neighbourClass<C>(this, system)
  }

  static readonly [baseBrand] = true
  declare readonly [baseBrand]: true
  declare [contextKey]: ObjectContext
  declare protected readonly [collectionsKey]: Collections

  /** The root of the persistent state: plain data, small, packed and compared after every command. */
  declare protected state: State

  /** A part of the persistent state that may be of any size: read and written record by record. */
  protected collection<Name extends keyof Collections & string>(name: Name): Collection<Collections[Name]> {
    return this[contextKey].collection(name) as Collection<Collections[Name]>
  }

  protected get nodeId(): string {
    return this[contextKey].nodeId
  }

  protected get signal(): AbortSignal {
    return this[contextKey].signal
  }

  /**
   * The caller of the call that is being answered; of a timer's call, the node itself. Throws
   * `protocol.not-here` outside any call.
   */
  protected get caller(): CallerInfo {
    return this[contextKey].caller
  }

  /** Another node, or any node of the class's service, as a typed reference. */
  protected ref<C extends NodeClass>(
    target: C | NeighbourClass<C>,
    nodeId?: string,
    options?: CallOptions,
  ): Remote<InstanceType<C>> {
    return this[contextKey].ref(target, nodeId, options) as Remote<InstanceType<C>>
  }

  /**
   * The same for one-way sends: they leave with the commit of the command that makes them, and
   * nothing comes back.
   */
  protected sender<C extends NodeClass>(
    target: C | NeighbourClass<C>,
    nodeId?: string,
    options?: CallOptions,
  ): OneWay<InstanceType<C>> {
    return this[contextKey].sender(target, nodeId, options) as OneWay<InstanceType<C>>
  }

  /** Tells every node whose class hears the event. Leaves with the commit of the command that publishes. */
  protected publish<Args extends readonly unknown[]>(event: EventType<Args>, ...args: Args): void {
    this[contextKey].publish(event, args)
  }

  protected after(ms: number, method: string, ...args: unknown[]): void {
    this[contextKey].after(ms, method, args)
  }

  protected now(): number {
    return this[contextKey].now()
  }

  protected random(): number {
    return this[contextKey].random()
  }

  /**
   * Runs before the first call: after the node's birth, after every restart, after an upgrade.
   * May write state.
   */
  protected start(): void | Promise<void> {}

  /**
   * Offers what is in the object's memory to observers: scheduling functions, and operators who look at the
   * node. Must answer at once, with plain data, and write nothing. It is asked between two calls.
   */
  protected observe?(): Record<string, unknown>

  /** Runs before the object is discarded. Must not write state: what is written here is dropped. */
  protected stop(): void | Promise<void> {}

  /**
   * Runs on the new object over the new state before the flip (phase `checking`); throw to keep
   * the old version.
   */
  protected selfCheck(): void | Promise<void> {}

  /**
   * The same for one record that was made lazily (§8): runs whenever it is made of the old one's. An
   * exception here fails the call that asked for the record, as if its transform had thrown.
   */
  protected checkRecord(_collection: string, _key: string, _record: unknown): void {}
}

/** A class as a value. A user passes it to `host.node`, `ref` and `upgradeClass`. */
export type NodeClass = (abstract new (
  ...args: any[]
) => NodeObject<any, any>) & {
  readonly className: string
  readonly service?: string
  readonly calls?: ClassList
  readonly reentrant?: boolean
  readonly allow?: Allow
  readonly shards?: number
  readonly birth?: 'explicit'
  readonly publishes?: readonly EventType<any>[]
  readonly accepts?: Accepts
  initial(): object
}

type Called = NamedClass | NeighbourClass | Uses
/** A list, or a record by names that people read. */
type CalledClasses = readonly Called[] | Readonly<Record<string, Called>>
export type ClassList = CalledClasses | (() => CalledClasses)
/** As much of a class as its name and service need. */
export interface NamedClass {
  readonly className: string
  readonly service?: string
}

/** The lifecycle methods, as the runtime sees them. */
export interface Lifecycle {
  state: object
  [contextKey]: ObjectContext
  start(): void | Promise<void>
  stop(): void | Promise<void>
  selfCheck(): void | Promise<void>
  checkRecord(collection: string, key: string, record: unknown): void
  /** Left out, or a remote method: see `observeMethod`. */
  observe?(): unknown
}

export type StateOf<C extends NodeClass> = InstanceType<C> extends NodeObject<infer State, any> ? State : never
export type CollectionsOf<C extends NodeClass> = InstanceType<C> extends NodeObject<any, infer Collections> ? Collections : never

/** The remote methods of an instance type: public methods with plain names. */
export type Methods<T> = {
  [K in keyof T as K extends string ? (T[K] extends (...args: any[]) => unknown ? K : never) : never]: T[K]
}

/** The names of the remote methods of a class. */
export type MethodsOf<C extends NodeClass> = keyof Methods<InstanceType<C>> & string

/** The methods of a reference: every remote method, asynchronous, whatever it was in the class. */
export type Remote<T> = {
  readonly [K in keyof Methods<T>]: Methods<T>[K] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

/** The methods of a one-way reference: every remote method, without an answer. */
export type OneWay<T> = {
  readonly [K in keyof Methods<T>]: Methods<T>[K] extends (...args: infer Args) => unknown ? (...args: Args) => void : never
}

/** The facts that the runtime needs to know of a class, checked once when the class is registered. */
export interface ClassDescription {
  readonly className: string
  readonly service: string
  readonly methods: ReadonlyMap<string, MethodKind>
  /** The callers that may call each method; a method that is not in it is for everybody. */
  readonly allows: ReadonlyMap<string, Rule> | undefined
  /** The classes that it declares to call. */
  readonly calls: readonly string[]
  /** The services of these, and its own. */
  readonly callsServices: ReadonlySet<string>
  /** The methods that it declares to call, by class name, of classes of which it may call no others. */
  readonly uses: ReadonlyMap<string, readonly string[]>
  /** Classes of its system of which it may call any method. */
  readonly whole: readonly NamedClass[]
  /** The methods by service, of services of which it may call no others. */
  readonly callsOnly: ReadonlyMap<string, ReadonlySet<string>>
  /** The classes of other systems that it declares to call. */
  readonly neighbours: readonly CalledNeighbour[]
  readonly isReentrant: boolean
  /** Null: its nodes are their hosts'. */
  readonly shards: number | null
  readonly birth: 'command' | 'explicit'
  /** The methods that make a node of a sharded service. */
  readonly creating: ReadonlySet<string>
  readonly publishes: readonly EventType<any>[]
  /** The events that it hears, by name. */
  readonly hears: ReadonlyMap<string, Hearing>
  readonly definition: NodeClass
}

/** A class of another system, as much as a call to it needs. */
export interface CalledNeighbour extends NeighbourUse {
  readonly service: string
}

const described = new WeakMap<NodeClass, ClassDescription>()

/** For what comes past the compiler. By brand: another copy of `NodeObject` is as good. */
export function isNodeClass(value: unknown): value is NodeClass {
  return typeof value === 'function' && (value as { [baseBrand]?: unknown })[baseBrand] === true
}

/** Checks a class and describes it. Throws `config.invalid`, saying what to change. */
export function describeClass(definition: NodeClass): ClassDescription {
  const known = described.get(definition)
  if (known !== undefined) return known
  const className = classNameOf(definition)
  const service = serviceOf(definition)
  const { calls = [], publishes = [] } = definition
  const called: readonly Called[] = Object.values(typeof calls === 'function' ? calls() : calls)
  const neighbours = called.filter(isNeighbourClass).map(calledNeighbour)
  const limited = called.filter(isUses)
  const whole = called.filter((target): target is NamedClass => !isNeighbourClass(target) && !isUses(target))
  const own = [...whole, ...limited.map(({ target }) => target)]
  for (const target of own)
    if (typeof target?.className !== 'string')
      throw new Fault(
        'config.invalid',
        `${className}: calls names what is no class yet: where modules import each other, write "calls = () => [ … ]"`,
      )
  const methods = methodsOf(definition.prototype, className)
  const description: ClassDescription = {
    className,
    service,
    methods,
    allows: allowsOf(definition, methods.keys(), className),
    calls: own.map((target) => target.className),
    callsServices: new Set([service, ...own.map(serviceOf)]),
    whole,
    ...declaredUses(className, limited, new Set([service, ...whole.map(serviceOf)]), serviceOf),
    neighbours,
    isReentrant: definition.reentrant === true,
    shards: checkShards(definition.shards, className),
    ...birthOf(definition, methods, className),
    publishes,
    hears: hearingsOf(definition.prototype, className),
    definition,
  }
  described.set(definition, description)
  return description
}

/**
 * Throws `config.invalid` for calls that the class makes and does not declare, as far as its text tells. To
 * be asked when all classes are there: when a node starts, and of an upgrade's classes.
 */
export function checkDeclaredCalls(definition: NodeClass): void {
  const sources = [...prototypesOf(definition.prototype)].map((prototype) => prototype.constructor)
  checkUndeclaredCalls(describeClass(definition), sources, serviceOf)
}

/** The same for functions that run as objects of the class: a simulation object's methods. */
export function checkDeclaredCallsOf(definition: NodeClass, methods: readonly object[]): void {
  checkUndeclaredCalls(describeClass(definition), methods, serviceOf)
}

/** Of the class its name and service alone: it may call back, and then its description needs this one. */
export function calledNeighbour({ target, system }: NeighbourClass): CalledNeighbour {
  return { system, className: classNameOf(target), service: serviceOf(target) }
}

/** Throws `config.invalid`, saying what to change. */
function classNameOf(definition: NodeClass): string {
  if (!isNodeClass(definition)) {
    const what = (definition as { name?: string } | undefined)?.name || String(definition)
    throw new Fault('config.invalid', `${what} is not a class that extends NodeObject`)
  }
  const { className } = definition
  if (isClassName(className)) return className
  throw new Fault(
    'config.invalid',
    `class ${(definition as NodeClass).name || '(anonymous)'}: give it "static override readonly className = 'Name.v1'"`,
  )
}

function serviceOf({ className, service }: NamedClass): string {
  return checkName('service', service ?? className.split('.')[0]!.toLowerCase())
}
