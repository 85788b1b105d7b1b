/**
 * Watches the phases that nodes tell of: how many of a service are away for an upgrade at once, and whether
 * what stops an upgrade is what the plan has in store for it.
 *
 * L1. No more nodes of a service are away than its limit allows (DESIGN §5): each counts from `draining`
 *     until it serves, dead or alive. After a loss the upgrade database knows only of those whose hosts are
 *     heard before its probation ends.
 */
import type { HostEvent } from 'theseus-actors'
import { isOfStage } from '../../core/base/phases.js'
import { permitsAllowed, strictestLimit } from '../../core/schedules/serviceLimit.js'
import { classUpgradeOf } from './classSpecs.js'
import type { Concern } from './operations/groupChecker.js'
import type { Plan, ServiceName } from './plan.js'

type PhaseEvent = Extract<HostEvent, { type: 'phase' }>

export class Limits {
  /** The nodes that are away, and how many its own upgrade lets be. */
  readonly #away = new Map<ServiceName, Map<string, number>>([
    ['ledger', new Map()],
    ['teller', new Map()],
  ])
  readonly #forgotten = new Set<string>()

  constructor(
    private readonly plan: Plan,
    /** How many nodes of a service may be registered, at most. */
    private readonly registered: (service: ServiceName) => number,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  observed({ nodeId, phase, target, reason }: PhaseEvent, service: ServiceName, concern: Concern = 'itself'): void {
    const gone = this.#away.get(service)!
    if (this.#forgotten.has(nodeId) && isOfStage(phase, 'changing')) return
    this.#forgotten.delete(nodeId)
    if (isOfStage(phase, 'changing') && target !== null) gone.set(nodeId, this.#allowed(service, target, concern))
    // A node that fails has not come back.
    else if (phase !== 'failed') gone.delete(nodeId)
    if (phase === 'draining') this.#check(service, gone)
    if (phase === 'stalled' && !reasonsFor(reason)) this.violated('C10', `${nodeId} is stalled, and says only: ${reason}`)
  }

  /** The same in the process that the node leaves: where it serves again, it has given its permit back. */
  observedBefore({ nodeId, phase }: PhaseEvent, service: ServiceName): void {
    if (!isOfStage(phase, 'changing') && phase !== 'failed') this.#away.get(service)!.delete(nodeId)
  }

  /**
   * The database has its permit back, from a process that was killed before it could tell that
   * the node serves again.
   */
  releasedBy(nodeId: string, isHeard: boolean): void {
    // One that lives tells of each phase: if it gives a permit back before the node serves, that is its
    // fault.
    if (!isHeard) for (const gone of this.#away.values()) gone.delete(nodeId)
  }

  /** Its permit went with it, also if it comes back in the middle of its upgrade. */
  forgotten(nodeId: string): void {
    this.#forgotten.add(nodeId)
    for (const gone of this.#away.values()) gone.delete(nodeId)
  }

  /** The probation of a database that has lost something is over. */
  probationOver(isHeard: (nodeId: string) => boolean): void {
    const away = [...this.#away.values()].flatMap((gone) => [...gone.keys()])
    for (const nodeId of away) if (!isHeard(nodeId)) this.forgotten(nodeId)
  }

  /**
   * Each was let go under its own upgrade's limit, the last of them beside all others. The last
   * of them can't be told from here.
   */
  #check(service: ServiceName, gone: ReadonlyMap<string, number>): void {
    const allowed = Math.max(...gone.values())
    if (gone.size > allowed) {
      this.violated('L1', `${[...gone.keys()].join(', ')} of ${service} are away at once; ${allowed} may be`)
    }
  }

  /** A member of a group that the upgrade leaves alone goes under the limit of the hosts. */
  #allowed(service: ServiceName, target: number, concern: Concern): number {
    const schedule = concern === 'itself' ? classUpgradeOf(this.plan, service, target)?.schedule : undefined
    const limit = strictestLimit([this.plan.limit, schedule?.kind === 'atMost' ? { nodes: schedule.nodes } : {}])
    return permitsAllowed(limit, this.registered(service))
  }
}

/**
 * The reason that an operator reads must say what is wrong: the plan's own troubles, a disk, or time that ran
 * out. A broken invariant is none of these.
 */
function reasonsFor(reason: string | null): boolean {
  return (
    reason !== null &&
    /fails|did not finish|disk|written|was lost|log is full|host ended|not executed|storage|stopped/.test(reason)
  )
}
