/**
 * Real traffic and real state: calls as a service had them, in their order on each node, and states that its
 * nodes have. Histories begin with such a state, and go on as such a node did.
 */
import type { NodeClass } from 'theseus-actors'
import type { ObjectState } from '../../core/model/objectState.js'
import type { Random } from '../../core/ports/random.js'
import type { Cast, Member } from './cast.js'
import { pick } from './shapes.js'

/** A call that a node has had, in the class that it has at the call's version. */
export interface TrafficCall {
  readonly node: string
  readonly className: string
  readonly method: string
  readonly args: readonly unknown[]
}

/** Calls of one node, one after the other. */
export class Episode {
  #at: number

  constructor(
    readonly nodeId: string,
    private readonly calls: readonly TrafficCall[],
    random: Random,
  ) {
    this.#at = Math.floor(random.next() * calls.length)
  }

  next(): TrafficCall | undefined {
    return this.calls[this.#at++]
  }
}

const callsMax = 100_000
/** Of one state: the texts that calls are made with. */
const textsMax = 64
const depthMax = 4

export class Traffic {
  readonly #byNode = new Map<string, TrafficCall[]>()
  readonly #byMethod = new Map<string, (readonly unknown[])[]>()
  readonly #states = new Map<string, ObjectState[]>()
  readonly #texts = new WeakMap<ObjectState, readonly string[]>()
  readonly #nodesOf = new Map<Member, readonly string[]>()

  constructor(calls: readonly TrafficCall[] = [], states: readonly ObjectState[] = []) {
    for (const call of calls.slice(0, callsMax)) {
      add(this.#byNode, call.node, call)
      add(this.#byMethod, `${call.className}.${call.method}`, call.args)
    }
    for (const state of states) add(this.#states, state.className, state)
  }

  get hasCalls(): boolean {
    return this.#byNode.size > 0
  }

  get hasStates(): boolean {
    return this.#states.size > 0
  }

  /** The arguments of real calls of a method. */
  argumentsOf(className: string, method: string): readonly (readonly unknown[])[] {
    return this.#byMethod.get(`${className}.${method}`) ?? []
  }

  /** Undefined where no node of its classes was called. */
  episode(member: Member, random: Random): Episode | undefined {
    const nodes = this.#nodes(member)
    if (nodes.length === 0) return undefined
    const nodeId = pick(nodes, random)
    return new Episode(nodeId, this.#byNode.get(nodeId)!, random)
  }

  /** That of this very node, if it is known; else of any node of the class at version 0. */
  stateFor({ line }: Member, nodeId: string | undefined, random: Random): ObjectState | undefined {
    const states = this.#states.get(line[0]!.className) ?? []
    const own = nodeId === undefined ? undefined : states.find((state) => state.nodeId === nodeId)
    return own ?? (states.length === 0 ? undefined : pick(states, random))
  }

  /** Keys and short texts of a state: calls that name them find something. */
  textsOf(state: ObjectState): readonly string[] {
    const known = this.#texts.get(state) ?? textsIn(state)
    this.#texts.set(state, known)
    return known
  }

  /** How much of it belongs to the classes of the cast. */
  summary({ members }: Cast): { readonly calls: number; readonly states: number } {
    const definitions = new Set<NodeClass>([...members.values()].flatMap(({ line }) => line))
    const names = new Set([...definitions].map(({ className }) => className))
    const firsts = new Set([...members.values()].map(({ line }) => line[0]!.className))
    let calls = 0
    for (const each of this.#byNode.values()) calls += each.filter(({ className }) => names.has(className)).length
    let states = 0
    for (const className of firsts) states += this.#states.get(className)?.length ?? 0
    return { calls, states }
  }

  #nodes(member: Member): readonly string[] {
    const known = this.#nodesOf.get(member)
    if (known !== undefined) return known
    const names = new Set(member.line.map(({ className }) => className))
    const found = [...this.#byNode].filter(([, calls]) => names.has(calls[0]!.className)).map(([nodeId]) => nodeId)
    this.#nodesOf.set(member, found)
    return found
  }
}

function textsIn({ state, collections }: ObjectState): readonly string[] {
  const found = new Set<string>()
  const take = (text: string) => {
    if (text !== '' && text.length <= textsMax && found.size < textsMax) found.add(text)
  }
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'string') take(value)
    else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && depth < depthMax) {
      if (!Array.isArray(value)) for (const key of Object.keys(value).slice(0, textsMax)) take(key)
      for (const each of Object.values(value).slice(0, textsMax)) visit(each, depth + 1)
    }
  }
  for (const records of Object.values(collections)) for (const [key] of records.slice(0, textsMax)) take(key)
  // The names of the root's own fields are the class's, and no arguments.
  for (const value of Object.values(state).slice(0, textsMax)) visit(value, 1)
  for (const records of Object.values(collections)) for (const [, record] of records.slice(0, textsMax)) visit(record, 1)
  return [...found]
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const found = map.get(key)
  if (found === undefined) map.set(key, [value])
  else found.push(value)
}
