/**
 * Calls that this host has denied, told to an upgrade server for the audit: how many of which caller, method
 * and fault, together, now and then.
 *
 * R1. The counters are bounded, whatever callers say of themselves: beyond, calls are counted together. One
 *     with a name takes no place of another's.
 * R2. A report is sent once. One that was not carried out is told with the next; one without an answer is not
 *     told again, for it may have been.
 */
import { inject, injectable } from 'tsyringe'
import { isFault } from '../../core/base/fault.js'
import { type DeniedCalls, shortMethod, timesOf } from '../../core/control/deniedCalls.js'
import type { Clock } from '../../core/ports/clock.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import type { Denial } from '../serving/denials.js'
import { UpgradeServerClient } from './upgradeServerClient.js'

/**
 * Callers that are counted apart, and kinds of each; what is beyond that by its fault alone. A report of all
 * is within `deniedPerReportMax`.
 */
export const deniedCallersMax = 32
export const deniedKindsPerCallerMax = 4
/** A host that stops waits so long for the answer to its last report. */
export const lastReportMs = 500

type Reporter = Pick<UpgradeServerClient, 'denied'>

@injectable()
export class DenialReports {
  #callers = new Map<string | null, Map<string, DeniedCalls>>()
  /** For its time, or for an answer. */
  #isWaiting = false
  #isStopped = false
  #cancel = () => {}

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: Pick<HostSettings, 'denialReportMs'>,
    @inject(UpgradeServerClient) private readonly server: Reporter,
  ) {}

  count({ caller: { name, node }, method, fault: { code } }: Pick<Denial, 'caller' | 'method' | 'fault'>): void {
    this.#add({ caller: { name, id: node }, method: shortMethod(method), code, times: 1 })
    this.#reportLater()
  }

  #add(denied: DeniedCalls): void {
    // Those without a name are one: what they say of themselves costs them nothing to change.
    const own = denied.caller === null ? others : denied.caller.name
    const who = this.#callers.has(own) || this.#callers.size < deniedCallersMax ? own : others
    const kinds = this.#callers.get(who) ?? new Map<string, DeniedCalls>()
    this.#callers.set(who, kinds)
    const apart = `${denied.code} ${denied.method}`
    const isApart = denied.method !== null && who !== others && (kinds.has(apart) || kinds.size < deniedKindsPerCallerMax)
    const kind = isApart ? apart : denied.code
    const { caller, method, code, times } = kinds.get(kind) ?? { ...denied, times: 0 }
    const together = isApart ? { caller, method } : { caller: who === others ? null : caller, method: null }
    kinds.set(kind, { ...together, code, times: timesOf(times, denied.times) })
  }

  /** Tells what is left. */
  async stop(): Promise<void> {
    this.#cancel()
    this.#isStopped = true
    if (this.#callers.size === 0) return
    let cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = this.clock.after(lastReportMs, resolve)
    })
    await Promise.race([this.#report(), late])
    cancel()
  }

  async #report(): Promise<void> {
    const denied = [...this.#callers.values()].flatMap((kinds) => [...kinds.values()])
    this.#callers = new Map()
    try {
      await this.server.denied(denied)
    } catch (error) {
      if (isFault(error) && error.code.startsWith('unavailable.')) for (const each of denied) this.#add(each)
    }
    this.#isWaiting = false
    if (this.#callers.size > 0) this.#reportLater()
  }

  #reportLater(): void {
    if (this.#isWaiting || this.#isStopped) return
    this.#isWaiting = true
    this.#cancel = this.clock.after(this.settings.denialReportMs, () => void this.#report())
  }
}

/** No caller has this name. */
const others = '*'
