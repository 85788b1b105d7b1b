/**
 * A history: calls of all versions and flips, and in the middle one call and one flip that are exchanged.
 * Both orders have to look the same to every caller afterwards.
 */
import type { MethodKind, Version } from 'theseus-actors'
import type { ObjectState } from '../../core/model/objectState.js'
import type { Random } from '../../core/ports/random.js'
import type { Cast, Member } from './cast.js'
import type { CodeValues } from './codeValues.js'
import type { AcceptedArguments } from './schemaArguments.js'
import { type Parameters, pick, randomValue, ValuePool } from './shapes.js'
import type { Episode, Traffic } from './traffic.js'

export interface Call {
  readonly node: string
  readonly version: Version
  readonly method: string
  readonly args: readonly unknown[]
}

export type Step =
  | ({ readonly is: 'call' } & Call)
  /** Of the node to its next version. */
  | { readonly is: 'flip'; readonly node: string }
  | { readonly is: 'restart'; readonly node: string }
  | { readonly is: 'wait'; readonly ms: number }

export interface History {
  /** Real states that nodes begin with, by their ids here. */
  readonly states?: Readonly<Record<string, ObjectState>>
  readonly before: readonly Step[]
  readonly call: Call
  /** The node whose flip is exchanged with the call. */
  readonly flip: string
  /** The same on both sides, afterwards. */
  readonly after: readonly Call[]
  /** Passes at the end, before the last queries; left out: no time. */
  readonly waitMs?: number
}

/** The parameters of a method: undefined where nobody knows. */
export type ParametersOf = (className: string, method: string) => Parameters | undefined

export interface Sources {
  readonly cast: Cast
  readonly parametersOf: ParametersOf
  /** Calls of real traffic, by class and method: their arguments are taken as they are. */
  readonly recorded: (className: string, method: string) => readonly (readonly unknown[])[]
  /** Arguments that a user makes. */
  readonly own: (className: string, method: string) => ((random: Random) => readonly unknown[]) | undefined
  /** Arguments that the schemas of a class accept: null where none were found, undefined without schemas. */
  readonly accepted: (className: string, method: string) => AcceptedArguments | null | undefined
  readonly traffic: Traffic
  /** Values that stand in the code. */
  readonly codeValues: CodeValues
  /** Methods of classes whose calls never end, as `Class.method`: they are not called again. */
  readonly endless: Set<string>
  /** Whether only nodes of the same service call it: nobody else knows when. */
  readonly isInternal: (node: string, method: string) => boolean
}

const stepsMax = 9
/** Most calls are to the node that flips: others matter as far as it talks to them. */
const toFlipping = 0.75
const afterMax = 2
/** Where there is real traffic: of histories that go on as it did, and of their calls that are real. */
const realHistories = 0.6
const realCalls = 0.7
/** Of histories that begin with real states, where there are some. */
const realStates = 0.8
/** Texts of a state that calls of a history name most. */
const textsOfState = 2
/** Long enough for lazy records to be made, and for a timer of a class. */
const waits = [5, 300]

/** Where each node is, as far as the steps tell. */
export class Positions {
  readonly #flipped = new Map<string, number>()

  constructor(private readonly cast: Cast) {}

