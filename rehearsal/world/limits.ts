/**
 * Watches the phases that nodes tell of: how many of a service are away for an upgrade at once, and whether what stops an upgrade is what the
 * plan has in store for it.
 *
 * L1. No more nodes of a service are away than its limit allows (DESIGN §5): each counts from `draining` until it serves, dead or alive.
 */
import type { HostEvent, Phase } from 'theseus'
import { slotsAllowed, strictestLimit } from '../../core/ports/upgradeDatabase.js'
import type { Plan, ServiceName } from './plan.js'
import { classUpgradeOf } from './specs.js'

type PhaseEvent = Extract<HostEvent, { type: 'phase' }>

const away: ReadonlySet<Phase> = new Set<Phase>(['draining', 'transforming', 'checking', 'flipping', 'recovering'])

export class Limits {
  readonly #away = new Map<ServiceName, Set<string>>([
    ['ledger', new Set()],
    ['teller', new Set()],
  ])

  constructor(
    private readonly plan: Plan,
    /** How many nodes of a service may be registered, at most. */
    private readonly registered: (service: ServiceName) => number,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  observed({ nodeId, phase, target, reason }: PhaseEvent, service: ServiceName): void {
    const gone = this.#away.get(service)!
    if (away.has(phase)) gone.add(nodeId)
    // A node that fails has not come back.
    else if (phase !== 'failed') gone.delete(nodeId)
    if (phase === 'draining' && target !== null) this.#check(service, target, gone)
    if (phase === 'stalled' && !reasonsFor(reason)) this.violated('C10', `${nodeId} is stalled, and says only: ${reason}`)
  }

  forgotten(nodeId: string): void {
    for (const gone of this.#away.values()) gone.delete(nodeId)
  }

  #check(service: ServiceName, target: number, gone: ReadonlySet<string>): void {
    const schedule = classUpgradeOf(this.plan, service, target)?.schedule
    const limit = strictestLimit([this.plan.limit, schedule?.kind === 'atMost' ? { nodes: schedule.nodes } : {}])
    const allowed = slotsAllowed(limit, this.registered(service))
    if (gone.size > allowed) {
      this.violated('L1', `${[...gone].join(', ')} of ${service} are away at once; ${allowed} may be`)
    }
  }
}

/** What an operator reads must say what is wrong: the plan's own troubles, a disk, or time that ran out. A broken invariant is none of these. */
function reasonsFor(reason: string | null): boolean {
  return reason !== null && /fails|did not finish|disk|written|was lost|host ended|not executed|storage|stopped/.test(reason)
}
