/**
 * A sharded service that this host offers: which of its shards it has, claims, or leaves to others. Each
 * shard goes to the host that rendezvous hashing prefers among those that are there.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { OfferSnapshot } from '../../core/inspection/hostStatus.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { movesFrom, ranked } from '../../core/model/shard.js'
import type { ServiceOffer, ShardTrouble } from '../../core/model/shardOffer.js'
import type { ShardLog, ShardLogs } from '../../core/ports/log.js'
import { storeUnder } from '../../core/store/storeUnder.js'
import { FewAtOnce } from '../base/fewAtOnce.js'
import { StopBudget } from '../base/stopBudget.js'
import { Underway } from '../base/underway.js'
import type { Node } from '../node/node.js'
import type { NodesOfHost } from '../registration/nodesOfHost.js'
import { OwnedShard } from '../shards/ownedShard.js'
import { ShardCache } from '../shards/shardCache.js'
import { ShardClaim } from '../shards/shardClaim.js'
import { ShardCopy } from '../shards/shardCopy.js'
import { elsewhere, type HostedShard, isServed } from './hostedShard.js'
import { OfferReadiness } from './offerReadiness.js'
import type { Placements } from './placements.js'
import { type Preparation, PromisedShards } from './promisedShards.js'
import { Shard } from './shard.js'
import { ShardCounter } from './shardCounter.js'
import type { ShardHosts } from './shardHosts.js'
import { ShardMoves } from './shardMoves.js'
import { ShardOwners } from './shardOwners.js'
import { type ShardHostServices, shardServices } from './shardServices.js'

/** This start of this host, as claims name it. */
export interface ClaimingHost {
  readonly owner: string
  hasEnded(owner: string): boolean
}

/** A host that stops waits so much of its time for copies of its shards; the rest is for what runs. */
const prepareShareMax = 1 / 2

export class OfferedService {
  readonly name: string
  readonly shards: number
  readonly readiness: OfferReadiness
  readonly #hosted = new Map<number, HostedShard>()
  readonly #logs = new Map<number, ShardLog>()
  readonly #counter = new ShardCounter()
  readonly #owners: ShardOwners
  readonly #moves: ShardMoves
  /** The orders by which shards were given away last: when each was given, by shard. */
  readonly #placed = new Map<number, number>()
  readonly #promised: PromisedShards
  /** Hand overs under way: callers wait meanwhile. */
  readonly #leaving: FewAtOnce
  /** Of each shard the copy that is written to here. */
  readonly #copies = new Map<number, ShardCopy>()
  readonly #leavings = new Underway()
  /** A claim that is accepted after it was given up is released. */
  readonly #claims = new Underway()
  #isSettled = false
  #isStopped = false
  /** Until a shard could be taken again. */
  #isToldOfFailure = false

  constructor(
    private readonly definition: NodeClass,
    private readonly capacity: number,
    private readonly services: ShardHostServices,
    private readonly nodes: NodesOfHost<Node>,
    private readonly logs: ShardLogs,
    private readonly hosts: ShardHosts,
    private readonly placements: Pick<Placements, 'of'>,
    private readonly me: ClaimingHost,
    /** Copies of this host that begin. */
    private readonly copying: FewAtOnce,
    /** Tells the others which shards this host has; `asks`: and has them look at what they wait for. */
    private readonly tell: (asks: boolean) => void,
  ) {
    const { service, shards } = describeClass(definition)
    this.name = service
    this.shards = shards!
    this.#owners = new ShardOwners(this.name, this.shards, hosts, services.clock, (shard) => this.#log(shard))
    this.#moves = new ShardMoves(services.clock)
    this.readiness = new OfferReadiness(definition, services)
    this.#promised = new PromisedShards(this.name, hosts, services.clock)
    this.#leaving = new FewAtOnce(services.settings.shardMovesMax)
  }

