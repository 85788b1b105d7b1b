/**
 * The parts that a host has opened so far. Each is closed in the order that is fixed here, when the host
 * stops or when it could not be started. Each part is closed, whatever closing another one throws, and none
 * is waited for longer than the budget.
 */
import type { StopBudget } from './stopBudget.js'

/**
 * In the order in which they are closed. The metrics come late: whoever asks meanwhile hears
 * that the host is not ready.
 */
const order = ['discovery', 'shards', 'host', 'neighbours', 'telemetry', 'logs', 'connections', 'store', 'metrics'] as const
export type Part = (typeof order)[number]

export class OpenParts {
  readonly #open = new Map<Part, (budget: StopBudget) => unknown>()

  add(part: Part, close: (budget: StopBudget) => unknown): void {
    this.#open.set(part, close)
  }

  /** Throws the first error, once all are closed. */
  async close(budget: StopBudget): Promise<void> {
    const errors: unknown[] = []
    for (const part of order) {
      const close = this.#open.get(part)
      if (close === undefined) continue
      try {
        await budget.forClosing(Promise.resolve(close(budget)))
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
