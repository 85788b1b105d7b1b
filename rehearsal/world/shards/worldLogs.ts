/**
 * The logs of the world's shards, as their servers have them, and the ways to them: appends take a while, are
 * lost with or without having arrived, arrive late, or nobody answers.
 */
import {
  type AppendFate,
  type AppendInTransit,
  type MemoryLog,
  type MemoryShardClient,
  type MemoryShardLogs,
  memoryShardLogs,
  type View,
} from 'theseus-actors/memory'
import type { ShardLog, ShardLogs } from '../../../core/ports/log.js'
import type { Random } from '../../../core/ports/random.js'
import type { ProcessFault } from '../processFault.js'
import type { VirtualTime } from '../virtualTime.js'
import type { ShardChecker } from './shardChecker.js'
import type { ShardsPlan } from './shardPlan.js'

/** How long an append and a reading take, at most. */
const answerMsMax = 2
/** While the logs are flaky: how late an append or its answer is, at most; and the share of each trouble. */
const lateMsMax = 1_200
const troubledShare = 0.3
const fullShare = 0.15
const staleShare = 0.2

export class WorldLogs {
  readonly #logs: MemoryShardLogs
  readonly #opened = new Set<MemoryLog>()
  /** How many times over nobody, or nobody on this host, reaches them. */
  readonly #cut = new Map<string | null, number>()
  #flaky = 0
  #full = 0

  constructor(
    plan: ShardsPlan,
    time: VirtualTime,
    private readonly random: Random,
    private readonly checker: ShardChecker,
  ) {
    this.#logs = memoryShardLogs({
      clock: time,
      entryBytesMax: plan.entryBytesMax,
      sliceBytesMax: 1_000_000,
      durability: 'replicated',
    })
  }

  /** As one process reaches them. `appends`: hears that an append leaves, and that it has arrived. */
  client(processFault: ProcessFault, name: string, appends: (at: 'append' | 'appended') => void): ShardLogs {
    const client = this.#logs.client(name)
    processFault.onCut(() => client.abandon())
    this.checker.process(name, processFault, appends)
    return {
      open: async (service, shard) => {
        this.#watch(service, shard)
        const log = await processFault.whileAlive(client.open(service, shard))
        return this.#reached(log, processFault, (bytes, after) => {
          this.checker.sent(name, service, shard, bytes, after)
          appends('append')
        })
      },
      shardsOf: (service) => processFault.whileAlive(client.shardsOf(service)),
      close: () => closed(client),
    }
  }

  /** A host, or null for everybody, does not reach them until the returned function is called. */
  cut(host: string | null): () => void {
    this.#cut.set(host, (this.#cut.get(host) ?? 0) + 1)
    return () => void this.#cut.set(host, this.#cut.get(host)! - 1)
  }

  flaky(isFull: boolean): () => void {
    this.#flaky++
    if (isFull) this.#full++
    return () => {
      this.#flaky--
      if (isFull) this.#full--
    }
  }

  #watch(service: string, shard: number): void {
    const { log } = this.#logs.shard(service, shard)
    if (this.#opened.has(log)) return
    this.#opened.add(log)
    log.fate = (append) => this.#fateOf(append)
    log.view = (reader) => this.#viewOf(reader)
    log.appended = (entry, writer) => this.checker.appended(service, shard, entry, writer)
  }

  #isCut(name: string): boolean {
    const host = name.slice(0, name.indexOf(':'))
    return (this.#cut.get(null) ?? 0) > 0 || (this.#cut.get(host) ?? 0) > 0
  }

  #fateOf({ writer }: AppendInTransit): AppendFate {
    const chance = this.random.next()
    const lateMs = Math.floor(this.random.next() * (this.#flaky > 0 ? lateMsMax : answerMsMax))
    if (this.#isCut(writer)) return chance < 0.2 ? { arrivesAfterMs: lateMs } : 'lose'
    if (this.#flaky === 0 || chance >= troubledShare) return { answerAfterMs: Math.min(lateMs, answerMsMax) }
    const share = chance / troubledShare
    if (this.#full > 0 && share < fullShare) return 'full'
    if (share < 0.4) return 'lose-answer'
    if (share < 0.6) return 'lose'
    if (share < 0.7) return 'in-flight'
    return share < 0.85 ? { answerAfterMs: lateMs } : { arrivesAfterMs: lateMs }
  }

  #viewOf(reader: string): View {
    if (this.#isCut(reader)) return 'nothing'
    return this.#flaky > 0 && this.random.next() < staleShare ? { staleBy: 1 } : 'all'
  }

  /** An answer waits while the process is frozen, and so does all that it would do next. */
  #reached(log: ShardLog, processFault: ProcessFault, sending: (bytes: Uint8Array, after: number) => void): ShardLog {
    const alive = <T>(answer: Promise<T>): Promise<T> => processFault.whileAlive(answer)
    async function* inTurns<T>(items: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T> {
      for await (const item of items) {
        yield item
        await alive(Promise.resolve())
      }
    }
    return {
      durability: log.durability,
      entryBytesMax: log.entryBytesMax,
      append: (bytes, after) => {
        sending(bytes, after)
        return alive(log.append(bytes, after))
      },
      read: (after) => inTurns(afterwards(alive(all(log.read(after))))),
      ends: () => alive(log.ends()),
      trim: (upTo) => alive(log.trim(upTo)),
      close: () => alive(log.close()),
      snapshots: {
        sliceBytesMax: log.snapshots.sliceBytesMax,
        write: (name, slices) => alive(log.snapshots.write(name, inTurns(slices))),
        read: (name) => inTurns(afterwards(alive(all(log.snapshots.read(name))))),
        names: () => alive(log.snapshots.names()),
        delete: (name) => alive(log.snapshots.delete(name)),
      },
    }
  }
}

/** One that is killed meanwhile waits for nothing. */
async function closed(client: MemoryShardClient): Promise<void> {
  await client.close()
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

async function* afterwards<T>(items: Promise<readonly T[]>): AsyncGenerator<T> {
  yield* await items
}
