/**
 * Copies of a shard beside its log, so that the log can be cut off.
 *
 * H8. A snapshot is fuzzy: its owner notes the entry where it begins, then writes all keys in slices and in
 *     their order, while it serves. It counts once an entry that names it is appended. Only then the log is
 *     trimmed up to where it began, and after that older snapshots are deleted: those that were there before
 *     it, so that an owner which has been replaced meanwhile deletes none of its successor's.
 */

import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import type { ShardLog } from '../../core/ports/log.js'
import type { LoggedStore } from '../../core/store/loggedStore.js'
import { slicesOf } from '../../core/store/snapshotSlices.js'
import { entryWeightBytes, type LogOwner } from './logTail.js'

export interface SnapshotServices {
  readonly clock: Clock
  readonly observe: HostObserver
  readonly settings: {
    /** The next one is made after so much in the log, as LogTail weighs it, and as much as the shard has. */
    readonly snapshotBytesMin: number
  }
}

/** A key that no node has is behind all others. */
const endOfKeys = '\u{10ffff}'

export class ShardSnapshots {
  #sizeBytes = 0
  #making: Promise<void> | undefined
  #isStopped = false

  constructor(
    private readonly log: ShardLog,
    private readonly store: LoggedStore,
    private readonly name: string,
    private readonly owner: LogOwner,
    private readonly services: SnapshotServices,
    /** Of the entries that earlier owners have left behind the last snapshot. */
    private bytesSince: number,
  ) {}

  /** Resolves when none is being made. */
  async settled(): Promise<void> {
    await this.#making
  }

  stop(): void {
    this.#isStopped = true
  }

  /** A commit of so many bytes counts. */
  written(bytes: number): void {
    this.bytesSince += bytes + entryWeightBytes
    const { snapshotBytesMin } = this.services.settings
    if (this.#making !== undefined || this.#isStopped || this.bytesSince <= Math.max(snapshotBytesMin, this.#sizeBytes)) return
    this.#making = this.#make().finally(() => {
      this.#making = undefined
    })
  }

  async #make(): Promise<void> {
    const { log, store } = this
    // Of what counts now, all is seen.
    const { position, end } = store.end
    const name = `${end.term}-${end.number}`
    this.bytesSince = 0
    try {
      const older = await log.snapshots.names()
      const size = { bytes: 0 }
      await log.snapshots.write(name, this.#slices(size))
      if (this.#isStopped) return
      await store.append({ kind: 'snapshot', name, from: end.number, ...this.owner })
      this.#sizeBytes = size.bytes
      await log.trim(position)
      for (const each of older) if (each !== name) await log.snapshots.delete(each)
    } catch (error) {
      // The log goes on growing. As much again, and the next one is made.
      if (!this.#isStopped)
        this.services.observe({ type: 'warning', message: `no snapshot of ${this.name} could be made; it is tried again`, error })
    }
  }

  async *#slices(size: { bytes: number }): AsyncGenerator<Uint8Array> {
    for await (const slice of slicesOf(this.store.range('', endOfKeys), this.log.snapshots.sliceBytesMax)) {
      size.bytes += slice.length
      yield slice
      if (this.#isStopped) return
      await new Promise<void>((resolve) => this.services.clock.turn(resolve))
    }
  }
}
