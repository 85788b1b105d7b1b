/**
 * The persistent state of one node: the roots and collections of its object and SOs. It alone writes to disk.
 *
 * A call begins, touches what it may write, and ends by `keep` or `drop`. After each command a root is
 * compared with its snapshot of before: the new one is both the value to write, packed once for all commands
 * of a batch, and the undo record. `batch` is the newest batch that holds a write of this node: departures
 * wait for it.
 */

import { Fault } from '../../core/base/fault.js'
import { InvariantViolation, invariant } from '../../core/base/invariant.js'
import type { Collection } from '../../core/model/collection.js'
import type { MethodKind } from '../../core/model/methods.js'
import { keys, type LazySlot, type StateSlot } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import { pack, unpackState } from '../../core/wire/codec.js'
import { normal } from '../../core/wire/normal.js'
import { checkRoot } from '../../core/wire/plain.js'
import { snapshotOf, Walk } from '../../core/wire/snapshot.js'
import { type BatchNumber, type Journal, PackedLater, type Waiter, type Writer } from './journal.js'
import { LazyRecords } from './lazyRecords.js'
import { nothingStaged, packedOf, type StagedWrite, StoredCollection } from './storedCollection.js'

/** The holder of a root: an object or an SO's `this`. */
export interface RootHolder {
  state: object
  /** An object looks at each record that is made for it (§8). */
  checkRecord?(collection: string, key: string, record: unknown): unknown
}

/** Whose state it is. */
export interface StateOwner {
  /** A slot some of whose records are still to be made. */
  lazyOf(slot: StateSlot): LazySlot | undefined
  rulesOf(lazy: LazySlot): RecordRules
  /** A record can't be made. */
  recordFailed(fault: Fault): void
  /** The data in memory will never be on disk. */
  stateLost(error: unknown): void
}

const nobody: StateOwner = { lazyOf: () => undefined, rulesOf: () => ({}), recordFailed() {}, stateLost() {} }

interface OpenSlot {
  readonly slot: StateSlot
  readonly key: string
  readonly holder: RootHolder
  /** The root after the last call that was kept. */
  snapshot: unknown
  touched: boolean
  /** Commands that were kept since it was opened. */
  commands: number
}

const noSlots: readonly OpenSlot[] = []
/** Shared by all nodes in which no command runs: nothing is ever added to it. */
const noneTouched: OpenSlot[] = []

/**
 * A query's writes to a root are looked for in so many queries at first, then in one of so many: looking goes
 * through all of the root.
 */
const queriesLookedAtFirst = 64
const queriesLookedAtThen = 256

/**
 * Whether state in memory is as it would be after a restart is looked at wholly after so many commands, and
 * then after one in so many. In between it is looked at where something is new.
 */
const commandsLookedAtFirst = 64
const commandsLookedAtThen = 256

/** The tickets of `begin`: a call that comes too late to end itself ends no other call. */
export type Ticket = number

export class NodeState implements Writer {
  /** The newest batch with a write of this node. */
  batch: BatchNumber = 0
  /** A handful: they are found by going through them. */
  #slots: readonly OpenSlot[] = noSlots
  #running: MethodKind | undefined
  #ticket: Ticket = 0
  #touched = noneTouched
  #staged: Map<string, StagedWrite> | undefined
  #lazy: LazyRecords | undefined
  /** Why the running call must not succeed: a record that it asked for can't be made. */
  #spoilt: Fault | undefined
  #queries = 0
  /** Why what is in memory is not what is on disk, until everything is opened again. */
  #lost: unknown

  constructor(
    private readonly nodeId: string,
    private readonly journal: Journal,
    private readonly owner: StateOwner = nobody,
  ) {}

