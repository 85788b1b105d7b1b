/**
 * Counts how often a stalled node tries again, and what it was asked.
 *
 * P4. A stalled node tries again once for each retry that is asked of it, or of its version, and never by
 *     itself: not after a restart either. It heeds an order that the upgrade database has while it is
 *     stalled, and none that has been replaced by then. One that a loss brings back is an order for those
 *     who have not heeded it.
 */
import type { Phase, Version } from 'theseus-actors'
import type { Control } from '../../../core/control/control.js'

interface Stalled {
  readonly target: Version
  readonly sinceMs: number
  /** It has left its stall, and is to be seen ending the try. */
  readonly isTrying: boolean
}

interface Order {
  readonly token: string
  /** When the database had it last; infinity while it has it. */
  readonly untilMs: number
}

interface Tries {
  count: number
  /** Asked of the node itself, through its handle. */
  asked: number
  /** The tokens of the orders that it has heeded. */
  readonly heeded: Set<string>
}

const ended: ReadonlySet<Phase> = new Set<Phase>(['stalled', 'rejected'])

export class RetryChecker {
  readonly #stalled = new Map<string, Stalled>()
  /** By version; each token once. */
  readonly #orders = new Map<Version, readonly Order[]>()
  /** By `<node> <version>`. */
  readonly #tries = new Map<string, Tries>()

  constructor(
    /**
     * Nothing is said where a node's record can't be written: it restarts from the one before, and knows
     * nothing of its stall.
     */
    private readonly mayForget: boolean,
    /** An order that a host has read may be replaced so long before the host hears of it. */
    private readonly graceMs: number,
    private readonly nowMs: () => number,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  askedOfVersion(version: Version, token: string): void {
    const others = this.#replaced(version).filter((order) => order.token !== token)
    this.#orders.set(version, [...others, { token, untilMs: Number.POSITIVE_INFINITY }])
  }

  /** The database has lost some orders, or has some again. */
  are(controls: readonly Control[]): void {
    for (const version of this.#orders.keys()) this.#orders.set(version, this.#replaced(version))
    for (const control of controls) if (control.kind === 'retry') this.askedOfVersion(control.version, control.token)
  }

  /** Through its handle. */
  askedOf(nodeId: string): void {
    const stalled = this.#stalled.get(nodeId)
    if (stalled !== undefined) this.#triesOf(nodeId, stalled.target).asked++
  }

  phase(nodeId: string, phase: Phase, target: Version | null): void {
    const stalled = this.#stalled.get(nodeId)
    const isSame = stalled !== undefined && stalled.target === target
    if (target === null || (!ended.has(phase) && !isSame)) this.#stalled.delete(nodeId)
    else if (!ended.has(phase)) this.#stalled.set(nodeId, { ...stalled!, isTrying: true })
    // A node that restarts from disk meanwhile says again what it does.
    else if (!isSame || stalled.isTrying) {
      this.#stalled.set(nodeId, { target, sinceMs: this.nowMs(), isTrying: false })
      if (isSame) this.#tried(nodeId, stalled)
    }
  }

  /** A process that died in the middle of a try may make it once more. */
  died(nodeId: string): void {
    this.#stalled.delete(nodeId)
  }

  /** Its disk is an old one: what it was asked since, it has not heard. */
  restored(nodeId: string): void {
    for (const key of [...this.#tries.keys()]) if (key.startsWith(`${nodeId} `)) this.#tries.delete(key)
  }

  #replaced(version: Version): readonly Order[] {
    const nowMs = this.nowMs()
    return (this.#orders.get(version) ?? []).map(({ token, untilMs }) => ({ token, untilMs: Math.min(untilMs, nowMs) }))
  }

  #triesOf(nodeId: string, target: Version): Tries {
    const key = `${nodeId} ${target}`
    const found = this.#tries.get(key) ?? { count: 0, asked: 0, heeded: new Set() }
    this.#tries.set(key, found)
    return found
  }

  #tried(nodeId: string, { target, sinceMs }: Stalled): void {
    if (this.mayForget) return
    const tries = this.#triesOf(nodeId, target)
    tries.count++
    // The one that can be heeded for the shortest time: the others may be heeded by later tries.
    const order = (this.#orders.get(target) ?? [])
      .filter(({ token, untilMs }) => untilMs >= sinceMs - this.graceMs && !tries.heeded.has(token))
      .reduce<Order | undefined>(
        (first, each) => (first !== undefined && first.untilMs <= each.untilMs ? first : each),
        undefined,
      )
    if (order !== undefined) tries.heeded.add(order.token)
    else if (tries.asked > 0) tries.asked--
    else this.violated('P4', `${nodeId} has tried version ${target} again ${tries.count} times, the last of them unasked`)
  }
}
