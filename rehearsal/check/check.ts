/**
 * Tries an upgrade against the paper's criteria (§7) without a specification of it: the transform function is
 * the simulation relation. In every reachable state, a call and then the flip have to be what the flip and
 * then the call are, in the answer and in all that any version observes afterwards; or one side refuses the
 * call. Random histories on a real system in memory look for a contradiction, and the shortest is reported.
 */
import type { NodeClass, Upgrade } from 'theseus-actors'
import { seededRandom } from 'theseus-actors/memory'
import type { Random } from '../../core/ports/random.js'
import { NeighbourSystems, type RehearsedNeighbour } from '../neighbourSystems.js'
import type { Blame } from './blame.js'
import { areAlone, Cast, castOf, internalCommands, type Member } from './cast.js'
import { codeValuesOf } from './codeValues.js'
import type { FindingKind } from './diagnosis.js'
import { type CheckReport, reportText, type SourceLine } from './findings.js'
import { guessedParameters } from './guessedParameters.js'
import type { ParametersOf, Sources } from './history.js'
import { ownChance } from './ownChance.js'
import { type ClosablePlayer, OwnStages, SharedStages } from './players.js'
import { type RealOptions, realTraffic } from './realTraffic.js'
import { type AcceptedArguments, acceptedArguments } from './schemaArguments.js'
import { Search } from './search.js'
import type { Parameters } from './shapes.js'
import { Stage } from './stage.js'
import { ThereAndBack, type ThereAndBackOptions } from './thereAndBack.js'
import type { Traffic } from './traffic.js'

/** The source of an upgrade, as `readUpgrades` of `theseus-actors/build` reads it with the compiler. */
export interface UpgradeSource {
  /** The parameters of each method, by the name of its class. */
  readonly parameters: Readonly<Record<string, Readonly<Record<string, Parameters>>>>
  /** The line of a part of an upgrade. */
  readonly lineOf?: (blame: Blame) => SourceLine | null
}

export interface CheckOptions extends RealOptions {
  /** The nodes by id, with their class at version 0. By default one of each service concerned. */
  readonly nodes?: Readonly<Record<string, NodeClass>>
  /** Types and lines. Without it arguments are guessed from the names of parameters. */
  readonly source?: UpgradeSource
  /** Arguments of one's own, by class and method; each function is given a source of chance. */
  readonly arguments?: Readonly<Record<string, Readonly<Record<string, (random: Random) => readonly unknown[]>>>>
  /** More arguments of real calls, by class and method. */
  readonly recorded?: Readonly<Record<string, Readonly<Record<string, readonly (readonly unknown[])[]>>>>
  /** The other systems that the classes call, by name. */
  readonly neighbours?: Readonly<Record<string, RehearsedNeighbour>>
  /** Histories to play; by default 1,000, or 200 where nodes call one another. */
  readonly histories?: number
  /** The same seed plays the same histories; 1 by default. */
  readonly seed?: number
  /** Ends after so many milliseconds of real time, whatever is left; one minute by default. */
  readonly withinMs?: number
  /** Findings after which it ends; 10 by default. */
  readonly findingsMax?: number
  /** Kinds that are not looked for. */
  readonly without?: readonly FindingKind[]
}

/** Upgrades of a chain that is checked. */
const upgradesMax = 4
const historiesAlone = 1_000
const historiesTogether = 200

/**
 * Checks an upgrade, or a chain of up to four, oldest first, whose first begins at version 0 (§7). They are
 * given as values, or as the paths of their modules, which are built first. Takes up to `withinMs`. Throws
 * for a chain that can't be played; all that is wrong with what the upgrades do is in the report.
 */
