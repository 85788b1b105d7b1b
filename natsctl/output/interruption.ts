/**
 * Ctrl-C, and the other ways in which somebody ends this process. It hears from the moment that it is made:
 * make it before the first thing that must be undone, or a signal that comes early ends the process and
 * leaves that thing behind.
 */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Interruption {
  /** Resolves when somebody ends the process. Never rejects. */
  readonly asked: Promise<void>
  readonly #hear: (signal: NodeJS.Signals) => void

  /**
   * @param isMeant whether a signal is for this one; another part of the process may hear the
   *   same, and end in its own way
   */
  constructor(isMeant: (signal: NodeJS.Signals) => boolean = () => true) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.asked = promise
    this.#hear = (signal) => {
      if (isMeant(signal)) resolve()
    }
    for (const signal of endings) process.on(signal, this.#hear)
  }

  /** From now on signals do again as they did before. */
  close(): void {
    for (const signal of endings) process.off(signal, this.#hear)
  }
}
