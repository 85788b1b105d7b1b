/** The sharded services that this host offers (core/model/shard.ts), and what it tells others of them. */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { OfferSnapshot } from '../../core/inspection/hostStatus.js'
import { checkDeclaredCalls, describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { ShardLogs } from '../../core/ports/log.js'
import { FewAtOnce } from '../base/fewAtOnce.js'
import { Paced } from '../base/paced.js'
import type { StopBudget } from '../base/stopBudget.js'
import { tokens } from '../base/tokens.js'
import type { LeavingServices } from '../moving/leaving.js'
import type { Node } from '../node/node.js'
import { HostSession } from '../registration/hostSession.js'
import { NodesOfHost } from '../registration/nodesOfHost.js'
import { LocalMoves } from './localMoves.js'
import { NodeServices } from './nodeServices.js'
import { NodeSet } from './nodeSet.js'
import { OfferedService } from './offeredService.js'
import { Placements } from './placements.js'
import { ShardHosts } from './shardHosts.js'
import type { ShardHostServices } from './shardServices.js'

export interface OfferOptions {
  /** This host's share of the shards beside the others'; 1 by default. */
  readonly capacity?: number
}

/** A shard on this host. */
export interface ShardStatus {
  readonly service: string
  readonly shard: number
  readonly term: number
  readonly awake: number
}

type OfferingServices = Omit<ShardHostServices, 'orders'> &
  LeavingServices & {
    readonly observe: HostObserver
  }

/** However many hosts tell or ask, this one answers and looks once in so long. */
const heardGapMs = 20

@injectable()
export class HostedShards {
  readonly #offered = new Map<string, OfferedService>()
  readonly #moves = new Map<string, LocalMoves>()
  /** Those that are being offered too. */
  readonly #names = new Set<string>()
  readonly #hosts: ShardHosts
  readonly #placements: Placements
  readonly #copying: FewAtOnce
  #isListening = false
  #isStopped = false
  #cancelRound: () => void = () => {}

  constructor(
    @inject(NodeServices) private readonly services: OfferingServices,
    @inject(tokens.shardLogs) private readonly logs: ShardLogs | undefined,
    @inject(HostSession) private readonly session: HostSession,
    @inject(NodesOfHost) private readonly nodes: NodesOfHost<Node>,
    @inject(NodeSet) private readonly local: NodeSet,
  ) {
    this.#copying = new FewAtOnce(services.settings.shardCopiesMax)
    this.#hosts = new ShardHosts(services, session.now.id, (service) => this.#names.has(service))
    this.#placements = new Placements(services)
    const answer = new Paced(services.clock, heardGapMs, () => {
      this.#tell()
      for (const offered of this.#offered.values()) offered.lookNow()
    })
    // The shard that a host leaves is to be here at once.
    const look = new Paced(services.clock, heardGapMs, () => {
      if (this.#isListening) for (const offered of this.#offered.values()) offered.round()
    })
    this.#hosts.asked.on(() => answer.ask())
    this.#hosts.moved.on(() => look.ask())
    services.history.newer.on((version) => {
      for (const offered of this.#offered.values()) offered.reach(version)
    })
    services.history.ended.on(() => {
      for (const offered of this.#offered.values()) offered.versionsOver()
    })
  }

  /** The services that it offers, as its status has them. */
  get offers(): readonly OfferSnapshot[] {
    return [...this.#offered.values()].map((offered) => offered.snapshot)
  }

  get status(): readonly ShardStatus[] {
    return [...this.#offered.values()].flatMap((offered) =>
      offered.owned.map(({ shard, owned, awake }) => ({ service: offered.name, shard, term: owned.term, awake })),
    )
  }

  /**
   * Makes this host a candidate for the shards of the class's service. Throws `config.invalid` for a class
   * without shards, and where the host has no logs.
   */
  async offer(definition: NodeClass, { capacity = 1 }: OfferOptions = {}): Promise<void> {
    const { className, service, shards } = describeClass(definition)
    if (shards === null)
      throw new Fault('config.invalid', `${className} is of no sharded service: give it "static override readonly shards = 64"`)
    if (this.logs === undefined)
      throw new Fault(
        'config.invalid',
        `${className} needs logs for its shards: start the host with "shards: jetStreamLogs({ … })"`,
      )
    if (!(capacity > 0 && capacity <= 1e6)) throw new Fault('config.invalid', 'capacity is a number above 0')
    if (this.#names.has(service)) throw new Fault('config.invalid', `this host offers service ${service} already`)
    this.#names.add(service)
    try {
      await this.#offer(definition, service, this.logs, capacity)
    } catch (error) {
      this.#names.delete(service)
      throw error
    }
  }

  async #offer(definition: NodeClass, service: string, logs: ShardLogs, capacity: number): Promise<void> {
    const { classes } = this.services
    classes.register(definition)
    checkDeclaredCalls(definition)
    await classes.know(definition)
    // The next start of this host must know that this one is over.
    await this.session.begin()
    if (this.#isStopped) return
    const services = { ...this.services, orders: this.#placements }
    const me = { owner: this.session.now.id, hasEnded: (owner: string) => this.session.hasEnded(owner) }
    const offered = new OfferedService(
      ...([definition, capacity, services, this.nodes, logs, this.#hosts] as const),
      ...([this.#placements, me, this.#copying] as const),
      (asks) => this.#tell(asks),
    )
    this.#offered.set(service, offered)
    const order = () => this.#placements.home(service)
    const moves = new LocalMoves(definition, services, this.nodes, this.local, order)
    this.#moves.set(service, moves)
    this.#hosts.listen()
    this.#placements.follow()
    offered.readiness.changed.on(() => this.#readinessChanged(offered))
    offered.readiness.look()
    moves.open()
    this.#begin()
  }

  /** It takes shards of the service from now on, once it has heard the others; or it takes no more. */
  #readinessChanged(offered: OfferedService): void {
    if (this.#isStopped) return
    const { clock, settings, observe } = this.services
    const { waits } = offered.readiness
    this.#tell(true)
    if (waits === null) clock.after(settings.shardSettleMs, () => this.#isStopped || offered.settle())
    else observe({ type: 'warning', message: `this host takes no shards of service ${offered.name}: ${waits}`, error: undefined })
  }

  /** Leaves all shards to others. */
  async stop(budget: StopBudget): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#placements.stop()
    if (this.#offered.size === 0) return
    this.#tell()
    await Promise.all([...this.#moves.values()].map((moves) => moves.stop(budget)))
    await Promise.all([...this.#offered.values()].map((offered) => offered.stop(budget)))
    this.#cancelRound()
    this.#hosts.tell([], { isLeaving: true })
    this.#hosts.close()
  }

  #begin(): void {
    if (this.#isListening) return
    this.#isListening = true
    this.#roundLater()
  }

  #roundLater(): void {
    const { clock, settings } = this.services
    this.#cancelRound = clock.after(settings.shardOfferMs, () => {
      for (const offered of this.#offered.values()) {
        offered.round()
        for (const shard of offered.owned) shard.moving.round()
      }
      for (const moves of this.#moves.values()) moves.round()
      this.#tell()
      this.#roundLater()
    })
  }

  #tell(asks = false): void {
    this.#hosts.tell(
      [...this.#offered.values()].map(({ offer }) => offer),
      { asks, isLeaving: this.#isStopped },
    )
  }
}
