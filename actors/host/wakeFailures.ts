/** Nodes that could not be woken: for a while their calls are refused alike. */
import type { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'

/** So long after a node could not be woken it is not tried again; and of so many nodes at most. */
const failureMs = 500
const failuresMax = 10_000

export class WakeFailures {
  readonly #failures = new Map<string, { readonly fault: Fault; readonly untilMs: number }>()

  constructor(private readonly clock: Clock) {}

  add(nodeId: string, fault: Fault): void {
    if (this.#failures.size >= failuresMax) this.#failures.clear()
    this.#failures.set(nodeId, { fault, untilMs: this.clock.monotonicMs() + failureMs })
  }

  delete(nodeId: string): void {
    this.#failures.delete(nodeId)
  }

  /** Throws the fault. */
  check(nodeId: string): void {
    const failure = this.#failures.get(nodeId)
    if (failure !== undefined && failure.untilMs > this.clock.monotonicMs()) throw failure.fault
  }
}