export async function check(upgrades: Checked | readonly Checked[], given: CheckOptions = {}): Promise<CheckReport> {
  const all = [upgrades].flat() as readonly Checked[]
  if (all.length === 0 || all.length > upgradesMax) throw new Error(`check takes 1 to ${upgradesMax} upgrades, not ${all.length}`)
  const { chain, options } = await withSources(all, given)
  const real = await realTraffic(options, chain, Object.values(options.nodes ?? {}))
  const chance = ownChance()
  let player: ClosablePlayer | undefined
  try {
    player = await playerOf(chain, options, real.traffic)
    const { cast } = player.sources
    const used = real.used(cast)
    const { seed = 1, withinMs = 60_000, findingsMax = 10, without = [] } = options
    const histories = options.histories ?? (player instanceof SharedStages ? historiesAlone : historiesTogether)
    const lineOf = options.source?.lineOf ?? (() => null)
    const search = new Search(player, { histories, seed, withinMs, findingsMax, without, lineOf })
    const untilMs = performance.now() + withinMs
    const found = await search.run()
    const back =
      found.holds && hasInverse(chain) ? await thereAndBack(player, options, { histories, seed, untilMs, lineOf }) : undefined
    const report = back === undefined || without.includes(back.kind) ? found : { ...found, holds: false, findings: [back] }
    const untried = [...cast.members.values()].flatMap((member) => untriedOf(member, player!.sources))
    const whole = { ...report, real: used, untried: uniqueBy(untried, ({ className, method }) => `${className}.${method}`) }
    return { ...whole, text: reportText(whole) }
  } finally {
    await player?.close()
    chance()
  }
}

/** An upgrade, or the module that exports it by default: of that the types and the lines are known. */
export type Checked = Upgrade | string | URL

async function withSources(all: readonly Checked[], options: CheckOptions) {
  const isPath = (each: Checked): each is string | URL => typeof each === 'string' || each instanceof URL
  if (!all.some(isPath)) return { chain: all as readonly Upgrade[], options }
  if (!all.every(isPath)) throw new Error('check takes upgrades, or their modules, and not both at once')
  const { readUpgrades } = await import('theseus-actors/build')
  const { upgrades, source } = await readUpgrades(all)
  return { chain: upgrades, options: { source, ...options } }
}

async function playerOf(chain: readonly Upgrade[], options: CheckOptions, traffic: Traffic): Promise<ClosablePlayer> {
  const neighbours = options.neighbours
  const cast = new Cast(options.nodes ?? castOf(chain), chain)
  if (cast.flipping.length === 0) throw new Error('no node of these upgrades would flip: give their nodes in "nodes"')
  const accepted = await acceptedBySchemas(cast, options)
  const endless = new Set<string>()
  const sourcesOf = (cast: Cast): Sources => {
    const classes = new Set([...cast.members.values()].flatMap(({ line }) => line))
    const internal = new Map([...cast.members].map(([nodeId, member]) => [nodeId, internalCommands(member)]))
    return {
      isInternal: (node, method) => internal.get(node)?.has(method) === true,
      cast,
      parametersOf: parametersFrom(options, classes),
      recorded: (className, method) => [
        ...(options.recorded?.[className]?.[method] ?? []),
        ...traffic.argumentsOf(className, method),
      ],
      accepted: (className, method) => accepted.get(`${className}.${method}`),
      traffic,
      endless,
      own: (className, method) => options.arguments?.[className]?.[method],
      codeValues: codeValuesOf(cast),
    }
  }
  if (areAlone(cast) && neighbours === undefined) return new SharedStages(sourcesOf(cast))
  const open = async () => (neighbours === undefined ? undefined : NeighbourSystems.start(neighbours))
  const player = new OwnStages(sourcesOf(cast), open)
  return options.nodes === undefined ? await withAllNodes(player, chain, sourcesOf, open) : player
}

/** Null for a method of whose schemas no value was found. */
async function acceptedBySchemas(cast: Cast, options: CheckOptions): Promise<ReadonlyMap<string, AcceptedArguments | null>> {
  const classes = new Set([...cast.members.values()].flatMap(({ line }) => line))
  const parametersOf = parametersFrom(options, classes)
  const literals = codeValuesOf(cast).texts
  const random = seededRandom(options.seed ?? 1)
  const found = new Map<string, AcceptedArguments | null>()
  for (const { className, accepts = {} } of classes)
    for (const [method, schemas] of Object.entries(accepts)) {
      const made = await acceptedArguments(schemas, parametersOf(className, method), literals, random)
      found.set(`${className}.${method}`, made ?? null)
    }
  return found
}