  /** The version to which the node's next flip leads; undefined for one that is there. */
  next(node: string): Version | undefined {
    return this.cast.member(node).flips[this.#flipped.get(node) ?? 0]
  }

  flip(node: string): void {
    this.#flipped.set(node, (this.#flipped.get(node) ?? 0) + 1)
  }
}

/** The version that the flip of this history leads to. */
export function targetOf({ before, flip }: Pick<History, 'before' | 'flip'>, cast: Cast): Version | undefined {
  const positions = new Positions(cast)
  for (const step of before) if (step.is === 'flip') positions.flip(step.node)
  return positions.next(flip)
}

export function randomHistory(sources: Sources, random: Random): History {
  const { cast } = sources
  const flipping = pick(cast.flipping, random)
  const positions = new Positions(cast)
  // Without traffic the same seed plays the same histories as ever.
  const episode =
    sources.traffic.hasCalls && random.next() < realHistories ? sources.traffic.episode(flipping, random) : undefined
  const states = statesFor(sources, flipping, episode?.nodeId, random)
  const texts = Object.values(states).flatMap((state) => {
    const all = sources.traffic.textsOf(state)
    return Array.from({ length: Math.min(textsOfState, all.length) }, () => pick(all, random))
  })
  const pool = new ValuePool(sources.codeValues, texts)
  const before: Step[] = []
  // Which of its flips is exchanged: those before it are part of the history.
  const left = Math.floor(random.next() * flipping.flips.length)
  const flipsAt = Array.from({ length: left }, () => Math.floor(random.next() * stepsMax)).sort((a, b) => a - b)
  const length = Math.floor(random.next() * (stepsMax + 1))
  const flip = (node: string) => {
    positions.flip(node)
    before.push({ is: 'flip', node })
  }
  for (let at = 0; at < stepsMax; at++) {
    while (flipsAt[0] === at) {
      flipsAt.shift()
      flip(flipping.nodeId)
    }
    if (at >= length) continue
    const chance = random.next()
    if (chance < 0.06) before.push({ is: 'restart', node: pick([...cast.members.keys()], random) })
    else if (chance < 0.1) before.push({ is: 'wait', ms: pick(waits, random) })
    else if (chance < 0.16) {
      const others = cast.flipping.filter(({ nodeId }) => nodeId !== flipping.nodeId && positions.next(nodeId) !== undefined)
      if (others.length > 0) flip(pick(others, random).nodeId)
    } else {
      const on = random.next() < toFlipping ? flipping.nodeId : undefined
      const isReal = episode !== undefined && on !== undefined && random.next() < realCalls
      const real = isReal ? realCall(episode, flipping, pool, sources) : undefined
      const call = real ?? randomCall(sources, positions, pool, random, 0.88, on)
      if (call !== undefined) before.push({ is: 'call', ...call })
    }
  }
  const real = episode !== undefined && random.next() < realCalls ? realCall(episode, flipping, pool, sources) : undefined
  const call = real ?? randomCall(sources, positions, pool, random, 0.6, random.next() < 0.85 ? flipping.nodeId : undefined)
  const after = Array.from({ length: Math.floor(random.next() * (afterMax + 1)) }, () =>
    randomCall(sources, positions, pool, random, 0.9),
  )
  const timers = sources.codeValues.waits
  return {
    ...(Object.keys(states).length === 0 ? {} : { states }),
    before,
    call: call ?? anyCall(cast, flipping),
    flip: flipping.nodeId,
    after: after.filter((each) => each !== undefined),
    ...(timers.length > 0 && random.next() < 0.5 ? { waitMs: pick(timers, random) } : {}),
  }
}

function statesFor(
  { cast, traffic }: Sources,
  flipping: Member,
  realNode: string | undefined,
  random: Random,
): Readonly<Record<string, ObjectState>> {
  if (!traffic.hasStates || random.next() >= realStates) return {}
  const found = [...cast.members.values()].flatMap((member) => {
    const state = traffic.stateFor(member, member === flipping ? realNode : undefined, random)
    return state === undefined ? [] : [[member.nodeId, state] as const]
  })
  return Object.fromEntries(found)
}

/** The next call of real traffic, at the version of its class. Undefined where no version has that class. */
function realCall(
  episode: Episode | undefined,
  { nodeId, line }: Member,
  pool: ValuePool,
  { endless }: Sources,
): Call | undefined {
  const call = episode?.next()
  const version = line.findIndex(({ className }) => className === call?.className)
  if (call === undefined || version < 0 || endless.has(`${call.className}.${call.method}`)) return undefined
  const { method, args } = call
  for (const arg of args) pool.learn(arg)
  return { node: nodeId, version, method, args }
}

/** A class without any method that can be called still flips. */
function anyCall(cast: Cast, { nodeId }: Member): Call {
  const [method = 'nothing'] = cast.methodsAt(nodeId, 0).keys()
  return { node: nodeId, version: 0, method, args: [] }
}

function randomCall(
  sources: Sources,
  positions: Positions,
  pool: ValuePool,
  random: Random,
  commands: number,
  on?: string,
): Call | undefined {
  const { cast } = sources
  for (let tries = 0; tries < 8; tries++) {
    const node = on ?? pick([...cast.members.keys()], random)
    const next = positions.next(node) ?? cast.newest
    const version = random.next() < 0.7 ? next - (random.next() < 0.5 ? 1 : 0) : Math.floor(random.next() * (cast.newest + 1))
    const kind: MethodKind = random.next() < commands ? 'command' : 'query'
    const { className } = cast.member(node).line[version]!
    const isTried = (method: string) => !sources.isInternal(node, method) && !sources.endless.has(`${className}.${method}`)
    const all = [...cast.methodsAt(node, version)].filter(([method]) => isTried(method))
    const ofKind = all.filter(([, its]) => its === kind)
    const [method] = ofKind.length > 0 ? pick(ofKind, random) : all.length > 0 ? pick(all, random) : []
    if (method === undefined) continue
    const args = argumentsOf(sources, className, method, pool, random)
    if (args === undefined) continue
    for (const arg of args) pool.learn(arg)
    return { node, version, method, args }
  }
  return undefined
}

function argumentsOf(
  { parametersOf, recorded, own, accepted }: Sources,
  className: string,
  method: string,
  pool: ValuePool,
  random: Random,
): readonly unknown[] | undefined {
  const real = recorded(className, method)
  if (real.length > 0 && random.next() < 0.7) return pick(real, random)
  const made = own(className, method)
  if (made !== undefined) return made(random)
  const fit = accepted(className, method)
  if (fit !== undefined) return fit === null ? undefined : fit.any(random)
  const parameters = parametersOf(className, method)
  if (parameters === undefined) return undefined
  const { names, shapes, required } = parameters
  const count = required + Math.floor(random.next() * (shapes.length - required + 1))
  return shapes.slice(0, count).map((shape, i) => randomValue(shape, pool, random, names[i]))
}

const looksPerQueryMax = 8
const looksMax = 160
const candidatesMax = 4

/** The queries that are asked of all nodes at all versions when a history is over. */
export function looksAfter(history: History, sources: Sources): readonly Call[] {
  const { cast, parametersOf, recorded, accepted, traffic, endless } = sources
  const { before, call, after, states = {} } = history
  const used = new ValuePool()
  const texts: unknown[] = []
  const numbers: unknown[] = [0, 1]
  const wholes: unknown[] = []
  const collect = (value: unknown, depth = 0): void => {
    if (typeof value === 'string' && !texts.includes(value)) texts.push(value)
    else if (typeof value === 'number' && !numbers.includes(value)) numbers.unshift(value)
    else if (typeof value === 'object' && value !== null && depth < 3) {
      if (depth === 0) wholes.push(value)
      for (const each of Object.values(value)) collect(each, depth + 1)
      if (!Array.isArray(value)) for (const key of Object.keys(value)) collect(key, depth + 1)
    }
  }
  const calls = [...before.filter((step) => step.is === 'call'), call, ...after]
  for (const each of calls.toReversed()) for (const arg of each.args) collect(arg)
  for (const state of Object.values(states)) for (const text of traffic.textsOf(state).slice(0, candidatesMax)) collect(text)
  if (texts.length === 0) texts.push('a')
  const looks: Call[] = []
  for (const [node, { line }] of cast.members)
    for (const [version, definition] of line.entries())
      for (const [method, kind] of cast.methodsAt(node, version)) {
        if (kind !== 'query' || endless.has(`${definition.className}.${method}`)) continue
        const parameters = parametersOf(definition.className, method)
        const fit = accepted(definition.className, method)
        const tuples =
          fit != null
            ? fit.looks([...texts, ...numbers, ...wholes], looksPerQueryMax)
            : parameters === undefined
              ? recorded(definition.className, method).slice(0, looksPerQueryMax)
              : product(
                  parameters.shapes
                    .slice(0, parameters.required)
                    .map((shape) => candidates(shape, { texts, numbers, wholes }, used)),
                )
        for (const args of tuples) looks.push({ node, version, method, args })
      }
  return looks.slice(0, looksMax)
}

interface Used {
  readonly texts: readonly unknown[]
  readonly numbers: readonly unknown[]
  readonly wholes: readonly unknown[]
}

function candidates(shape: Parameters['shapes'][number], used: Used, pool: ValuePool): readonly unknown[] {
  switch (shape.is) {
    case 'string':
      return used.texts.slice(0, candidatesMax)
    case 'number':
      return used.numbers.slice(0, candidatesMax)
    case 'boolean':
      return [false, true]
    case 'value':
      return [shape.value]
    case 'any':
      return [...used.texts.slice(0, 2), ...used.numbers.slice(0, 2)]
    case 'oneOf':
      return shape.shapes.flatMap((each) => candidates(each, used, pool)).slice(0, 2 * candidatesMax)
    case 'list':
      return [candidates(shape.of, used, pool).slice(0, 1), []]
    default: {
      const own = used.wholes.slice(0, candidatesMax)
      return own.length > 0 ? own : [randomValue(shape, pool, { next: () => 0 })]
    }
  }
}

function product(lists: readonly (readonly unknown[])[]): readonly (readonly unknown[])[] {
  let tuples: readonly (readonly unknown[])[] = [[]]
  for (const list of lists) tuples = tuples.flatMap((tuple) => list.map((value) => [...tuple, value]))
  return tuples.slice(0, looksPerQueryMax)
}

export function statesText(states: NonNullable<History['states']>, isAlone: boolean): readonly string[] {
  return Object.entries(states).map(([node, { nodeId }]) => `${isAlone ? 'it' : node} has the state of ${nodeId}`)
}

export function callText({ node, method, args, version }: Call, isAlone: boolean): string {
  return `${isAlone ? '' : `${node}.`}${method}(${args.map((arg) => JSON.stringify(arg)).join(', ')}) at version ${version}`
}
