/**
 * Simulation objects (§5): a past-SO implements an old version on top of the next newer object, a future-SO a
 * new version on top of the next older one. An SO delegates most methods, refuses those that it can't
 * implement through the next object (§7.1, condition 2), and writes the rest itself. These three parts cover
 * the simulated class exactly; the compiler says so at the line itself.
 */

import { Fault } from '../base/fault.js'
import type { CallerInfo } from '../wire/callerInfo.js'
import type { Collection, ReadonlyCollection } from './collection.js'
import type { EventType } from './event.js'
import {
  type CallOptions,
  type ClassDescription,
  type CollectionsOf,
  checkDeclaredCallsOf,
  describeClass,
  isNodeClass,
  type Methods,
  type NodeClass,
  type Remote,
  type StateOf,
} from './nodeObject.js'
import { type RecordRules, type Records, recordRules } from './recordTransform.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type ArgsOf<F> = F extends (...args: infer Args) => unknown ? Args : never
type ResultOf<F> = F extends (...args: any[]) => infer Result ? Awaited<Result> : never

/**
 * The methods of `Simulated` that `Next` has with the same parameters and a result that fits:
 * these can be delegated.
 */
export type Delegatable<Simulated, Next> = {
  [K in keyof Methods<Simulated>]: K extends keyof Methods<Next>
    ? Same<ArgsOf<Methods<Simulated>[K]>, ArgsOf<Methods<Next>[K]>> extends true
      ? [ResultOf<Methods<Next>[K]>] extends [ResultOf<Methods<Simulated>[K]>]
        ? K
        : never
      : never
    : never
}[keyof Methods<Simulated>]

/** Whether every call to `Old` can be answered by `New` as it is: then no past-SO is needed (§2). */
export type IsSubtype<New, Old> = [keyof Methods<Old>] extends [Delegatable<Old, New>] ? true : false

/** `this` inside an SO's own methods. */
export interface SimulationThis<State, Next> {
  /** The SO's own persistent state, committed together with the object's. */
  readonly state: State
  /** The next object in the chain: the node's object or another SO; an SO is unaware of which (§5). */
  readonly next: Remote<Next>
  readonly nodeId: string
  readonly signal: AbortSignal
  /** The caller of the call that is being answered: the same for every object of the chain. */
  readonly caller: CallerInfo
  collection(name: string): Collection<any>
  ref<C extends NodeClass>(target: C, nodeId?: string, options?: CallOptions): Remote<InstanceType<C>>
  /** Tells every node whose class hears the event, labelled with the version that the SO implements. */
  publish<Args extends readonly unknown[]>(event: EventType<Args>, ...args: Args): void
  /**
   * Calls a method of the version that the SO implements, after `ms`, as a call in the node's mailbox. Set
   * with the commit of the command that sets it; ends with the SO.
   */
  after(ms: number, method: string, ...args: unknown[]): void
  now(): number
  random(): number
  /**
   * Fails this call with `simulation.refused`: it can't be carried out through the next object
   * (§7.1, condition 2).
   */
  refuse(reason: string): never
}

/** Shown by the compiler where a method is implemented although it is delegated or refused. */
type AlreadyTreated = { readonly alreadyDelegatedOrRefused: never }
type OwnMethod<F> = (...args: ArgsOf<F>) => ResultOf<F> | Promise<ResultOf<F>>

/**
 * The methods that the SO implements itself: all that it neither delegates nor refuses. The first part gives
 * the parameters their types before `Treated` is known and forbids what is treated already, the second
 * requires what is left.
 */
export type OwnMethods<Simulated, Treated extends string> = {
  readonly [K in keyof Methods<Simulated>]?: OwnMethod<Methods<Simulated>[K]> & (K extends Treated ? AlreadyTreated : unknown)
} & { readonly [K in Exclude<keyof Methods<Simulated>, Treated>]: unknown }

type SimulationParts<
  Simulated extends NodeClass,
  Next extends NodeClass,
  Delegated extends string,
  Refused extends string,
  State,
> = {
  readonly simulates: Simulated
  readonly over: Next
  /** Methods passed on to the next object as they are. */
  readonly delegates?: readonly Delegated[]
  /** Methods that fail with `simulation.refused`. */
  readonly refuses?: readonly (Refused & Exclude<Refused, NoInfer<Delegated>>)[]
  readonly methods: OwnMethods<InstanceType<Simulated>, Delegated | Refused> & ThisType<SimulationThis<State, InstanceType<Next>>>
}

type CanDelegate<Simulated extends NodeClass, Next extends NodeClass> = Delegatable<InstanceType<Simulated>, InstanceType<Next>> &
  string
