/**
 * A shard on its owner: its nodes, of which most are asleep. A node is asleep while it has a state and no
 * object in memory. A call wakes it; a command makes one that has never been.
 */
import { Fault, toFault } from '../../core/base/fault.js'
import { isName, type Version } from '../../core/base/ids.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { keys } from '../../core/model/nodeRecord.js'
import { shardOf } from '../../core/model/shard.js'
import type { Message, Subscription } from '../../core/ports/transport.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { StopBudget } from '../base/stopBudget.js'
import { sleep } from '../base/timeouts.js'
import { Residents } from '../moving/residents.js'
import type { Node } from '../node/node.js'
import { startNode } from '../node/nodeStart.js'
import type { OwnedShard } from '../shards/ownedShard.js'
import { Births } from './births.js'
import { mayFallAsleep } from './drowsiness.js'
import { NodeSet } from './nodeSet.js'
import { isMadeForOthers, refuse } from './refusals.js'
import { type Arrived, type MovingShard, ShardMoving, type Turning } from './shardMoving.js'
import type { ShardServices } from './shardServices.js'
import { knowVersionsOf } from './shardVersions.js'
import { type ShardOfSleepers, Sleepers } from './sleepers.js'
import { WakeFailures } from './wakeFailures.js'

export interface ShardSettings {
  /** A node without calls falls asleep after so long. */
  readonly sleepAfterMs: number
  /** Nodes of one shard that an upgrade or a take-over wakes at once. */
  readonly wakingMax: number
}

/** Looks for nodes without calls, in the time after which they fall asleep. */
const looksPerSleep = 4

export class Shard {
  readonly nodes: NodeSet
  readonly moving: ShardMoving
  readonly #service: string
  readonly #shards: number
  readonly #subject: string
  readonly #prefix: string
  readonly #births: Births
  readonly #residents: Residents
  readonly #turning = new Map<string, Turning>()
  readonly #calledMs = new Map<string, number>()
  readonly #failures: WakeFailures
  #arrivedMessages = 0
  #subscription: Subscription | undefined
  #isLeaving = false
  #isOver = false
  readonly #sleepers: Sleepers
  #cancelLook: () => void = () => {}