  /** The shards that this host has. */
  get owned(): readonly Shard[] {
    return [...this.#hosted.values()].flatMap((hosted) => (isServed(hosted) ? [hosted.shard] : []))
  }

  get snapshot(): OfferSnapshot {
    const { name, shards, failed, readiness } = this
    const awake = this.owned.reduce((sum, shard) => sum + shard.awake, 0)
    const { counts } = this.#counter
    return { service: name, shards, owned: this.#ownedNumbers, awake, failed, counts, waits: readiness.waits }
  }

  get offer(): ServiceOffer {
    const owned = this.#ownedNumbers
    const positions = owned.map((number) => this.#ownedShard(number)?.position ?? 0)
    const followed = [...this.#hosted].flatMap(([number, hosted]) =>
      hosted.state === 'claiming' && hosted.claim.isReady ? [number] : [],
    )
    const { name: service, shards, troubles, readiness } = this
    const told = { owned, positions, promised: this.#promised.all, followed, waits: readiness.waits, troubles }
    return { service, shards, capacity: this.#offered ?? 0, ...told }
  }

  get failed(): readonly { readonly shard: number; readonly reason: string }[] {
    return [...this.#hosted].flatMap(([shard, hosted]) => (hosted.state === 'failed' ? [{ shard, reason: hosted.reason }] : []))
  }

  /** The capacity for others to see; undefined: it takes no shards. */
  get #offered(): number | undefined {
    return this.readiness.waits === null ? this.capacity : undefined
  }

  /** Shards whose logs can't be used here, and own ones that can't answer now (H4). */
  get troubles(): readonly ShardTrouble[] {
    const silent = this.owned.filter(({ owned }) => owned.lease.state !== 'held')
    const reasonOf = ({ owned }: Shard) => `nothing was appended to its log for ${Math.round(owned.lease.agedMs / 1_000)} s`
    return [...this.failed, ...silent.map((shard) => ({ shard: shard.shard, reason: reasonOf(shard) }))]
  }

  #ownedShard(number: number): OwnedShard | undefined {
    const hosted = this.#hosted.get(number)
    if (hosted?.state === 'restoring') return hosted.owned
    return hosted !== undefined && 'shard' in hosted ? hosted.shard.owned : undefined
  }

  get #ownedNumbers(): readonly number[] {
    return [...this.#hosted].flatMap(([number, hosted]) => (hosted.state === 'restoring' || isServed(hosted) ? [number] : []))
  }

  /** It has heard the others: it takes shards from now on. */
  settle(): void {
    this.#isSettled = true
    this.round()
  }

  /** Looks at all shards: takes what is free and its own, gives away what is too much. */
  round(): void {
    this.#promised.look()
    if (this.#isStopped || !this.#isSettled) return
    for (let shard = 0; shard < this.shards; shard++) {
      const hosted = this.#hosted.get(shard) ?? elsewhere
      const owner = this.#owners.of(shard)
      if (owner !== undefined) this.#moves.isWith(shard, owner)
      const isOthers = owner !== undefined && !this.hosts.isPromised(this.name, shard)
      const isFree = !isOthers && this.#offered !== undefined
      if (hosted.state === 'claiming' && !isFree) this.#stopClaim(shard, hosted.claim)
      else if (hosted.state === 'elsewhere' && isFree) this.#claims.add(this.#claim(shard))
    }
    this.#owners.lookOn((shard) => !['elsewhere', 'claiming'].includes((this.#hosted.get(shard) ?? elsewhere).state))
    this.#rebalance()
  }

  /** A shard may have been left to this host just now. */
  lookNow(): void {
    for (const hosted of this.#hosted.values()) if (hosted.state === 'claiming') hosted.claim.poke()
  }

  reach(version: Version): void {
    for (const shard of this.owned) shard.reach(version)
  }

  versionsOver(): void {
    for (const shard of this.owned) shard.versionsOver()
  }

  /** Leaves all shards to others, with those that it was leaving already. */
  async stop(budget: StopBudget): Promise<void> {
    this.#isStopped = true
    this.readiness.stop()
    const { leaveMs } = this.services.settings
    this.#promised.hurry(leaveMs * prepareShareMax)
    const leaving: Promise<unknown>[] = this.#leavings.all.map((left) => budget.forClosing(left))
    for (const [number, hosted] of this.#hosted) {
      if (hosted.state === 'claiming') this.#stopClaim(number, hosted.claim)
      else if (hosted.state === 'owned') leaving.push(this.#leave(number, hosted.shard, budget))
      else if (hosted.state === 'restoring')
        leaving.push(budget.forClosing(hosted.owned.release(this.#next(number))).finally(() => hosted.owned.end()))
    }
    await Promise.all([...leaving, ...this.#claims.all.map((claim) => budget.forClosing(claim))])
    await budget.forClosing(Promise.all([...this.#logs.values()].map((log) => log.close().catch(() => {}))))
  }

  #stopClaim(shard: number, claim: ShardClaim): void {
    claim.stop()
    void claim.copy.end()
    this.#hosted.set(shard, elsewhere)
  }

  /** The host that is to have it after this one. */
  #next(shard: number): string | null {
    return ranked(this.name, shard, this.hosts.candidates(this.name, undefined), this.#placedAt(shard))[0]?.hostId ?? null
  }

  /** The preferred host claims at once, the next one after it a while later. */
  #isWanted(shard: number, sinceMs: number): boolean {
    const { clock, settings } = this.services
    if (this.#owners.of(shard) !== undefined || this.#offered === undefined) return false
    const candidates = this.hosts.candidates(this.name, this.#offered)
    const order = ranked(this.name, shard, candidates, this.#placedAt(shard))
    const rank = order.findIndex(({ hostId }) => hostId === settings.hostId)
    // However many say that they are before it.
    return clock.monotonicMs() - sinceMs >= Math.min(rank * settings.shardSuccessorMs, settings.shardLeaseMs)
  }

  /** The host at which an operator has placed it, while that offers the service. */
  #placedAt(shard: number): string | undefined {
    const placement = this.placements.of(this.name, shard)
    return placement !== undefined && this.hosts.isOffered(this.name, placement) ? placement.hostId : undefined
  }

  async #log(number: number): Promise<ShardLog> {
    const log = this.#logs.get(number) ?? (await this.logs.open(this.name, number))
    this.#logs.set(number, log)
    return log
  }

  async #claim(number: number): Promise<void> {
    const { services, name } = this
    const { settings, clock, store } = services
    const title = `shard ${number} of ${name}`
    const sinceMs = clock.monotonicMs()
    this.#hosted.set(number, { state: 'opening' })
    try {
      const log = await this.#log(number)
      if (this.#isStopped) return
      const cache = new ShardCache(`shard-${name}-${number}`, storeUnder(store.withoutLog ?? store, `shard/${name}/${number}/`))
      const claimer = {
        ...{ owner: this.me.owner, hostId: settings.hostId, hasEnded: (owner: string) => this.me.hasEnded(owner) },
        isWanted: () => this.#isWanted(number, sinceMs),
        isNext: () => this.#isWanted(number, sinceMs) || this.hosts.isPromised(name, number),
      }
      // One that is still written to would be overtaken.
      await this.#copies.get(number)?.end()
      if (this.#isStopped) return
      const copy = new ShardCopy(log, cache, title, { clock, settings, copying: this.copying })
      this.#copies.set(number, copy)
      const claim = new ShardClaim(log, title, claimer, copy, services)
      claim.turned.on(() => this.tell(false))
      this.#hosted.set(number, { state: 'claiming', claim, sinceMs })
      const claimed = await claim.run()
      if (claimed === undefined) return
      if (claimed.tail.restored === 0) this.#checkNothingLost(number, title, claimed.mark.position)
      const owned = new OwnedShard({ name: title, log, owner: this.me.owner }, claimed, services)
      // It was given up when it had just been accepted.
      const hosted = this.#hosted.get(number)
      if (hosted?.state !== 'claiming' || hosted.claim !== claim) return await owned.release(null)
      owned.lost.on(() => this.#isLost(number, owned))
      this.#counter.owns(owned, claimed.isTakeOver)
      this.#moves.isBack(number, owned.term)
      this.#hosted.set(number, { state: 'restoring', owned })
      const isRestored = await owned.restore()
      // One that was stopped meanwhile is being released.
      if (this.#isStopped) return
      if (!isRestored) this.#isLost(number, owned)
      if (!this.#isAt(number, owned)) return owned.end()
      // Its state tells which starts of hosts have had it before.
      const forNodes = shardServices(services, this.nodes, this.#counter.counted(owned.store), owned.lease, number)
      const shard = new Shard(owned, number, this.definition, forNodes)
      this.#isToldOfFailure = false
      this.#hosted.set(number, { state: 'owned', shard })
      shard.open()
    } catch (error) {
      this.#failed(number, title, error)
    }
  }

  /**
   * H7. A copy here would show it for certain (shardCopy.ts). The words of others are no proof, so the
   * shard is started, and an operator is told.
   */
  #checkNothingLost(number: number, title: string, claim: number): void {
    const told = this.hosts.positionOf(this.name, number)
    if (told < claim) return
    const message =
      `the log of ${title} ended at ${claim - 1}, and its owner had told of entry ${told}: ` +
      'acknowledged entries may be lost. Look at the nats-servers'
    this.services.observe({ type: 'warning', message, error: new Fault('config.log-lost', message) })
  }

  #isLost(number: number, owned: OwnedShard): void {
    if (!this.#isAt(number, owned)) return
    this.#hosted.set(number, elsewhere)
    const message = `${owned.name} has another owner now: this host did not renew its lease in time. Its nodes go on there`
    this.services.observe({ type: 'warning', message, error: undefined })
  }

  /** Whether the shard is here by this claim, and by no later one. */
  #isAt(number: number, owned: OwnedShard): boolean {
    return this.#ownedShard(number) === owned
  }

  #failed(number: number, title: string, error: unknown): void {
    if (this.#isStopped) return
    const hosted = this.#hosted.get(number)
    if (hosted?.state === 'restoring') hosted.owned.end()
    else if (hosted !== undefined && isServed(hosted)) hosted.shard.owned.end()
    const reason = error instanceof Error ? error.message : String(error)
    // A fault that nobody can mend from here is not met again before the host starts anew.
    const isFinal = isFault(error) && error.code.startsWith('config.')
    // Any other is tried again soon, and is mostly that of all shards: it is told once.
    if (isFinal || !this.#isToldOfFailure)
      this.services.observe({ type: 'warning', message: `${title} can't be run here: ${reason}`, error })
    this.#isToldOfFailure ||= !isFinal
    this.#hosted.set(number, isFinal ? { state: 'failed', reason } : elsewhere)
  }

  /** Hands it over while the host stops: to the next host, which copies it first, if there is one in time. */
  async #leave(number: number, shard: Shard, budget: StopBudget): Promise<void> {
    const { leaveMs } = this.services.settings
    if (!this.#isAt(number, shard.owned)) return
    const to = this.#next(number)
    if (to !== null) {
      const preparation = await budget.forLeaving(this.#promise(number, shard, to, leaveMs * prepareShareMax))
      if (preparation === 'gone') return this.#leave(number, shard, budget)
    }
    await this.#leaving.run(() => this.#handOver(number, shard, to, budget))
  }

  /** It serves on until the copy there follows its log. */
  #promise(number: number, shard: Shard, to: string, ms: number): Promise<Preparation> {
    this.#hosted.set(number, { state: 'promised', shard })
    const prepared = this.#promised.promise(number, to, ms)
    this.tell(false)
    return prepared
  }

  async #handOver(number: number, shard: Shard, to: string | null, budget: StopBudget): Promise<void> {
    // Another may have taken it meanwhile.
    this.#promised.over(number)
    if (!this.#isAt(number, shard.owned)) return
    this.#hosted.set(number, { state: 'leaving', shard })
    this.#counter.handsOver()
    this.tell(false)
    try {
      await shard.handOver(to, budget)
    } catch (error) {
      this.services.observe({ type: 'warning', message: `${shard.owned.name} could not be handed over`, error })
    }
    if (this.#isAt(number, shard.owned)) this.#hosted.set(number, elsewhere)
    this.tell(true)
  }

  #rebalance(): void {
    const { settings } = this.services
    this.#carryOutPlacements()
    const most = this.#moves.most(settings.shardMovesMax)
    if (most <= 0) return
    const owned = this.#ownedNumbers.filter((number) => this.#hosted.get(number)?.state === 'owned')
    const candidates = this.hosts.candidates(this.name, this.#offered)
    const moves = movesFrom(this.name, this.shards, settings.hostId, owned, candidates, most, (shard) => this.#placedAt(shard))
    for (const [number, to] of moves) this.#give(number, to)
  }

  /** Gives away what an operator has placed elsewhere. */
  #carryOutPlacements(): void {
    const { settings } = this.services
    for (const number of this.#ownedNumbers) {
      const to = this.#placedAt(number)
      if (to === undefined || to === settings.hostId) continue
      const { since } = this.placements.of(this.name, number)!
      const isFirstTry = this.#placed.get(number) !== since
      const most = isFirstTry ? this.#moves.mostOrdered(settings.shardMovesMax) : this.#moves.most(settings.shardMovesMax)
      if (most > 0 && this.#give(number, to)) this.#placed.set(number, since)
    }
  }

  /** False if the shard does not serve here yet, or no more. */
  #give(number: number, to: string): boolean {
    const hosted = this.#hosted.get(number)
    if (hosted?.state !== 'owned') return false
    this.#leavings.add(this.#giveWhenReady(number, hosted.shard, to))
    return true
  }

  async #giveWhenReady(number: number, shard: Shard, to: string): Promise<void> {
    const { clock, settings } = this.services
    this.#moves.give(number, to, shard.owned.term)
    const preparation = await this.#promise(number, shard, to, settings.shardPrepareMs)
    if (!this.#isAt(number, shard.owned)) return this.#promised.over(number)
    if (preparation === 'ready' || this.#isStopped) {
      const budget = new StopBudget(clock, settings.leaveMs)
      const next = preparation === 'gone' ? this.#next(number) : to
      await this.#leaving.run(() => this.#handOver(number, shard, next, budget)).finally(() => budget.end())
      return
    }
    this.#promised.over(number)
    this.#hosted.set(number, { state: 'owned', shard })
    this.#moves.isKept(number)
    this.tell(false)
  }
}
