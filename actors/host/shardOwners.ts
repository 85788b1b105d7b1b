/**
 * Which other host has a shard, as hosts tell of themselves. That is a hint, and one who may publish it can
 * make it up. So the logs of shards that others say to have are looked at, one in each round. A log that has
 * not grown for longer than any lease has no owner, whatever is said.
 */
import type { Clock } from '../../core/ports/clock.js'
import type { Position, ShardLog } from '../../core/ports/log.js'
import { leaseMsMax } from '../shards/shardClaim.js'
import type { ShardHosts } from './shardHosts.js'

interface Seen {
  readonly last: Position
  readonly sinceMs: number
  /** So long it has ended there, by the newest look. */
  readonly silentMs: number
}

export class ShardOwners {
  readonly #seen = new Map<number, Seen>()
  #next = 0
  #isLooking = false

  constructor(
    private readonly service: string,
    private readonly shards: number,
    private readonly hosts: Pick<ShardHosts, 'ownerOf'>,
    private readonly clock: Clock,
    private readonly open: (shard: number) => Promise<Pick<ShardLog, 'ends'>>,
  ) {}

  of(shard: number): string | undefined {
    const owner = this.hosts.ownerOf(this.service, shard)
    return owner === undefined || (this.#seen.get(shard)?.silentMs ?? 0) >= leaseMsMax ? undefined : owner
  }

  /** Looks at the next log of a shard that another says to have, and this host has not. */
  lookOn(isHere: (shard: number) => boolean): void {
    if (this.#isLooking) return
    for (let i = 0; i < this.shards; i++) {
      const shard = (this.#next + i) % this.shards
      if (isHere(shard) || this.hosts.ownerOf(this.service, shard) === undefined) {
        this.#seen.delete(shard)
        continue
      }
      this.#next = shard + 1
      this.#isLooking = true
      void this.#look(shard).finally(() => {
        this.#isLooking = false
      })
      return
    }
  }

  async #look(shard: number): Promise<void> {
    try {
      const { last } = await (await this.open(shard)).ends()
      const nowMs = this.clock.monotonicMs()
      const before = this.#seen.get(shard)
      const sinceMs = before?.last === last ? before.sinceMs : nowMs
      this.#seen.set(shard, { last, sinceMs, silentMs: nowMs - sinceMs })
    } catch {
      // Nobody answers: nothing is known of it.
      this.#seen.delete(shard)
    }
  }
}
