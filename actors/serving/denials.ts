/**
 * Calls that were denied, for whoever watches the host: the first of its kind at once, those of the next
 * second together. A caller that is denied a thousand times a second must not fill a log.
 */
import { type InjectionToken, inject, injectable } from 'tsyringe'
import type { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import type { CallerInfo } from '../../core/wire/callerInfo.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

export interface Denial {
  readonly nodeId: string
  readonly caller: CallerInfo
  readonly method: string
  readonly label: Version
  readonly fault: Fault
}

/** Counts them for the audit. */
export interface DenialCounter {
  count(denial: Denial): void
}

export const denialCounter = Symbol.for('theseus.denialCounter') as InjectionToken<DenialCounter>

interface Told {
  readonly denial: Denial
  /** How many came after the one that was told of. */
  more: number
}

@injectable()
export class Denials {
  readonly #told = new Map<string, Told>()
  #others = 0

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
    @inject(denialCounter) private readonly counter: DenialCounter,
  ) {}

  tell(denial: Denial): void {
    this.counter.count(denial)
    const { nodeId, caller, method, fault } = denial
    const kind = `${nodeId} ${caller.name ?? `${caller.node} (unnamed)`} ${method} ${fault.code}`
    const told = this.#told.get(kind)
    if (told !== undefined) {
      told.more++
      return
    }
    if (this.#told.size === 0) this.clock.after(this.settings.denialsMs, () => this.#tellRest())
    if (this.#told.size >= this.settings.denialsMax) {
      this.#others++
      return
    }
    this.#told.set(kind, { denial, more: 0 })
    this.observe({ type: 'denied', ...denial, count: 1 })
  }

  #tellRest(): void {
    const told = [...this.#told.values()]
    this.#told.clear()
    for (const { denial, more } of told) if (more > 0) this.observe({ type: 'denied', ...denial, count: more })
    if (this.#others === 0) return
    const message = `${this.#others} calls more were denied than can be told one by one`
    this.#others = 0
    this.observe({ type: 'warning', message, error: undefined })
  }
}
