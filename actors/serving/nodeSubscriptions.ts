/** Where a node listens: for calls to itself, for calls to its service, and for events. */
import type { Version } from '../../core/base/ids.js'
import type { ObjectChain } from '../../core/model/objectChain.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import { serviceQueue, subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import type { EventHub, Hearer } from './eventHub.js'
import type { IncomingCall } from './incomingCall.js'
import { RecentEvents } from './recentEvents.js'

/** Of its host, for listening. */
export interface SubscriptionServices {
  readonly transport: Transport
  /** Whether each node listens for its calls, or the owner of its shard for all of them. */
  readonly addressed: 'by node' | 'by shard'
  readonly events: EventHub
  readonly settings: HostSettings
  readonly history: { readonly newest: Version; wasIntroduced(event: string, label: Version): boolean }
}

/** The node that listens. */
export interface ListeningNode extends Hearer {
  readonly id: string
  readonly service: string
  receive(message: Message): void
}

const queue = { queue: serviceQueue } as const

export class NodeSubscriptions {
  #direct: Subscription | undefined
  #ofService: Subscription | undefined
  /** Made when an event arrives that may come twice. */
  #recentEvents: RecentEvents | undefined
  readonly #receive: (message: Message) => void

  constructor(
    private readonly services: SubscriptionServices,
    private readonly node: ListeningNode,
  ) {
    // Bound: a closure would keep a context beside itself, in each node.
    this.#receive = node.receive.bind(node)
  }

  /** All subjects that it listens on while it serves; no chain: before its object is there. */
  subjects(chain: ObjectChain | undefined): readonly string[] {
    const { node, service, event } = subjectsOf(this.services.settings.system)
    const events = chain === undefined ? [] : [...heardBy(chain)]
    const own = this.services.addressed === 'by shard' ? [] : [node(this.node.id), service(this.node.service)]
    return [...own, ...events.map(event)]
  }

  /** From now on it hears what any version of this chain hears. */
  hear(chain: ObjectChain): void {
    this.services.events.hear(this.node, heardBy(chain))
  }

  /** Listens for calls to this node. */
  open(): void {
    const { node } = subjectsOf(this.services.settings.system)
    if (this.services.addressed !== 'by shard')
      this.#direct ??= this.services.transport.subscribe(node(this.node.id), this.#receive)
    this.services.events.attend(this.node)
  }

  /** Takes part in answering its service's calls. */
  joinService(): void {
    if (this.services.addressed === 'by shard') return
    const { service } = subjectsOf(this.services.settings.system)
    this.#ofService ??= this.services.transport.subscribe(service(this.node.service), this.#receive, queue)
  }

  /** Resolves when the calls on their way have arrived. */
  async leaveService(): Promise<void> {
    const ofService = this.#ofService
    this.#ofService = undefined
    await ofService?.drain()
  }

  hearNothing(): void {
    this.services.events.leave(this.node)
  }

  /** Resolves when what is on its way to this node has arrived. */
  async drain(): Promise<void> {
    await this.#direct?.drain()
  }

  close(): void {
    this.#direct?.unsubscribe()
  }

  /**
   * Whether the call is an event that the node has received before: one that an upgrade has brought
   * may come twice.
   */
  isRepeated(call: IncomingCall): boolean {
    const { method, label } = call.envelope
    const { history } = this.services
    // Of a version whose manifest is still on its way it is not known what it has brought.
    if (label <= history.newest && !history.wasIntroduced(method, label)) return false
    this.#recentEvents ??= new RecentEvents()
    // The id is its publisher's word, the name is not: nobody can say in advance what another will publish.
    return !this.#recentEvents.isNew(`${call.caller.name ?? ''}/${call.id}`)
  }
}

function heardBy(chain: ObjectChain): ReadonlySet<string> {
  return new Set(chain.links.flatMap(({ hears }) => [...hears.keys()]))
}
