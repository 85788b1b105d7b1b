/** The nodes of sharded services, as they run or sleep wherever their shards are. */
import type { NodeSnapshot } from '../../../core/inspection/hostStatus.js'
import type { NodeRecord } from '../../../core/model/nodeRecord.js'
import type { RunningNode } from '../cluster.js'
import type { HostProcess } from '../hostProcess.js'
import type { ShardChecker } from './shardChecker.js'

export class ShardedNodes {
  readonly #failed = new Set<string>()

  constructor(
    private readonly checker: ShardChecker,
    private readonly hosts: ReadonlyMap<string, HostProcess>,
  ) {}

  has(nodeId: string): boolean {
    return this.checker.isSharded(nodeId)
  }

  isBorn(nodeId: string): boolean {
    return this.checker.recordOf(nodeId) !== undefined
  }

  /** The host that has the shard, while it is the process that has claimed it. */
  hostOf(nodeId: string): HostProcess | undefined {
    const owner = this.checker.ownerOf(nodeId)
    const host = owner && this.hosts.get(owner.name)
    return host?.processFault === owner ? host : undefined
  }

  /** Undefined for one that was never born, or whose host does not run. */
  handleOf(nodeId: string): RunningNode | undefined {
    const record = this.checker.recordOf(nodeId)
    const running = this.hostOf(nodeId)?.running
    if (record === undefined || running === undefined) return undefined
    const awake = running.status().nodes.find(({ id }) => id === nodeId)
    return handle(awake ?? asleep(record))
  }

  /** It could not be woken, or has failed. */
  failed(nodeId: string): void {
    this.#failed.add(nodeId)
  }

  /** It has failed once, and sleeps. */
  mayBeStuck(nodeId: string): boolean {
    return this.#failed.has(nodeId) && this.isAsleep(nodeId)
  }

  isAsleep(nodeId: string): boolean {
    return !(this.hostOf(nodeId)?.running?.status().nodes ?? []).some(({ id }) => id === nodeId)
  }

  /** Says of every shard that nobody has, or two. */
  restless(): readonly string[] {
    const restless: string[] = []
    for (const { service, shard, owner } of this.checker.owners()) {
      const having = [...this.hosts.values()].filter(({ running }) =>
        (running?.shards ?? []).some((each) => each.service === service && each.shard === shard),
      )
      const names = having.map(({ name }) => name)
      if (names.length !== 1) restless.push(`shard ${shard} of ${service} is on ${names.join(', ') || 'no host'}`)
      else if (having[0]!.processFault !== owner)
        restless.push(`shard ${shard} of ${service} is on ${names[0]}, and ${owner?.name ?? 'nobody'} has its log`)
    }
    return restless
  }
}

type Seen = Pick<NodeSnapshot, 'version' | 'className' | 'phase' | 'records'>

function asleep({ generation }: NodeRecord): Seen {
  return { version: generation.version, className: generation.className, phase: 'current', records: null }
}

/** The chain of a node is seen on its own host alone. */
function handle({ version, className, phase, records }: Seen): RunningNode {
  return { version, className, phase, records, chain: [], retry: () => {} }
}
