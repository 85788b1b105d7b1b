/** An action that others can ask for as often as they like: it comes at once, and again after a while. */
import type { Clock } from '../../core/ports/clock.js'

export class Paced {
  #isPausing = false
  #isAsked = false

  constructor(
    private readonly clock: Pick<Clock, 'after'>,
    private readonly gapMs: number,
    private readonly action: () => void,
  ) {}

  ask(): void {
    if (this.#isPausing) {
      this.#isAsked = true
      return
    }
    this.#isPausing = true
    this.clock.after(this.gapMs, () => {
      this.#isPausing = false
      if (!this.#isAsked) return
      this.#isAsked = false
      this.ask()
    })
    this.action()
  }
}
