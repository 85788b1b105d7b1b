/** What hosts and the upgrade database tell while they run: written into the trace, and held against what must always hold by those who watch. */
import type { HostEvent } from 'theseus'
import type { Standing } from './company.js'
import type { ControlWatch } from './controlWatch.js'
import type { DeathWatch } from './deathWatch.js'
import type { EventWatch } from './eventWatch.js'
import { isChain } from './expectations.js'
import type { Limits } from './limits.js'
import type { RetryWatch } from './operations/retryWatch.js'
import type { NodePlan, Plan } from './plan.js'
import type { UpgradeDatabase } from './stage.js'
import type { WorldTime } from './virtualTime.js'

export interface Observed {
  readonly plan: Plan
  readonly time: WorldTime
  readonly limits: Limits
  readonly controls: ControlWatch
  readonly deaths: DeathWatch
  readonly retries: RetryWatch
  readonly events: EventWatch
  readonly database: UpgradeDatabase
  node(nodeId: string): { readonly plan: NodePlan; readonly handle: Standing | undefined } | undefined
  trace(line: string): void
  violated(rule: string, what: string): void
}

export function observe(world: Observed, host: string, event: HostEvent): void {
  switch (event.type) {
    case 'phase': {
      const { nodeId, phase, target, reason } = event
      world.trace(`${nodeId} is ${phase}${target === null ? '' : ` for ${target}`}${reason === null ? '' : `: ${reason}`}`)
      const node = world.node(nodeId)
      if (node === undefined) return
      world.limits.observed(event, node.plan.service)
      world.events.phase(nodeId, phase, world.time.elapsedMs)
      world.controls.phase(nodeId, phase, target)
      world.retries.phase(nodeId, phase, target)
      const { handle } = node
      if (handle !== undefined && !isChain(world.plan, node.plan.service, handle.version, handle.chain))
        world.violated('C1', `${nodeId} at version ${handle.version} has the chain ${JSON.stringify(handle.chain)}`)
      return
    }
    case 'flipped':
      world.trace(`${event.nodeId} flips to ${event.version}, ${event.className}`)
      return
    case 'learned':
      world.trace(`${host} learns of version ${event.version}`)
      return
    case 'nodeFailed':
      world.trace(`${event.nodeId} failed: ${event.error}`)
      if (event.error instanceof Error && event.error.name === 'InvariantViolation')
        world.violated('invariant', event.error.message)
      return
    case 'deadLetter':
      world.trace(`${host} has a dead letter on ${event.subject}: ${event.fault.code} ${event.fault.message}`)
      return
    case 'warning':
      world.trace(`${host} warns: ${event.message}: ${event.error}`)
  }
}

/** A request to the upgrade database was carried out, whether its answer will arrive or not. */
export function observeRequest(world: Observed, method: string, args: readonly any[], answer: any): void {
  switch (method) {
    case 'setControl':
      world.trace(`the database has ${JSON.stringify(args[0])}`)
      world.controls.set(args[0])
      if (args[0].kind === 'retry') world.retries.askedOfVersion(args[0].version)
      return
    case 'removeControl':
      world.trace(`the database has no ${JSON.stringify(args[0])} any more`)
      world.controls.removed(args[0])
      return
    case 'forget':
      world.controls.removed({ kind: 'hold', nodeId: args[0] })
      return
    case 'register':
      if (answer.registered) world.deaths.registered(args[0].nodeId)
      return
    case 'dead':
      world.deaths.told(answer)
      return
    case 'declareDead':
      world.trace(`dead: ${JSON.stringify(answer)}`)
      world.database.nodes().then(
        (rows) => world.deaths.declared(answer, rows),
        () => {},
      )
      world.deaths.told(answer)
      return
    case 'finalize':
      world.trace(`final: ${answer}`)
      world.deaths.finalized(answer)
  }
}
