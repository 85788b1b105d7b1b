/**
 * The view of a scheduling function in a rehearsal: the real one, over simulated nodes; and a note of what it
 * asked that no database tells.
 */

import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { ReadonlyCollection } from '../../core/model/collection.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { noCollections } from '../../core/model/simulation.js'
import { holds } from '../../core/schedules/awaitPopulation.js'
import type { PopulationCondition } from '../../core/schedules/population.js'
import type { Contact, SchedulingView } from '../../core/schedules/schedule.js'
import { SourcedView, sourceOf, type ViewSource } from '../../core/schedules/schedulingView.js'
import type { VirtualTime } from '../world/virtualTime.js'
import { type AwaitedPopulation, PopulationLook } from './awaitedPopulation.js'
import type { RecheckTimes } from './recheckTimes.js'
import type { SimulatedNodes } from './simulatedNodes.js'

/** The questions of schedules whose answers are assumed. */
export type AssumedAnswer = 'state' | 'memory' | 'calls' | 'contacts' | `table ${string}`

/** The part of its rehearsal that a view needs. */
export interface ViewedRehearsal {
  readonly time: VirtualTime
  readonly nodes: SimulatedNodes
  readonly rechecks: RecheckTimes
  readonly population: AwaitedPopulation
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly asked: Set<AssumedAnswer>
  /** Whether hosts fail, which ends the schedules of their nodes. */
  readonly canLoseHosts: boolean
  /** A number in [0, 1) for a schedule. */
  draw(): number
  /** The nodes of the services that the node's class declares to call. */
  contactsOf(nodeId: string): readonly NodeRow[]
  isContact(nodeId: string, of: string): boolean
  /** The other members of the node's group. */
  siblingsOf(nodeId: string): ReadonlySet<string>
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

  contact(nodeId: string): NodeRow | undefined {
    this.#note('contacts')
    return this.rehearsal.isContact(this.nodeId, nodeId) ? this.rehearsal.nodes.row(nodeId) : undefined
  }

  /** Siblings of its own service would be in the order of the others: such a node looks by itself. */
  awaitPopulation(
    { target, signal }: SchedulingView,
    service: string | undefined,
    condition: PopulationCondition,
  ): Promise<void> | undefined {
    const { nodes } = this.rehearsal
    const siblings = this.rehearsal.siblingsOf(this.nodeId)
    const isAside = service !== undefined && [...siblings].some((sibling) => nodes.row(sibling).service === service)
    return isAside ? undefined : this.#await(service, target, siblings, condition, signal)
  }

  async #await(
    service: string | undefined,
    target: Version,
    siblings: ReadonlySet<string>,
    condition: PopulationCondition,
    signal: AbortSignal,
  ): Promise<void> {
    const { population, time } = this.rehearsal
    for (;;) {
      signal.throwIfAborted()
      const look = new PopulationLook(population, service, target, siblings)
      const answer = condition(look, { nowMs: time.now(), waitedMs: time.elapsedMs })
      if (holds(answer)) return
      await population.next(look, typeof answer === 'number' ? answer : Number.POSITIVE_INFINITY)
    }
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

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const slept = this.rehearsal.time.sleep(Number.isNaN(ms) ? 0 : ms)
    return this.rehearsal.canLoseHosts ? slept.then(() => signal.throwIfAborted()) : slept
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
