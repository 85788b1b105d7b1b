/**
 * Mapping functions (§7): "a mapping function MF … maps the abstract state of O_i to that of O_i+1". Written
 * beside an upgrade, which does not know what its version will be, between two classes. The other way round
 * they say what a past-SO may show (§7.2).
 */
import type { KeyRange, NodeClass, NodeObject, ReadonlyCollection, Remote } from 'theseus-actors'

/** The parts of an object, as far as its queries can tell. */
export interface AbstractState {
  readonly state: object
  readonly collection: (name: string) => ReadonlyCollection<any>
}

export interface Mapping {
  readonly from: NodeClass
  readonly to: NodeClass
  readonly map: (old: AbstractState) => AbstractState
  /**
   * Whether this query of `to` observes nothing but the dependent part: what comes from the state of `from`.
   */
  readonly dependent: (method: string, args: readonly unknown[]) => boolean
}

/** Names of queries; where one query observes either part, a function decides by its arguments. */
export type Dependent<Name extends string = string> = readonly Name[] | Mapping['dependent']

type StateOf<C extends NodeClass> = InstanceType<C> extends NodeObject<infer State, any> ? State : never
type MethodOf<C extends NodeClass> = keyof Remote<InstanceType<C>> & string
type Records = Iterable<readonly [key: string, value: unknown]>

/**
 * Relates two classes of one line, neighbours or not: what `to` shows of the dependent part while a node runs
 * `from`. The independent part is trivially initialised. Collections that are not named are empty.
 */
export function mapping<From extends NodeClass, To extends NodeClass>(parts: {
  readonly from: From
  readonly to: To
  readonly state: (old: StateOf<From>) => StateOf<To>
  readonly collections?: Readonly<Record<string, (old: (name: string) => ReadonlyCollection<any>) => Records>>
  readonly dependent: Dependent<MethodOf<To>>
}): Mapping {
  const { from, to, state, collections = {}, dependent } = parts
  return {
    from,
    to,
    dependent: isDependent(dependent),
    map: (old) => ({
      state: state(old.state as StateOf<From>),
      collection: (name) => collectionOf(collections[name]?.(old.collection) ?? []),
    }),
  }
}

/**
 * Two mappings one after the other: for a version two steps away. The parts that depend on both
 * steps have to be named anew.
 */
export function chained(first: Mapping, second: Mapping, dependent: Dependent): Mapping {
  return {
    from: first.from,
    to: second.to,
    dependent: isDependent(dependent),
    map: (old) => second.map(first.map(old)),
  }
}

function isDependent(dependent: Dependent): Mapping['dependent'] {
  return typeof dependent === 'function' ? dependent : (method) => dependent.includes(method)
}

/**
 * The answer of an object of this class with this state: its method runs on a bare instance,
 * which has no node.
 */
export function answerOf(target: NodeClass, { state, collection }: AbstractState, method: string, args: readonly unknown[]) {
  const instance = Object.create(target.prototype)
  for (const [key, value] of Object.entries({ state, collection })) Object.defineProperty(instance, key, { value })
  return instance[method](...args)
}

function collectionOf(records: Records): ReadonlyCollection<unknown> {
  const byKey = new Map(records)
  const inOrder = [...byKey].sort(([a], [b]) => byBytes(a, b))
  const isIn = (key: string, { from, to }: KeyRange) =>
    (from === undefined || byBytes(key, from) >= 0) && (to === undefined || byBytes(key, to) < 0)
  return {
    get: (key) => byKey.get(key),
    has: (key) => byKey.has(key),
    entries: (range = {}) => inOrder.filter(([key]) => isIn(key, range)).slice(0, range.limit),
  }
}

/** The order of keys in a collection. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
