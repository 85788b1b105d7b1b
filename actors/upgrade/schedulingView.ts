/**
 * Where the scheduling function of a node at work has its answers from: the node's committed state, the
 * upgrade database, the upgrade layer (§4).
 */

import { isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { rolloutPaceOf } from '../../core/control/paceOrders.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { ReadonlyCollection } from '../../core/model/collection.js'
import { checkRecord, keys, type LazySlot, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { isSameRolloutPace, type RolloutPace } from '../../core/schedules/rolloutPace.js'
import { type Contact, observedCollectionsMax } from '../../core/schedules/schedule.js'
import type { ViewSource } from '../../core/schedules/schedulingView.js'
import { unpack, unpackState } from '../../core/wire/codec.js'
import type { HostSettings } from '../base/settings.js'
import { backoffMs, sleep, unlessAborted } from '../base/timeouts.js'
import type { NodeContacts } from '../calls/nodeContacts.js'
import type { ClassRegistry } from '../history/classRegistry.js'
import type { Controls } from '../registration/controls.js'
import type { NodeRowCache } from '../registration/nodeRowCache.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import { collectionNames } from '../state/collectionNames.js'
import { LazyRecords } from '../state/lazyRecords.js'

export interface NodeParts {
  readonly record: () => NodeRecord
  /** The services that it goes after, if it goes after its servers. */
  readonly servers: readonly string[]
  readonly rulesOf: (lazy: LazySlot) => RecordRules
  /** The members of its group go when it goes: it waits for none of them, and does not see their rows. */
  readonly isSibling: (nodeId: string) => boolean
  /** The class of the node's lineage at each version. */
  readonly lineage: () => readonly string[]
  /** The memory that its object offers, between two calls. */
  readonly memory: () => Promise<Record<string, unknown> | null>
  readonly calls: () => { readonly answered: number; readonly failed: number }
  readonly store: StateStore
  readonly nodeRowCache: NodeRowCache
  readonly database: UpgradeDatabase
  readonly controls: Pick<Controls, 'latest' | 'until'>
  readonly contacts: Pick<NodeContacts, 'list'>
  readonly clock: Clock
  readonly random: Random
  readonly settings: HostSettings
}

export class NodeSource implements ViewSource {
  readonly #parts: NodeParts
  #committed: { readonly bytes: Uint8Array; readonly record: NodeRecord } | undefined

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  get nodeId(): string {
    return this.#parts.record().nodeId
  }

  get service(): string {
    return this.#parts.record().service
  }

  /**
   * That whose state is seen: a schedule that goes on after its node has stopped sees what another start of
   * it has made of that.
   */
  get className(): string {
    return this.#record().generation.className
  }

  /** That of its object's state. */
  get version(): Version {
    return this.#record().generation.version
  }

  get servers(): readonly string[] {
    return this.#parts.servers
  }

  simulations(): readonly { readonly version: Version; readonly className: string }[] {
    const lineage = this.#parts.lineage()
    const versions = Object.keys(this.#record().generation.simulations).map(Number)
    return versions.sort((a, b) => a - b).map((version) => ({ version, className: lineage[version] ?? '' }))
  }

  /** Undefined for a simulation object that is gone. */
  #slot(of: Version | undefined): StateSlot | undefined {
    const { generation } = this.#record()
    return of === undefined ? generation.object : generation.simulations[of]
  }

  state(of?: Version): Record<string, unknown> {
    const slot = this.#slot(of)
    const packed = slot === undefined ? undefined : this.#parts.store.get(keys.root(this.nodeId, slot))
    return packed === undefined ? {} : (unpackState(packed) as Record<string, unknown>)
  }

  collections(of?: Version): readonly string[] {
    const slot = this.#slot(of)
    if (slot === undefined) return []
    const lazy = this.#record().generation.lazy?.[slot]
    return collectionNames(this.nodeId, slot, lazy, this.#parts.store, observedCollectionsMax)
  }

  /** Asked anew for each record: a schedule may keep what it is given here, while passes commit. */
  collection(name: string, of?: Version): ReadonlyCollection<unknown> {
    const lazyOf = (slot: StateSlot) => this.#record().generation.lazy?.[slot]
    const records = new LazyRecords(this.nodeId, this.#parts.store, lazyOf, this.#parts.rulesOf)
    const get = (key: string) => {
      const slot = this.#slot(of)
      return slot === undefined ? undefined : records.get(slot, name, key)
    }
    const slotOf = () => this.#slot(of)
    return {
      get,
      has: (key) => get(key) !== undefined,
      *entries({ from = '', to, limit = Number.POSITIVE_INFINITY } = {}) {
        const slot = slotOf()
        if (slot === undefined) return
        let left = limit
        for (const entry of records.entries(slot, name, from, to)) {
          if (left-- <= 0) return
          yield entry
        }
      },
    }
  }

  memory(signal: AbortSignal): Promise<Record<string, unknown> | null> {
    return unlessAborted(signal, this.#parts.memory())
  }

  /**
   * The record of the same commit as the state that the store has. That in memory is ahead of it: by its word
   * records are made already that are still on their way to the disk.
   */
  #record(): NodeRecord {
    const inMemory = this.#parts.record()
    const bytes = this.#parts.store.get(keys.record(inMemory.nodeId))
    if (bytes === undefined) return inMemory
    if (this.#committed === undefined || Buffer.compare(bytes, this.#committed.bytes) !== 0)
      this.#committed = { bytes: new Uint8Array(bytes), record: checkRecord(unpack(bytes)) }
    return this.#committed.record
  }

  async nodes(service: string | undefined, signal: AbortSignal): Promise<readonly NodeRow[]> {
    const rows = await this.#untilAnswered(signal, () => this.#parts.nodeRowCache.nodes(service))
    const { isSibling } = this.#parts
    // The same list where there is none: what is made of a reading is kept for all who look at it.
    return rows.some(({ nodeId }) => isSibling(nodeId)) ? rows.filter(({ nodeId }) => !isSibling(nodeId)) : rows
  }

  table(name: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return this.#untilAnswered(signal, () => this.#parts.database.table(name))
  }

  contacts(): readonly Contact[] {
    return this.#parts.contacts.list()
  }

  calls(): { readonly answered: number; readonly failed: number } {
    return this.#parts.calls()
  }

  pace(target: Version): RolloutPace {
    return rolloutPaceOf(this.#parts.controls.latest, target)
  }

  async paceChanged(target: Version, from: RolloutPace, signal: AbortSignal): Promise<void> {
    await this.#parts.controls.until((found) => !isSameRolloutPace(rolloutPaceOf(found, target), from), signal)
  }

  now(): number {
    return this.#parts.clock.now()
  }

  random(): number {
    return this.#parts.random.next()
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return sleep(this.#parts.clock, ms, signal)
  }

  /**
   * Waits while the database is away: a schedule that needs it must not decide without it. A
   * wrong question throws.
   */
  async #untilAnswered<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    const { clock, random, settings } = this.#parts
    for (let failures = 0; ; failures++) {
      signal.throwIfAborted()
      try {
        return await ask()
      } catch (error) {
        if (isFault(error) && error.kind === 'config') throw error
        await sleep(clock, backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next()), signal)
      }
    }
  }
}

/** The node itself, for its source. */
export interface SourceNode {
  readonly services: Omit<
    NodeParts,
    'record' | 'servers' | 'rulesOf' | 'isSibling' | 'calls' | 'contacts' | 'lineage' | 'memory'
  > & {
    readonly classes: ClassRegistry
  }
  readonly id: string
  readonly group: { hasBeside(id: string, nodeId: string): boolean } | undefined
  readonly recordStore: NodeRecordStore
  readonly calls: ReturnType<NodeParts['calls']>
  readonly contacts: NodeParts['contacts']
  rulesOf(lazy: LazySlot): RecordRules
  readonly software: { observeMemory(): ReturnType<NodeParts['memory']> }
}

export function nodeSource(node: SourceNode, servers: readonly string[]): NodeSource {
  const { store, nodeRowCache, database, controls, clock, random, settings, classes } = node.services
  return new NodeSource({
    ...{ store, nodeRowCache, database, controls, clock, random, settings, servers },
    record: () => node.recordStore.record,
    rulesOf: (lazy) => node.rulesOf(lazy),
    isSibling: (nodeId) => node.group?.hasBeside(node.id, nodeId) ?? false,
    calls: () => node.calls,
    contacts: node.contacts,
    lineage: () => node.recordStore.lineage(classes),
    memory: () => node.software.observeMemory(),
  })
}
