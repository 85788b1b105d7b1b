/**
 * The reports of hosts and the upgrade database while they run: written into the trace, and held by the
 * watches against what must always hold.
 */
import { type HostEvent, isFault, type Version } from 'theseus-actors'
import { isOfStage } from '../../core/base/phases.js'
import type { Control, ControlName } from '../../core/control/control.js'
import type { Order, OrderResult } from '../../core/control/directive.js'
import type { Signed } from '../../core/trust/signed.js'
import type { RunningNode } from './cluster.js'
import type { CodeCheckers } from './code/codeCheckers.js'
import type { ControlChecker } from './controlChecker.js'
import type { DeadVersionChecker } from './deadVersionChecker.js'
import type { EventChecker } from './eventChecker.js'
import { isChain } from './expectations.js'
import type { Limits } from './limits.js'
import { concernOf } from './operations/groupChecker.js'
import type { LeaseChecker } from './operations/leaseChecker.js'
import type { OrderChecker } from './operations/orderChecker.js'
import type { RetryChecker } from './operations/retryChecker.js'
import type { NodePlan, Plan } from './plan.js'
import type { UpgradeDatabase } from './processEnvironment.js'
import type { ShardedNodes } from './shards/shardedNodes.js'
import type { WorldTime } from './virtualTime.js'

export interface Observed {
  readonly plan: Plan
  readonly time: WorldTime
  readonly limits: Limits
  readonly controls: ControlChecker
  readonly deaths: DeadVersionChecker
  readonly retries: RetryChecker
  readonly orders: OrderChecker
  readonly events: EventChecker
  readonly leases: LeaseChecker
  readonly code: CodeCheckers
  readonly database: UpgradeDatabase
  readonly sharded?: ShardedNodes | undefined
  /** Nodes that are on their way to another host, where they are not up yet. */
  readonly moving: ReadonlySet<string>
  isAlive(nodeId: string): boolean
  node(nodeId: string): { readonly plan: NodePlan; readonly handle: RunningNode | undefined } | undefined
  /** This host knows that another is to have the node. */
  leaves(nodeId: string, host: string): void
  /** Whether the node is about to carry out once more what it has done. */
  replays(nodeId: string, isReplaying: boolean): void
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
      // A host that does not know yet that its node is to be elsewhere. Until it is, what it
      // begins there also ends there.
      if (node.plan.host !== host) {
        if (world.moving.has(nodeId)) world.limits.observedBefore(event, node.plan.service)
        return
      }
      const concern = target === null ? 'itself' : concernOf(world.plan, node.plan, target)
      // A group needs no permits to go past an upgrade that concerns none of its members.
      if (concern !== 'neither' || !isOfStage(phase, 'changing')) world.limits.observed(event, node.plan.service, concern)
      world.replays(nodeId, phase === 'transforming' && target !== null && world.plan.upgrades[target - 1]?.rewinds === true)
      world.events.phase(nodeId, phase, world.time.elapsedMs)
      world.controls.phase(nodeId, phase, target, concern)
      world.retries.phase(nodeId, phase, target)
      if (phase === 'draining' && target !== null)
        world.code.permits.drains(
          nodeId,
          node.plan.service,
          target,
          concern !== 'itself' || world.controls.isTold(nodeId, target),
        )
      const { handle } = node
      if (handle !== undefined && !isChain(world.plan, node.plan.service, handle.version, handle.chain))
        world.violated('C1', `${nodeId} at version ${handle.version} has the chain ${JSON.stringify(handle.chain)}`)
      return
    }
    case 'flipped':
      world.trace(`${event.nodeId} flips to ${event.version}, ${event.className}`)
      return
    case 'rewound':
      world.trace(`${event.nodeId} has replayed ${event.replayed} operations for version ${event.version}`)
      if (event.differing > 0)
        world.violated('W3', `${event.differing} of ${event.replayed} operations of ${event.nodeId} did not end as before`)
      return
    case 'learned':
      world.trace(`${host} learns of version ${event.version}`)
      world.code.endless.learned(host, event.version)
      return
    case 'nodeFailed':
      world.trace(`${event.nodeId} failed: ${event.error}`)
      world.sharded?.failed(event.nodeId)
      if (isFault(event.error) && event.error.code === 'config.registered-elsewhere') world.leaves(event.nodeId, host)
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
      setControl(world, args[0])
      return
    case 'removeControl':
      removedControl(world, args[0])
      return
    case 'setInTable':
      world.orders.setInTable(args[0], args[1])
      world.code.permits.setInTable(args[0], args[1])
      return
    case 'removeFromTable':
      world.orders.removedFromTable(args[0], args[1])
      return
    // Of before directives were counted and carried out in one step.
    case 'countDirective':
      if (answer) world.orders.counted(args[1])
      return
    case 'direct':
      if (answer.done) directed(world, args[0].what, args[1], answer.result)
      return
    case 'forget':
      world.controls.removed({ kind: 'hold', nodeId: args[0] })
      return
    case 'register':
      if (!answer.registered) return
      world.deaths.registered(args[0])
      world.leases.renewed(args[2], [args[0].nodeId], args[1], [])
      return
    case 'report':
      world.leases.renewed(
        args[2],
        args[0].map(({ nodeId }: { nodeId: string }) => nodeId),
        args[1],
        answer.elsewhere,
      )
      return
    case 'renew':
      world.leases.renewed(args[2], args[0], args[1], answer.elsewhere)
      return
    case 'releasePermit': {
      const [, nodeId, by] = args
      if (by?.hostId === world.node(nodeId)?.plan.host) world.limits.releasedBy(nodeId, world.isAlive(nodeId))
      return
    }
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
      finalized(world, answer)
  }
}

function directed(world: Observed, what: Order, signed: Signed, result: OrderResult): void {
  world.orders.counted(signed)
  switch (what.order) {
    case 'set':
      setControl(world, what.control)
      return
    case 'remove':
      removedControl(world, what.control)
      return
    case 'finalize':
      finalized(world, result as Version)
      return
    case 'setInTable':
      world.orders.setInTable(what.table, what.key)
      return
    case 'removeFromTable':
      world.orders.removedFromTable(what.table, what.key)
  }
}

function setControl(world: Observed, control: Control): void {
  world.trace(`the database has ${JSON.stringify(control)}`)
  world.orders.set(control)
  world.controls.set(control)
  if (control.kind === 'retry') world.retries.askedOfVersion(control.version, control.token)
}

function removedControl(world: Observed, name: ControlName): void {
  world.trace(`the database has no ${JSON.stringify(name)} any more`)
  world.orders.removed(name)
  world.controls.removed(name)
}

function finalized(world: Observed, version: Version): void {
  world.trace(`final: ${version}`)
  world.orders.finalized()
  world.deaths.finalized(version)
}
