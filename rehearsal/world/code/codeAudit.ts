/**
 * The checks of a plan's code when everything rests: that no call waits for itself, that a fault always
 * arrives, and that timers go on.
 */
import { makeCall } from '../calls.js'
import type { RunningNode } from '../cluster.js'
import { isReachable } from '../expectations.js'
import type { Asked, NodePlan } from '../plan.js'
import type { AuditContext } from '../quiescence.js'
import { isShardedService } from '../shards/shardPlan.js'
import { tickMs } from './ticks.js'
import type { Walk } from './walks.js'

const deadlineMs = 4_000
/** Less than a call takes that waits for itself until its deadline. */
const answeredWithinMs = 1_200

export async function auditCode(world: AuditContext): Promise<void> {
  const { habits } = world.plan
  const nodes = world
    .allNodes()
    .filter((node): node is Resting => node.handle !== undefined && !world.deaths.isKnownDead(node.handle.version))
  if (habits.includes('table')) for (const node of nodes) await readTables(world, node)
  if (habits.includes('cycles')) await goToAndFro(world, nodes)
  const [first] = nodes
  if (habits.includes('hugeFaults') && first !== undefined)
    await mustEnd(world, first, { what: 'add', register: 'main', manner: 'throwingHugely' })
  if (habits.includes('ticks')) {
    await world.time.sleep(3 * tickMs)
    for (const { plan, handle } of world.allNodes()) {
      // One that slept when its shard moved, or that nobody has woken since, has no timers.
      if (isShardedService(world.plan, plan.service)) continue
      if (handle !== undefined && !world.deaths.isKnownDead(handle.version)) world.code.ticks.checkTicking(plan.nodeId)
    }
  }
}

interface Resting {
  readonly plan: NodePlan
  readonly handle: RunningNode
}

async function readTables(world: AuditContext, { plan, handle }: Resting): Promise<void> {
  for (let version = Math.max(0, handle.version - 1); version <= handle.version; version++) {
    if (world.deaths.isDeadAt(plan.nodeId, version) || !isReachable(world.plan, plan.service, handle.version, version)) continue
    await call(world, plan, version, { what: 'table', range: {} })
  }
}

/** C2. A call that leads back to a node whose call waits for it runs inside that, or is refused at once. */
async function goToAndFro(world: AuditContext, nodes: readonly Resting[]): Promise<void> {
  const [a, b] = nodes.length > 1 ? nodes : [nodes[0], nodes[0]]
  if (a === undefined || b === undefined) return
  const names = [b, a, b, a, b].map(({ plan }) => plan.nodeId)
  const walk = names.reduceRight<Walk>((rest, node) => ({ to: [{ node, walk: rest }], awaits: 'inTurn', pauseMs: 0 }), {
    to: [],
    awaits: 'inTurn',
    pauseMs: 0,
  })
  await mustEnd(world, a, { what: 'walk', walk })
}

async function mustEnd(world: AuditContext, { plan, handle }: Resting, asked: Asked): Promise<void> {
  const sinceMs = world.time.elapsedMs
  await call(world, plan, handle.version, asked)
  const tookMs = world.time.elapsedMs - sinceMs
  if (tookMs > answeredWithinMs) world.violated('C10', `at rest, ${asked.what} of ${plan.nodeId} ends after ${tookMs} ms`)
}

async function call(world: AuditContext, { service, nodeId }: NodePlan, version: number, what: Asked): Promise<void> {
  const op = `rest${world.model.begunCount}`
  await makeCall(world, world.auditor()!, op, {
    atMs: world.time.elapsedMs,
    kind: 'call',
    client: 'auditor',
    service,
    node: nodeId,
    version,
    isPinned: false,
    isRegistered: false,
    deadlineMs,
    asked: what,
  })
}
