/**
 * The neighbours of a rehearsed system: systems in memory of which each rehearsal has its own, since several
 * may run at once. Their upgrades are published before the script begins.
 */
import {
  createHost,
  draftManifest,
  type NeighboursOption,
  type NodeClass,
  type RunningHost,
  startUpgradeServer,
  type Upgrade,
} from 'theseus-actors'
import { MemoryBroker, memoryDatabase, memoryRepository, memoryStore, memoryTransport, seededRandom } from 'theseus-actors/memory'
import type { Clock } from '../core/ports/clock.js'

/** Another system that the classes of a rehearsal call. */
export interface RehearsedNeighbour {
  /** The class at version 0 of each of its nodes. */
  readonly nodes: Readonly<Record<string, NodeClass>>
  /** Its upgrades 1, 2, …; its nodes go as their own schedules say. */
  readonly upgrades?: readonly Upgrade[]
}

const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => Math.floor(performance.now()),
  after: (ms, action) => {
    const timer = setTimeout(action, ms).unref()
    return () => clearTimeout(timer)
  },
  turn: (action) => void setImmediate(action),
}

export class NeighbourSystems {
  readonly #ends: (() => Promise<void>)[] = []
  readonly #options: Record<string, NonNullable<NeighboursOption['neighbours']>[string]> = {}

  /** Throws why one of them could not be started; then none is left. */
  static async start(neighbours: Readonly<Record<string, RehearsedNeighbour>>): Promise<NeighbourSystems> {
    const all = new NeighbourSystems()
    try {
      for (const [system, neighbour] of Object.entries(neighbours)) await all.#start(system, neighbour)
      return all
    } catch (error) {
      await all.stop()
      throw error
    }
  }

  /** For the host of the rehearsed system. */
  get option(): NeighboursOption {
    return { neighbours: this.#options }
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }

  async #start(system: string, { nodes, upgrades = [] }: RehearsedNeighbour): Promise<void> {
    const broker = new MemoryBroker({ clock, random: seededRandom(1) })
    const ways = {
      transport: { connect: async (options?: object) => memoryTransport(broker, options) },
      udb: memoryDatabase(),
      trust: 'nobody' as const,
    }
    const server = await startUpgradeServer({ system, ...ways })
    this.#ends.push(() => server.stop())
    const repository = memoryRepository()
    const host: RunningHost = await createHost({ system, ...ways, state: memoryStore(), bundles: repository, discovery: false })
    this.#ends.push(() => host.stop())
    for (const [id, definition] of Object.entries(nodes)) await host.node(definition, id)
    for (const upgrade of upgrades) {
      const bundle = new TextEncoder().encode(`${system} ${upgrade.title}`)
      const manifest = draftManifest(upgrade, bundle)
      repository.add(manifest.bundle.digest, upgrade)
      await host.publish({ manifest, bundle })
    }
    this.#options[system] = ways
  }
}
