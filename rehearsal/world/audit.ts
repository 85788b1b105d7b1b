/**
 * The checks when everything rests.
 *
 * C5, C11. Every version of every node that is not cut off tells the same history of each
 * column; C8: dead ones tell nothing.
 * C12. A send or an announcement was committed before it left.
 */
import { isFault, type RunningHost, type Version } from 'theseus'
import { makeCall } from './calls.js'
import { opOf, timerOf } from './code/ops.js'
import type { Standing } from './company.js'
import { isReachable, versionsOf } from './expectations.js'
import type { Asked, NodePlan } from './plan.js'
import type { AuditRoom } from './rest.js'
import { lineOf, reading } from './specs.js'

const auditDeadlineMs = 8_000

/** Asks every version of every node for every column, and holds the answers against all that was told. */
export async function audit(room: AuditRoom): Promise<void> {
  const auditor = room.auditor()!
  const lists = new Map<string, readonly string[]>()
  let asked = 0
  for (const { plan: node, handle } of room.living()) {
    // One that came back at a dead version and can't leave it serves nobody.
    if (handle === undefined || room.deaths.isKnownDead(handle.version)) continue
    const line = lineOf(room.plan, node.service)
    const names = new Set(line.flatMap(({ columns }) => columns.map(({ name }) => name)))
    for (const column of names) {
      for (const version of versionsOf(room.plan, node.service, column)) {
        if (room.deaths.isDeadAt(node.nodeId, version)) {
          await checkDead(room, auditor, node, column, version)
          continue
        }
        if (version > lastReachable(room, handle)) continue
        if (!isReachable(room.plan, node.service, handle.version, version)) continue
        const op = `audit${++asked}`
        await makeCall(room, auditor, op, {
          atMs: room.time.elapsedMs,
          kind: 'call',
          client: 'auditor',
          service: node.service,
          node: node.nodeId,
          version,
          isPinned: false,
          isRegistered: false,
          deadlineMs: auditDeadlineMs,
          asked: { what: 'read', column },
        })
        const list = room.model.told(node.nodeId, column)
        const key = `${node.nodeId} ${column}`
        if (!room.model.wasAnswered(op)) room.violated('C10', `at rest, ${key} is not told at version ${version}`)
        lists.set(key, list)
      }
    }
  }
  checkSends(room, lists)
  checkEvents(room, lists)
}

/** C8. Everybody answers calls of dead versions as dead. */
async function checkDead(
  room: AuditRoom,
  auditor: RunningHost,
  { nodeId }: NodePlan,
  column: string,
  version: Version,
): Promise<void> {
  const options = { version, deadlineMs: auditDeadlineMs, kind: 'query' } as const
  const outcome = await auditor.operator.call({ node: nodeId }, reading(column), ['audit'], options).then(
    () => 'answers',
    (error) => (isFault(error) ? error.code : String(error)),
  )
  if (outcome !== 'version.dead')
    room.violated('C8', `version ${version} is dead, and a call of it at ${nodeId} ends with: ${outcome}`)
}

/** E1. */
function checkEvents(room: AuditRoom, lists: ReadonlyMap<string, readonly string[]>): void {
  for (const { plan } of room.living()) {
    if (plan.service !== 'ledger' || room.model.isRestored(plan.nodeId)) continue
    const heard = new Set(lists.get(`${plan.nodeId} main`))
    for (const op of room.events.dueTo(plan.nodeId))
      if (!heard.has(op)) room.violated('E1', `${plan.nodeId} was there, and has not heard ${op}`)
  }
}

/**
 * Beyond a rejected upgrade nothing is answered; a stalled one's own version still is, and those after it.
 */
function lastReachable({ plan }: AuditRoom, { version, phase }: Standing): Version {
  if (phase === 'rejected') return version
  const bad = plan.upgrades.findIndex(({ bundle }, i) => i >= version && bundle !== 'good')
  return bad === -1 ? plan.upgrades.length : bad
}

const sending: ReadonlySet<Asked['what']> = new Set<Asked['what']>(['tell', 'later', 'announce'])

/** C12. The sends of a command left with its commit: if the send was carried out, so was the command. */
function checkSends(room: AuditRoom, lists: ReadonlyMap<string, readonly string[]>): void {
  const told = [...lists].filter(([key]) => key.endsWith(' main'))
  const everywhere = new Map(told.map(([key, list]) => [key, new Set(list)]))
  for (const step of room.plan.steps) {
    if (step.kind !== 'call' || step.node === null || !sending.has(step.asked.what)) continue
    if (room.model.isRestored(step.node)) continue
    const op = opOf(room.plan.steps.indexOf(step))
    const teller = everywhere.get(`${step.node} main`)
    if (teller === undefined || teller.has(op)) continue
    if (teller.has(timerOf(op)))
      room.violated('C12', `${step.node} did what the timer of ${op} was to do, and knows nothing of ${op}`)
    for (const [key, list] of everywhere) {
      if (list.has(op)) room.violated('C12', `${key} has ${op}, which ${step.node} sent and knows nothing of`)
    }
  }
  for (const [key, list] of lists) {
    const [node, column] = key.split(' ') as [string, string]
    const service = room.living().find(({ plan }) => plan.nodeId === node)!.plan.service
    const isMirrored = lineOf(room.plan, service).some(({ columns }) =>
      columns.some(({ name, mirrored }) => name === column && mirrored),
    )
    if (!isMirrored) continue
    const main = everywhere.get(`${node} main`)!
    for (const op of list) if (!main.has(op)) room.violated('C12', `${key} has ${op}, which its mirror in main has not`)
  }
}
