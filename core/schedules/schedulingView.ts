/**
 * The view that a scheduling function has (§4). Behind it stands a node at work
 * (`actors/upgrade/schedulingView.ts`), or one of a rehearsal (`rehearsal/rollout/`). It owns what holds for
 * both: nothing can be written through it, and how it waits.
 */

import { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import type { ReadonlyCollection } from '../model/collection.js'
import type { NodeRow } from '../model/nodeRow.js'
import type { PopulationCondition } from './population.js'
import { ownRolloutPace, type RolloutPace } from './rolloutPace.js'
import { awaitCondition } from './rowConditions.js'
import type { Contact, ObservedSimulation, SchedulingView } from './schedule.js'

/** Where a view has its answers from. Only what is committed. */
export interface ViewSource {
  readonly nodeId: string
  readonly service: string
  /** The class that the node runs now. */
  readonly className: string
  readonly servers: readonly string[]
  /** The simulation objects that have a state, oldest first. */
  simulations(): readonly Pick<ObservedSimulation, 'version' | 'className'>[]
  /**
   * The root of the object's state, or of that of the simulation object of a version: the caller's own copy.
   */
  state(of?: Version): Record<string, unknown>
  /** The names of its collections. */
  collections(of?: Version): readonly string[]
  /** One of its collections, each record the caller's own copy. */
  collection(name: string, of?: Version): ReadonlyCollection<unknown>
  /** The memory that the object offers: the caller's own copy. */
  memory(signal: AbortSignal): Promise<Record<string, unknown> | null>
  nodes(service: string | undefined, signal: AbortSignal): Promise<readonly NodeRow[]>
  table(name: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>>
  contacts(): readonly Contact[]
  calls(): { readonly answered: number; readonly failed: number }
  now(): number
  random(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** The contact with one node. Left out: it is among `contacts()` or there is none. */
  contact?(nodeId: string): Pick<Contact, 'version'> | undefined
  /** Orders of operators about the pace of this version. Left out where there are none: in a rehearsal. */
  pace?(target: Version): RolloutPace
  /** Resolves when they are others than these. */
  paceChanged?(target: Version, from: RolloutPace, signal: AbortSignal): Promise<void>
  /** Waits where it knows when to look. Undefined: the view has to look again and again. */
  awaitPopulation?(view: SchedulingView, service: string | undefined, condition: PopulationCondition): Promise<void> | undefined
}

/**
 * Not in the views: user code has these, and a source stands on the node's store and the upgrade database.
 */
const sources = new WeakMap<object, ViewSource>()

/** The source of a view, or of one that a schedule of schedules has derived from it. */
export function sourceOf(view: SchedulingView): ViewSource {
  const source = knownSource(view)
  if (source !== undefined) return source
  throw new Fault('config.invalid', 'this is no view of a scheduling function')
}

/** Undefined for a view that somebody else has made. */
export function knownSource(view: SchedulingView): ViewSource | undefined {
  for (let at: object | null = view; at !== null; at = Object.getPrototypeOf(at)) {
    const source = sources.get(at)
    if (source !== undefined) return source
  }
  return undefined
}

export class SourcedView implements SchedulingView {
  constructor(
    source: ViewSource,
    readonly target: Version,
    readonly signal: AbortSignal,
  ) {
    sources.set(this, source)
  }

  get nodeId(): string {
    return sourceOf(this).nodeId
  }

  get service(): string {
    return sourceOf(this).service
  }

  get className(): string {
    return sourceOf(this).className
  }

  get servers(): readonly string[] {
    return sourceOf(this).servers
  }

  get state(): Readonly<Record<string, unknown>> {
    return frozen(sourceOf(this).state())
  }

  collections(): readonly string[] {
    return sourceOf(this).collections()
  }

  collection(name: string): ReadonlyCollection<unknown> {
    return frozenCollection(sourceOf(this).collection(name))
  }

  simulations(): readonly ObservedSimulation[] {
    const source = sourceOf(this)
    return source.simulations().map(({ version, className }) => ({
      version,
      className,
      get state() {
        return frozen(source.state(version))
      },
      collections: () => source.collections(version),
      collection: (name) => frozenCollection(source.collection(name, version)),
    }))
  }

  async memory(): Promise<Readonly<Record<string, unknown>> | null> {
    return frozen(await sourceOf(this).memory(this.signal))
  }

  nodes(service?: string): Promise<readonly NodeRow[]> {
    return sourceOf(this).nodes(service, this.signal)
  }

  table(name: string): Promise<ReadonlyMap<string, string>> {
    return sourceOf(this).table(name, this.signal)
  }

  contacts(): readonly Contact[] {
    return sourceOf(this).contacts()
  }

  calls(): { readonly answered: number; readonly failed: number } {
    return sourceOf(this).calls()
  }

  now(): number {
    return sourceOf(this).now()
  }

  random(): number {
    return sourceOf(this).random()
  }

  until(condition: () => boolean | Promise<boolean>): Promise<void> {
    return awaitCondition(this, condition)
  }

  pace(): RolloutPace {
    return sourceOf(this).pace?.(this.target) ?? ownRolloutPace
  }

  sleep(ms: number): Promise<void> {
    if (!Number.isFinite(ms)) return Promise.reject(new Fault('config.invalid', `sleep(${ms}): use a number of milliseconds`))
    return sourceOf(this).sleep(ms, this.signal)
  }
}

function frozenCollection(records: ReadonlyCollection<unknown>): ReadonlyCollection<unknown> {
  return {
    get: (key) => frozen(records.get(key)),
    has: (key) => records.has(key),
    *entries(range = {}) {
      for (const [key, value] of records.entries(range)) yield [key, frozen(value)] as const
    },
  }
}

/** A write through a privileged observer fails loudly. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    for (const item of Object.values(value)) frozen(item)
    Object.freeze(value)
  }
  return value
}
