/**
 * The controls of the system, as the nodes of this host see them: read from the upgrade database while
 * somebody waits for one, once for all of them.
 */
import { inject, injectable } from 'tsyringe'
import type { Control } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

interface Waiter {
  readonly holds: (controls: readonly Control[]) => boolean
  readonly resolve: (controls: readonly Control[]) => void
}

@injectable()
export class Controls {
  readonly #waiting = new Set<Waiter>()
  #latest: readonly Control[] = []
  #isReading = false

  constructor(
    @inject(tokens.database) private readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {}

  /** As they were last read; none before the first reading. */
  get latest(): readonly Control[] {
    return this.#latest
  }

  /** Resolves with the controls when they are such that `holds`. Rejects when the signal is aborted. */
  until(holds: Waiter['holds'], signal: AbortSignal): Promise<readonly Control[]> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      const waiter: Waiter = {
        holds,
        resolve: (controls) => {
          signal.removeEventListener('abort', stop)
          resolve(controls)
        },
      }
      const stop = () => {
        this.#waiting.delete(waiter)
        reject(signal.reason)
      }
      signal.addEventListener('abort', stop, { once: true })
      this.#waiting.add(waiter)
      this.#read()
    })
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    this.database
      .controls()
      .then(
        (controls) => this.#tell(controls),
        // Asked again soon: without the database nobody is told anything.
        () => {},
      )
      .finally(() => {
        this.clock.after(this.settings.controlsMs * (1 + this.random.next() / 4), () => {
          this.#isReading = false
          if (this.#waiting.size > 0) this.#read()
        })
      })
  }

  #tell(controls: readonly Control[]): void {
    this.#latest = controls
    for (const waiter of [...this.#waiting]) {
      if (!waiter.holds(controls)) continue
      this.#waiting.delete(waiter)
      waiter.resolve(controls)
    }
  }
}
