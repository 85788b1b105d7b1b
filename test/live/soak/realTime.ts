/** The time of a soak: the machine's own. */
import type { WorldTime } from '../../../rehearsal/world/virtualTime.js'

export class RealTime implements WorldTime {
  readonly #startMs = performance.now()

  get elapsedMs(): number {
    return performance.now() - this.#startMs
  }

  now(): number {
    return Date.now()
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms))
  }

  after(ms: number, action: () => void): () => void {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  }
}
