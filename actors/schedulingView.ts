/** What a scheduling function sees of its node (§4): everything, read-only, and only what is committed. */
import { unpack } from '../core/codec.js'
import type { ReadonlyCollection } from '../core/collection.js'
import { isFault } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { keys, type LazySlot, type NodeRecord } from '../core/nodeRecord.js'
import type { Clock } from '../core/ports/clock.js'
import type { Random } from '../core/ports/random.js'
import type { StateStore } from '../core/ports/stateStore.js'
import type { NodeRow, UpgradeDatabase } from '../core/ports/upgradeDatabase.js'
import type { RecordRules } from '../core/recordTransform.js'
import type { Contact, SchedulingView } from '../core/schedule.js'
import { awaitCondition } from '../core/schedules/population.js'
import type { Contacts } from './contacts.js'
import { LazyRecords } from './lazyRecords.js'
import type { Population } from './population.js'
import type { HostSettings } from './settings.js'
import { backoffMs, sleep } from './timeouts.js'

export interface ViewParts {
  readonly record: () => NodeRecord
  readonly rulesOf: (lazy: LazySlot) => RecordRules
  readonly calls: () => { readonly answered: number; readonly failed: number }
  readonly store: StateStore
  readonly population: Population
  readonly database: UpgradeDatabase
  readonly contacts: Contacts
  readonly clock: Clock
  readonly random: Random
  readonly settings: HostSettings
}

/** Schedules made of schedules derive views from this one: nothing in it may be `#private`. */
export class NodeSchedulingView implements SchedulingView {
  constructor(
    private readonly parts: ViewParts,
    readonly target: Version,
    readonly signal: AbortSignal,
  ) {}

  get nodeId(): string {
    return this.parts.record().nodeId
  }

  get service(): string {
    return this.parts.record().service
  }

  get className(): string {
    return this.parts.record().generation.className
  }

  get state(): Readonly<Record<string, unknown>> {
    const { nodeId, generation } = this.parts.record()
    const packed = this.parts.store.get(keys.root(nodeId, generation.object))
    return packed === undefined ? {} : frozen(unpack(packed) as Record<string, unknown>)
  }

  collection(name: string): ReadonlyCollection<unknown> {
    const { nodeId, generation } = this.parts.record()
    const { object, lazy = {} } = generation
    const records = new LazyRecords(nodeId, this.parts.store, (slot) => lazy[slot], this.parts.rulesOf)
    const get = (key: string) => frozen(records.get(object, name, key))
    return {
      get,
      has: (key) => get(key) !== undefined,
      *entries({ from = '', to, limit = Number.POSITIVE_INFINITY } = {}) {
        let left = limit
        for (const [key, record] of records.entries(object, name, from, to)) {
          if (left-- <= 0) return
          yield [key, frozen(record)] as const
        }
      },
    }
  }

  nodes(service?: string): Promise<readonly NodeRow[]> {
    return untilAnswered(this.parts, this.signal, () => this.parts.population.nodes(service))
  }

  table(name: string): Promise<ReadonlyMap<string, string>> {
    return untilAnswered(this.parts, this.signal, () => this.parts.database.table(name))
  }

  contacts(): readonly Contact[] {
    return this.parts.contacts.list()
  }

  calls(): { readonly answered: number; readonly failed: number } {
    return this.parts.calls()
  }

  now(): number {
    return this.parts.clock.now()
  }

  random(): number {
    return this.parts.random.next()
  }

  until(condition: () => boolean | Promise<boolean>): Promise<void> {
    return awaitCondition(this, condition)
  }

  sleep(ms: number): Promise<void> {
    return sleep(this.parts.clock, ms, this.signal)
  }
}

/** Waits while the database is away: a schedule that needs it must not decide without it. What is asked wrongly is thrown. */
async function untilAnswered<T>({ clock, random, settings }: ViewParts, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
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

/** A write through a privileged observer fails loudly. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    for (const item of Object.values(value)) frozen(item)
    Object.freeze(value)
  }
  return value
}