type CanRefuse<Simulated extends NodeClass> = keyof Methods<InstanceType<Simulated>> & string

/** The keyed collections when a past-SO is initialised: those of the old object to read, its own to fill. */
export interface InitialCollections {
  old(name: string): ReadonlyCollection<any>
  own(name: string): Pick<Collection<any>, 'put'>
  /** As in a transform function: in a long loop, `await flushed()` after each record. */
  flushed(): Promise<void>
}

/** A future-SO initialises its state "without any input" (§5). */
export const noCollections: InitialCollections = {
  old: () => ({ get: () => undefined, has: () => false, entries: () => [] }),
  own: () => ({ put: () => {} }),
  flushed: async () => {},
}

const brand: unique symbol = Symbol.for('theseus.simulation') as never

export interface Simulation {
  readonly [brand]: 'pastSO' | 'futureSO'
  readonly simulates: NodeClass
  readonly over: NodeClass
  readonly delegates: readonly string[]
  readonly refuses: readonly string[]
  readonly methods: Readonly<Record<string, (...args: any[]) => unknown>>
  readonly initial: (old: any, collections: InitialCollections) => object | Promise<object>
  /** Which of its own collections begin with records made of the old object's, one by one (§8). */
  readonly records: RecordRules | null
  /** Where a future-SO may begin instead (W5); null: with `initial`. */
  readonly initialFrom: KeptInitial | null
}

/** The beginning of a future-SO whose predecessor was undone (§8: "undo an upgrade, fix it"). */
export interface KeptInitial {
  /** The class of the version that was undone, as the predecessor simulates it. */
  readonly className: string
  readonly state: (kept: any, collections: KeptCollections) => object
}

/** The collections of a future-SO that begins with the state of another one. */
export type KeptCollections = Pick<InitialCollections, 'own'> & {
  /** Those of the SO that was undone. */
  kept(name: string): ReadonlyCollection<any>
}

/** An SO of `New` on top of `Old`, with its state's type. */
export interface FutureSO<New extends NodeClass, Old extends NodeClass, State> extends Simulation {
  readonly simulates: New
  readonly over: Old
  readonly initial: (none?: undefined) => State & object
}

/**
 * An SO of `Old` on top of `New`. Its state is initialised from the old version's persistent
 * state (§5, §7.2).
 */
export interface PastSO<Old extends NodeClass, New extends NodeClass, State> extends Simulation {
  readonly simulates: Old
  readonly over: New
  readonly initial: (old: StateOf<Old>, collections: InitialCollections) => (State & object) | Promise<State & object>
}

/**
 * `oldClass` and `newClass` are such that the next object answers every call as it is: no SO is needed (§2).
 */
export const notNeeded: NotNeeded = Symbol.for('theseus.notNeeded') as never
export interface NotNeeded {
  readonly [notNeededKey]: true
}
declare const notNeededKey: unique symbol

/**
 * The compiler's message where an SO is needed after all: for these methods of `Simulated`,
 * `Next` has not the same.
 */
export interface NeededFor<Methods> {
  readonly 'notNeeded does not hold: write an SO for': Methods
}

/** `notNeeded` where the types bear it out; else a type that nothing has, and that names the methods. */
export type NotNeededOver<Simulated, Next> =
  IsSubtype<Next, Simulated> extends true
    ? NotNeeded
    : NotNeeded & NeededFor<Exclude<keyof Methods<Simulated>, Delegatable<Simulated, Next>>>

/**
 * There is no SO though one would be needed: the chain ends here, and calls beyond get `version.cut` (§5: an
 * eager schedule without SOs).
 */
export const none: None = Symbol.for('theseus.none') as never
export interface None {
  readonly [noneKey]: true
}
declare const noneKey: unique symbol

/**
 * Describes a future-SO. It is installed when a node learns of the new version, with the state
 * that `initial` gives (§5).
 */
export function futureSO<
  New extends NodeClass,
  Old extends NodeClass,
  Delegated extends CanDelegate<New, Old> = never,
  Refused extends CanRefuse<New> = never,
  State extends object = Record<never, never>,
  Kept = object,
>(
  parts: SimulationParts<New, Old, Delegated, Refused, State> & {
    readonly initial?: () => State
    /**
     * The state to begin with on nodes that have gone back from an upgrade which brought `so` (§8). It is
     * made of the state that `so` has kept there, so nothing is lost that only the undone version knew. Other
     * nodes begin with `initial`. It runs between two calls, with at most 100,000 records: more reject the
     * upgrade.
     */
    readonly initialFrom?: {
      readonly so: FutureSO<any, Old, Kept>
      readonly state: (kept: Readonly<Kept>, collections: KeptCollections) => State
    }
  },
): FutureSO<New, Old, State> {
  return simulation('futureSO', parts) as FutureSO<New, Old, State>
}

