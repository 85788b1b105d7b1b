/**
 * The work of one node in passing for its lazy transforms (§8): it makes the records that nobody has asked
 * for, between two calls, in the order of their keys, and remembers on disk how far it has come. The states
 * that all of its records are made of are swept when the last record has been made.
 *
 * A record that can't be made stops it there. That is told to the upgrade database, where the
 * health gate sees it, and tried again with back-off; the node serves all others meanwhile, and
 * an undo brings the record back as it was.
 */

import { type Fault, isFault } from '../../core/base/fault.js'
import type { Phase } from '../../core/base/phases.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { type Generation, type LazySlot, type StateSlot, withLazy } from '../../core/model/nodeRecord.js'
import type { RecordsUnmade } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import { isLeftBehind } from '../../core/upgrade/generations.js'
import type { HostSettings } from '../base/settings.js'
import { backoffMs } from '../base/timeouts.js'
import type { Mailbox } from '../serving/mailbox.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import type { Journal } from '../state/journal.js'
import type { NodeState } from '../state/nodeState.js'
import type { Passing, RecordPassScheduler } from '../state/recordPassScheduler.js'
import { sweepStateSlots } from '../state/transformRun.js'

/** Of its host, for a pass. */
export interface PassServices {
  readonly passes: RecordPassScheduler
  readonly clock: Clock
  readonly random: Random
  readonly settings: HostSettings
  readonly journal: Journal
  readonly observe: HostObserver
}

/** The parts of its node that the pass needs. */
export interface PassedNode {
  readonly id: string
  readonly services: PassServices
  readonly recordStore: NodeRecordStore
  readonly state: NodeState
  readonly mailbox: Mailbox
  /** An upgrade has its object. */
  readonly isUpgrading: boolean
  readonly isEnding: boolean
  readonly phase: Phase
  report(phase: Phase, target: null, reason: string | null): void
  /** The node restarts from what is on disk. */
  crash(error: unknown): void
}

/** How far a node has come; null: it has nothing left to make. */
export function unmadeOf({ lazy = {}, ...generation }: Generation): RecordsUnmade | null {
  let passed = 0
  const left: Record<string, string> = {}
  for (const slot of liveSlots(generation)) {
    passed += lazy[slot]?.passed ?? 0
    Object.assign(left, lazy[slot]?.next)
  }
  return Object.keys(left).length === 0 ? null : { passed, left }
}

interface Place {
  readonly slot: StateSlot
  readonly lazy: LazySlot
  readonly collection: string
}

export class RecordPass implements Passing {
  #isAsked = false
  #failures = 0
  #notBeforeMs = 0
  /** The report of a record that can't be made. */
  #told: string | undefined

  constructor(private readonly node: PassedNode) {}

  /** To be called whenever the node serves. */
  start(): void {
    if (!this.isDone) this.node.services.passes.add(this)
  }

  stop(): void {
    this.node.services.passes.remove(this)
  }

  get isDone(): boolean {
    return this.node.isEnding || this.node.recordStore.record.generation.lazy === undefined
  }

  /** A record can't be made, in passing or for a call. */
  failed({ message }: Fault): void {
    if (this.#told === message || this.node.phase !== 'current' || this.node.isUpgrading) return
    this.#told = message
    this.node.report('current', null, message)
  }

  pass(most: number): number {
    const { mailbox, services } = this.node
    if (this.#isAsked || services.clock.monotonicMs() < this.#notBeforeMs) return 0
    if (mailbox.isOpen && mailbox.running === undefined) return this.#pass(most)
    // Behind the call that runs: a node that is never idle passes on its records too.
    this.#isAsked = true
    void mailbox.turn(() => {
      this.#isAsked = false
      this.#pass(most)
    })
    return 0
  }

  #pass(most: number): number {
    const { node } = this
    const { state, recordStore } = node
    const place = placeOf(recordStore.record.generation)
    // Writes that are faster than the disk takes them would only fill the memory.
    if (place === undefined || node.isUpgrading || !state.isCommitted) return 0
    const { slot, collection, lazy } = place
    try {
      const { writes, passed, next } = state.lazy.pass(slot, collection, most)
      for (const [key, value] of writes) state.write(key, value)
      const { generation } = recordStore.record
      const after = { ...lazy, next: withNext(lazy.next, collection, next), passed: lazy.passed + passed }
      recordStore.write({ ...recordStore.record, generation: withLazy(generation, withSlot(generation.lazy!, slot, after)) })
      this.#failures = 0
      if (Object.keys(after.next).length === 0) this.#isOver()
      // An empty collection was work too.
      return Math.max(1, passed)
    } catch (error) {
      if (!isFault(error)) {
        node.crash(error)
        return 0
      }
      const { clock, random, settings } = node.services
      this.#notBeforeMs =
        clock.monotonicMs() + backoffMs(this.#failures++, settings.backoffMs, settings.backoffMsMax, random.next())
      return 1
    }
  }

  /** All records of a slot are made. */
  #isOver(): void {
    const { id, recordStore, services, phase } = this.node
    sweepStateSlots(id, (of) => isLeftBehind(recordStore.record, of), services.journal, services.settings).catch((error) => {
      services.observe({ type: 'warning', message: `${id}: the states that its records were made of are not swept yet`, error })
    })
    if (recordStore.record.generation.lazy !== undefined || this.#told === undefined) return
    this.#told = undefined
    if (phase === 'current') this.node.report('current', null, null)
  }
}

/** The object's records before those of its SOs: an undo needs what nobody has touched in the same order. */
function placeOf({ lazy = {}, ...generation }: Generation): Place | undefined {
  for (const slot of liveSlots(generation)) {
    const found = lazy[slot]
    if (found === undefined) continue
    const [collection] = Object.keys(found.next)
    if (collection !== undefined) return { slot, lazy: found, collection }
  }
  return undefined
}

function liveSlots({ object, simulations }: Generation): readonly StateSlot[] {
  return [object, ...Object.values(simulations)]
}

function withNext(next: LazySlot['next'], collection: string, key: string | undefined): LazySlot['next'] {
  const { [collection]: _, ...others } = next
  return key === undefined ? others : { [collection]: key, ...others }
}

function withSlot(
  lazy: NonNullable<Generation['lazy']>,
  slot: StateSlot,
  after: LazySlot,
): Readonly<Record<StateSlot, LazySlot>> {
  const { [slot]: _, ...others } = lazy
  return Object.keys(after.next).length === 0 ? others : { ...others, [slot]: after }
}
