/**
 * The stages of histories. Where nodes depend on nothing but their own calls, histories are played on nodes
 * of one system, many at a time. Others get a system of their own for each order.
 */
import type { NodeClass } from 'theseus-actors'
import { describeClass } from '../../core/model/nodeObject.js'
import type { NeighbourSystems } from '../neighbourSystems.js'
import type { Cast } from './cast.js'
import type { Sources } from './history.js'
import type { Player, Troupe } from './playing.js'
import { Stage } from './stage.js'

/** Nodes that a stage bears before another one is opened: stopped ones leave their state there. */
const nodesMax = 400
const keeper = 'keeper'

export interface ClosablePlayer extends Player {
  close(): Promise<void>
}

export class SharedStages implements ClosablePlayer {
  /** By the seed of their chance. */
  readonly #stages = new Map<number, Promise<Stage>>()
  readonly #used = new Map<Stage, number>()
  readonly #open = new Set<Stage>()
  #names = 0

  constructor(readonly sources: Sources) {}

  async with<T>(seed: number, use: (troupe: Troupe) => Promise<T>): Promise<T> {
    const stage = await this.#stageOf(seed)
    const [[nodeId, definition] = []] = Object.entries(this.sources.cast.nodes)
    const prefix = `h${++this.#names}-`
    await stage.enter(prefix + nodeId, definition!)
    try {
      return await use({ stage, prefix })
    } finally {
      await stage.leave(prefix + nodeId)
    }
  }

  async close(): Promise<void> {
    for (const stage of this.#open) await stage.close()
    this.#open.clear()
  }

  async #stageOf(seed: number): Promise<Stage> {
    const found = await this.#stages.get(seed)
    const used = found === undefined ? nodesMax : this.#used.get(found)!
    if (found !== undefined && used < nodesMax) {
      this.#used.set(found, used + 1)
      return found
    }
    const { cast } = this.sources
    // Versions do not count as complete while it stays behind: nodes are born at version 0.
    const opened = Stage.open({ upgrades: cast.upgrades, seed, facts: cast.facts }, { [keeper]: Object.values(cast.nodes)[0]! })
    this.#stages.set(seed, opened)
    const stage = await opened
    this.#used.set(stage, 1)
    this.#open.add(stage)
    return stage
  }
}

export class OwnStages implements ClosablePlayer {
  /** Nodes that were called and are not there, with their class as far as it can be told. */
  readonly missing = new Map<string, NodeClass>()

  constructor(
    readonly sources: Sources,
    private readonly neighbours: () => Promise<NeighbourSystems | undefined>,
  ) {}

  async with<T>(seed: number, use: (troupe: Troupe) => Promise<T>): Promise<T> {
    const { cast } = this.sources
    const neighbours = await this.neighbours()
    const stage = await Stage.open(
      { upgrades: cast.upgrades, seed, facts: cast.facts, ...(neighbours === undefined ? {} : { neighbours }) },
      cast.nodes,
    )
    try {
      return await use({ stage, prefix: '' })
    } finally {
      for (const [nodeId, call] of stage.missing) this.#miss(cast, nodeId, call)
      await stage.close()
      await neighbours?.stop()
    }
  }

  async close(): Promise<void> {}

  /** A class of the cast that has the method, first of those that the caller's class names. */
  #miss(cast: Cast, nodeId: string, { callerClass, method }: { readonly callerClass: string; readonly method: string }): void {
    const lines = [...cast.members.values()].map(({ line }) => line)
    const caller = lines.flat().find(({ className }) => className === callerClass)
    const services = caller === undefined ? [] : [...describeClass(caller).callsServices].reverse()
    const candidates = lines.filter((line) => line.some((definition) => describeClass(definition).methods.has(method)))
    const rank = (line: readonly NodeClass[]) => services.indexOf(describeClass(line[0]!).service)
    const [best] = candidates.filter((line) => rank(line) >= 0).sort((a, b) => rank(a) - rank(b))
    if (best !== undefined) this.missing.set(nodeId, best[0]!)
  }
}
