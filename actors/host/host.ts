/**
 * A host: a process, or a part of one, that runs one node or ten thousand. Its nodes share one connection,
 * one journal, one bundle cache and one fetch of a new version.
 */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { type HostStatus, refusedReason } from '../../core/inspection/hostStatus.js'
import { noTrustWarning } from '../../core/inspection/noTrustWarning.js'
import { type GroupClasses, memberId } from '../../core/model/groupRecord.js'
import { isNeighbourClass, type NeighbourClass } from '../../core/model/neighbour.js'
import { describeClass, type NodeClass, type OneWay, type Remote } from '../../core/model/nodeObject.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import type { Message, Subscription } from '../../core/ports/transport.js'
import type { Trusts } from '../../core/trust/trustMark.js'
import { decode } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { StopBudget } from '../base/stopBudget.js'
import type { DenialReports } from '../history/denialReports.js'
import type { NeighbourHost } from '../neighbours/neighbour.js'
import type { Neighbours } from '../neighbours/neighbours.js'
import { type GroupHandle, RunningGroup } from '../node/groupHandle.js'
import { startGroup } from '../node/groupStart.js'
import type { HostServices, Node } from '../node/node.js'
import { type NodeHandle, RunningNode } from '../node/nodeHandle.js'
import { startNode } from '../node/nodeStart.js'
import { hostStoppedFault, type NodeStart } from '../node/startingNodes.js'
import type { HostFence } from '../registration/hostFence.js'
import { NodesOfHost } from '../registration/nodesOfHost.js'
import { Clients, type RefOptions } from './clients.js'
import { NodeServices } from './nodeServices.js'
import { NodeSet } from './nodeSet.js'

/** For the host itself, beside the services that its nodes need. */
interface OwnServices extends HostServices {
  readonly trusts: Trusts
  readonly denialReports: DenialReports
  readonly neighbours: Neighbours
  readonly fence: HostFence
}

@injectable()
export class Host {
  #announcements: Subscription | undefined
  #cancelAsking: () => void = () => {}
  /** The newest version announced, while the moment to ask for it has not come. */
  #announcedVersion: Version | undefined
  #cancelAnnounced: () => void = () => {}
  #stopped = false
  #stopping: Promise<void> | undefined

