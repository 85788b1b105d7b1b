/**
 * A host: a process, or a part of one, that runs one node or ten thousand. Its nodes share one connection, one journal, one bundle cache and
 * one fetch of a new version.
 */
import { inject, injectable } from 'tsyringe'
import { decode } from '../core/codec.js'
import { type Duration, milliseconds } from '../core/duration.js'
import { kinds } from '../core/envelope.js'
import { Fault } from '../core/fault.js'
import type { HostStatus } from '../core/hostStatus.js'
import type { Version } from '../core/ids.js'
import type { NodeClass, OneWay, Remote } from '../core/nodeObject.js'
import type { Link } from '../core/objectChain.js'
import type { Phase } from '../core/phases.js'
import type { Message, Subscription } from '../core/ports/transport.js'
import type { RecordsUnmade } from '../core/ports/upgradeDatabase.js'
import { subjectsOf } from '../core/subjects.js'
import { Clients, type RefOptions } from './clients.js'
import type { Node } from './node.js'
import { NodeServices } from './nodeServices.js'
import { startNode } from './nodeStart.js'
import { sleep, within } from './timeouts.js'

export type ChainEntry = Pick<Link, 'version' | 'className' | 'role'>

/** A node as its host's code sees it. */
export interface NodeHandle {
  readonly id: string
  readonly version: Version
  readonly className: string
  readonly phase: Phase
  /** Who answers which version, oldest first. */
  readonly chain: readonly ChainEntry[]
  /** Records that its lazy transform has still to make (§8); null: none. */
  readonly records: RecordsUnmade | null
  /**
   * Resolves when the node serves at `version` or past it. Rejects with `upgrade.*` when the upgrade on the way there is stalled or rejected,
   * with the reason, and with `timeout.deadline` after `timeout` (one minute by default).
   */
  reached(version: Version, options?: { readonly timeout?: Duration }): Promise<void>
  /** Lets a stalled or rejected upgrade of this node try again. */
  retry(): void
  /** Ends the node on this host; its state and its registration stay. */
  stop(): Promise<void>
}

@injectable()
export class Host {
  readonly #nodes = new Map<string, Node>()
  readonly #starting = new Set<string>()
  #announcements: Subscription | undefined
  #cancelAsking: () => void = () => {}
  /** The newest version announced, while the moment to ask for it has not come. */
  #announcedVersion: Version | undefined
  #cancelAnnounced: () => void = () => {}
  #stopped = false

  constructor(
    @inject(NodeServices) private readonly services: NodeServices,
    @inject(Clients) private readonly clients: Clients,
  ) {
    const { history, contacts, registrar } = services
    contacts.newestKnown = history.heard
    history.onNewer = (version) => {
      contacts.newestKnown = version
      this.#learn(version)
    }
    history.onOver = () => {
      for (const node of this.#nodes.values()) node.versionsOver()
    }
    // Asked at most every `unknownVersionMs`, whatever others say.
    contacts.onNewer = (version) => void history.knows(version).catch(() => {})
    registrar.figuresOf = (nodeId) => this.#nodes.get(nodeId)?.figures
    registrar.onTaken = (nodeId, fault) => void this.#taken(nodeId, fault)
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
      if (status === 'connected') this.#ask()
    })
    this.services.inspection.start(this.#nodes)
    this.#ask()
    this.#askLater()
  }

