/** The logs of a system's shards in memory, as their servers have them: each host is a client of its own. */
import type { Clock } from '../../core/ports/clock.js'
import type { Log, ShardLog, ShardLogs } from '../../core/ports/log.js'
import { systemClock } from '../systemClock.js'
import { type MemoryLog, type MemoryLogHandle, type MemoryLogOptions, memoryLog } from './memoryLog.js'
import { MemorySnapshots } from './memorySnapshots.js'

export interface MemoryShardLogsOptions extends MemoryLogOptions {
  readonly sliceBytesMax?: number
}

/** One shard, as its servers have it. */
export interface MemoryShard {
  readonly log: MemoryLog
  readonly snapshots: MemorySnapshots
}

export interface MemoryShardLogs {
  /** A host's. Fates and views know it by its name. */
  client(name: string): MemoryShardClient
  /** Made if it is new. */
  shard(service: string, shard: number): MemoryShard
}

export interface MemoryShardClient extends ShardLogs {
  /** The same as kill -9 of the host. */
  abandon(): void
}

export function memoryShardLogs(options: MemoryShardLogsOptions = {}): MemoryShardLogs {
  const { clock = systemClock } = options
  const shards = new Map<string, MemoryShard>()
  const shardOf = (service: string, shard: number): MemoryShard => {
    const name = `${service}/${shard}`
    const found = shards.get(name)
    if (found !== undefined) return found
    const made = { log: memoryLog(options), snapshots: snapshotsOf(clock, options.sliceBytesMax) }
    shards.set(name, made)
    return made
  }
  const shardsOf = (service: string): readonly number[] =>
    [...shards.keys()]
      .flatMap((name) => (name.startsWith(`${service}/`) ? [Number(name.slice(service.length + 1))] : []))
      .sort((a, b) => a - b)
  return { shard: shardOf, client: (name) => new Client(name, shardOf, shardsOf) }
}

function snapshotsOf(clock: Pick<Clock, 'turn'>, sliceBytesMax: number | undefined): MemorySnapshots {
  return new MemorySnapshots({ turn: (action) => clock.turn(action), ...(sliceBytesMax !== undefined && { sliceBytesMax }) })
}

class Client implements MemoryShardClient {
  readonly #open = new Set<MemoryLogHandle>()

  constructor(
    private readonly name: string,
    private readonly shardOf: MemoryShardLogs['shard'],
    private readonly made: (service: string) => readonly number[],
  ) {}

  shardsOf(service: string): Promise<readonly number[]> {
    return Promise.resolve(this.made(service))
  }

  open(service: string, shard: number): Promise<ShardLog> {
    const { log, snapshots } = this.shardOf(service, shard)
    const handle = log.open(this.name)
    this.#open.add(handle)
    return Promise.resolve(withSnapshots(handle, snapshots, () => this.#open.delete(handle)))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((handle) => handle.close()))
    this.#open.clear()
  }

  abandon(): void {
    for (const handle of this.#open) handle.abandon()
    this.#open.clear()
  }
}

function withSnapshots(log: Log, snapshots: MemorySnapshots, closed: () => void): ShardLog {
  return {
    durability: log.durability,
    entryBytesMax: log.entryBytesMax,
    snapshots,
    append: (bytes, after) => log.append(bytes, after),
    read: (after) => log.read(after),
    ends: () => log.ends(),
    trim: (upTo) => log.trim(upTo),
    close: async () => {
      closed()
      await log.close()
    },
  }
}
