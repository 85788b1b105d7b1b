/**
 * The services of a shard's nodes: those of their host, but for what goes with the shard from host to host.
 * It has a store, a journal, and a registration of its own, as if it were a host's directory that moves.
 */
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import type { Transport } from '../../core/ports/transport.js'
import { KeptContacts } from '../calls/nodeContacts.js'
import type { HostServices, Node } from '../node/node.js'
import type { Fence } from '../registration/fence.js'
import { HostSession } from '../registration/hostSession.js'
import { type NodesOfHost, NodesOfShard } from '../registration/nodesOfHost.js'
import { StatusReporter } from '../registration/statusReporter.js'
import type { ShardLease } from '../shards/shardLease.js'
import { Journal } from '../state/journal.js'
import type { Placements } from './placements.js'

/** The services of the host that a shard takes over as they are. */
export interface ShardHostServices extends HostServices {
  readonly database: UpgradeDatabase
  readonly random: Random
  readonly contacts: KeptContacts
  /** Of operators: where nodes are to live. */
  readonly orders: Pick<Placements, 'home'>
}

export interface ShardServices extends HostServices {
  readonly running: NodesOfHost<Node>
  readonly transport: Transport
  readonly orders: Pick<Placements, 'home'>
}

/** @param nodes those of the host, among which they are seen */
export function shardServices(
  host: ShardHostServices,
  nodes: NodesOfHost<Node>,
  store: StateStore,
  lease: ShardLease,
  shard: number,
): ShardServices {
  const { clock, random, settings, database, observe } = host
  const journal = new Journal(store, clock, lease)
  const session = new HostSession(clock, random, settings, store, journal)
  const running = new NodesOfShard(nodes)
  // After a gap the lease decides, and not the upgrade database.
  const leased = { moment: () => lease.moment(), asked: () => {} }
  const statusReporter = new StatusReporter(database, clock, random, settings, observe, session, leased, running)
  const contacts = new KeptContacts(host.contacts.contacts, journal, clock, settings)
  const fence = new ShardFence(lease, clock, host.fence)
  return { ...host, store, journal, statusReporter, contacts, fence, running, addressed: 'by shard', shard }
}

/** H4. A shard's nodes speak while its lease is held; after that when it is held again, or never. */
class ShardFence implements Fence {
  constructor(
    private readonly lease: ShardLease,
    private readonly clock: Clock,
    private readonly host: Fence,
  ) {}

  get lateMs(): number {
    return this.host.lateMs
  }

  get waiting(): number {
    return this.lease.waiting
  }

  isClosed(): boolean {
    // The host notices a gap when it is asked.
    this.host.isClosed(this.clock.monotonicMs())
    return this.lease.state !== 'held'
  }

  whenOpen(action: () => void): void {
    if (!this.lease.holds(action)) action()
  }

  holds(action: () => void): boolean {
    return this.lease.holds(action)
  }

  opened(): Promise<void> {
    return new Promise((resolve) => this.whenOpen(resolve))
  }
}