  /**
   * Starts a node of this class, or of whatever class of the same service its state is of. Throws `config.*` for a wrong class or id, and
   * for a node that is registered with another state directory.
   */
  async node(definition: NodeClass, nodeId: string): Promise<NodeHandle> {
    if (this.#stopped) throw new Fault('config.invalid', 'the host has stopped')
    if (this.#nodes.has(nodeId) || this.#starting.has(nodeId))
      throw new Fault('config.invalid', `node ${nodeId} runs on this host already`)
    this.#starting.add(nodeId)
    try {
      const node = await startNode(this.services, definition, nodeId)
      this.#nodes.set(nodeId, node)
      // What was heard while the node was starting.
      const { heard, dead } = this.services.history
      if (heard > node.keeper.record.newest) node.learning.learn(heard)
      if (dead > node.keeper.record.oldest) node.versionsOver()
      await this.services.transport.flush().catch(() => {})
      return this.#handle(node)
    } finally {
      this.#starting.delete(nodeId)
    }
  }

  /** The host and its nodes at this moment. */
  status(): HostStatus {
    const { transport, history, calls } = this.services
    return {
      hostId: this.id,
      system: this.system,
      isStopped: this.#stopped,
      transport: transport.status,
      newestVersion: history.heard,
      openCalls: calls.openCalls,
      starting: [...this.#starting],
      nodes: [...this.#nodes.values()].map((node) => node.snapshot),
    }
  }

  /** A node, or any node of the class's service, as a typed reference pinned to the version that the class belongs to. */
  ref<C extends NodeClass>(target: C, nodeId?: string, options: RefOptions = {}): Remote<InstanceType<C>> {
    return this.clients.ref(target, nodeId, options) as Remote<InstanceType<C>>
  }

  /** The same for one-way sends: at most once, without an answer. */
  sender<C extends NodeClass>(target: C, nodeId?: string, options: RefOptions = {}): OneWay<InstanceType<C>> {
    return this.clients.sender(target, nodeId, options) as OneWay<InstanceType<C>>
  }

  /** Resolves when what was sent so far has reached the transport's other side. */
  async flush(): Promise<void> {
    this.services.outbox.flush()
    await this.services.transport.flush()
  }

  /** Ends all nodes: running calls finish, waiting ones are refused as not executed, everything is on disk. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelAsking()
    this.#cancelAnnounced()
    await this.#announcements?.drain()
    const nodes = [...this.#nodes.values()]
    await this.#leave(nodes)
    await Promise.all(nodes.map((node) => node.stop()))
    this.#nodes.clear()
    this.services.inspection.stop()
    await this.services.journal.idle()
    this.services.calls.close()
    this.services.outbox.flush()
    await this.services.registrar.stop()
  }

  /** A running call may need a node of this host to end, and that one's call another, so all serve on until none is busy. */
  async #leave(nodes: readonly Node[]): Promise<void> {
    const { clock, settings } = this.services
    const over = new AbortController()
    const idle = async () => {
      await Promise.all(nodes.map((node) => node.leave()))
      while (!over.signal.aborted && nodes.some(({ mailbox }) => !mailbox.isIdle))
        await Promise.all(nodes.map(({ mailbox }) => mailbox.whenIdle()))
    }
    await Promise.race([idle(), sleep(clock, settings.leaveMs, over.signal).catch(() => {})])
    over.abort()
  }

  #handle(node: Node): NodeHandle {
    const nodes = this.#nodes
    return {
      id: node.id,
      get version() {
        return node.software.hasChain ? node.chain.version : node.runs.version
      },
      get className() {
        return node.software.hasChain ? node.chain.object.className : node.runs.className
      },
      get phase() {
        return node.phase
      },
      reached: (version, { timeout = '60s' } = {}) => this.#reached(node, version, milliseconds(timeout)),
      get records() {
        return node.records
      },
      get chain() {
        return (node.software.hasChain ? node.chain.links : []).map(({ version, className, role }) => ({
          version,
          className,
          role,
        }))
      },
      retry: () => node.manager.retry(),
      stop: async () => {
        await node.stop()
        nodes.delete(node.id)
      },
    }
  }

  #reached(node: Node, version: Version, timeoutMs: number): Promise<void> {
    const arrived = new Promise<void>((resolve, reject) => {
      node.follow(() => {
        const { phase, reason } = node
        const { version: reached } = node.runs
        if (phase === 'current' && reached >= version) resolve()
        else if (phase === 'stalled' || phase === 'rejected') {
          reject(new Fault('upgrade.unreached', `node ${node.id} is ${phase} on its way to version ${reached + 1}: ${reason}`))
        } else return false
        return true
      })
    })
    return within(this.services.clock, timeoutMs, arrived, () => {
      return new Fault(
        'timeout.deadline',
        `node ${node.id} has not reached version ${version} in ${timeoutMs} ms: it is ${node.phase}`,
      )
    })
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

  /** All hosts hear an announcement at once. A call that needs the version does not wait for this: it has the server asked now. */
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

  #learn(version: Version): void {
    for (const node of this.#nodes.values()) node.learning.learn(version)
  }

  async #taken(nodeId: string, fault: Fault): Promise<void> {
    const node = this.#nodes.get(nodeId)
    this.services.observe({ type: 'nodeFailed', nodeId, error: fault })
    await node?.stop()
    this.#nodes.delete(nodeId)
  }
}
