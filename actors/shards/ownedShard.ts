/**
 * A shard that this host owns, from its claim until it is released or another has it: the hand in its log,
 * the lease, the state, the beats and the snapshots.
 *
 * H4. An owner that has appended nothing for a third of its lease appends a beat.
 */
import { isFault } from '../../core/base/fault.js'
import type { ShardLog } from '../../core/ports/log.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { Signal } from '../base/signal.js'
import { LogWriter } from './logWriter.js'
import type { ShardCache } from './shardCache.js'
import type { Claimed, ClaimServices } from './shardClaim.js'
import { ShardLease } from './shardLease.js'
import { type RestoreServices, restoreShard } from './shardRestore.js'
import { ShardSnapshots, type SnapshotServices } from './shardSnapshots.js'
import { ShardStore, type ShardStoreServices } from './shardStore.js'

export type OwnerServices = ClaimServices &
  RestoreServices &
  SnapshotServices &
  ShardStoreServices & { readonly settings: { readonly shardGuardMs: number } }

export interface ShardPlace {
  /** For people: `shard 3 of pages`. */
  readonly name: string
  /** The identity of its state, the same on every host. */
  readonly directoryId: string
  readonly log: ShardLog
  readonly cache: ShardCache
  /** Of this start of this host. */
  readonly owner: string
}

/** Looks at the lease in one of its thirds. */
const looksPerThird = 4

export class OwnedShard {
  readonly lease: ShardLease
  readonly store: ShardStore
  /** Another has it: nothing leaves any more. */
  readonly lost = new Signal()
  /** It can't say anything in its name now; and it can again. */
  readonly lapses = new Signal()
  readonly renewals = new Signal()
  readonly #writer: LogWriter
  readonly #snapshots: ShardSnapshots
  readonly #leaseMs: number
  #hasLapsed = false
  #isEnded = false
  #cancelLook: () => void = () => {}

  /** Right after the claim: beats begin now, while the state is restored. */
  constructor(
    private readonly place: ShardPlace,
    private readonly claimed: Claimed,
    private readonly services: OwnerServices,
  ) {
    const { clock, settings } = services
    const { name, log, cache, owner, directoryId } = place
    this.#leaseMs = settings.shardLeaseMs
    this.lease = new ShardLease(clock, { leaseMs: this.#leaseMs, guardMs: settings.shardGuardMs }, () => this.#beat())
    this.#writer = new LogWriter(
      log,
      claimed.end,
      name,
      { appended: (sent) => this.#appended(sent), fenced: () => this.#lose() },
      services,
    )
    this.store = new ShardStore(directoryId, durabilityOf(log), name, this.#writer, cache, services)
    this.#snapshots = new ShardSnapshots(log, this.store, this.#writer, name, { owner, leaseMs: this.#leaseMs }, services)
    this.lease.renewed(claimed.sent)
    this.#lookLater()
  }

  get name(): string {
    return this.place.name
  }

  get term(): number {
    return this.claimed.end.term
  }

  /** Resolves when the state is here. Throws `config.log-lost` (H7). */
  restore(): Promise<void> {
    return restoreShard(this.place.log, this.claimed.tail, this.place.cache, this.name, () => !this.#isEnded, this.services)
  }

  /**
   * H9. Leaves it to others, and to `to` first. Everything is committed, and nothing leaves from now on: a
   * successor may have read the release before its writer knows that it is there. Resolves when the log has
   * it, or takes it no more.
   */
  async release(to: string | null): Promise<void> {
    this.#snapshots.stop()
    await this.#snapshots.settled()
    this.lease.lose()
    try {
      if (!this.#isEnded) await this.#writer.append({ kind: 'release', to, needs: {} })
    } catch (error) {
      if (!isFault(error)) throw error
    }
    this.end()
  }

  /** Nothing is appended any more, as if the process had ended. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelLook()
    this.#snapshots.stop()
    this.lease.lose()
    this.store.abandon()
  }

  #appended(sent: { readonly ms: number; readonly wallMs: number }): void {
    if (this.#isEnded) return
    this.lease.renewed(sent)
    if (!this.#hasLapsed || this.lease.state !== 'held') return
    this.#hasLapsed = false
    this.renewals.emit()
  }

  #lose(): void {
    if (this.#isEnded) return
    this.lost.emit()
    this.end()
  }

  #beat(): void {
    if (this.#isEnded || this.#writer.isBusy) return
    // Its end is told to the owner of the writer.
    this.#writer.append({ kind: 'beat' }).catch(() => {})
  }

  #lookLater(): void {
    this.#cancelLook = this.services.clock.after(this.#leaseMs / 3 / looksPerThird, () => {
      if (this.#isEnded) return
      if (this.lease.agedMs >= this.#leaseMs / 3) this.#beat()
      if (!this.#hasLapsed && this.lease.state === 'lapsed') {
        this.#hasLapsed = true
        this.lapses.emit()
      }
      this.#lookLater()
    })
  }
}

function durabilityOf({ durability }: ShardLog): StateStore['durability'] {
  return durability === 'replicated' ? 'disk' : durability
}
