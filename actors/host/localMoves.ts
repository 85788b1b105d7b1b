/**
 * Nodes of a host's own store that go into the shards of their service, by an operator's order (`home` of
 * core/control/control.ts): one after the other, each as a drained copy.
 *
 * - A node goes while it is `current`. Its upgrade comes first, and a version that is learned meanwhile too.
 * - Its calls are held while the running one ends, and refused as not executed when it leaves. Callers send
 *   them again, within their deadlines, and the owner of the shard answers.
 * - A move that was begun goes on at the host's next start, and after a refusal the node starts here.
 */
import { isFault, reasonOf } from '../../core/base/fault.js'
import type { HomeOrder } from '../../core/control/control.js'
import { type Arrival, checkMove } from '../../core/model/nodeMove.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import { shardOf } from '../../core/model/shard.js'
import { unpack } from '../../core/wire/codec.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { StopBudget } from '../base/stopBudget.js'
import { type ArrivalPlace, Arrivals } from '../moving/arrivals.js'
import { drained, whyItStays } from '../moving/drainedNode.js'
import { Leaving, type LeavingServices } from '../moving/leaving.js'
import type { Node } from '../node/node.js'
import { startNode } from '../node/nodeStart.js'
import type { NodesOfHost } from '../registration/nodesOfHost.js'
import type { NodeSet } from './nodeSet.js'
import type { ShardHostServices } from './shardServices.js'

/** A node that could not go is looked at again after so long, and the next one comes first. */
const againMs = 1_000

export class LocalMoves {
  readonly #service: string
  readonly #shards: number
  readonly #leaving: Leaving
  readonly #arrivals: Arrivals
  /** The reasons for which nodes have stayed, as they were told. */
  readonly #told = new Map<string, string>()
  readonly #laterMs = new Map<string, number>()
  #running: Promise<void> | undefined
  #isStopped = false
  #isOver = false

  constructor(
    private readonly definition: NodeClass,
    private readonly services: ShardHostServices & LeavingServices,
    private readonly nodes: NodesOfHost<Node>,
    private readonly set: Pick<NodeSet, 'starting' | 'begin' | 'has'>,
    private readonly order: () => HomeOrder | undefined,
  ) {
    const { service, shards } = describeClass(definition)
    this.#service = service
    this.#shards = shards!
    this.#leaving = new Leaving(services, () => this.#isOver)
    this.#arrivals = new Arrivals(this.#place(), services)
  }

  /** Nodes may come, and those that have come start. */
  open(): void {
    const { journal } = this.services
    this.#arrivals.open()
    for (const [key, bytes] of [...journal.range(...keys.allArrivals)]) {
      const nodeId = key.slice(keys.arrival('').length)
      const stored = journal.get(keys.record(nodeId))
      const isMine = stored !== undefined && checkRecord(unpack(stored)).service === this.#service
      const isHere = isMine && checkMove<Arrival>(unpack(bytes)).verdict === 'arrived'
      if (isHere && journal.get(keys.departure(nodeId)) === undefined && !this.set.has(nodeId)) void this.#start(nodeId)
    }
  }

  #place(): ArrivalPlace {
    const { settings, store, fence, clock, journal } = this.services
    return {
      subject: subjectsOf(settings.system).hostArrivals(this.#service, settings.hostId),
      service: this.#service,
      target: store.directoryId,
      get isSilent() {
        return fence.isClosed(clock.monotonicMs())
      },
      waits: () => {
        const to = this.order()?.to
        const isHome = !this.#isStopped && to?.kind === 'local' && to.hostId === settings.hostId
        return isHome ? null : `no order lets nodes of ${this.#service} come to host ${settings.hostId}`
      },
      isBusy: (nodeId) => this.set.has(nodeId),
      admit: async (nodeId, commit) => {
        await commit()
        if (journal.get(keys.record(nodeId)) !== undefined) void this.#start(nodeId)
      },
    }
  }

