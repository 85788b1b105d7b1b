/**
 * The end of a rehearsal: the troubles are over, and everything must come to rest.
 *
 * C10. Every upgrade ends: at the new version, or serving the old one with the reason where an operator sees it.
 * C5, C11. At rest, every version of every node that is not cut off tells the same history of each column.
 */
import type { NodeHandle, NodeRow, RunningHost, Version } from 'theseus'
import { type CallsRoom, makeCall } from './calls.js'
import { timerOf } from './classes.js'
import { isReachable, obstacleOf, versionsOf } from './expectations.js'
import { type NodePlan, serviceNames } from './plan.js'
import { classUpgradeOf, lineOf } from './specs.js'
import type { UpgradeDatabase } from './stage.js'
import type { VirtualTime } from './virtualTime.js'

/** How long it may take from the end of the troubles until everything rests. */
const restWithinMs = 90_000
const lookEveryMs = 250
/** How long an operator waits before asking a stalled node to try again. */
const retryEveryMs = 2_000
const auditDeadlineMs = 8_000

export interface AuditRoom extends CallsRoom {
  readonly time: VirtualTime
  readonly database: UpgradeDatabase
  /** The nodes that are registered and not forgotten, as they run. */
  living(): readonly { readonly plan: NodePlan; readonly handle: NodeHandle | undefined }[]
  openCalls(): number
  /** The client that asks at the end. */
  auditor(): RunningHost | undefined
}

/** Waits until every node rests; the operator asks stalled ones to try again. */
export async function untilAtRest(room: AuditRoom): Promise<void> {
  const { time } = room
  const since = time.elapsedMs
  let retriedMs = since
  for (;;) {
    const restless = await restlessIn(room)
    if (restless.length === 0) return
    if (time.elapsedMs - since > restWithinMs) {
      room.violated('C10', `${restWithinMs / 1000} seconds after the troubles ended: ${restless.join('; ')}`)
      return
    }
    if (time.elapsedMs - retriedMs > retryEveryMs) {
      retriedMs = time.elapsedMs
      for (const { handle } of room.living()) if (handle?.phase === 'stalled' || handle?.phase === 'rejected') handle.retry()
      // The operator has seen why the rollout paused itself.
      for (const control of await room.database.controls())
        if (control.kind === 'pause') await room.database.removeControl(control)
    }
    await time.sleep(lookEveryMs)
  }
}

/** Says of every node that does not rest what it does instead. */
async function restlessIn(room: AuditRoom): Promise<readonly string[]> {
  const rows = new Map((await room.database.nodes()).map((row) => [row.nodeId, row]))
  const newest = (await room.database.head()).version
  const restless: string[] = []
  if (newest < room.plan.upgrades.length) restless.push(`version ${newest + 1} is not published`)
  if (room.auditor() === undefined) restless.push('the auditor does not run')
  for (const { plan, handle } of room.living()) {
    const why = whyRestless(room, plan, handle, rows.get(plan.nodeId), newest)
    if (why !== undefined) restless.push(`${plan.nodeId} ${why}`)
  }
  for (const service of serviceNames) {
    const answer = await room.database.claimSlot(service, { nodeId: 'nobody', version: newest, isUndo: false }, { nodes: 0 })
    const holders = 'heldBy' in answer ? answer.heldBy : []
    if (holders.length > 0) restless.push(`slots of ${service} are held by ${holders.join(', ')}`)
  }
  if (room.openCalls() > 0) restless.push(`${room.openCalls()} calls have not ended`)
  return restless
}

function whyRestless(
  room: AuditRoom,
  plan: NodePlan,
  handle: NodeHandle | undefined,
  row: NodeRow | undefined,
  newest: Version,
): string | undefined {
  if (handle === undefined) return mayNotRun(room, plan) ? undefined : 'does not run'
  const { version, phase } = handle
  const obstacle = obstacleOf(room.plan, plan.service)
  const goal = Math.min(newest, obstacle - 1)
  // A node that joins late is born past what the others could not pass, where that was no matter of state.
  const isPast = version === newest && phase === 'current'
  if (version !== goal && !isPast) return `is at version ${version}, ${phase}, instead of at ${goal}`
  const isStuck = version < newest
  if (isStuck ? phase !== 'stalled' && phase !== 'rejected' : phase !== 'current') return `is ${phase} at version ${version}`
  if (row === undefined) return 'is not in the upgrade database'
  if (row.version !== version || row.phase !== phase || row.className !== handle.className || !row.alive)
    return `is ${phase} at version ${version}, but the upgrade database has ${row.phase} at ${row.version}, ${row.className}, alive: ${row.alive}`
  if (isStuck && (row.reason === null || row.reason === '')) return `is ${phase} without a reason in the upgrade database`
  return undefined
}

/** A node that is born at a class whose `start()` never ends well has no older version to serve: its host's code hears why. */
function mayNotRun({ plan }: AuditRoom, { nodeId, service }: NodePlan): boolean {
  const isBornLate = !plan.nodes.some((node) => node.nodeId === nodeId)
  return isBornLate && plan.upgrades.some((_, i) => classUpgradeOf(plan, service, i + 1)?.troubles.start === 'throwsForGood')
}

/** Asks every version of every node for every column, and holds the answers against all that was told. */
export async function audit(room: AuditRoom): Promise<void> {
  const auditor = room.auditor()!
  const lists = new Map<string, readonly string[]>()
  let asked = 0
  for (const { plan: node, handle } of room.living()) {
    if (handle === undefined) continue
    const line = lineOf(room.plan, node.service)
    const names = new Set(line.flatMap(({ columns }) => columns.map(({ name }) => name)))
    for (const column of names) {
      for (const version of versionsOf(room.plan, node.service, column)) {
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
}

/** Beyond a rejected upgrade nothing is answered; a stalled one's own version still is, and those after it. */
function lastReachable({ plan }: AuditRoom, { version, phase }: NodeHandle): Version {
  if (phase === 'rejected') return version
  const bad = plan.upgrades.findIndex(({ bundle }, i) => i >= version && bundle !== 'good')
  return bad === -1 ? plan.upgrades.length : bad
}

/** C12. What a command sent left with its commit: if the send was carried out, so was the command. */
function checkSends(room: AuditRoom, lists: ReadonlyMap<string, readonly string[]>): void {
  const told = [...lists].filter(([key]) => key.endsWith(' main'))
  const everywhere = new Map(told.map(([key, list]) => [key, new Set(list)]))
  for (const step of room.plan.steps) {
    if (step.kind !== 'call' || step.node === null || (step.asked.what !== 'tell' && step.asked.what !== 'later')) continue
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

/** How an operation is called: by the step that asks for it. */
export function opOf(step: number): string {
  return `#${step}`
}
