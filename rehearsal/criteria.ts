/**
 * The paper's correctness criteria (§7) for an upgrade, tried: a script of calls of all versions is played
 * against nodes of a real embedded system, with the flips wherever the script has them, and what every
 * version observes is compared.
 *
 * K1 (C11). A version observes the same just before and just after a flip, or is refused.
 * K2 (§7.1, condition 1). A newer version observes of the dependent state exactly the result of the mapping
 *     function on the object's state.
 * K3 (§7.2). The same of an older version: what it observes is what the mapping back makes of
 *     the object's state.
 * K4. A query changes nothing, through no version.
 *
 * A change that is kept only in an SO shows as a difference on one side or the other: before a flip by K2 and
 * K3, at the flip by K1.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  createHost,
  draftManifest,
  type Fault,
  isFault,
  type MethodKind,
  type NodeClass,
  type NodeHandle,
  type RunningHost,
  type Upgrade,
  type Version,
} from 'theseus-actors'
import { memoryRepository, memoryStore } from 'theseus-actors/memory'
import { answerOf, type Mapping } from './mapping.js'
import { NeighbourSystems, type RehearsedNeighbour } from './neighbourSystems.js'
import { ScriptedSchedules } from './scriptedSchedules.js'

export type { Blame } from './check/blame.js'
export { type Checked, type CheckOptions, check, type UpgradeSource } from './check/check.js'
export type { FindingKind } from './check/diagnosis.js'
export type { CheckReport, Finding, MeantChange, NeedlessRefusal, SourceLine, Tried } from './check/findings.js'
export type { Call, History, Step as HistoryStep } from './check/history.js'
export type { Outcome } from './check/outcomes.js'
export { NothingFits, type RealUsed } from './check/realTraffic.js'
export type { Field, Parameters, Shape } from './check/shapes.js'
export type { TrafficCall } from './check/traffic.js'
export { type AbstractState, chained, type Mapping, mapping } from './mapping.js'
export type { RehearsedNeighbour } from './neighbourSystems.js'

/** One call at one version. */
export interface ScriptedCall {
  readonly version: Version
  readonly method: string
  readonly args: readonly unknown[]
  /** By default the first node. */
  readonly node?: string
}

/**
 * `'flip'` takes the node that is furthest behind to its next version (the first of them),
 * `{ flip: 'n2' }` this one.
 */
export type Step = ScriptedCall | 'flip' | { readonly flip: string }

export interface Rehearsal {
  /** The class at version 0: of the one node, or of each node by its id, clients after their servers. */
  readonly first: NodeClass | Readonly<Record<string, NodeClass>>
  /** Upgrades 1, 2, …; their schedules are not asked: the script flips. */
  readonly upgrades: readonly Upgrade[]
  readonly script: readonly Step[]
  /** The calls made around each flip: queries only. */
  readonly observations: readonly ScriptedCall[]
  readonly mappings?: readonly Mapping[]
  /** The other systems that its classes call, by name. */
  readonly neighbours?: Readonly<Record<string, RehearsedNeighbour>>
}

export interface Violation {
  readonly criterion: 'K1' | 'K2' | 'K3' | 'K4'
  readonly at: string
  readonly call: ScriptedCall
  readonly expected: unknown
  readonly found: unknown
}

/** Plays the script and returns what contradicts the criteria: nothing, for a correct upgrade. */
export async function rehearse(rehearsal: Rehearsal): Promise<readonly Violation[]> {
  const stage = await ScriptedSystem.set(rehearsal)
  try {
    return await stage.play()
  } finally {
    await stage.clear()
  }
}

type Outcome = { readonly value: unknown } | { readonly refused: string }

/** A node on the stage. */
interface ScriptedNode {
  readonly handle: NodeHandle
  /** The class at each version, in the line of the node's service. */
  readonly line: readonly NodeClass[]
  /**
   * The version that the script has brought it to. An upgrade that leaves its class alone may
   * have taken it further.
   */
  flipped: Version
}

let stages = 0

class ScriptedSystem {
  readonly #violations: Violation[] = []
  readonly #actors = new Map<string, ScriptedNode>()

  private constructor(
    private readonly rehearsal: Rehearsal,
    private readonly host: RunningHost,
    private readonly schedules: ScriptedSchedules,
    private readonly neighbours: NeighbourSystems,
  ) {}