  /** Records that are still to be made, read as if they were. Few nodes have any at one time. */
  get lazy(): LazyRecords {
    const { nodeId, journal, owner } = this
    const check = (slot: StateSlot, collection: string, key: string, record: unknown) =>
      this.#slot(slot)?.holder.checkRecord?.(collection, key, record)
    const failed = (fault: Fault) => {
      if (this.#running !== undefined) this.#spoilt ??= fault
      owner.recordFailed(fault)
    }
    const lazyOf = (slot: StateSlot) => owner.lazyOf(slot)
    const rulesOf = (lazy: LazySlot) => owner.rulesOf(lazy)
    return (this.#lazy ??= new LazyRecords(nodeId, journal, lazyOf, rulesOf, check, failed))
  }

  /** Whether records of this collection are still to be made. */
  isLazy(slot: StateSlot, name: string): boolean {
    return this.owner.lazyOf(slot)?.next[name] !== undefined
  }

  /**
   * Called by the journal: a write of this node will never be on disk. Nothing is kept any more
   * until `closeAll`.
   */
  lost(error: unknown): void {
    this.#lost = new Fault('unavailable.storage', 'the state could not be written', {}, { cause: error })
    this.owner.stateLost(error)
  }

  get isLost(): boolean {
    return this.#lost !== undefined
  }

  /** Throws `unavailable.storage` if this node's memory has seen what is lost. */
  throwIfLost(): void {
    if (this.#lost !== undefined) throw this.#lost
  }

  get isCommitted(): boolean {
    return this.#lost === undefined && this.journal.isCommitted(this.batch)
  }

  /** Whether a batch that held this node's newest write at some time is on disk. */
  isOnDisk(batch: BatchNumber): boolean {
    return this.journal.isCommitted(batch)
  }

  /** Tells the waiter when everything that the node has written is on disk, or that some of it is lost. */
  whenCommitted(waiter: Waiter): void {
    if (this.#lost !== undefined) waiter.settled(this.#lost)
    else this.journal.whenCommitted(this.batch, waiter)
  }

  /** Resolves when everything that the node has written is on disk. */
  settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.whenCommitted({ settled: (error) => (error === undefined ? resolve() : reject(error)) })
    })
  }

  /** Writes a key of this node that is not part of a slot. */
  write(key: string, value: Uint8Array | null): void {
    this.batch = this.journal.write(key, value, this)
  }

  /** Gives the holder its root as it was last written. From then on the holder's root is the slot's. */
  open(slot: StateSlot, holder: RootHolder): void {
    const key = keys.root(this.nodeId, slot)
    const packed = this.journal.get(key)
    invariant(packed !== undefined, `C3: ${this.nodeId}: no state in slot ${slot}`)
    holder.state = unpackState(packed) as object
    const snapshot = snapshotOf(holder.state, undefined, 'state')
    this.close(slot)
    // A joined list has no room for more, which a list that grows has.
    this.#slots = this.#slots.concat({ slot, key, holder, snapshot, touched: false, commands: 0 })
  }

  /** Forgets the holder of one slot, between two calls. */
  close(slot: StateSlot): void {
    this.#slots = this.#slots.filter((open) => open.slot !== slot)
  }

  /** Forgets all holders: what is opened next is as it is on disk. */
  closeAll(): void {
    this.#slots = noSlots
    this.#end()
    this.#ticket++
    if (this.#lost === undefined) return
    this.#lost = undefined
    this.batch = 0
  }

  /** C2. No call begins while another one's writes are neither kept nor dropped. */
  begin(kind: MethodKind): Ticket {
    if (this.#running !== undefined)
      throw new InvariantViolation(`C2: ${this.nodeId}: a ${kind} began while a ${this.#running} was running`)
    this.#running = kind
    return ++this.#ticket
  }

  /**
   * Whether the call with this ticket was left behind: its node has stopped, or begun anew, and
   * nothing that it writes counts.
   */
  isOver(ticket: Ticket): boolean {
    return ticket !== this.#ticket
  }

  /**
   * The same as `begin` for the object's `stop()`, which may have to leave a call behind: what
   * that one writes is dropped.
   */
  takeOver(kind: MethodKind): Ticket {
    this.#running = undefined
    return this.begin(kind)
  }

  /** Called before a command of this slot's holder runs. */
  touch(slot: StateSlot): void {
    this.#mayWrite()
    const open = this.#slot(slot)
    invariant(open !== undefined, `${this.nodeId}: slot ${slot} is not open`)
    this.#touch(open)
  }

  #slot(slot: StateSlot): OpenSlot | undefined {
    for (const open of this.#slots) if (open.slot === slot) return open
    return undefined
  }

  #touch(open: OpenSlot): void {
    if (open.touched) return
    open.touched = true
    if (this.#touched === noneTouched) this.#touched = [open]
    else this.#touched.push(open)
  }

  /**
   * The call succeeded: what it wrote goes into the journal. Throws if a root is not plain data, if a query
   * wrote to one, or if what the call saw is lost; then `drop` is to be called. Does nothing for a ticket
   * that is over, and says so.
   */
  keep(ticket: Ticket): boolean {
    if (ticket !== this.#ticket) return false
    this.throwIfLost()
    if (this.#spoilt !== undefined) throw this.#spoilt
    if (this.#running === 'query') this.#checkQuery()
    if (this.#touched.length > 0) {
      const changed: (readonly [OpenSlot, unknown])[] = []
      for (const open of this.#touched) {
        const snapshot = normalised(open)
        if (snapshot !== open.snapshot) changed.push([open, snapshot])
      }
      for (const [open, snapshot] of changed) {
        open.snapshot = snapshot
        this.batch = this.journal.write(open.key, new PackedLater(snapshot), this)
      }
    }
    if (this.#staged !== undefined)
      for (const [key, write] of this.#staged) this.batch = this.journal.write(key, packedOf(write), this)
    this.#end()
    return true
  }

  /** Why the running call fails whatever its method makes of it: a record that it asked for can't be made. */
  get spoilt(): Fault | undefined {
    return this.#spoilt
  }

  /**
   * The call failed: roots are as they were before it, collections too. True if it had written: the object
   * must be rebuilt then.
   */
  drop(ticket: Ticket): boolean {
    if (ticket !== this.#ticket) return false
    let written = this.#staged !== undefined
    for (const open of this.#touched) {
      if (isUnchanged(open)) continue
      written = true
      open.holder.state = copyOf(open.snapshot)
    }
    this.#end()
    return written
  }

  /** A change that a query made to a root would be committed with the next command, or lost with a crash. */
  #checkQuery(): void {
    if (this.#queries++ >= queriesLookedAtFirst && this.#queries % queriesLookedAtThen !== 0) return
    for (const open of this.#slots) {
      if (isUnchanged(open)) continue
      this.#touch(open)
      throw new Fault('protocol.query-writes', 'a query may not write to the state: mark the method @command')
    }
  }

  /** The root as committed or about to be, as a copy that nobody else has. */
  rootCopy(slot: StateSlot): object {
    const packed = this.journal.get(keys.root(this.nodeId, slot))
    return packed === undefined ? {} : (unpackState(packed) as object)
  }

  /** `mayUse` throws for an object that has stopped: it must not write into another's call. */
  collection(slot: StateSlot, name: string, mayUse: () => void = () => {}): Collection<unknown> {
    return new StoredCollection(keys.collection(this.nodeId, slot, name), slot, name, this.journal, this, () => {
      mayUse()
      this.#mayWrite()
    })
  }

  /** The writes of the running call to collections. */
  get staged(): ReadonlyMap<string, StagedWrite> {
    return this.#staged ?? nothingStaged
  }

  stage(key: string, write: StagedWrite): void {
    this.#staged ??= new Map()
    this.#staged.set(key, write)
  }

  #mayWrite(): void {
    if (this.#running === 'command') return
    throw new Fault(
      'protocol.query-writes',
      this.#running === 'query'
        ? 'a query may not write, nor call a command: mark the method @command'
        : `state is written by commands, and in start(); none runs now (node ${this.nodeId})`,
    )
  }

  #end(): void {
    this.#running = undefined
    this.#spoilt = undefined
    if (this.#touched.length > 0) {
      for (const open of this.#touched) open.touched = false
      this.#touched = noneTouched
    }
    this.#staged = undefined
  }
}

function isUnchanged({ holder, snapshot }: OpenSlot): boolean {
  try {
    return snapshotOf(holder.state, snapshot, 'state') === snapshot
  } catch {
    return false
  }
}

/**
 * The root's snapshot after a command. From then on the root is in memory as it would come from
 * the disk (N1).
 */
function normalised(open: OpenSlot): unknown {
  const { holder, commands } = open
  open.commands++
  const isWhole = commands < commandsLookedAtFirst || commands % commandsLookedAtThen === 0
  const walk = new Walk(isWhole ? 'everything' : 'what is new')
  const snapshot = snapshotOf(holder.state, open.snapshot, 'state', walk)
  // A class without state may have begun with none.
  if (snapshot !== open.snapshot) checkRoot(snapshot, 'state')
  if (walk.isOdd) holder.state = normal(holder.state, snapshot) as object
  return snapshot
}

/** As it would come from the disk. */
function copyOf(snapshot: unknown): object {
  return unpackState(pack(snapshot)) as object
}
