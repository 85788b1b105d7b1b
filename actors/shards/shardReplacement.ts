/**
 * Puts another state in the place of a shard's, by an operator's order: `natsctl restore`.
 *
 * H5. Only a shard that nobody owns: its log ends with a release, or has not grown for a whole lease. It is
 *     claimed before anything else is done, and beats are appended meanwhile.
 * H8. The state is written as a snapshot. It counts with the one entry that names it, `restored`. A
 *     process that ends before that has changed nothing.
 * H6. The number of that entry is above those of all copies of the shard, wherever they are. So no host
 *     believes a copy of before, or calls the log lost because of it: also where the log was, or is new.
 */
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { nextEntry } from '../../core/model/logChain.js'
import type { EntryContent } from '../../core/model/logEntry.js'
import type { Clock } from '../../core/ports/clock.js'
import type { ShardLog } from '../../core/ports/log.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { Write } from '../../core/ports/stateStore.js'
import type { LogMark } from '../../core/store/logCache.js'
import { LogWriter } from '../../core/store/logWriter.js'
import { slicesOf } from '../../core/store/snapshotSlices.js'
import { sleep } from '../base/timeouts.js'
import { LogTail } from './logTail.js'
import { leaseMsMax } from './shardClaim.js'

export interface ReplacementServices {
  readonly clock: Clock
  readonly random: Random
  readonly observe: HostObserver
}

/** As long as the default of hosts. */
const leaseMs = 10_000
const beatsPerLease = 3
const looksPerLease = 10
/** Beside the keys and values of a write. */

export class ShardReplacement {
  readonly #tail: LogTail
  readonly #owner: string
  #writer: LogWriter | undefined
  #cancelBeat: () => void = () => {}

  constructor(
    private readonly log: ShardLog,
    readonly name: string,
    private readonly services: ReplacementServices,
  ) {
    this.#tail = new LogTail(log, name, services.observe)
    this.#owner = `restore-${randomName(services.random)}`
  }

  /**
   * Resolves with whether the shard has no owner: after a whole lease of its last one, where that has not
   * said that it left. Throws what the log throws.
   */
  async isFree(): Promise<boolean> {
    const { clock } = this.services
    await this.#tail.advance()
    const { last, kind } = this.#tail.end
    if (kind === undefined || kind === 'release') return true
    const watchedMs = this.#tail.owner?.leaseMs ?? leaseMsMax
    const untilMs = clock.monotonicMs() + watchedMs
    while (clock.monotonicMs() < untilMs) {
      await sleep(clock, watchedMs / looksPerLease)
      await this.#tail.advance()
      if (this.#tail.end.last !== last) return false
    }
    return true
  }

  /** After `isFree`. False if another was first: nothing is changed. */
  async claim(): Promise<boolean> {
    const { end } = this.#tail
    this.#writer = new LogWriter(this.log, this.services.clock, { position: end.last, end })
    const isClaimed = (await this.#append(() => ({ kind: 'claim', owner: `${this.#owner}/1`, leaseMs }))) !== undefined
    if (isClaimed) this.#beatLater()
    return isClaimed
  }

  /**
   * After `claim`. `number`: of the last entry that the state holds, where that is known. False if another
   * owner has come meanwhile: nothing is changed. Throws what the snapshots and `state` throw.
   */
  async put(state: AsyncIterable<readonly Write[]>, number: number): Promise<boolean> {
    const { log } = this
    const older = await log.snapshots.names()
    const name = this.#owner
    await log.snapshots.write(name, slicesOf(each(state), log.snapshots.sliceBytesMax))
    // In millionths of a second no log grows as fast as time.
    const time = Math.floor(this.services.clock.now() * 1_000)
    const counted = await this.#append((after) => ({
      ...{ kind: 'restored', name, from: Math.max(after, number, time), owner: this.#owner, leaseMs },
    }))
    if (counted === undefined) return false
    // All that is not needed any more. The next snapshot of an owner does the same.
    const cleaned = log.trim(counted.position - 1).then(() => Promise.all(older.map((each) => log.snapshots.delete(each))))
    await cleaned.catch((error: unknown) => {
      this.services.observe({ type: 'warning', message: `the log of ${this.name} could not be cut off; its owner will`, error })
    })
    return true
  }

  /** Leaves it to whoever comes. */
  async release(): Promise<void> {
    this.#cancelBeat()
    await this.#append(() => ({ kind: 'release', to: null, needs: {} }))
    this.#writer?.abandon()
  }

  #beatLater(): void {
    this.#cancelBeat = this.services.clock.after(leaseMs / beatsPerLease, () => {
      void this.#append(() => ({ kind: 'beat' }))
      this.#beatLater()
    })
  }

  /** Undefined: the log has another owner, or takes nothing. */
  #append(content: (after: number) => Exclude<EntryContent, { kind: 'writes' | 'part' }>): Promise<LogMark | undefined> {
    return new Promise((resolve) => {
      this.#writer?.append({
        make: (after) => [nextEntry(after, content(after.number))],
        counted: resolve,
        lost: () => resolve(undefined),
      })
    })
  }
}

async function* each(state: AsyncIterable<readonly Write[]>): AsyncGenerator<Write> {
  for await (const writes of state) yield* writes
}
