/**
 * Shards that this host gives to others soon. It serves them, and says to whom each will go, until the copy
 * of that host follows the shard's log. Then a hand over takes as long as the last entries do, and not as
 * long as the whole log.
 */
import type { Clock } from '../../core/ports/clock.js'
import type { ShardHosts } from './shardHosts.js'

/**
 * - `ready`: its copy follows the log.
 * - `gone`: it does not offer the service any more.
 * - `late`: it was waited for long enough.
 */
export type Preparation = 'ready' | 'gone' | 'late'

interface Promised {
  readonly to: string
  readonly resolve: (preparation: Preparation) => void
  isAnswered: boolean
  untilMs: number
  cancel: () => void
}

export class PromisedShards {
  readonly #promised = new Map<number, Promised>()

  constructor(
    private readonly service: string,
    private readonly hosts: Pick<ShardHosts, 'candidates' | 'isFollowed'>,
    private readonly clock: Clock,
  ) {}

  /** As it is told: each shard with the host that will have it. */
  get all(): readonly (readonly [shard: number, to: string])[] {
    return [...this.#promised].map(([shard, { to }]) => [shard, to])
  }

  /** Resolves when the other's copy follows its log, or never will. It stays promised until it is `over`. */
  promise(shard: number, to: string, ms: number): Promise<Preparation> {
    return new Promise((resolve) => {
      const untilMs = this.clock.monotonicMs() + ms
      const cancel = this.clock.after(ms, () => this.look())
      this.#promised.set(shard, { to, resolve, isAnswered: false, untilMs, cancel })
    })
  }

  /** It is left to the other now, or kept. */
  over(shard: number): void {
    this.#promised.get(shard)?.cancel()
    this.#promised.delete(shard)
  }

  /** None is waited for longer than this from now on. */
  hurry(ms: number): void {
    const untilMs = this.clock.monotonicMs() + ms
    for (const promised of this.#promised.values()) {
      if (promised.isAnswered || promised.untilMs <= untilMs) continue
      promised.cancel()
      promised.untilMs = untilMs
      promised.cancel = this.clock.after(ms, () => this.look())
    }
  }

  /** Others may have told something. */
  look(): void {
    if (this.#promised.size === 0) return
    const there = new Set(this.hosts.candidates(this.service, undefined).map(({ hostId }) => hostId))
    for (const [shard, promised] of this.#promised) {
      const preparation = promised.isAnswered ? undefined : this.#preparation(shard, promised, there)
      if (preparation === undefined) continue
      promised.isAnswered = true
      promised.cancel()
      promised.resolve(preparation)
    }
  }

  #preparation(shard: number, { to, untilMs }: Promised, there: ReadonlySet<string>): Preparation | undefined {
    if (!there.has(to)) return 'gone'
    if (this.hosts.isFollowed(this.service, shard, to)) return 'ready'
    return this.clock.monotonicMs() >= untilMs ? 'late' : undefined
  }
}
