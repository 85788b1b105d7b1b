/** Hosts that contend for one shard, with its log in memory: they can be killed, frozen and cut off. */
import type { ExecutionContext } from 'ava'
import { FewAtOnce } from '../../actors/base/fewAtOnce.js'
import { defaultSettings } from '../../actors/base/settings.js'
import { OwnedShard, type OwnerServices } from '../../actors/shards/ownedShard.js'
import { ShardCache } from '../../actors/shards/shardCache.js'
import { ShardClaim } from '../../actors/shards/shardClaim.js'
import { type CopyServices, ShardCopy } from '../../actors/shards/shardCopy.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import { type MemoryShardClient, type MemoryShardLogs, memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { type MemoryState, memoryStore } from '../../transports/memory/memoryStore.js'
import { VirtualClock } from '../support/virtualClock.js'

export const shardSettings = {
  ...defaultSettings,
  system: 'test',
  hostId: 'h',
  shardLeaseMs: 10_000,
  shardGuardMs: 2_000,
  shardSuccessorMs: 3_000,
  snapshotBytesMin: 4_000_000,
}

export interface OwnerOptions {
  readonly clock: VirtualClock
  readonly random: Random
  readonly logs: MemoryShardLogs
  readonly settings?: Partial<typeof shardSettings>
}

/** Of all hosts: no two are called the same. */
let starts = 0

/** A process that wants the shard, and its disk. */
export class Contender {
  readonly warnings: string[] = []
  readonly #clock: FreezableClock
  #client: MemoryShardClient
  #claim: ShardClaim | undefined
  #owned: OwnedShard | undefined
  #isRestored = false
  isWanted = true
  cache: ShardCache | undefined
  isDead = false

  constructor(
    readonly hostId: string,
    private readonly options: OwnerOptions,
    readonly state: MemoryState = memoryStore({ turn: (action) => options.clock.turn(action) }),
  ) {
    this.#clock = new FreezableClock(options.clock)
    this.#client = options.logs.client(hostId)
  }

  /** From when it has its state. */
  get owned(): OwnedShard | undefined {
    return this.#isRestored ? this.#owned : undefined
  }

  /** Wants the shard; resolves when it owns it and has its state, or with undefined when it is stopped. */
  async own(): Promise<OwnedShard | undefined> {
    const { random, settings } = this.options
    const services: OwnerServices & CopyServices = {
      copying: new FewAtOnce(1),
      clock: this.#clock,
      random,
      settings: { ...shardSettings, ...settings },
      observe: (event: HostEvent) => void (event.type === 'warning' && this.warnings.push(event.message)),
    }
    const owner = `${this.hostId}-${++starts}`
    const log = await this.#client.open('pages', 0)
    const cache = (this.cache = new ShardCache('pages/0', await this.state.open()))
    const claimer = {
      owner,
      hostId: this.hostId,
      isWanted: () => this.isWanted,
      isNext: () => this.isWanted,
      hasEnded: (other: string) => other.startsWith(`${this.hostId}-`) && other !== owner,
    }
    const copy = new ShardCopy(log, cache, 'shard 0 of pages', services)
    this.#claim = new ShardClaim(log, 'shard 0 of pages', claimer, copy, services)
    const claimed = await this.#claim.run()
    if (claimed === undefined) return undefined
    const place = { name: 'shard 0 of pages', log, owner }
    this.#owned = new OwnedShard(place, claimed, services)
    if (!(await this.#owned.restore())) return undefined
    this.#isRestored = true
    return this.#owned
  }

  freeze(): void {
    this.#clock.freeze()
  }

  thaw(): void {
    this.#clock.thaw()
  }

  /** kill -9. Its disk stays. */
  kill(): void {
    this.isDead = true
    this.#clock.freeze()
    this.#client.abandon()
    this.#claim?.stop()
    this.#owned?.end()
    this.state.kill()
  }

  /** Another process on the same disk. */
  again(): Contender {
    return new Contender(this.hostId, this.options, this.state)
  }

  stop(): void {
    this.#claim?.stop()
    this.#owned?.end()
  }
}

/** A process that is stopped notices nothing; its clocks go on. */
class FreezableClock implements Clock {
  #isFrozen = false
  #held: (() => void)[] = []

  constructor(private readonly clock: VirtualClock) {}

  now(): number {
    return this.clock.now()
  }

  monotonicMs(): number {
    return this.clock.monotonicMs()
  }

  after(ms: number, action: () => void): () => void {
    let isCancelled = false
    const cancel = this.clock.after(ms, () => this.#run(() => void (isCancelled || action())))
    return () => {
      isCancelled = true
      cancel()
    }
  }

  turn(action: () => void): void {
    this.clock.turn(() => this.#run(action))
  }

  freeze(): void {
    this.#isFrozen = true
  }

  thaw(): void {
    this.#isFrozen = false
    for (const action of this.#held.splice(0)) action()
  }

  #run(action: () => void): void {
    if (this.#isFrozen) this.#held.push(action)
    else action()
  }
}

/** Hosts on one log. They end with the test. */
export function world(t: ExecutionContext, settings: Partial<typeof shardSettings> = {}, sliceBytesMax?: number) {
  const clock = new VirtualClock()
  const logs = memoryShardLogs({
    clock,
    entryBytesMax: 2_000,
    durability: 'replicated',
    ...(sliceBytesMax !== undefined && { sliceBytesMax }),
  })
  const hosts: Contender[] = []
  t.teardown(() => {
    for (const host of hosts) host.stop()
    clock.stop()
  })
  const host = (name: string) => {
    const made = new Contender(name, { clock, logs, random: { next: () => 0.5 } as never, settings })
    hosts.push(made)
    return made
  }
  return { clock, logs, host, shard: logs.shard('pages', 0) }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const put = (shard: OwnedShard, key: string, value: string) => shard.store.commit([[key, bytes(value)]])
export const got = (shard: OwnedShard | undefined, key: string) => {
  const value = shard?.store.get(key)
  return value === undefined ? undefined : Buffer.from(value).toString()
}
export const all = (shard: OwnedShard) =>
  [...shard.store.range('', '\u{10ffff}')].map(([key, value]) => [key, Buffer.from(value).toString()])
