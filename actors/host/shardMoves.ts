/**
 * How long this host gives no shards away after others have not taken what was theirs to take. One that can't
 * run a shard offers the service all the same, and one who may publish can offer in the name of nobody.
 */
import type { Clock } from '../../core/ports/clock.js'

const pauseMsMin = 60_000
const pauseMsMax = 900_000
/** A shard that was given away, and of which nothing is heard for so long, holds no other up. */
const unheardMsMax = 60_000

interface Given {
  readonly to: string
  readonly term: number
  readonly ms: number
  /** The other says that it has the shard. */
  isTaken: boolean
}

export class ShardMoves {
  readonly #given = new Map<number, Given>()
  #pauseMs = 0
  #untilMs = Number.NEGATIVE_INFINITY

  constructor(private readonly clock: Clock) {}

  /** How many may be given away now, of so many at once. */
  most(atOnce: number): number {
    return this.clock.monotonicMs() < this.#untilMs ? 0 : this.mostOrdered(atOnce)
  }

  /** The same for an order of an operator that is tried for the first time, whatever has failed before. */
  mostOrdered(atOnce: number): number {
    const nowMs = this.clock.monotonicMs()
    const open = [...this.#given.values()].filter(({ isTaken, ms }) => !isTaken && nowMs - ms < unheardMsMax)
    return atOnce - open.length
  }

  /** The shard is given away in this term. */
  give(shard: number, to: string, term: number): void {
    this.#given.set(shard, { to, term, ms: this.clock.monotonicMs(), isTaken: false })
  }

  /** Another host says that it has the shard. */
  isWith(shard: number, hostId: string): void {
    const given = this.#given.get(shard)
    if (given === undefined) return
    if (given.to === hostId) given.isTaken = true
    else {
      this.#given.delete(shard)
      if (!given.isTaken) this.#failed()
    }
  }

  /** The other has not made itself ready for it. */
  isKept(shard: number): void {
    this.#given.delete(shard)
    this.#failed()
  }

  /** It has come back to this host: nobody had it meanwhile, if this is the next term. */
  isBack(shard: number, term: number): void {
    const given = this.#given.get(shard)
    this.#given.delete(shard)
    if (given !== undefined && term === given.term + 1) this.#failed()
  }

  #failed(): void {
    const nowMs = this.clock.monotonicMs()
    if (nowMs < this.#untilMs) return
    const isLongAgo = nowMs - this.#untilMs > pauseMsMax
    this.#pauseMs = isLongAgo ? pauseMsMin : Math.min(this.#pauseMs * 2, pauseMsMax)
    this.#untilMs = nowMs + this.#pauseMs
  }
}
