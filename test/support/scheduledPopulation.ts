/**
 * Many nodes that run a schedule each, on a clock of their own: the upgrade database is what they have
 * reported, an upgrade takes a while, during which the node does not serve, and limits are enforced as the
 * upgrade manager does it.
 */
import { notServing } from '../../core/base/phases.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { Random } from '../../core/ports/random.js'
import { ownRolloutPace, type RolloutPace } from '../../core/schedules/rolloutPace.js'
import { awaitCondition } from '../../core/schedules/rowConditions.js'
import type { Contact, Schedule, SchedulingView } from '../../core/schedules/schedule.js'
import { permitsAllowed } from '../../core/schedules/serviceLimit.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { ManualClock } from './manualClock.js'

export interface PopulationNode {
  readonly nodeId: string
  readonly service?: string
  readonly className?: string
  readonly alive?: boolean
  readonly schedule: Schedule
  /** Nodes it has recently exchanged calls with. */
  readonly contacts?: readonly string[]
  /** The services that its class calls. */
  readonly servers?: readonly string[]
}

export const target = 1

export class ScheduledPopulation {
  readonly clock: ManualClock
  readonly random: Random
  readonly #rows = new Map<string, NodeRow>()
  readonly #answered = new Map<string, number>()
  /** Node ids in the order in which they signalled. */
  readonly signalled: string[] = []
  /** The exception of a schedule. */
  readonly failures: unknown[] = []
  readonly stop = new AbortController()
  /** Wakes each of those that sleep, when all stops. The signal would look through all who ever slept. */
  readonly #sleeping = new Set<(reason: unknown) => void>()

  constructor(
    seed: number,
    readonly members: readonly PopulationNode[],
    startMs = 0,
    /** As operators have ordered it. */
    private readonly pace: RolloutPace = ownRolloutPace,
  ) {
    this.clock = new ManualClock(startMs)
    this.random = seededRandom(seed)
    const { signal } = this.stop
    const wakeAll = () => {
      for (const wake of this.#sleeping) wake(signal.reason)
    }
    signal.addEventListener('abort', wakeAll, { once: true })
    for (const member of members) {
      this.set(member.nodeId, {
        nodeId: member.nodeId,
        service: member.service ?? 'pages',
        className: member.className ?? 'Pages.v1',
        version: 0,
        phase: 'scheduled',
        target,
        reason: null,
        hostId: 'h1',
        directoryId: member.nodeId,
        since: 0,
        alive: member.alive ?? true,
      })
    }
    for (const member of members) if (member.alive !== false) void this.#upgrade(member)
  }

  row(nodeId: string): NodeRow {
    return this.#rows.get(nodeId)!
  }

  get rows(): readonly NodeRow[] {
    return [...this.#rows.values()]
  }

  set(nodeId: string, change: Partial<NodeRow>): void {
    this.#rows.set(nodeId, { ...(this.#rows.get(nodeId) as NodeRow), ...change })
  }

  isServing(nodeId: string): boolean {
    const row = this.row(nodeId)
    return row.alive && !notServing.has(row.phase)
  }

  /** Those away for their upgrade now. */
  get away(): readonly string[] {
    return this.rows.filter(({ phase }) => notServing.has(phase)).map(({ nodeId }) => nodeId)
  }

  get upgraded(): readonly string[] {
    return this.rows.filter(({ version }) => version >= target).map(({ nodeId }) => nodeId)
  }

  answerCall(nodeId: string): void {
    this.#answered.set(nodeId, (this.#answered.get(nodeId) ?? 0) + 1)
  }

  /** Moves the clock; `each` is called whenever all is quiet. */
  runFor(ms: number, each: () => void = () => {}): Promise<void> {
    return this.clock.runUntil(this.clock.monotonicMs() + ms, each)
  }

  async #upgrade(member: PopulationNode): Promise<void> {
    try {
      await member.schedule.run(this.#view(member))
    } catch (error) {
      if (!this.stop.signal.aborted) this.failures.push(error)
      return
    }
    this.signalled.push(member.nodeId)
    const { service } = this.row(member.nodeId)
    const isFull = () => {
      const rows = this.rows.filter((row) => row.service === service)
      return rows.filter(({ phase }) => notServing.has(phase)).length >= permitsAllowed(member.schedule.limit ?? {}, rows.length)
    }
    while (isFull()) await this.#sleep(100)
    this.set(member.nodeId, { phase: 'draining' })
    await this.#sleep(200 + this.random.next() * 2000)
    this.set(member.nodeId, {
      phase: 'current',
      version: target,
      className: `${this.row(member.nodeId).className}+`,
      target: null,
      since: this.clock.now(),
    })
  }

  #view(member: PopulationNode): SchedulingView {
    const population = this
    const { nodeId } = member
    return {
      nodeId,
      service: this.row(nodeId).service,
      target,
      get className() {
        return population.row(nodeId).className
      },
      servers: member.servers ?? [],
      state: {},
      collections: () => [],
      simulations: () => [],
      memory: async () => null,
      collection: () => ({ get: () => undefined, has: () => false, entries: () => [] }),
      nodes: async (service) => this.rows.filter((row) => service === undefined || row.service === service),
      table: async () => new Map(),
      pace: () => this.pace,
      contacts: () => (member.contacts ?? []).map((id): Contact => ({ ...this.row(id), ageMs: 10 })),
      calls: () => ({ answered: this.#answered.get(nodeId) ?? 0, failed: 0 }),
      now: () => this.clock.now(),
      random: () => this.random.next(),
      sleep: (ms) => this.#sleep(ms),
      until(condition) {
        return awaitCondition(this, condition)
      },
      signal: this.stop.signal,
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleeping.add(reject)
      this.clock.after(ms, () => {
        this.#sleeping.delete(reject)
        resolve()
      })
    })
  }
}

/** `n1` … `n<count>`, padded so that their order is the order of their numbers. */
export function nodeIds(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `n${String(i + 1).padStart(String(count).length, '0')}`)
}
