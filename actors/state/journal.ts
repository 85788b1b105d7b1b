/**
 * Group commit: buffers the writes of all nodes of a host, gives every node its own writes back at once, and
 * commits one batch after the other. A batch holds what was written in one turn of the loop and while the
 * batch before it was being committed.
 *
 * J1. The writes of one command are in one batch, and batches are committed in order.
 * J2. When a batch fails, so does everything written after it: it may have seen what was lost.
 * J3. After `close` nothing reaches the store: what is written is lost, and whoever waits for it hears so.
 */
import { type InjectionToken, inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import { compareKeys, type StateStore, type Write } from '../../core/ports/stateStore.js'
import { overlaid } from '../../core/store/overlaid.js'
import { pack } from '../../core/wire/codec.js'
import { tokens } from '../base/tokens.js'

/** Counts from 1. A reply waits for the batch that holds what its call saw. */
export type BatchNumber = number

/**
 * A value that is packed when somebody needs the bytes: at the latest when its batch is committed, if no
 * newer one has taken its place.
 */
export class PackedLater {
  #bytes: Uint8Array | undefined

  /** @param value plain data that nobody changes any more */
  constructor(private readonly value: unknown) {}

  get bytes(): Uint8Array {
    return (this.#bytes ??= pack(this.value))
  }
}

/** The new value of a key; null deletes it. */
export type Written = Uint8Array | PackedLater | null

function bytesOf(value: Written): Uint8Array | null {
  return value instanceof PackedLater ? value.bytes : value
}

/** Waits until something that was written is on disk. */
export interface Waiter {
  /** It is; or, with an error, it never will be. */
  settled(error: unknown): void
}

/** Somebody whose writes may be lost. */
export interface Writer {
  lost(error: unknown): void
}

/**
 * Numbers of lost batches that are remembered. A caller that still asks for an older one has
 * restarted long ago.
 */
const lostBatchesMax = 1024
interface Batch {
  readonly number: BatchNumber
  readonly writes: Map<string, Written>
  readonly waiters: Waiter[]
  /** Called when nothing is added any more: it is being committed, or lost. */
  readonly closed: (() => void)[]
  /** Its keys by the part that they begin with: made when somebody asks for a range. */
  groups: Map<string, string[]> | undefined
  /** Whose writes it holds: they hear of it when they are lost, whether or not anybody waits. */
  readonly writers: Set<Writer>
}

/** Whether this host may say what was committed. */
export interface CommitFence {
  /** True if nothing may be said now; then `goOn` is called when it may. To be asked for each batch. */
  holds(goOn: () => void): boolean
}

export const commitFence: InjectionToken<CommitFence> = Symbol.for('theseus.commitFence')

const neverHolds: CommitFence = { holds: () => false }

@injectable()
export class Journal {
  #committed: BatchNumber = 0
  readonly #lost = new Set<BatchNumber>()
  #filling: Batch = emptyBatch(1)
  #committing: Batch | undefined
  #scheduled = false
  #isClosed = false
  #idle: (() => void)[] = []

  constructor(
    @inject(tokens.store) private readonly store: StateStore,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(commitFence) private readonly fence: CommitFence = neverHolds,
  ) {}

  /** Adds one write to the batch being filled and returns that batch. */
  write(key: string, value: Written, writer?: Writer): BatchNumber {
    if (this.#isClosed) return this.#filling.number // J3
    const { writes, groups } = this.#filling
    if (groups !== undefined && !writes.has(key)) addTo(groups, key)
    writes.set(key, value)
    if (writer !== undefined) this.#filling.writers.add(writer)
    this.#schedule()
    return this.#filling.number
  }

  /** Whether everything up to `batch` is on disk. */
  isCommitted(batch: BatchNumber): boolean {
    return batch <= this.#committed && !this.#lost.has(batch)
  }

  /**
   * Tells the waiter when `batch` is on disk, or that it is lost. At once if that is known
   * already.
   */
  whenCommitted(batch: BatchNumber, waiter: Waiter): void {
    if (this.#isClosed && batch > this.#committed) waiter.settled(closed())
    else if (this.#lost.has(batch)) waiter.settled(new Error(`batch ${batch} was lost`))
    else if (batch <= this.#committed) waiter.settled(undefined)
    else if (this.#committing?.number === batch) this.#committing.waiters.push(waiter)
    else if (this.#filling.number === batch) this.#filling.waiters.push(waiter)
    else waiter.settled(new Error(`there is no batch ${batch}`))
  }

  /** The same as a promise. */
  committed(batch: BatchNumber): Promise<void> {
    return new Promise((resolve, reject) => {
      this.whenCommitted(batch, { settled: (error) => (error === undefined ? resolve() : reject(error)) })
    })
  }

  /**
   * Resolves when nothing is added to `batch` any more, so that the next one can be filled
   * while it is being committed.
   */
  closed(batch: BatchNumber): Promise<void> {
    if (batch !== this.#filling.number) return Promise.resolve()
    return new Promise((resolve) => this.#filling.closed.push(resolve))
  }

  /** Writes and waits. */
  commit(writes: readonly Write[]): Promise<void> {
    let batch: BatchNumber = this.#committed
    for (const [key, value] of writes) batch = this.write(key, value)
    return this.committed(batch)
  }

  /** The newest value, committed or not. */
  get(key: string): Uint8Array | undefined {
    for (const batch of [this.#filling, this.#committing]) {
      const value = batch?.writes.get(key)
      if (value !== undefined) return bytesOf(value) ?? undefined
    }
    return this.store.get(key)
  }

  /**
   * The newest entries with from ≤ key < to, in key order: the store's, overlaid with what is
   * not committed yet.
   */
  range(from: string, to: string): Iterable<readonly [string, Uint8Array]> {
    return overlaid(this.store.range(from, to), this.#overlay(from, to))
  }

  /** Resolves when nothing is left to commit. */
  idle(): Promise<void> {
    if (this.#committing === undefined && this.#filling.writes.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** The host stops: what is still to be committed is lost. */
  close(): void {
    this.#isClosed = true
    const left = this.#filling
    this.#filling = emptyBatch(left.number)
    for (const resolve of left.closed) resolve()
    for (const writer of left.writers) writer.lost(closed())
    for (const waiter of left.waiters) waiter.settled(closed())
  }

  #overlay(from: string, to: string): (readonly [string, Uint8Array | null])[] {
    const merged = new Map<string, Uint8Array | null>()
    for (const batch of [this.#committing, this.#filling]) {
      if (batch === undefined) continue
      for (const key of keysNear(batch, from, to))
        if (compareKeys(key, from) >= 0 && compareKeys(key, to) < 0) merged.set(key, bytesOf(batch.writes.get(key)!))
    }
    return [...merged].sort(([a], [b]) => compareKeys(a, b))
  }

  #schedule(): void {
    if (this.#scheduled || this.#committing !== undefined) return
    this.#scheduled = true
    this.clock.turn(() => {
      this.#scheduled = false
      this.#commitNext()
    })
  }

  #commitNext(): void {
    // A node that heard of a loss has written at once: the turn that this asked for comes while
    // it is being committed.
    if (this.#committing !== undefined) return
    const batch = this.#filling
    if (batch.writes.size === 0) {
      for (const resolve of this.#idle.splice(0)) resolve()
      return
    }
    this.#committing = batch
    this.#filling = emptyBatch(batch.number + 1)
    for (const resolve of batch.closed) resolve()
    this.#commit(batch).then(
      () => {
        const goOn = () => this.#ended(batch)
        if (!this.fence.holds(goOn)) goOn()
      },
      (error: unknown) => this.#fail(batch, error),
    )
  }

  #ended(batch: Batch): void {
    this.#committed = batch.number
    this.#committing = undefined
    for (const waiter of batch.waiters) waiter.settled(undefined)
    this.#commitNext()
  }

  async #commit(batch: Batch): Promise<void> {
    const writes: Write[] = []
    for (const [key, value] of batch.writes) writes.push([key, bytesOf(value)])
    await this.store.commit(writes)
  }

  #fail(batch: Batch, error: unknown): void {
    const lost = this.#filling
    this.#committing = undefined
    this.#filling = emptyBatch(lost.number + 1)
    for (const resolve of lost.closed) resolve()
    for (const { number } of [batch, lost]) this.#lost.add(number)
    while (this.#lost.size > lostBatchesMax) this.#lost.delete(this.#lost.values().next().value!)
    // J2. First whoever wrote, so that nothing is written any more by those who saw what is lost.
    for (const writer of new Set([...batch.writers, ...lost.writers])) writer.lost(error)
    for (const waiter of [...batch.waiters, ...lost.waiters]) waiter.settled(error)
    this.#commitNext()
  }
}

function closed(): Fault {
  return new Fault('unavailable.storage', 'the host has stopped: the state was not written')
}

function emptyBatch(number: BatchNumber): Batch {
  return { number, writes: new Map(), waiters: [], closed: [], groups: undefined, writers: new Set() }
}

/** `s/<node>` of `s/<node>/<slot>/r`: one node's range does not go through what all others write. */
function groupOf(key: string): string {
  const end = key.indexOf('/', 2)
  return end === -1 ? key : key.slice(0, end)
}

function addTo(groups: Map<string, string[]>, key: string): void {
  const group = groupOf(key)
  const found = groups.get(group)
  if (found === undefined) groups.set(group, [key])
  else found.push(key)
}

/** All keys of the batch that may lie in the range. */
function keysNear(batch: Batch, from: string, to: string): Iterable<string> {
  const group = groupOf(from)
  // '0' is the character after '/'.
  if (!from.startsWith(`${group}/`) || compareKeys(to, `${group}0`) > 0) return batch.writes.keys()
  if (batch.groups === undefined) {
    batch.groups = new Map()
    for (const key of batch.writes.keys()) addTo(batch.groups, key)
  }
  return batch.groups.get(group) ?? []
}
