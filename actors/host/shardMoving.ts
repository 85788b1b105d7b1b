/** The nodes that come into a shard from hosts, and those that go to one. */
import { keys } from '../../core/model/nodeRecord.js'
import type { Message } from '../../core/ports/transport.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { type ArrivalPlace, Arrivals } from '../moving/arrivals.js'
import { drained, whyItStays } from '../moving/drainedNode.js'
import type { LeavingServices } from '../moving/leaving.js'
import type { ShardLease } from '../shards/shardLease.js'
import type { NodeSet } from './nodeSet.js'
import { ShardDepartures } from './shardDepartures.js'
import type { ShardServices } from './shardServices.js'

export interface Arrived {
  readonly message: Message
  readonly ms: number
}

/** A node that is on its way to be awake, or to be asleep, or to be elsewhere. */
export interface Turning {
  readonly arrived: Arrived[]
}

export interface MovingShard {
  readonly name: string
  readonly service: string
  readonly shard: number
  readonly lease: ShardLease
  readonly nodes: NodeSet
  readonly turning: Map<string, Turning>
  /** It is left to others. */
  readonly isLeaving: boolean
  /** Nothing of it goes on here. */
  readonly isOver: boolean
  wake(nodeId: string, arrived: Arrived[]): Promise<void>
  /** All that has waited arrives again. */
  goOn(turning: Turning): void
  /** The node is not here any more. */
  forget(nodeId: string): void
}

export class ShardMoving {
  readonly #arrivals: Arrivals
  readonly #departures: ShardDepartures

  constructor(
    private readonly shard: MovingShard,
    private readonly services: ShardServices & LeavingServices,
  ) {
    this.#arrivals = new Arrivals(this.#place(), services)
    this.#departures = new ShardDepartures(shard, (nodeId, work) => this.#setAside(nodeId, work), services)
  }

  open(): void {
    this.#arrivals.open()
  }

  close(): void {
    this.#arrivals.close()
  }

  round(): void {
    this.#departures.round()
  }

  /** The move under way has ended. */
  idle(): Promise<void> {
    return this.#departures.idle()
  }

  #place(): ArrivalPlace {
    const { shard } = this
    const { settings, store, orders } = this.services
    return {
      subject: subjectsOf(settings.system).shardArrivals(shard.service, shard.shard),
      service: shard.service,
      target: store.directoryId,
      get isSilent() {
        return shard.lease.state !== 'held'
      },
      waits: () => {
        if (shard.isLeaving || shard.isOver) return `${shard.name} moves to another host`
        return orders.home(shard.service)?.to.kind === 'sharded' ? null : `no order lets nodes into ${shard.name}`
      },
      isBusy: (nodeId) => shard.nodes.has(nodeId) || shard.turning.has(nodeId),
      admit: (nodeId, commit) => this.#admit(nodeId, commit),
    }
  }

  async #admit(nodeId: string, commit: () => Promise<void>): Promise<void> {
    const { shard } = this
    const turning: Turning = { arrived: [] }
    shard.turning.set(nodeId, turning)
    try {
      await commit()
    } catch (error) {
      shard.turning.delete(nodeId)
      shard.goOn(turning)
      throw error
    }
    void shard.wake(nodeId, turning.arrived)
  }

  /** The node is not awake while `work` runs, and its calls wait: why it stays, or null. */
  async #setAside(nodeId: string, work: () => Promise<void>): Promise<string | null> {
    const { shard, services } = this
    if (shard.nodes.starting.has(nodeId) || shard.turning.has(nodeId)) return 'it is being woken'
    const node = shard.nodes.running.get(nodeId)
    const stays = () =>
      (node === undefined ? null : whyItStays(node, services)) ?? (shard.isLeaving ? `${shard.name} moves` : null)
    const before = stays()
    if (before !== null) return before
    const turning: Turning = { arrived: [] }
    shard.turning.set(nodeId, turning)
    try {
      if (node !== undefined) await drained(node, node.mailbox.whenIdle(), services)
      const after = stays()
      if (after !== null || services.journal.get(keys.record(nodeId)) === undefined) return after ?? 'it is not here'
      await node?.stop()
      shard.nodes.running.delete(nodeId)
      shard.forget(nodeId)
      await work()
      return null
    } finally {
      shard.turning.delete(nodeId)
      shard.goOn(turning)
    }
  }
}
