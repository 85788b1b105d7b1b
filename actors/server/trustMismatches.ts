/**
 * An upgrade server hears from each host whom it trusts. A host that trusts others than the server is
 * refused, unless the server trusts nobody: then the host verifies what the server does not, and rejects what
 * anybody may install there.
 *
 * O1. The trust of a host is its own word, and everybody may ask: it is said in the log, now and then, and
 *     keeps nobody from installing.
 */
import { Fault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import {
  changedRootAdvice,
  isChangedRoot,
  isSameTrust,
  isTrustMark,
  markText,
  nobodysMark,
  type TrustMark,
} from '../../core/trust/trustMark.js'

/** Hosts that trust others are told of once in so long, however many there are. */
export const otherTrustMs = 10 * 60_000

export interface TrustMismatchesOptions {
  readonly system: string
  readonly clock: Clock
  readonly observe?: HostObserver | undefined
}

export class TrustMismatches {
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly mark: TrustMark,
    private readonly options: TrustMismatchesOptions,
  ) {}

  /**
   * `asked`: what a host says of itself; one that says nothing of whom it trusts is of release 0.1.0, or is
   * none. Throws `config.other-trust`.
   */
  check(asked: unknown): void {
    const { trust } = (asked ?? {}) as Record<string, unknown>
    if (!isTrustMark(trust) || isSameTrust(trust, this.mark)) return
    const { system } = this.options
    if (this.mark.keys === nobodysMark.keys) {
      this.#tell(
        `a host trusts ${markText(trust)}, and this upgrade server trusts ${markText(this.mark)}: anybody who reaches it can install what hosts reject, and stop upgrades by that: give it the "trust" of the hosts`,
      )
      return
    }
    const advice = isChangedRoot(trust, this.mark) ? changedRootAdvice : 'give both the same "trust"'
    const message = `this host trusts ${markText(trust)}; the upgrade server of system ${system} trusts ${markText(this.mark)}: ${advice}`
    this.#tell(`a host is refused: it trusts ${markText(trust)}; "natsctl doctor" names such hosts`)
    throw new Fault('config.other-trust', message)
  }

  #tell(message: string): void {
    const { clock, observe } = this.options
    const now = clock.monotonicMs()
    if (now - this.#toldMs < otherTrustMs) return
    this.#toldMs = now
    const error = new Fault(
      'config.other-trust',
      `the upgrade server of system ${this.options.system} trusts ${markText(this.mark)}`,
    )
    observe?.({ type: 'warning', message, error })
  }
}