  constructor(
    @inject(NodeServices) private readonly services: OwnServices,
    @inject(Clients) private readonly clients: Clients,
    @inject(NodesOfHost) private readonly nodes: NodesOfHost<Node>,
    @inject(NodeSet) private readonly set: NodeSet,
  ) {
    const { history, statusReporter } = services
    history.newer.on((version) => this.set.learn(version))
    history.ended.on(() => this.set.versionsOver())
    // The question also gives back deaths, finality, and the history.
    statusReporter.probation.on(() => this.#ask())
  }

  get id(): string {
    return this.services.settings.hostId
  }

  get system(): string {
    return this.services.settings.system
  }

  /** Listens for announcements and asks for the newest version now and then. */
  start(): void {
    const { transport } = this.services
    this.#announcements = transport.subscribe(subjectsOf(this.system).announcements, (message) => this.#announced(message))
    transport.onStatus((status) => {
      this.services.observe({ type: 'transport', status })
      // All hosts are back at once.
      if (status === 'connected') this.#askWithin(this.services.history.heard + 1)
    })
    this.services.inspection.start(this.nodes.onHost)
    if (!this.services.trusts.isSaid) this.services.observe(noTrustWarning('a host', this.system))
    this.#ask()
    this.#askLater()
  }

  /**
   * Starts a node of this class, or of whatever class of the same service its state is of. Throws `config.*`
   * for a wrong class or id, and for a node that is registered with another state directory;
   * `unavailable.stopped` when the host stops, or has stopped.
   */
  async node(definition: NodeClass, nodeId: string): Promise<NodeHandle> {
    if (this.#stopped) throw hostStoppedFault()
    checkOfNoShard(definition, this.services.store, nodeId)
    if (this.set.has(nodeId)) throw new Fault('config.invalid', `node ${nodeId} runs on this host already`)
    this.services.fence.start(() => this.services.statusReporter.askAll())
    return this.set.starting.run(nodeId, (start) => this.#startNode(definition, nodeId, start))
  }

  /**
   * Starts a group: a node for each member, whose id is `<group>_<member>`. They go through every version
   * together. A group that has state here is given the members that it has. Throws as `node` does; then none
   * of them runs.
   */
  async group<C extends GroupClasses>(name: string, classes: C): Promise<GroupHandle<keyof C & string>> {
    if (this.#stopped) throw hostStoppedFault()
    for (const definition of Object.values(classes)) checkOfNoShard(definition, this.services.store)
    const ids = Object.keys(classes).map((member) => memberId(name, member))
    const running = ids.find((id) => this.set.has(id))
    if (running !== undefined) throw new Fault('config.invalid', `node ${running} runs on this host already`)
    this.services.fence.start(() => this.services.statusReporter.askAll())
    return this.set.starting.run(ids, (start) => this.#startGroup(name, classes, start))
  }

  async #startNode(definition: NodeClass, nodeId: string, start: NodeStart): Promise<NodeHandle> {
    await this.#checkListens([])
    const node = await startNode(this.services, definition, nodeId, start)
    await this.set.begin([node], () => this.#checkListens(node.subjects))
    return this.#handle(node)
  }

  async #startGroup<C extends GroupClasses>(name: string, classes: C, start: NodeStart): Promise<GroupHandle<keyof C & string>> {
    await this.#checkListens([])
    const nodes = await startGroup(this.services, name, classes, start)
    await this.set.begin(nodes, () => this.#checkListens(nodes.flatMap(({ subjects }) => subjects)))
    const stopped = () => {
      for (const { id } of nodes) this.nodes.delete(id)
    }
    return new RunningGroup(name, Object.keys(classes), nodes, this.services.clock, stopped)
  }

  /**
   * Throws `config.invalid` if the transport does not let the host listen where it must, and on
   * these subjects.
   */
  async #checkListens(subjects: readonly string[]): Promise<void> {
    const { transport, calls } = this.services
    await transport.flush().catch(() => {})
    const { announcements, introduced } = subjectsOf(this.system)
    const needed = new Set([...subjects, ...calls.answersSubjects, announcements, introduced])
    const refused = transport.refused.filter((subject) => needed.has(subject))
    if (refused.length > 0) throw new Fault('config.invalid', refusedReason(refused))
  }

  /** The host and its nodes at this moment. */
  status(): HostStatus {
    const { transport, history, calls, trusts } = this.services
    return {
      hostId: this.id,
      system: this.system,
      isStopped: this.#stopped,
      transport: transport.status,
      refused: transport.refused,
      trust: { ...trusts, refusal: history.refusal?.message ?? null },
      newestVersion: history.heard,
      openCalls: calls.openCalls,
      starting: this.set.starting.ids,
      nodes: [...this.nodes.onHost.values()].map((node) => node.status.snapshot),
    }
  }

  /**
   * A node, or any node of the class's service, as a typed reference pinned to the version that
   * the class belongs to. Of a neighbour, as `StockV1.of('warehouse')`, that is a version of the neighbour.
   */
  ref<C extends NodeClass>(target: C | NeighbourClass<C>, nodeId?: string, options: RefOptions = {}): Remote<InstanceType<C>> {
    if (isNeighbourClass(target)) return this.#at(target).ref(target.target, nodeId, options) as Remote<InstanceType<C>>
    return this.clients.ref(target, nodeId, options) as Remote<InstanceType<C>>
  }

  /** The same for one-way sends: at most once, without an answer. */
  sender<C extends NodeClass>(target: C | NeighbourClass<C>, nodeId?: string, options: RefOptions = {}): OneWay<InstanceType<C>> {
    if (isNeighbourClass(target)) return this.#at(target).sender(target.target, nodeId, options) as OneWay<InstanceType<C>>
    return this.clients.sender(target, nodeId, options) as OneWay<InstanceType<C>>
  }

  /** As the neighbour sees this host. Throws `config.invalid` for a system that is no neighbour. */
  #at({ system }: NeighbourClass): NeighbourHost {
    return this.services.neighbours.get(system).host
  }

  /** Resolves when what was sent so far has reached the transport's other side. */
  async flush(): Promise<void> {
    this.services.outbox.flush()
    await this.services.transport.flush()
  }

  /**
   * Ends all nodes: running calls finish, waiting ones are refused as not executed, everything is on disk. A
   * call or start that does not come to its end within the budget is left behind: its caller hears nothing,
   * and it writes nothing any more.
   */
  stop(budget = new StopBudget(this.services.clock, this.services.settings.leaveMs)): Promise<void> {
    this.#stopping ??= this.#stop(budget)
    return this.#stopping
  }

  async #stop(budget: StopBudget): Promise<void> {
    const { inspection, journal, calls, outbox, statusReporter, observe, settings } = this.services
    this.#stopped = true
    this.set.stop()
    this.#cancelAsking()
    this.#cancelAnnounced()
    // Before anything is waited for: no node comes after those that are ended here.
    const started = this.set.starting.stop()
    await budget.forLeaving(Promise.resolve(this.#announcements?.drain()))
    const nodes = [...this.nodes.all, ...this.set.starting.nodes]
    await budget.forLeaving(Promise.all([started, this.#leave(nodes, budget)]))
    if (budget.isLate) {
      const busy = [...this.set.starting.ids, ...nodes.flatMap(({ id, mailbox }) => (mailbox.isIdle ? [] : id))]
      const message = `the host stops after ${settings.leaveMs} ms though it is still busy: ${busy.join(', ')}`
      observe({ type: 'warning', message, error: new Fault('upgrade.drain', 'running calls and starts did not end in time') })
    }
    // A call that ends here may have waited for as long as the host stood still.
    await budget.forLeaving(this.services.fence.opened())
    await Promise.all(nodes.map((node) => node.stop(budget)))
    this.nodes.clear()
    this.services.fence.stop()
    inspection.stop()
    await budget.forClosing(journal.idle())
    journal.close()
    // That the nodes are free comes first: they may wait elsewhere for that.
    await budget.forClosing(Promise.all([statusReporter.stop(), this.services.denialReports.stop()]))
    calls.close()
    outbox.flush()
  }

  /**
   * A running call may need a node of this host to end, and that one's call another, so all
   * serve on until none is busy.
   */
  async #leave(nodes: readonly Node[], budget: StopBudget): Promise<void> {
    await Promise.all(nodes.map((node) => node.leave()))
    while (!budget.isLate && nodes.some(({ mailbox }) => !mailbox.isIdle))
      await Promise.all(nodes.map(({ mailbox }) => mailbox.whenIdle()))
  }

  #handle(node: Node): NodeHandle {
    return new RunningNode(node, this.services.clock, () => void this.nodes.delete(node.id))
  }

  #announced(message: Message): void {
    try {
      for (const envelope of decode(message.payload)) {
        if (envelope.kind !== kinds.announcement)
          throw new Fault('protocol.bad-envelope', `kind ${envelope.kind} among the announcements`)
        // An announcement is a hint: the upgrade server itself is asked.
        if (envelope.version > this.services.history.heard) this.#askWithin(envelope.version)
      }
    } catch (fault) {
      this.services.observe({ type: 'deadLetter', subject: message.subject, fault: fault as Fault })
    }
  }

  #ask(): void {
    this.services.history.ask().catch(() => {
      // Asked again soon, by the clock or by the next announcement; meanwhile nothing is missing.
    })
  }

  /**
   * All hosts hear an announcement at once. A call that needs the version does not wait for
   * this: it has the server asked now.
   */
  #askWithin(version: Version): void {
    const { clock, random, settings, history } = this.services
    const isWaiting = this.#announcedVersion !== undefined
    this.#announcedVersion = Math.max(version, this.#announcedVersion ?? 0)
    if (isWaiting) return
    this.#cancelAnnounced = clock.after(settings.announcedWithinMs * random.next(), () => {
      const announced = this.#announcedVersion ?? 0
      this.#announcedVersion = undefined
      if (announced > history.heard) this.#ask()
    })
  }

  #askLater(): void {
    const { clock, random, settings } = this.services
    this.#cancelAsking = clock.after(settings.askServerMs * (1 + random.next() / 4), () => {
      this.#ask()
      this.#askLater()
    })
  }
}

/** Its nodes are those of the service's shards, wherever these are; but for one that has not moved there. */
function checkOfNoShard(definition: NodeClass, store: StateStore, nodeId?: string): void {
  const { className, shards } = describeClass(definition)
  if (shards === null) return
  const stays = nodeId === undefined ? [] : [keys.record(nodeId), keys.departure(nodeId)]
  if (stays.some((key) => store.get(key) !== undefined)) return
  const advice = `use host.offer(${className}), and call the node: its first command makes it`
  throw new Fault('config.invalid', `${className} is of a sharded service, whose nodes are not started by hand: ${advice}`)
}