const castsMax = 3
const nodesMax = 12

/** Nodes that others call by their ids are found by playing: the next cast has them. */
async function withAllNodes(
  player: OwnStages,
  chain: readonly Upgrade[],
  sourcesOf: (cast: Cast) => Sources,
  open: () => Promise<NeighbourSystems | undefined>,
): Promise<OwnStages> {
  let found = player
  for (let casts = 1; casts <= castsMax; casts++) {
    await new Search(found, {
      histories: 12,
      seed: casts,
      withinMs: 5_000,
      findingsMax: 0,
      without: [],
      lineOf: () => null,
    }).run()
    const { missing } = found
    if (missing.size === 0) return found
    const { nodes } = found.sources.cast
    // A class whose nodes have names of their own has no other ones.
    const named = new Set([...missing.values()].map(({ className }) => className))
    const others = Object.entries(nodes).filter(([, { className }]) => !named.has(className) || casts > 1)
    const whole = Object.fromEntries([...others, ...[...missing].slice(0, nodesMax)])
    found = new OwnStages(sourcesOf(new Cast(whole, chain)), open)
  }
  return found
}

function hasInverse(chain: readonly Upgrade[]): boolean {
  return chain.at(-1)!.classUpgrades.every(({ inverse }) => inverse !== null)
}

/** An undo is made for a whole system: so many histories share one. */
const undoneTogether = 8
const shareOfUndos = 0.1

async function thereAndBack(
  player: ClosablePlayer,
  { neighbours }: CheckOptions,
  { histories, ...more }: Pick<ThereAndBackOptions, 'histories' | 'seed' | 'untilMs' | 'lineOf'>,
) {
  const { sources } = player
  const { cast } = sources
  const opened: NeighbourSystems[] = []
  const open = async (seed: number, prefixes: readonly string[]) => {
    if (neighbours !== undefined) opened.push(await NeighbourSystems.start(neighbours))
    const nodes = prefixes.flatMap((prefix) =>
      Object.entries(cast.nodes).map(([nodeId, definition]) => [prefix + nodeId, definition]),
    )
    const last = opened.at(-1)
    const stage = { upgrades: cast.upgrades, seed, facts: cast.facts, ...(last === undefined ? {} : { neighbours: last }) }
    return Stage.open(stage, Object.fromEntries(nodes))
  }
  const atOnce = player instanceof SharedStages ? undoneTogether : 1
  try {
    return await new ThereAndBack(sources, { ...more, histories: Math.ceil(histories * shareOfUndos), open, atOnce }).find()
  } finally {
    for (const each of opened) await each.stop()
  }
}

function parametersFrom({ source }: CheckOptions, classes: ReadonlySet<NodeClass>): ParametersOf {
  const byName = new Map([...classes].map((definition) => [definition.className, definition]))
  return (className, method) => {
    if (source !== undefined && className in source.parameters) return source.parameters[className]![method]
    const definition = byName.get(className)
    return definition === undefined ? undefined : guessedParameters(definition, method)
  }
}

function untriedOf({ nodeId, line }: Member, sources: Sources) {
  const { cast, parametersOf, recorded, own, accepted, isInternal, endless } = sources
  return line.flatMap(({ className }, version) =>
    [...cast.methodsAt(nodeId, version).keys()].flatMap((method) => {
      const isRefused = accepted(className, method) === null
      const isKnown = parametersOf(className, method) !== undefined || own(className, method) !== undefined
      if (endless.has(`${className}.${method}`)) return [{ className, method, why: 'its calls do not end, in any version' }]
      if (isInternal(nodeId, method)) return [{ className, method, why: 'only other nodes of its service call it' }]
      if (isRefused && own(className, method) === undefined && recorded(className, method).length === 0)
        return [{ className, method, why: 'no value was found that its schema accepts: give "arguments"' }]
      if (isKnown || recorded(className, method).length > 0) return []
      return [{ className, method, why: 'no values can be made of the types of its parameters: give "arguments"' }]
    }),
  )
}

function uniqueBy<T>(values: readonly T[], key: (value: T) => string): readonly T[] {
  return [...new Map(values.map((value) => [key(value), value])).values()]
}
