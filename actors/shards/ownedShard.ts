/**
 * A shard that this host owns, from its claim until it is released or another has it: the lease, the state
 * with its log, the beats and the snapshots.
 *
 * H4. An owner that has appended nothing for a third of its lease appends a beat.
 * C14. A shard has one voice: its owner is silent before it gives the shard away.
 */
import { Fault } from '../../core/base/fault.js'
import { invariant } from '../../core/base/invariant.js'
import type { Log, ShardLog } from '../../core/ports/log.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { LoggedStore } from '../../core/store/loggedStore.js'
import type { Moment } from '../../core/store/logWriter.js'
import { Signal } from '../base/signal.js'
import type { Claimed, ClaimServices } from './shardClaim.js'
import { ShardLease } from './shardLease.js'
import { ShardSnapshots, type SnapshotServices } from './shardSnapshots.js'

export type OwnerServices = ClaimServices & SnapshotServices & { readonly settings: { readonly shardGuardMs: number } }

export interface ShardPlace {
  /** For people: `shard 3 of pages`. */
  readonly name: string
  readonly log: ShardLog
  /** This start of this host. */
  readonly owner: string
}

/** Looks at the lease in one of its thirds. */
const looksPerThird = 4
/** After so many leases without an append it is told why. */
const stuckLeases = 3

export class OwnedShard {
  readonly lease: ShardLease
  /** Another has it: nothing leaves any more. */
  readonly lost = new Signal()
  /** It can't say anything in its name now; and it can again. */
  readonly lapses = new Signal()
  readonly renewals = new Signal()
  readonly #snapshots: ShardSnapshots
  readonly #leaseMs: number
  readonly #log: LoggedStore
  #isBeating = false
  #hasLapsed = false
  #isTold = false
  #isEnded = false
  #cancelLook: () => void = () => {}

  /** Right after the claim: beats begin now, while the state is restored. */
  constructor(
    private readonly place: ShardPlace,
    private readonly claimed: Claimed,
    private readonly services: OwnerServices,
  ) {
    const { clock, settings } = services
    const { name, log, owner } = place
    const { cache } = claimed.copy
    this.#leaseMs = settings.shardLeaseMs
    this.lease = new ShardLease(clock, { leaseMs: this.#leaseMs, guardMs: settings.shardGuardMs }, () => this.#beat())
    this.#log = new LoggedStore(
      {
        ...{ log: withoutClose(log), cache, clock, trim: 'by others' },
        onOther: () => this.#lose(),
        watch: { now: () => this.lease.moment(), counted: (sent) => this.#appended(sent) },
      },
      claimed.mark,
    )
    const me = { owner, leaseMs: this.#leaseMs }
    this.#snapshots = new ShardSnapshots(log, this.#log, name, me, services, claimed.tail.weightBytes)
    this.lease.renewed(claimed.sent)
    this.#lookLater()
  }

  get name(): string {
    return this.place.name
  }

  /** Of the last entry that counts. */
  get position(): number {
    return this.#log.end.position
  }

  get term(): number {
    return this.claimed.mark.end.term
  }

  /** The state of its nodes, once it is restored. */
  get store(): StateStore {
    const { directoryId, durability } = this.#log
    return {
      ...{ directoryId, durability },
      get: (key) => this.#log.get(key),
      range: (from, to, limit) => this.#log.range(from, to, limit),
      commit: (writes) => this.#commit(writes),
      close: async () => {},
    }
  }

  /** Resolves with whether the state is here: false, if it was ended. Throws `config.log-lost` (H7). */
  restore(): Promise<boolean> {
    return this.claimed.copy.restore(this.claimed.tail)
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
    invariant(this.lease.state === 'lost', 'C14: a shard is given away while its owner may still speak')
    if (!this.#isEnded) await this.#log.append({ kind: 'release', to, needs: {} }).catch(() => {})
    this.end()
  }

  /** Nothing is appended any more, as if the process had ended. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelLook()
    this.#snapshots.stop()
    this.lease.lose()
    void this.claimed.copy.end()
    this.#log.abandon()
  }

  async #commit(writes: readonly Write[]): Promise<void> {
    await this.#log.commit(writes)
    let bytes = 0
    for (const [key, value] of writes) bytes += key.length + (value?.length ?? 0)
    this.#snapshots.written(bytes)
  }

  #appended(sent: Moment): void {
    if (this.#isEnded) return
    this.lease.renewed(sent)
    if (!this.#hasLapsed || this.lease.state !== 'held') return
    this.#hasLapsed = false
    this.#isTold = false
    this.renewals.emit()
  }

  #lose(): void {
    if (this.#isEnded) return
    this.lost.emit()
    this.end()
  }

  #beat(): void {
    if (this.#isEnded || this.#isBeating) return
    this.#isBeating = true
    const ended = () => {
      this.#isBeating = false
    }
    this.#log.append({ kind: 'beat' }).then(ended, ended)
  }

  /** H7. For long it could append nothing: the log may be away, or may have lost what was acknowledged. */
  async #tellWhy(): Promise<void> {
    this.#isTold = true
    const { name } = this
    const { last } = await this.place.log.ends().catch(() => ({ last: undefined }))
    const counted = this.#log.end.position
    const isLost = last !== undefined && last < counted
    const message = isLost
      ? `the log of ${name} ends at ${last}, and entry ${counted} was acknowledged: it has lost entries. Restore it`
      : `${name} is not answered: nothing could be appended to its log for long`
    this.services.observe({ type: 'warning', message, error: isLost ? new Fault('config.log-lost', message) : undefined })
  }

  #lookLater(): void {
    this.#cancelLook = this.services.clock.after(this.#leaseMs / 3 / looksPerThird, () => {
      if (this.#isEnded) return
      if (this.lease.agedMs >= this.#leaseMs / 3) this.#beat()
      if (!this.#hasLapsed && this.lease.state === 'lapsed') {
        this.#hasLapsed = true
        this.lapses.emit()
      }
      if (!this.#isTold && this.lease.agedMs > this.#leaseMs * stuckLeases) void this.#tellWhy()
      this.#lookLater()
    })
  }
}

/** It stays open after its store: whoever claims it again reads it. */
function withoutClose(log: ShardLog): Log {
  return {
    durability: log.durability,
    entryBytesMax: log.entryBytesMax,
    append: (bytes, after) => log.append(bytes, after),
    read: (after) => log.read(after),
    ends: () => log.ends(),
    trim: (upTo) => log.trim(upTo),
    close: async () => {},
  }
}
