/**
 * The view of a scheduling function in a rehearsal: the real one, over simulated nodes; and a note of what it
 * asked that no database tells.
 */

import { Fault } from '../../core/base/fault.js'
import type { ReadonlyCollection } from '../../core/model/collection.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { noCollections } from '../../core/model/simulation.js'
import type { Contact } from '../../core/schedules/schedule.js'
import { SourcedView, sourceOf, type ViewSource } from '../../core/schedules/schedulingView.js'
import type { VirtualTime } from '../world/virtualTime.js'
import type { RecheckTimes } from './recheckTimes.js'
import type { SimulatedNodes } from './simulatedNodes.js'

/** The questions of schedules whose answers are assumed. */
export type AssumedAnswer = 'state' | 'memory' | 'calls' | 'contacts' | `table ${string}`

/** The part of its rehearsal that a view needs. */
export interface ViewedRehearsal {
  readonly time: VirtualTime
  readonly nodes: SimulatedNodes
  readonly rechecks: RecheckTimes
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly asked: Set<AssumedAnswer>
  /** A number in [0, 1) for a schedule. */
  draw(): number
  /** The nodes of the services that the node's class declares to call. */
  contactsOf(nodeId: string): readonly NodeRow[]
}

/** A schedule that asks so often without any time passing never waits. */
const readsAtOnceMax = 10_000

export class RehearsedSource implements ViewSource {
  /** The questions, by the changes that their answers depend on: nodes and tables, or time and chance. */
  readonly reads = { nodes: 0, time: 0 }
  #atEvent = -1
  #readsAtOnce = 0

  constructor(
    readonly rehearsal: ViewedRehearsal,
    readonly nodeId: string,
    private readonly definition: NodeClass,
    readonly servers: readonly string[],
  ) {}

  get service(): string {
    return this.rehearsal.nodes.row(this.nodeId).service
  }

  get className(): string {
    return this.rehearsal.nodes.row(this.nodeId).className
  }

  /** That of a new node: what nodes have on their disks no database tells. */
  state(): Record<string, unknown> {
    this.#note('state')
    return structuredClone(this.definition.initial()) as Record<string, unknown>
  }

  collections(): readonly string[] {
    this.#note('state')
    return []
  }

  collection(name: string): ReadonlyCollection<unknown> {
    this.#note('state')
    return noCollections.old(name)
  }

  simulations(): readonly [] {
    this.#note('state')
    return []
  }

  async memory(): Promise<null> {
    this.#note('memory')
    return null
  }

  /** Without the other members of its group, as in a node at work. */
  async nodes(service: string | undefined): Promise<readonly NodeRow[]> {
    this.#readNodes()
    const { nodes } = this.rehearsal
    const { group } = nodes.row(this.nodeId)
    const rows = nodes.list(service)
    return group === undefined ? rows : rows.filter((row) => row.group !== group || row.nodeId === this.nodeId)
  }

  async table(name: string): Promise<ReadonlyMap<string, string>> {
    this.#readNodes()
    this.#note(`table ${name}`)
    return new Map(this.rehearsal.tables.get(name) ?? [])
  }

  /** The nodes of the services that its class declares to call. */
  contacts(): readonly Contact[] {
    this.#readNodes()
    this.#note('contacts')
    return this.rehearsal
      .contactsOf(this.nodeId)
      .map(({ nodeId, className, version }) => ({ nodeId, className, version, ageMs: 0 }))
  }

  calls(): { readonly answered: number; readonly failed: number } {
    this.reads.time++
    this.#note('calls')
    return { answered: 0, failed: 0 }
  }

  now(): number {
    this.reads.time++
    return this.rehearsal.time.now()
  }

  random(): number {
    this.reads.time++
    return this.rehearsal.draw()
  }

  sleep(ms: number): Promise<void> {
    return this.rehearsal.time.sleep(Number.isNaN(ms) ? 0 : ms)
  }

  #note(asked: AssumedAnswer): void {
    this.rehearsal.asked.add(asked)
  }

  #readNodes(): void {
    this.reads.nodes++
    const { events } = this.rehearsal.time
    if (events !== this.#atEvent) {
      this.#atEvent = events
      this.#readsAtOnce = 0
    }
    if (++this.#readsAtOnce > readsAtOnceMax) throw new Fault('upgrade.schedule', 'it asks again and again without waiting')
  }
}

export class RehearsedView extends SourcedView {
  /** As `awaitCondition`, with looks that change nothing left out. */
  override async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const { reads, rehearsal } = sourceOf(this) as RehearsedSource
    for (;;) {
      this.signal.throwIfAborted()
      const { nodes, time } = reads
      if (await condition()) return
      await rehearsal.rechecks.next(reads.time !== time || reads.nodes === nodes)
    }
  }
}
