/**
 * The checks of a plan's code when everything rests: that no call waits for itself, that a fault always
 * arrives, and that timers go on.
 */
import { makeCall } from '../calls.js'
import type { Standing } from '../company.js'
import { isReachable } from '../expectations.js'
import type { Asked, NodePlan } from '../plan.js'
import type { AuditRoom } from '../rest.js'
import { tickMs } from './ticks.js'
import type { Walk } from './walks.js'

const deadlineMs = 4_000
/** Less than a call takes that waits for itself until its deadline. */
const answeredWithinMs = 1_200

export async function auditCode(room: AuditRoom): Promise<void> {
  const { habits } = room.plan
  const nodes = room
    .living()
    .filter((node): node is Resting => node.handle !== undefined && !room.deaths.isKnownDead(node.handle.version))
  if (habits.includes('table')) for (const node of nodes) await readTables(room, node)
  if (habits.includes('cycles')) await goToAndFro(room, nodes)
  const [first] = nodes
  if (habits.includes('hugeFaults') && first !== undefined)
    await mustEnd(room, first, { what: 'add', column: 'main', manner: 'throwingHugely' })
  if (habits.includes('ticks')) {
    await room.time.sleep(3 * tickMs)
    for (const { plan, handle } of room.living()) {
      if (handle !== undefined && !room.deaths.isKnownDead(handle.version)) room.code.ticks.checkTicking(plan.nodeId)
    }
  }
}

interface Resting {
  readonly plan: NodePlan
  readonly handle: Standing
}

async function readTables(room: AuditRoom, { plan, handle }: Resting): Promise<void> {
  for (let version = Math.max(0, handle.version - 1); version <= handle.version; version++) {
    if (room.deaths.isDeadAt(plan.nodeId, version) || !isReachable(room.plan, plan.service, handle.version, version)) continue
    await call(room, plan, version, { what: 'table', range: {} })
  }
}

/** C2. A call that leads back to a node whose call waits for it runs inside that, or is refused at once. */
async function goToAndFro(room: AuditRoom, nodes: readonly Resting[]): Promise<void> {
  const [a, b] = nodes.length > 1 ? nodes : [nodes[0], nodes[0]]
  if (a === undefined || b === undefined) return
  const names = [b, a, b, a, b].map(({ plan }) => plan.nodeId)
  const walk = names.reduceRight<Walk>((rest, node) => ({ to: [{ node, walk: rest }], awaits: 'inTurn', pauseMs: 0 }), {
    to: [],
    awaits: 'inTurn',
    pauseMs: 0,
  })
  await mustEnd(room, a, { what: 'walk', walk })
}

async function mustEnd(room: AuditRoom, { plan, handle }: Resting, asked: Asked): Promise<void> {
  const sinceMs = room.time.elapsedMs
  await call(room, plan, handle.version, asked)
  const tookMs = room.time.elapsedMs - sinceMs
  if (tookMs > answeredWithinMs) room.violated('C10', `at rest, ${asked.what} of ${plan.nodeId} ends after ${tookMs} ms`)
}

async function call(room: AuditRoom, { service, nodeId }: NodePlan, version: number, what: Asked): Promise<void> {
  const op = `rest${room.model.begunCount}`
  await makeCall(room, room.auditor()!, op, {
    atMs: room.time.elapsedMs,
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