/**
 * Describes a past-SO. It is installed when a node upgrades, with the state that `initial`
 * makes of the old state (§7.2).
 */
export function pastSO<
  Old extends NodeClass,
  New extends NodeClass,
  Delegated extends CanDelegate<Old, New> = never,
  Refused extends CanRefuse<Old> = never,
  State extends object = Record<never, never>,
>(
  parts: SimulationParts<Old, New, Delegated, Refused, State> & {
    readonly initial?: (old: StateOf<Old>, collections: InitialCollections) => State | Promise<State>
    /**
     * Its own collections, made record by record of the old object's when they are asked for (§8). Not to be
     * filled by `initial`.
     */
    readonly records?: Records<CollectionsOf<Old>, Record<string, any>>
  },
): PastSO<Old, New, State> {
  return simulation('pastSO', parts) as PastSO<Old, New, State>
}

function simulation(
  role: 'pastSO' | 'futureSO',
  parts: {
    simulates: NodeClass
    over: NodeClass
    delegates?: readonly string[]
    refuses?: readonly string[]
    methods: object
    initial?: (old: any, collections: InitialCollections) => object | Promise<object>
    records?: Records<any, any>
    initialFrom?: { readonly so: Simulation; readonly state: (kept: any, collections: KeptCollections) => object }
  },
): Simulation {
  for (const part of ['simulates', 'over'] as const) {
    if (!isNodeClass(parts[part])) throw new Fault('upgrade.invalid', `${role}: ${part} is not a class that extends NodeObject`)
  }
  const made: Simulation = {
    [brand]: role,
    simulates: parts.simulates,
    over: parts.over,
    delegates: parts.delegates ?? [],
    refuses: parts.refuses ?? [],
    methods: (parts.methods ?? {}) as Simulation['methods'],
    initial: parts.initial ?? (() => ({})),
    records: recordRules(parts.records, `${role}.records`),
    initialFrom: parts.initialFrom === undefined ? null : keptInitial(parts.initialFrom),
  }
  checkCoverage(made)
  return made
}

function keptInitial({ so, state }: { readonly so: Simulation; readonly state: KeptInitial['state'] }): KeptInitial {
  if (isSimulation(so, 'futureSO') && typeof state === 'function') return { className: so.simulates.className, state }
  throw new Fault('upgrade.invalid', 'futureSO.initialFrom: use { so: theSOThatWasUndone, state: (kept) => ({ … }) }')
}

/**
 * The compiler's rules once more, for upgrades that come from JavaScript or past a cast; and the one about
 * marks, which it can't see.
 */
function checkCoverage(so: Simulation): void {
  const simulated = describeClass(so.simulates)
  const next = describeClass(so.over)
  const wrong = (message: string): never => {
    throw new Fault('upgrade.invalid', `${so[brand]} of ${simulated.className} over ${next.className}: ${message}`)
  }
  const treated = [...so.delegates, ...so.refuses, ...Object.keys(so.methods)]
  for (const name of treated) {
    if (!simulated.methods.has(name)) wrong(`${name} is not a remote method of ${simulated.className}`)
    if (treated.indexOf(name) !== treated.lastIndexOf(name)) wrong(`${name} is treated twice`)
  }
  for (const name of simulated.methods.keys())
    if (!treated.includes(name)) wrong(`${name} is neither delegated, refused nor implemented`)
  for (const name of so.delegates) {
    const why = whyNotAsIs(name, simulated, next)
    if (why !== undefined) wrong(`${name} can't be delegated: ${why}`)
  }
  for (const [name, method] of Object.entries(so.methods)) if (typeof method !== 'function') wrong(`${name} is not a function`)
  if (typeof so.initial !== 'function') wrong('initial is not a function')
  checkDeclaredCallsOf(so.simulates, Object.values(so.methods))
}

/**
 * Why `next` can't answer this method of `simulated` as it is. A query may be sent again, so no
 * command answers it.
 */
export function whyNotAsIs(name: string, simulated: ClassDescription, next: ClassDescription): string | undefined {
  const kind = next.methods.get(name)
  if (kind === undefined) return `${next.className} has no such method`
  if (kind === 'command' && simulated.methods.get(name) === 'query')
    return `it is a query of ${simulated.className} and a command of ${next.className}`
  return undefined
}

export function isSimulation(value: unknown, role: 'pastSO' | 'futureSO'): value is Simulation {
  return typeof value === 'object' && value !== null && (value as Simulation)[brand] === role
}

/** Whether there is an SO at all. */
export function isSO(so: Simulation | NotNeeded | None): so is Simulation {
  return so !== none && so !== notNeeded
}
