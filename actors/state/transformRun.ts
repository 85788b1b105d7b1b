/**
 * Runs one transform (§6): reads the old generation, writes the new one beside it in bounded transactions,
 * the object's state and the past-SO's initial state. Nothing of the old generation changes, so that dropping
 * the new one is all that a failure needs. Collections that are made record by record (§8) it leaves to
 * `lazyRecords.ts` and `recordPass.ts`.
 */

import { Fault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { type Generation, keys, type StateSlot, stateSlot, stateSlotOfKey } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import { isSO, noCollections, type Simulation } from '../../core/model/simulation.js'
import type { TransformCollections } from '../../core/model/transform.js'
import type { Clock } from '../../core/ports/clock.js'
import { copiedSlots, nextGeneration } from '../../core/upgrade/generations.js'
import { proxyVersion } from '../../core/upgrade/undo.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { pack } from '../../core/wire/codec.js'
import { checkRoot } from '../../core/wire/plain.js'
import type { HostSettings } from '../base/settings.js'
import type { Journal } from './journal.js'
import type { NodeState } from './nodeState.js'
import { checkKey } from './storedCollection.js'

/** Whether nobody waits for a transform any more. */
export interface GivenUp {
  readonly up: boolean
}

/** Writes the state of the next generation. Throws `upgrade.transform`. */
export async function runTransform(
  nodeId: string,
  old: Generation,
  upgrade: ClassUpgrade,
  undoes: Version | null,
  state: NodeState,
  journal: Journal,
  clock: Clock,
  settings: HostSettings,
  given: GivenUp,
): Promise<Generation> {
  const next = nextGeneration(old, upgrade, undoes)
  const futureSlot = old.simulations[proxyVersion(next.version, undoes)]
  const writer = new BoundedWriter(journal, clock, settings, given)
  try {
    const root = await upgrade.transform(
      state.rootCopy(old.object),
      futureSlot === undefined ? initialFuture(upgrade) : state.rootCopy(futureSlot),
      collectionsOf(nodeId, old, futureSlot, next, upgrade.records, state, journal, writer),
    )
    const what = `the new state of ${next.className}`
    const packed = pack(root, what)
    checkRoot(root, what)
    writer.write(keys.root(nodeId, next.object), packed)
    if (isSO(upgrade.pastSO)) {
      const past = stateSlot(next.number, old.version)
      const initial = await upgrade.pastSO.initial(state.rootCopy(old.object), {
        old: (name) => state.collection(old.object, name),
        own: (name) => {
          checkEager(name, (upgrade.pastSO as Simulation).records, 'the past-SO’s initial()')
          const prefix = keys.collection(nodeId, past, name)
          return { put: (key, value) => writer.write(prefix + checkKey(key), pack(value, `record ${key}`)) }
        },
        flushed: () => writer.room(),
      })
      writer.write(keys.root(nodeId, past), pack(initial, 'the past-SO’s initial state'))
    }
    if (upgrade.rewind !== null) await copyInto(writer, nodeId, copiedSlots(old, next), journal)
    await writer.flush()
    return next
  } catch (error) {
    const fault = toFault(error, 'upgrade.transform')
    throw fault.kind === 'upgrade' ? fault : new Fault('upgrade.transform', fault.message, {}, { cause: error })
  }
}

/** A node that is born at a version had no future-SO: its state is what it would have been initially. */
function initialFuture({ futureSO }: ClassUpgrade): object {
  return isSO(futureSO) ? futureSO.initial(undefined, noCollections) : {}
}

/**
 * Deletes the slots of a node that `isUnused` names, in bounded transactions. It is asked anew for each
 * transaction, in the same turn as the deletion: a slot that a record names meanwhile is safe.
 */
export async function sweepStateSlots(
  nodeId: string,
  isUnused: (slot: StateSlot) => boolean,
  journal: Journal,
  settings: HostSettings,
): Promise<void> {
  const [from, to] = keys.allStateSlots(nodeId)
  for (let next: string | undefined = from; next !== undefined; ) {
    const unused: string[] = []
    let following: string | undefined
    for (const [key] of journal.range(next, to)) {
      const of = stateSlotOfKey(nodeId, key)
      if (!isUnused(of)) {
        // Past this slot at once: it may hold any number of records.
        following = keys.stateSlot(nodeId, of)[1]
        break
      }
      unused.push(key)
      if (unused.length >= settings.sweepKeysPerCommit) {
        following = key
        break
      }
    }
    if (unused.length > 0) await journal.commit(unused.map((key) => [key, null] as const))
    next = following
  }
}

/** Deletes a range of keys, in bounded transactions. */
export async function sweepRange(from: string, to: string, journal: Journal, settings: HostSettings): Promise<void> {
  for (;;) {
    const found: string[] = []
    for (const [key] of journal.range(from, to)) {
      found.push(key)
      if (found.length >= settings.sweepKeysPerCommit) break
    }
    if (found.length === 0) return
    await journal.commit(found.map((key) => [key, null] as const))
  }
}

/** Copies slots as they are, to the last byte, in bounded transactions. Ends with everything on disk. */
export async function copySlots(
  nodeId: string,
  slots: readonly (readonly [from: StateSlot, to: StateSlot])[],
  journal: Journal,
  clock: Clock,
  settings: HostSettings,
  given: GivenUp,
): Promise<void> {
  const writer = new BoundedWriter(journal, clock, settings, given)
  await copyInto(writer, nodeId, slots, journal)
  await writer.flush()
}

async function copyInto(
  writer: BoundedWriter,
  nodeId: string,
  slots: readonly (readonly [from: StateSlot, to: StateSlot])[],
  journal: Journal,
): Promise<void> {
  for (const [from, to] of slots) {
    const [first, end] = keys.stateSlot(nodeId, from)
    const [into] = keys.stateSlot(nodeId, to)
    for (const [key, value] of journal.range(first, end)) {
      writer.write(into + key.slice(first.length), value)
      if (writer.isFull) await writer.room()
    }
  }
}

/**
 * Writes in turns of the loop and in transactions of a bounded number of records and bytes, so that no other
 * node of the host waits for a big one. A transaction is filled while the one before is written to disk, turn
 * after turn until that is done or the bound is reached.
 */
class BoundedWriter {
  readonly #turn = new Amount()
  readonly #transaction = new Amount()
  readonly #turnMax: Amount
  readonly #transactionMax: Amount
  #last = 0
  #pending: Promise<unknown> = Promise.resolve()
  #lost: unknown
  /** Set when a turn or a transaction is full, until `room`: whoever writes much waits then. */
  isFull = false

  constructor(
    private readonly journal: Journal,
    private readonly clock: Clock,
    settings: HostSettings,
    private readonly given: GivenUp,
  ) {
    this.#turnMax = new Amount(settings.transformRecordsPerTurn, settings.transformBytesPerTurn)
    this.#transactionMax = new Amount(settings.transformRecordsPerCommit, settings.transformBytesPerCommit)
  }

  write(key: string, value: Uint8Array | null): void {
    if (this.given.up) throw new Fault('upgrade.transform', 'the transform was given up')
    const batch = this.journal.write(key, value)
    if (batch !== this.#last) {
      // The batch before may be lost without anybody having waited for it.
      this.#await(this.#last)
      this.#last = batch
      this.#transaction.clear()
    }
    const bytes = value?.length ?? 0
    this.#turn.add(bytes)
    this.#transaction.add(bytes)
    if (this.#turn.reaches(this.#turnMax) || this.#transaction.reaches(this.#transactionMax)) this.isFull = true
  }

  /**
   * Gives the loop to others when the turn is full, and waits for the disk when the transaction is. It may be
   * asked for after every record.
   */
  async room(): Promise<void> {
    if (!this.isFull) return
    if (this.#transaction.reaches(this.#transactionMax)) await this.journal.closed(this.#last)
    else await new Promise<void>((resolve) => this.clock.turn(resolve))
    this.#turn.clear()
    this.isFull = false
    this.#check()
  }

  /** Waits until everything is on disk. Throws if any part of it is lost. */
  async flush(): Promise<void> {
    this.#await(this.#last)
    await this.#pending
    this.#check()
  }

  #check(): void {
    if (this.#lost !== undefined) throw this.#lost
    if (this.given.up) throw new Fault('upgrade.transform', 'the transform was given up')
  }

  #await(batch: number): void {
    const committed = this.journal.committed(batch).catch((error) => {
      this.#lost ??= error
    })
    this.#pending = Promise.all([this.#pending, committed])
  }
}

class Amount {
  constructor(
    private records = 0,
    private bytes = 0,
  ) {}

  add(bytes: number): void {
    this.records++
    this.bytes += bytes
  }

  clear(): void {
    this.records = 0
    this.bytes = 0
  }

  reaches(most: Amount): boolean {
    return this.records >= most.records || this.bytes >= most.bytes
  }
}

function collectionsOf(
  nodeId: string,
  old: Generation,
  future: StateSlot | undefined,
  next: Generation,
  records: RecordRules | null,
  state: NodeState,
  journal: Journal,
  writer: BoundedWriter,
): TransformCollections {
  const empty = { get: () => undefined, has: () => false, entries: () => [] }
  return {
    old: once((name) => state.collection(old.object, name)),
    future: once((name) => (future === undefined ? empty : state.collection(future, name))),
    next: once((name) => {
      checkEager(name, records, 'the transform')
      const prefix = keys.collection(nodeId, next.object, name)
      return {
        put: (key, value) => writer.write(prefix + checkKey(key), pack(value, 'a record')),
        delete: (key) => writer.write(prefix + checkKey(key), null),
      }
    }),
    carry: async (name) => {
      checkEager(name, records, 'the transform')
      const from = keys.collection(nodeId, old.object, name)
      const to = keys.collection(nodeId, next.object, name)
      if (state.isLazy(old.object, name)) {
        for (const [key, record] of state.lazy.entries(old.object, name, '', undefined)) {
          writer.write(to + key, pack(record, `record ${key}`))
          if (writer.isFull) await writer.room()
        }
      } else
        for (const [key, value] of journal.range(from, `${from.slice(0, -1)}0`)) {
          writer.write(to + key.slice(from.length), value)
          if (writer.isFull) await writer.room()
        }
      await writer.flush()
    },
    flushed: () => writer.room(),
  }
}

/** Asked for again for every record. */
function once<Made>(make: (name: string) => Made): (name: string) => Made {
  const known = new Map<string, Made>()
  return (name) => {
    let made = known.get(name)
    if (made === undefined) known.set(name, (made = make(name)))
    return made
  }
}

/** Two that fill one collection would write over each other. */
function checkEager(name: string, records: RecordRules | null, who: string): void {
  if (records?.[name] === undefined) return
  throw new Fault('upgrade.transform', `${who} may not fill ${name}, which is made record by record: see "records"`)
}