  constructor(
    readonly owned: OwnedShard,
    readonly shard: number,
    private readonly definition: NodeClass,
    private readonly services: ShardServices,
  ) {
    const { service, shards } = describeClass(definition)
    this.#service = service
    this.#shards = shards!
    this.#subject = subjectsOf(services.settings.system).wholeShard(service, shard)
    this.#prefix = this.#subject.slice(0, -1)
    this.nodes = new NodeSet(services, services.running)
    this.#failures = new WakeFailures(services.clock)
    this.#births = new Births(definition, services)
    this.#residents = new Residents(owned.name, service, services)
    this.moving = new ShardMoving(this.#ofMoves(), services)
    this.#sleepers = new Sleepers(this.#ofSleepers(), services)
    services.statusReporter.losses.on(() => this.#sleepers.tellAgain())
    owned.lost.on(() => this.#taken())
    owned.lapses.on(() => this.#listenNot())
    owned.renewals.on(() => this.#listen())
  }

  /** Its state is here: it serves. */
  open(): void {
    this.#listen()
    this.#lookLater()
    this.reach(this.services.history.heard)
  }

  #ofSleepers(): ShardOfSleepers {
    const isEnding = () => this.#isLeaving || this.#isOver
    return {
      ...{ name: this.owned.name, service: this.#service, shard: this.shard, shards: this.#shards },
      get isEnding() {
        return isEnding()
      },
      isAwake: (nodeId) => this.nodes.has(nodeId) || this.#turning.has(nodeId) || this.#residents.hasLeft(nodeId),
      wake: (nodeId) => this.#wake(nodeId, []),
    }
  }

  get awake(): number {
    return this.nodes.running.byId.size
  }

  #listen(): void {
    if (this.#isLeaving || this.#isOver) return
    this.#subscription ??= this.services.transport.subscribe(this.#subject, (message) => this.#receive(message))
    this.moving.open()
  }

  /** H4. An owner without a lease is no responder. */
  #listenNot(): void {
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
    this.moving.close()
  }

  // --- Calls

  /** `arrivedMs`: of one that has waited. */
  #receive(message: Message, arrivedMs?: number): void {
    if (this.#isOver) return
    const nodeId = message.subject.slice(this.#prefix.length)
    const { clock } = this.services
    const node = this.nodes.running.get(nodeId)
    if (node !== undefined && !this.#turning.has(nodeId)) {
      this.#calledMs.set(nodeId, clock.monotonicMs())
      node.receiving.receive(message, arrivedMs)
      return
    }
    try {
      this.#wait(nodeId, { message, ms: arrivedMs ?? clock.monotonicMs() })
    } catch (error) {
      this.#refuse(nodeId, message, toFault(error, 'protocol.bad-envelope'))
    }
  }

  /** Throws why it can't. */
  #wait(nodeId: string, arrived: Arrived): void {
    const { backlog, settings } = this.services
    const { message } = arrived
    if (!isName(nodeId) || shardOf(nodeId, this.#shards) !== this.shard)
      throw new Fault('protocol.bad-arguments', `node ${nodeId} is not of shard ${this.shard} of ${this.#service}`)
    this.#failures.check(nodeId)
    if (this.#isLeaving && !isMadeForOthers(message))
      throw new Fault('unavailable.stopped', `${this.owned.name} moves to another host`)
    const turning = this.#turning.get(nodeId)
    if (turning === undefined && this.#residents.hasLeft(nodeId)) {
      this.#turnAway(nodeId, message)
      return
    }
    if (turning === undefined && !this.#exists(nodeId)) {
      if (this.#residents.areAllHere && this.#births.of(nodeId, message) === 'no') throw this.#births.noSuchNode(nodeId)
    }
    if (this.#arrivedMessages >= settings.fencedMessagesMax || !backlog.hasRoom(message.caller, message.payload.length))
      throw new Fault('unavailable.overloaded', `${this.#arrivedMessages} messages wait for sleeping nodes already`)
    this.#arrivedMessages++
    backlog.add(message.caller, message.payload.length)
    if (turning !== undefined) turning.arrived.push(arrived)
    else void this.#wake(nodeId, [arrived])
  }

  #exists(nodeId: string): boolean {
    return this.services.journal.get(keys.record(nodeId)) !== undefined
  }

  #isBegun(nodeId: string): boolean {
    return this.services.journal.get(keys.birth(nodeId)) !== undefined
  }

  #refuse(nodeId: string, message: Message, fault: Fault): void {
    // H4. A successor may have had the message too: its caller must not make the call once more.
    if (this.owned.lease.state === 'held') refuse(nodeId, message, fault, this.definition, this.services)
  }

  // --- Waking and falling asleep

  /** Resolves with the node when it serves; with undefined, and what has arrived is refused, if it can't. */
  async #wake(nodeId: string, arrived: Arrived[]): Promise<Node | undefined> {
    const turning = { arrived }
    this.#turning.set(nodeId, turning)
    try {
      const { starting } = this.nodes
      const node = await starting.run(nodeId, async (start) => {
        await start.unlessStopped(knowVersionsOf(nodeId, this.services))
        // A birth that was begun was looked at before.
        if (!this.#exists(nodeId) && !this.#isBegun(nodeId)) {
          await start.unlessStopped(this.#residents.check(nodeId))
          await start.unlessStopped(this.#births.check(nodeId, arrived[0]!.message))
        }
        return startNode(this.services, this.definition, nodeId, start)
      })
      await this.nodes.begin([node], async () => {})
      this.#calledMs.set(nodeId, this.services.clock.monotonicMs())
      this.#failures.delete(nodeId)
      this.#turning.delete(nodeId)
      for (const each of this.#leave(turning)) node.receiving.receive(each.message, each.ms)
      return node
    } catch (error) {
      this.#turning.delete(nodeId)
      // Another has the shard: it answers.
      if (this.#isOver) {
        this.#leave(turning)
        return undefined
      }
      const cause = toFault(error, 'unavailable.stopped')
      if (cause.code === 'config.registered-elsewhere' && !this.#exists(nodeId)) {
        if (this.#isBegun(nodeId)) void this.services.journal.commit([[keys.birth(nodeId), null]]).catch(() => {})
        for (const { message } of this.#leave(turning)) this.#turnAway(nodeId, message)
        return undefined
      }
      if (cause.code === 'unavailable.no-such-node') {
        const [first, ...others] = this.#leave(turning)
        if (first !== undefined) this.#refuse(nodeId, first.message, cause)
        for (const { message } of others) this.#receive(message)
        return undefined
      }
      const fault = new Fault('unavailable.stopped', `node ${nodeId} could not be woken: ${cause.message}`, cause.details, {
        cause,
      })
      this.#failures.add(nodeId, fault)
      if (this.#isBegun(nodeId)) this.#sleepers.wakeLater()
      for (const { message } of this.#leave(turning)) this.#refuse(nodeId, message, fault)
      this.services.observe({ type: 'nodeFailed', nodeId, error })
      return undefined
    }
  }

  /** All that has waited waits no more. */
  #leave({ arrived }: Turning): Arrived[] {
    const all = arrived.splice(0)
    this.#arrivedMessages -= all.length
    for (const { message } of all) this.services.backlog.remove(message.caller, message.payload.length)
    return all
  }

  async #fallAsleep(node: Node): Promise<void> {
    const turning: Turning = { arrived: [] }
    this.#turning.set(node.id, turning)
    await node.stop()
    this.nodes.running.delete(node.id)
    this.#calledMs.delete(node.id)
    this.#turning.delete(node.id)
    if (turning.arrived.length > 0 && !this.#isOver) await this.#wake(node.id, turning.arrived)
    else this.#leave(turning)
  }

  #lookLater(): void {
    const { clock, settings } = this.services
    this.#cancelLook = clock.after(settings.sleepAfterMs / looksPerSleep, () => {
      if (this.#isLeaving || this.#isOver) return
      for (const node of this.nodes.running.all) if (this.#isDrowsy(node)) void this.#fallAsleep(node)
      this.#lookLater()
    })
  }

  #isDrowsy(node: Node): boolean {
    const calledMs = this.#calledMs.get(node.id) ?? 0
    const isQuiet = this.services.clock.monotonicMs() - calledMs >= this.services.settings.sleepAfterMs
    return isQuiet && !this.#turning.has(node.id) && mayFallAsleep(node, this.services)
  }

  // --- Nodes that move

  #ofMoves(): MovingShard {
    const isLeaving = () => this.#isLeaving
    const isOver = () => this.#isOver
    return {
      ...{ name: this.owned.name, service: this.#service, shard: this.shard, lease: this.owned.lease },
      ...{ nodes: this.nodes, turning: this.#turning },
      get isLeaving() {
        return isLeaving()
      },
      get isOver() {
        return isOver()
      },
      wake: async (nodeId, arrived) => {
        // Nobody else would tell the database where it is.
        if ((await this.#wake(nodeId, arrived)) === undefined) this.#sleepers.tellAgain()
      },
      goOn: (turning) => {
        for (const { message, ms } of this.#leave(turning)) this.#receive(message, ms)
      },
      forget: (nodeId) => void this.#calledMs.delete(nodeId),
    }
  }

  #turnAway(nodeId: string, message: Message): void {
    // H4. A successor may have had the message too.
    if (this.owned.lease.state !== 'held') return
    this.#residents.handOn(message)
    if (message.replyTo !== undefined) this.#refuse(nodeId, message, this.#residents.movedFault(nodeId))
  }

  // --- Upgrades

  versionsOver(): void {
    this.nodes.versionsOver()
  }

  /** Nodes that are awake learn of it, and those that are asleep are woken in passing. */
  reach(version: Version): void {
    if (this.#sleepers.reach(version) && this.awake > 0) this.nodes.learn(version)
  }

  // --- Its end here

  /**
   * H9. Calls that are on their way arrive, running calls end, everything is committed; then it is left to
   * others, and to `to` first.
   */
  async handOver(to: string | null, budget: StopBudget): Promise<void> {
    if (this.#isLeaving || this.#isOver) return
    this.#isLeaving = true
    this.#cancelLook()
    try {
      await this.#handOver(to, budget)
    } finally {
      // Should the log not answer: nothing of it goes on here.
      this.owned.end()
      this.#end()
    }
  }

  async #handOver(to: string | null, budget: StopBudget): Promise<void> {
    const { journal, outbox, statusReporter } = this.services
    await budget.forLeaving(this.moving.idle())
    await budget.forLeaving(this.#leaveAll(budget))
    await budget.forLeaving(Promise.resolve(this.#subscription?.drain()))
    this.#subscription = undefined
    await budget.forLeaving(this.#leaveAll(budget))
    const nodes = [...this.nodes.running.all]
    this.nodes.stop()
    await budget.forLeaving(this.nodes.starting.stop())
    await Promise.all(nodes.map((node) => node.stop(budget)))
    await budget.forClosing(journal.idle())
    outbox.flush()
    journal.close()
    await budget.forClosing(statusReporter.stop())
    await budget.forClosing(this.owned.release(to))
  }

  /**
   * A running call may need another node of this shard to end, which no other host has before. So nodes serve
   * on, and wake, for calls that are made for others, until none is busy.
   */
  async #leaveAll(budget: StopBudget): Promise<void> {
    const { running } = this.nodes
    const isBusy = () => this.#turning.size > 0 || [...running.all].some(({ isEnding, mailbox }) => !isEnding || !mailbox.isIdle)
    while (isBusy() && !budget.isLate && !this.#isOver) {
      await Promise.all([...running.all].map((node) => (node.isEnding ? node.mailbox.whenIdle() : node.leave())))
      if (this.#turning.size > 0) await sleep(this.services.clock, 1)
    }
  }

  /** Another has the shard: nothing that is here is told to anybody. */
  #taken(): void {
    if (this.#isOver) return
    const nodes = [...this.nodes.running.all, ...this.nodes.starting.nodes]
    for (const node of nodes) node.leaveToOthers(0)
    this.#end()
    const { journal, statusReporter } = this.services
    journal.close()
    for (const turning of this.#turning.values()) this.#leave(turning)
    void this.nodes.starting.stop()
    for (const node of nodes) void node.stop()
    void statusReporter.stop()
  }

  #end(): void {
    this.#isOver = true
    this.#cancelLook()
    this.#sleepers.stop()
    this.#listenNot()
    this.nodes.stop()
    this.nodes.running.clear()
  }
}
