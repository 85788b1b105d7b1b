/**
 * The checks when everything rests.
 *
 * C5, C11. Every version of every node that is not cut off tells the same history of each
 * register; C8: dead ones tell nothing.
 * C12. A send or an announcement was committed before it left.
 */
import { isFault, type RunningHost, type Version } from 'theseus-actors'
import { makeCall, targetOf } from './calls.js'
import { lineageOf, reading } from './classSpecs.js'
import type { RunningNode } from './cluster.js'
import { opOf, timerOf } from './code/operationIds.js'
import { isReachable, versionsOf } from './expectations.js'
import type { Asked, NodePlan } from './plan.js'
import { type AuditContext, isLeftAlone } from './quiescence.js'
import { isShardedService } from './shards/shardPlan.js'

const auditDeadlineMs = 8_000

/** Asks every version of every node for every register, and holds the answers against all that was told. */
export async function audit(world: AuditContext): Promise<void> {
  const auditor = world.auditor()!
  const lists = new Map<string, readonly string[]>()
  let asked = 0
  for (const { plan: node, handle } of world.allNodes()) {
    // One that came back at a dead version and can't leave it serves nobody.
    if (isLeftAlone(world, node)) continue
    if (handle === undefined || world.deaths.isKnownDead(handle.version)) continue
    const line = lineageOf(world.plan, node.service)
    const names = new Set(line.flatMap(({ registers }) => registers.map(({ name }) => name)))
    for (const register of names) {
      for (const version of versionsOf(world.plan, node.service, register)) {
        if (world.deaths.isDeadAt(node.nodeId, version)) {
          await checkDead(world, auditor, node, register, version)
          continue
        }
        if (version > lastReachable(world, handle)) continue
        if (!isReachable(world.plan, node.service, handle.version, version)) continue
        const op = `audit${++asked}`
        await makeCall(world, auditor, op, {
          atMs: world.time.elapsedMs,
          kind: 'call',
          client: 'auditor',
          service: node.service,
          node: node.nodeId,
          version,
          isPinned: false,
          isRegistered: false,
          deadlineMs: auditDeadlineMs,
          asked: { what: 'read', register },
        })
        const list = world.model.told(node.nodeId, register)
        const key = `${node.nodeId} ${register}`
        if (!world.model.wasAnswered(op)) world.violated('C10', `at rest, ${key} is not told at version ${version}`)
        lists.set(key, list)
      }
    }
  }
  checkSends(world, lists)
  checkEvents(world, lists)
}

/** C8. Everybody answers calls of dead versions as dead. */
async function checkDead(
  world: AuditContext,
  auditor: RunningHost,
  { nodeId, service }: NodePlan,
  register: string,
  version: Version,
): Promise<void> {
  const options = { version, deadlineMs: auditDeadlineMs, kind: 'query' } as const
  const outcome = await auditor.operator.call(targetOf(world.plan, service, nodeId), reading(register), ['audit'], options).then(
    () => 'answers',
    (error) => (isFault(error) ? error.code : String(error)),
  )
  if (outcome !== 'version.dead')
    world.violated('C8', `version ${version} is dead, and a call of it at ${nodeId} ends with: ${outcome}`)
}

/** E1. */
function checkEvents(world: AuditContext, lists: ReadonlyMap<string, readonly string[]>): void {
  for (const { plan } of world.allNodes()) {
    if (plan.service !== 'ledger' || isShardedService(world.plan, 'ledger') || world.model.isRestored(plan.nodeId)) continue
    const heard = new Set(lists.get(`${plan.nodeId} main`))
    for (const op of world.events.dueTo(plan.nodeId))
      if (!heard.has(op)) world.violated('E1', `${plan.nodeId} was there, and has not heard ${op}`)
  }
}

/**
 * Beyond a rejected upgrade nothing is answered; a stalled one's own version still is, and those after it.
 */
function lastReachable({ plan }: AuditContext, { version, phase }: RunningNode): Version {
  if (phase === 'rejected') return version
  const bad = plan.upgrades.findIndex(({ bundle }, i) => i >= version && bundle !== 'good')
  return bad === -1 ? plan.upgrades.length : bad
}

const sending: ReadonlySet<Asked['what']> = new Set<Asked['what']>(['tell', 'later', 'announce'])

/** C12. The sends of a command left with its commit: if the send was carried out, so was the command. */
function checkSends(world: AuditContext, lists: ReadonlyMap<string, readonly string[]>): void {
  const told = [...lists].filter(([key]) => key.endsWith(' main'))
  const everywhere = new Map(told.map(([key, list]) => [key, new Set(list)]))
  for (const step of world.plan.steps) {
    if (step.kind !== 'call' || step.node === null || !sending.has(step.asked.what)) continue
    if (world.model.isRestored(step.node)) continue
    const op = opOf(world.plan.steps.indexOf(step))
    const teller = everywhere.get(`${step.node} main`)
    if (teller === undefined || teller.has(op)) continue
    if (teller.has(timerOf(op)))
      world.violated('C12', `${step.node} did what the timer of ${op} was to do, and knows nothing of ${op}`)
    for (const [key, list] of everywhere) {
      if (list.has(op)) world.violated('C12', `${key} has ${op}, which ${step.node} sent and knows nothing of`)
    }
  }
  for (const [key, list] of lists) {
    const [node, register] = key.split(' ') as [string, string]
    const service = world.allNodes().find(({ plan }) => plan.nodeId === node)!.plan.service
    const isMirrored = lineageOf(world.plan, service).some(({ registers }) =>
      registers.some(({ name, mirrored }) => name === register && mirrored),
    )
    if (!isMirrored) continue
    const main = everywhere.get(`${node} main`)!
    for (const op of list) if (!main.has(op)) world.violated('C12', `${key} has ${op}, which its mirror in main has not`)
  }
}
