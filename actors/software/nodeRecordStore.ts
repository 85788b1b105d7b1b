/**
 * A node's knowledge about itself across restarts, in memory and on disk. In memory it may be ahead of the
 * disk by what the batch being filled holds; what is lost there is learned again.
 *
 * C3. The pointer to the object's state moves by a commit of its own, and is on disk then.
 * C8. The oldest version that is answered moves past dead versions only.
 */

import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import {
  checkRecord,
  type Generation,
  keys,
  type LazySlot,
  type NodeRecord,
  type StateSlot,
} from '../../core/model/nodeRecord.js'
import type { Write } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { Replier } from '../../core/wire/envelope.js'
import { FrequentReplier } from '../../core/wire/frequentReplier.js'
import type { ClassRegistry } from '../history/classRegistry.js'
import type { Journal } from '../state/journal.js'
import type { NodeState } from '../state/nodeState.js'

export interface KnownVersions {
  /** Versions older than this one are dead. */
  readonly dead: Version
}

export class NodeRecordStore {
  #record: NodeRecord
  #replier: Replier
  #candidate: Generation | undefined

  constructor(
    record: NodeRecord,
    private readonly state: NodeState,
    private readonly journal: Journal,
    private readonly known: KnownVersions,
  ) {
    this.#record = record
    this.#replier = replierOf(record)
  }

  get record(): NodeRecord {
    return this.#record
  }

  /** How the node signs its answers. */
  get replier(): Replier {
    return this.#replier
  }

  /** A generation that is looked at before the record names it: while it is being checked. */
  get candidate(): Generation | undefined {
    return this.#candidate
  }

  consider(candidate: Generation): void {
    this.#candidate = candidate
  }

  /** The record names it, or will not. */
  considerNone(): void {
    this.#candidate = undefined
  }

  /** Of a slot some of whose records are still to be made. */
  lazyOf(slot: StateSlot): LazySlot | undefined {
    return this.#record.generation.lazy?.[slot] ?? this.#candidate?.lazy?.[slot]
  }

  /** The node's class at each known version. */
  lineage(classes: ClassRegistry): readonly string[] {
    return classes.lineage(this.#record.generation.className, this.#record)
  }

  /** Adds the record to the batch being filled: it is written with whatever else this turn writes. */
  write(record: NodeRecord): void {
    const { nodeId, oldest, generation } = record
    const { oldest: before, generation: current } = this.#record
    invariant(
      generation.object === current.object,
      `C3: ${nodeId}: slot ${current.object} is left for ${generation.object} without a commit`,
    )
    invariant(oldest <= before || oldest <= this.known.dead, `C8: ${nodeId}: version ${oldest - 1} is dropped, and not dead`)
    this.#adopt(record)
    this.state.write(keys.record(record.nodeId), pack(record, 'record'))
  }

  /** One commit of its own: afterwards the node is what the record says, before it what it was. */
  commit(record: NodeRecord): Promise<void> {
    return commitTogether(this.journal, [{ recordStore: this, record }])
  }

  /** C3. A commit has confirmed this record: it is on disk, and the node’s from now on. */
  committed(record: NodeRecord, packed: Uint8Array): void {
    const onDisk = this.journal.get(keys.record(record.nodeId))
    invariant(
      onDisk !== undefined && Buffer.compare(onDisk, packed) === 0,
      `C3: ${record.nodeId}: its record is not what was committed`,
    )
    this.#adopt(record)
  }

  /** The record as it is on disk, or on its way there: what was learned and lost is learned again. */
  reload(): void {
    const bytes = this.journal.get(keys.record(this.#record.nodeId))
    if (bytes !== undefined) this.#adopt(checkRecord(unpack(bytes)))
  }

  #adopt(record: NodeRecord): void {
    this.#record = record
    this.#replier = replierOf(record)
  }
}

/** A node's record as it is to be from a commit on. */
export interface RecordChange {
  readonly recordStore: NodeRecordStore
  readonly record: NodeRecord
}

/** One commit for all of these, and for `more`: afterwards each node is what its record says, or none is. */
export async function commitTogether(
  journal: Journal,
  changes: readonly RecordChange[],
  more: readonly Write[] = [],
): Promise<void> {
  const packed = changes.map(({ record }) => pack(record, 'record'))
  const writes = changes.map(({ record }, i): Write => [keys.record(record.nodeId), packed[i]!])
  await journal.commit([...writes, ...more])
  for (const [i, { recordStore, record }] of changes.entries()) recordStore.committed(record, packed[i]!)
}

function replierOf({ nodeId, generation }: NodeRecord): Replier {
  return new FrequentReplier(nodeId, generation.className, generation.version)
}
