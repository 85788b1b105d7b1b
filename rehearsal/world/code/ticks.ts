/**
 * Timers that go on: `start()` sets one, and its command sets the next.
 *
 * A1. None multiplies: two of a node's ticks are a period apart, whatever was rebuilt, upgraded or started
 *     anew between them.
 * A2. None vanishes: a node that serves ticks.
 */

/** Longer than the longest that a schedule waits for a node to be idle. */
export const tickMs = 450
/** A clock that is set moves a timer by a moment. */
const graceMs = 10

export class TickChecker {
  readonly #lastMs = new Map<string, number>()

  constructor(
    private readonly nowMs: () => number,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  ticked(nodeId: string): void {
    const nowMs = this.nowMs()
    const lastMs = this.#lastMs.get(nodeId)
    this.#lastMs.set(nodeId, nowMs)
    if (lastMs !== undefined && nowMs - lastMs < tickMs - graceMs)
      this.violated('A1', `${nodeId} ticks ${nowMs - lastMs} ms after its last tick; every ${tickMs} ms it should`)
  }

  /** Its process is gone, and its timers with it. */
  died(nodeId: string): void {
    this.#lastMs.delete(nodeId)
  }

  /** A node that serves, and has done so for longer than two periods. */
  checkTicking(nodeId: string): void {
    const lastMs = this.#lastMs.get(nodeId)
    const forMs = lastMs === undefined ? Number.POSITIVE_INFINITY : this.nowMs() - lastMs
    if (forMs > 2 * tickMs) this.violated('A2', `${nodeId} has not ticked for ${forMs} ms; every ${tickMs} ms it should`)
  }
}