  static async set(rehearsal: Rehearsal): Promise<ScriptedSystem> {
    const repository = memoryRepository()
    const system = `rehearsal-${++stages}`
    const neighbours = await NeighbourSystems.start(rehearsal.neighbours ?? {})
    const host = await createHost({ system, state: memoryStore(), bundles: repository, ...neighbours.option })
    const stage = new ScriptedSystem(rehearsal, host, new ScriptedSchedules(), neighbours)
    await stage.#enter(system, repository).catch(async (error) => {
      await host.stop()
      await neighbours.stop()
      throw error
    })
    return stage
  }

  async #enter(system: string, repository: ReturnType<typeof memoryRepository>): Promise<void> {
    const { first, upgrades } = this.rehearsal
    for (const [id, definition] of Object.entries(typeof first === 'function' ? { n1: first } : first)) {
      const handle = await this.host.node(definition, id)
      this.#actors.set(id, { handle, line: lineOf(definition, upgrades), flipped: 0 })
    }
    for (const upgrade of upgrades) {
      const scripted = this.schedules.scripted(upgrade)
      const bundle = new TextEncoder().encode(`${system} ${upgrade.title}`)
      const manifest = draftManifest(scripted, bundle)
      repository.add(manifest.bundle.digest, scripted)
      await this.host.publish({ manifest, bundle })
    }
    // Any answer at the newest version, or none for lack of such a method, shows that the node
    // knows all versions.
    const atNewest = { version: upgrades.length, kind: 'query' } as const
    for (const node of this.#actors.keys()) await this.host.operator.call({ node }, 'nothing', [], atNewest).catch(() => {})
  }

  async play(): Promise<readonly Violation[]> {
    for (const [i, step] of this.rehearsal.script.entries()) {
      if (step === 'flip') await this.#flip(this.#furthestBehind())
      else if ('flip' in step) await this.#flip(step.flip)
      else {
        await this.#call(step)
        await this.#checkMappings(`after step ${i + 1}, ${words(step)}`)
      }
    }
    while (this.#isLeft(this.#furthestBehind())) await this.#flip(this.#furthestBehind())
    return this.#violations
  }

  /** Last come, first gone: a client that calls on its own finds its servers until it has stopped. */
  async clear(): Promise<void> {
    for (const { handle } of [...this.#actors.values()].reverse()) await handle.stop()
    await this.host.stop()
    await this.neighbours.stop()
  }

  #furthestBehind(): string {
    return [...this.#actors].reduce((least, next) => (next[1].flipped < least[1].flipped ? next : least))[0]
  }

  #isLeft(node: string): boolean {
    return this.#actor(node).flipped < this.rehearsal.upgrades.length
  }

  #actor(node: string): ScriptedNode {
    const actor = this.#actors.get(node)
    if (actor === undefined) throw new Error(`the script names ${node}, which is none of ${[...this.#actors.keys()].join(', ')}`)
    return actor
  }

  async #flip(node: string): Promise<void> {
    if (!this.#isLeft(node)) return
    const actor = this.#actor(node)
    const version = ++actor.flipped
    const what = `the flip ${this.#actors.size === 1 ? '' : `of ${node} `}to version ${version}`
    const before = await this.#observe(`before ${what}`)
    this.schedules.signal(node, version)
    await actor.handle.reached(version)
    const after = await this.#observe(`after ${what}`)
    this.rehearsal.observations.forEach((call, i) => {
      const [was, is] = [before[i]!, after[i]!]
      if ('refused' in was || 'refused' in is || isDeepStrictEqual(was, is)) return
      this.#violations.push({ criterion: 'K1', at: what, call, expected: was.value, found: is.value })
    })
    await this.#checkMappings(`after ${what}`)
  }

  async #observe(at: string): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const call of this.rehearsal.observations) outcomes.push(await this.#look(call, at))
    return outcomes
  }

  /**
   * K2 and K3: a model object over the mapped state of the class that runs answers as the other class does.
   */
  async #checkMappings(at: string): Promise<void> {
    for (const call of this.rehearsal.observations) {
      const { handle, line } = this.#actor(this.#nodeOf(call))
      for (const { from, to, map, dependent } of this.rehearsal.mappings ?? []) {
        const isAbout = handle.className === from.className && line[call.version]?.className === to.className
        if (!isAbout || !dependent(call.method, call.args)) continue
        const found = await this.#look(call, at)
        // Asked for after the call: what other nodes have sent before it is carried out by now.
        const view = this.schedules.viewOf(handle.id)
        if (view === undefined || 'refused' in found) continue
        const object = { state: view.state, collection: (name: string) => view.collection(name) }
        const expected = await answerOf(to, map(object), call.method, call.args)
        if (isDeepStrictEqual(plain(expected), plain(found.value))) continue
        const criterion = call.version > handle.version ? 'K2' : 'K3'
        this.#violations.push({ criterion, at, call, expected, found: found.value })
      }
    }
  }

  async #look(call: ScriptedCall, at: string): Promise<Outcome> {
    try {
      return await this.#call(call, 'query')
    } catch (error) {
      if (!isFault(error) || error.code !== 'protocol.query-writes') throw error
      this.#violations.push({ criterion: 'K4', at, call, expected: 'a query that only looks', found: error.message })
      return { refused: error.code }
    }
  }

  async #call(call: ScriptedCall, kind: MethodKind = 'command'): Promise<Outcome> {
    const { version, method, args } = call
    try {
      return { value: await this.host.operator.call({ node: this.#nodeOf(call) }, method, args, { version, kind }) }
    } catch (error) {
      if (isFault(error) && isRefusal(error)) return { refused: error.code }
      throw error
    }
  }

  #nodeOf({ node }: ScriptedCall): string {
    return node ?? this.#actors.keys().next().value!
  }
}

/** Upgrade k+1 concerns a node by the class that its line has at version k, whatever runs by then. */
function lineOf(first: NodeClass, upgrades: readonly Upgrade[]): readonly NodeClass[] {
  const line = [first]
  for (const { classUpgrades } of upgrades) {
    const current = line.at(-1)!
    line.push(classUpgrades.find(({ oldClass }) => oldClass.className === current.className)?.newClass ?? current)
  }
  return line
}

/** A version that an upgrade without SOs has cut off is refused as well. */
function isRefusal({ kind, code }: Fault): boolean {
  return kind === 'simulation' || kind === 'application' || code === 'version.cut'
}

/** As it would arrive: without what an envelope does not carry. */
function plain(value: unknown): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value))
}

function words({ node, method, args, version }: ScriptedCall): string {
  const target = node === undefined ? method : `${node}.${method}`
  return `${target}(${args.map((arg) => JSON.stringify(arg)).join(', ')}) at version ${version}`
}
