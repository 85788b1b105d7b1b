/**
 * Which events a ledger may have missed. That it hears none twice and none of a command that failed, the
 * model tells, for what it hears it writes down.
 *
 * E1. Where nothing goes wrong on the way, a ledger that is there the whole time hears every event.
 */
import type { Phase } from 'theseus-actors'
import type { CallStep } from './calls.js'
import { classUpgradeOf } from './classSpecs.js'
import type { Plan, Step } from './plan.js'

interface Announced {
  readonly op: string
  readonly fromMs: number
  readonly toMs: number
}

const serving: ReadonlySet<Phase> = new Set<Phase>(['current', 'fetching', 'verifying', 'scheduled', 'stalled'])
/** Steps that cost nobody an event. */
export const harmlessSteps: ReadonlySet<Step['kind']> = new Set<Step['kind']>([
  'call',
  'publish',
  'join',
  'pause',
  'hold',
  'now',
  'retryVersion',
  'permit',
  'unannounced',
])
/** An event is heard within the deadline of a call, if at all. */
const heardWithinMs = 1_500
/** Longer than a call of a plan takes that waits for no other one. */
const busyForMs = 500

export class EventChecker {
  readonly #announced: Announced[] = []
  /** When each node served and when not, in order. */
  readonly #phases = new Map<string, { readonly atMs: number; readonly isServing: boolean }[]>()
  /** Since when each node runs what it runs, and when each did so for long. */
  readonly #busySinceMs = new Map<string, number>()
  readonly #busy = new Map<string, { readonly fromMs: number; readonly toMs: number }[]>()
  readonly #mayMiss: boolean

  constructor(private readonly plan: Plan) {
    const isCut = plan.upgrades.some(({ bundle }, i) => {
      const upgrade = classUpgradeOf(plan, 'ledger', i + 1)
      return bundle !== 'good' || upgrade?.futureSO === 'none' || upgrade?.pastSO === 'none'
    })
    const isSlow = plan.habits.includes('endless')
    this.#mayMiss = isCut || isSlow || plan.deaths !== null || plan.steps.some(({ kind }) => !harmlessSteps.has(kind))
  }

  phase(nodeId: string, phase: Phase, atMs: number): void {
    const phases = this.#phases.get(nodeId) ?? []
    this.#phases.set(nodeId, phases)
    phases.push({ atMs, isServing: serving.has(phase) })
  }

  /** Calls that cross wait for each other until their deadline, and what comes meanwhile waits for them. */
  runs(nodeId: string, count: number, atMs: number): void {
    const fromMs = this.#busySinceMs.get(nodeId) ?? atMs
    if (count > 0) {
      this.#busySinceMs.set(nodeId, fromMs)
      return
    }
    this.#busySinceMs.delete(nodeId)
    if (atMs - fromMs > busyForMs) this.#busy.set(nodeId, [...(this.#busy.get(nodeId) ?? []), { fromMs, toMs: atMs }])
  }

  announced(op: string, { deadlineMs }: CallStep, fromMs: number, toMs: number): void {
    // It has no more time than the command that it comes from.
    if (deadlineMs >= 1_000) this.#announced.push({ op, fromMs, toMs })
  }

  /** The events that this ledger must have heard. */
  dueTo(nodeId: string): readonly string[] {
    if (this.#mayMiss) return []
    return this.#announced
      .filter(({ fromMs, toMs }) => this.#isThere(nodeId, fromMs - 100, toMs + heardWithinMs))
      .filter(({ fromMs, toMs }) => !this.#isLingering(fromMs, toMs) && !this.#isBusy(nodeId, fromMs, toMs))
      .map(({ op }) => op)
  }

  #isThere(nodeId: string, fromMs: number, toMs: number): boolean {
    const phases = this.#phases.get(nodeId) ?? []
    const before = phases.findLast(({ atMs }) => atMs <= fromMs)
    return (before?.isServing ?? false) && phases.every(({ atMs, isServing }) => atMs <= fromMs || atMs > toMs || isServing)
  }

  #isBusy(nodeId: string, fromMs: number, toMs: number): boolean {
    const busy = this.#busy.get(nodeId) ?? []
    return busy.some((each) => each.fromMs < toMs + heardWithinMs && each.toMs > fromMs)
  }

  /** Calls that linger may keep a mailbox for longer than an event waits. */
  #isLingering(fromMs: number, toMs: number): boolean {
    return this.plan.steps.some(
      (step) =>
        step.kind === 'call' &&
        'manner' in step.asked &&
        step.asked.manner === 'lingering' &&
        step.atMs > fromMs - 4_000 &&
        step.atMs < toMs + heardWithinMs,
    )
  }
}
