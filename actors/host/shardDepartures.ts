/**
 * Nodes of a shard that go into a host's own store, by an operator's order (`home` of
 * core/control/control.ts): one after the other, each as a drained copy. A move that was begun goes on with
 * the shard's next owner.
 */
import { reasonOf } from '../../core/base/fault.js'
import { keys } from '../../core/model/nodeRecord.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { Leaving, type LeavingServices } from '../moving/leaving.js'
import type { ShardServices } from './shardServices.js'

/** The node is not awake while `work` runs: why it stays, or null. */
type SetAside = (nodeId: string, work: () => Promise<void>) => Promise<string | null>

export interface DepartingShard {
  readonly service: string
  readonly isLeaving: boolean
  readonly isOver: boolean
}

/** A node that could not go is looked at again after so long, and all others are before. */
const againMs = 1_000

export class ShardDepartures {
  readonly #leaving: Leaving
  readonly #told = new Map<string, string>()
  #running: Promise<void> | undefined
  #laterMs = 0

  constructor(
    private readonly shard: DepartingShard,
    private readonly setAside: SetAside,
    private readonly services: ShardServices & LeavingServices,
  ) {
    this.#leaving = new Leaving(services, () => shard.isOver)
  }

  /** Looks whether there is something to do. */
  round(): void {
    const { clock } = this.services
    if (this.#isEnding || this.#running !== undefined || clock.monotonicMs() < this.#laterMs) return
    const isBegun = this.#leaving.begun().length > 0
    if (!isBegun && this.#host === undefined) return
    this.#running = this.#move().finally(() => {
      this.#running = undefined
      this.#laterMs = clock.monotonicMs() + againMs
    })
  }

  /** The move under way has ended. */
  async idle(): Promise<void> {
    await this.#running
  }

  get #isEnding(): boolean {
    return this.shard.isLeaving || this.shard.isOver
  }

  /** The host to which nodes go now. */
  get #host(): string | undefined {
    const to = this.services.orders.home(this.shard.service)?.to
    return to?.kind === 'local' && !this.#isEnding ? to.hostId : undefined
  }

  async #move(): Promise<void> {
    for (const { nodeId } of this.#leaving.begun()) await this.#goOn(nodeId)
    const nodeIds = [...this.services.journal.range(...keys.allRecords)].map(([key]) => key.slice(keys.record('').length))
    for (const nodeId of nodeIds) {
      const hostId = this.#host
      if (hostId === undefined) return
      const stays = await this.#moveOne(nodeId, hostId).catch(reasonOf)
      if (stays === null) this.#told.delete(nodeId)
      else if (this.#told.get(nodeId) !== stays && !this.#isEnding) {
        this.#told.set(nodeId, stays)
        this.services.observe({ type: 'warning', message: `node ${nodeId} does not move yet: ${stays}`, error: undefined })
      }
    }
  }

  async #moveOne(nodeId: string, hostId: string): Promise<string | null> {
    const { service } = this.shard
    const subject = subjectsOf(this.services.settings.system).hostArrivals(service, hostId)
    const way = await this.#leaving.ask(service, nodeId, subject)
    if ('waits' in way) return way.waits
    const stays = await this.setAside(nodeId, () => this.#leaving.depart(nodeId, way.target, hostId))
    if (stays === null) await this.#goOn(nodeId)
    return stays
  }

  async #goOn(nodeId: string): Promise<void> {
    const { service } = this.shard
    const hostId = this.#leaving.departure(nodeId)?.hostId
    if (hostId === undefined) return
    await this.#leaving.goOn(service, nodeId, subjectsOf(this.services.settings.system).hostArrivals(service, hostId))
  }
}
