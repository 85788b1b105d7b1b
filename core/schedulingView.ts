/**
 * What a scheduling function sees (§4), over whatever stands behind it: a node at work (`actors/schedulingView.ts`), or one of a rehearsal
 * (`rehearsal/rollout/`). It owns what holds for both: nothing can be written through it, and how it waits.
 */
import type { ReadonlyCollection } from './collection.js'
import type { Version } from './ids.js'
import type { NodeRow } from './ports/upgradeDatabase.js'
import type { Contact, SchedulingView } from './schedule.js'
import { awaitCondition } from './schedules/population.js'

/** Where a view has its answers from. Only what is committed. */
export interface ViewSource {
  readonly nodeId: string
  readonly service: string
  /** The class that the node runs now. */
  readonly className: string
  /** The root of the node's state: the caller's own copy. */
  state(): Record<string, unknown>
  /** One of its collections, each record the caller's own copy. */
  collection(name: string): ReadonlyCollection<unknown>
  nodes(service: string | undefined, signal: AbortSignal): Promise<readonly NodeRow[]>
  table(name: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>>
  contacts(): readonly Contact[]
  calls(): { readonly answered: number; readonly failed: number }
  now(): number
  random(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** Schedules made of schedules derive views from this one: nothing in it may be `#private`. */
export class SourcedView implements SchedulingView {
  constructor(
    protected readonly source: ViewSource,
    readonly target: Version,
    readonly signal: AbortSignal,
  ) {}

  get nodeId(): string {
    return this.source.nodeId
  }

  get service(): string {
    return this.source.service
  }

  get className(): string {
    return this.source.className
  }

  get state(): Readonly<Record<string, unknown>> {
    return frozen(this.source.state())
  }

  collection(name: string): ReadonlyCollection<unknown> {
    const records = this.source.collection(name)
    return {
      get: (key) => frozen(records.get(key)),
      has: (key) => records.has(key),
      *entries(range = {}) {
        for (const [key, value] of records.entries(range)) yield [key, frozen(value)] as const
      },
    }
  }

  nodes(service?: string): Promise<readonly NodeRow[]> {
    return this.source.nodes(service, this.signal)
  }

  table(name: string): Promise<ReadonlyMap<string, string>> {
    return this.source.table(name, this.signal)
  }

  contacts(): readonly Contact[] {
    return this.source.contacts()
  }

  calls(): { readonly answered: number; readonly failed: number } {
    return this.source.calls()
  }

  now(): number {
    return this.source.now()
  }

  random(): number {
    return this.source.random()
  }

  until(condition: () => boolean | Promise<boolean>): Promise<void> {
    return awaitCondition(this, condition)
  }

  sleep(ms: number): Promise<void> {
    return this.source.sleep(ms, this.signal)
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