  /** Looks whether there is something to do. */
  round(): void {
    if (this.#isStopped || this.#running !== undefined) return
    const begun = this.#leaving.begun().filter(({ nodeId }) => !this.set.has(nodeId))
    const going = this.order()?.to.kind === 'sharded' ? this.#going() : []
    if (begun.length === 0 && going.length === 0) return
    this.#running = this.#move(begun, going).finally(() => (this.#running = undefined))
  }

  /** The move under way ends, if it does in time. */
  async stop(budget: StopBudget): Promise<void> {
    const running = this.#running
    this.#isStopped = true
    this.#arrivals.close()
    if (running !== undefined) await budget.forLeaving(running)
    this.#isOver = true
  }

  #going(): readonly Node[] {
    const nowMs = this.services.clock.monotonicMs()
    const isDue = ({ id }: Node) => (this.#laterMs.get(id) ?? 0) <= nowMs
    return [...this.nodes.all].filter((node) => node.service === this.#service && isDue(node))
  }

  async #move(begun: readonly { readonly nodeId: string }[], going: readonly Node[]): Promise<void> {
    for (const { nodeId } of begun) await this.#goOn(nodeId)
    for (const node of going) {
      if (this.#isStopped || this.order()?.to.kind !== 'sharded') return
      const stays = await this.#moveOne(node).catch(reasonOf)
      if (stays === null) this.#told.delete(node.id)
      else this.#stays(node.id, stays)
    }
  }

  #stays(nodeId: string, reason: string): void {
    this.#laterMs.set(nodeId, this.services.clock.monotonicMs() + againMs)
    if (this.#told.get(nodeId) === reason || this.#isStopped) return
    this.#told.set(nodeId, reason)
    this.services.observe({ type: 'warning', message: `node ${nodeId} does not move yet: ${reason}`, error: undefined })
  }

  /** Why the node stays; null: it has left. */
  async #moveOne(node: Node): Promise<string | null> {
    const waits = this.#waits(node)
    if (waits !== null) return waits
    const way = await this.#leaving.ask(this.#service, node.id, this.#subject(node.id))
    if ('waits' in way) return way.waits
    try {
      await drained(node, node.close(), this.services)
    } catch (error) {
      this.#reopen(node)
      return reasonOf(error)
    }
    // An upgrade that has begun meanwhile comes first.
    const begun = this.#waits(node)
    if (begun !== null || this.#isStopped) {
      this.#reopen(node)
      return begun ?? 'the host stops'
    }
    await node.stop()
    await this.#leaving.depart(node.id, way.target)
    this.nodes.delete(node.id)
    await this.#goOn(node.id)
    return null
  }

  #reopen(node: Node): void {
    if (node.life.state === 'serving') node.mailbox.open()
  }

  /** Of a node that has left: it ends there, or starts here again. */
  async #goOn(nodeId: string): Promise<void> {
    const verdict = await this.#leaving.goOn(this.#service, nodeId, this.#subject(nodeId))
    if (verdict !== 'refused' || this.#isStopped) return
    this.#stays(nodeId, 'it was refused there, and starts here again')
    await this.#start(nodeId)
  }

  async #start(nodeId: string): Promise<void> {
    try {
      const node = await this.set.starting.run(nodeId, (start) => startNode(this.services, this.definition, nodeId, start))
      await this.set.begin([node], async () => {})
    } catch (error) {
      this.services.observe({ type: 'nodeFailed', nodeId, error })
      // A fault that nobody can mend from here is not met again before the host starts anew.
      if (isFault(error) && error.code.startsWith('config.')) return
      const again = () => void (this.#isStopped || this.set.has(nodeId) || this.#start(nodeId))
      this.services.clock.after(againMs, again)
    }
  }

  #subject(nodeId: string): string {
    return subjectsOf(this.services.settings.system).shardArrivals(this.#service, shardOf(nodeId, this.#shards))
  }

  #waits(node: Node): string | null {
    return whyItStays(node, this.services) ?? this.#wayBack(node)
  }

  /**
   * While a version without shards lives, its callers look for the node at a host. While that may be brought
   * back by an undo, all callers would.
   */
  #wayBack({ recordStore }: Node): string | null {
    const { classes, history } = this.services
    const { record } = recordStore
    const lineage = recordStore.lineage(classes)
    for (let version = record.oldest; version <= record.newest; version++) {
      const { className, shards } = describeClass(classes.definitionAt(lineage, version))
      if (shards === null) return `version ${version} lives, whose class ${className} has no shards`
    }
    if (record.oldest === 0 || history.final >= record.oldest) return null
    return `an undo could bring back a class without shards: "natsctl rollout finalize" ends that`
  }
}
