/**
 * The end of a rehearsal: the troubles are over, and everything must come to rest.
 *
 * C10. Every upgrade ends: at the new version, or serving the old one with the reason where an
 *      operator sees it.
 * C8. A version that nobody runs any more dies.
 * P2. A rollout with a node in trouble is paused, where its upgrade has a gate.
 */

import type { NodeRow, RunningHost, Version } from 'theseus-actors'
import { clientService, oldestPossible } from '../../core/model/nodeRow.js'
import type { CallsContext } from './calls.js'
import { classOf, classUpgradeOf, takesBack } from './classSpecs.js'
import type { RunningNode } from './cluster.js'
import type { DeadVersionChecker } from './deadVersionChecker.js'
import type { EventChecker } from './eventChecker.js'
import { obstacleOf } from './expectations.js'
import type { HostProcess } from './hostProcess.js'
import { servicesWith } from './operations/groupPlan.js'
import type { Operators } from './operators.js'
import { type NodePlan, serviceNames } from './plan.js'
import type { UpgradeDatabase } from './processEnvironment.js'
import type { ShardedNodes } from './shards/shardedNodes.js'
import { isShardedService } from './shards/shardPlan.js'
import type { WorldTime } from './virtualTime.js'

/** How long it may take from the end of the troubles until everything rests. */
const restWithinMs = 90_000
const lookEveryMs = 250
/** How long an operator waits before looking after stalled nodes and paused rollouts again. */
const lookAfterEveryMs = 2_500
/**
 * An upgrade of a node that has not succeeded after so many tries is let be. Rollouts are resumed all the
 * same: who has not tried yet may.
 */
const retriesMax = 10
/** Every host has asked which versions are dead after so long. */
const toldWithinMs = 3_000

export interface AuditContext extends CallsContext {
  readonly time: WorldTime
  readonly database: UpgradeDatabase
  /** The nodes that are registered and not forgotten, as they run. */
  allNodes(): readonly { readonly plan: NodePlan; readonly handle: RunningNode | undefined }[]
  retry(nodeId: string): void
  openCalls(): number
  readonly hosts: ReadonlyMap<string, Pick<HostProcess, 'name' | 'running' | 'nodes'>>
  readonly deaths: DeadVersionChecker
  readonly events: EventChecker
  readonly operators: Operators
  readonly sharded?: ShardedNodes | undefined
  /** The client that asks at the end. */
  auditor(): RunningHost | undefined
}

/** Waits until every node rests; the operator asks stalled ones to try again. */
export async function untilQuiescent(world: AuditContext): Promise<void> {
  const { time } = world
  const since = time.elapsedMs
  let lookedAfterMs = since
  const tries = new Map<string, number>()
  // A world that comes to rest by itself is tidied up too: data that nobody needed so far may have been lost.
  let isTidy = !isDatabaseLost(world)
  for (;;) {
    const restless = await restlessIn(world, time.elapsedMs - since)
    if (restless.length === 0) {
      if (isTidy) return
      await tidyUp(world)
      isTidy = true
      continue
    }
    if (time.elapsedMs - since > restWithinMs) {
      world.violated('C10', `${restWithinMs / 1000} seconds after the troubles ended: ${restless.join('; ')}`)
      return
    }
    if (time.elapsedMs - lookedAfterMs > lookAfterEveryMs) {
      lookedAfterMs = time.elapsedMs
      await tryAgain(world, tries)
      await resume(world)
      if (isDatabaseLost(world)) await tidyUp(world)
    }
    await time.sleep(lookEveryMs)
  }
}

/** By the upgrade database in every second plan, by the nodes' own handles in the others. */
async function tryAgain(world: AuditContext, tries: Map<string, number>): Promise<void> {
  const { database, plan, time } = world
  for (const { plan: node, handle } of world.allNodes()) {
    if (handle?.phase !== 'stalled' && handle?.phase !== 'rejected') continue
    const what = `${node.nodeId} ${handle.version}`
    const before = tries.get(what) ?? 0
    if (before >= retriesMax) continue
    tries.set(what, before + 1)
    const since = time.now()
    if (plan.seed % 2 === 0 && !world.sharded?.has(node.nodeId)) world.retry(node.nodeId)
    else await database.setControl({ kind: 'retry', version: handle.version + 1, token: `at ${since}`, since })
  }
}

/**
 * The operator has seen why the rollout paused itself. A pause of a version that takes another
 * one back holds nobody.
 */
async function resume({ database, plan }: AuditContext): Promise<void> {
  for (const control of await database.controls())
    if (control.kind === 'pause' && !takesBack(plan, control.version)) await database.removeControl(control)
}

function isDatabaseLost({ plan }: AuditContext): boolean {
  return plan.steps.some(({ kind }) => kind === 'databaseLost')
}

/**
 * After a loss, operators see what came back with an older database: holds, nodes that were forgotten, a
 * history without its end.
 */
async function tidyUp(world: AuditContext): Promise<void> {
  const { database, plan, operators } = world
  for (const control of await database.controls()) if (control.kind === 'hold') await database.removeControl(control)
  const known = new Set(world.allNodes().map(({ plan: { nodeId } }) => nodeId))
  for (const { nodeId, service } of await database.nodes())
    if (service !== clientService && !known.has(nodeId)) await database.forget(nodeId)
  const { version } = await database.head()
  if (version < plan.upgrades.length) operators.publishAgain(version)
  await operators.bringBundles()
}

/** Says of every node that does not rest what it does instead. */
async function restlessIn(world: AuditContext, forMs: number): Promise<readonly string[]> {
  const rows = new Map((await world.database.nodes()).map((row) => [row.nodeId, row]))
  const newest = (await world.database.head()).version
  const restless: string[] = []
  if (newest < world.plan.upgrades.length) restless.push(`version ${newest + 1} is not published`)
  if (world.auditor() === undefined) restless.push('the auditor does not run')
  for (const { plan, handle } of world.allNodes()) {
    const why = whyRestless(world, plan, handle, rows.get(plan.nodeId), newest)
    if (why !== undefined) restless.push(`${plan.nodeId} ${why}`)
  }
  for (const { name, running, nodes } of world.hosts.values())
    for (const { id } of running?.status().nodes ?? [])
      if (!nodes.has(id) && world.sharded?.hostOf(id)?.name !== name)
        restless.push(`${name} still runs ${id}, which is elsewhere`)
  for (const service of serviceNames) {
    // As an undo, which no pause holds: else the answer is the pause, and not who has the slots.
    const answer = await world.database.claimPermit(service, { nodeId: 'nobody', version: newest, isUndo: true }, { nodes: 0 })
    const holders = 'heldBy' in answer ? answer.heldBy : []
    if (holders.length > 0) restless.push(`slots of ${service} are held by ${holders.join(', ')}`)
  }
  restless.push(...(await ungated(world, [...rows.values()], newest)), ...undead(world, [...rows.values()], newest, forMs))
  if ((await world.database.standing())?.probation) restless.push('the upgrade database is on probation')
  restless.push(...(world.sharded?.restless() ?? []))
  for (const nodeId of rows.keys())
    if (world.sharded?.has(nodeId) === true && !world.sharded.isBorn(nodeId))
      restless.push(`${nodeId} is in the upgrade database, and was never born`)
  if (world.openCalls() > 0) restless.push(`${world.openCalls()} calls have not ended`)
  return restless
}

function whyRestless(
  world: AuditContext,
  plan: NodePlan,
  handle: RunningNode | undefined,
  row: NodeRow | undefined,
  newest: Version,
): string | undefined {
  if (isLeftAlone(world, plan)) return undefined
  if (handle === undefined) return mayNotRun(world, plan) ? undefined : 'does not run'
  const { version, phase } = handle
  const obstacle = obstacleOf(world.plan, plan)
  const goal = Math.min(newest, obstacle - 1)
  // A node that joins late is born past what the others could not pass, where that was no matter of state.
  const isPast = version === newest ? phase === 'current' : version > goal && phase === 'stalled' && isBornLate(world, plan)
  if (version !== goal && !isPast) return `is at version ${version}, ${phase}, instead of at ${goal}`
  const isStuck = version < newest
  if (isStuck ? phase !== 'stalled' && phase !== 'rejected' : phase !== 'current') return `is ${phase} at version ${version}`
  const expected = classOf(world.plan, plan, version)
  if (handle.className !== expected) return `is a ${handle.className} at version ${version}, and no ${expected}`
  if (handle.records !== null) return `has records that are not made: ${JSON.stringify(handle.records)}`
  if (row === undefined) return 'is not in the upgrade database'
  const isAlive = row.alive || (world.sharded?.has(plan.nodeId) === true && world.sharded.isAsleep(plan.nodeId))
  if (row.version !== version || row.phase !== phase || row.className !== handle.className || !isAlive)
    return `is ${phase} at version ${version}, but the upgrade database has ${row.phase} at ${row.version}, ${row.className}, alive: ${row.alive}`
  if (!isStuck && row.reason !== null) return `is ${phase}, and still says: ${row.reason}`
  if (isStuck && (row.reason === null || row.reason === '')) return `is ${phase} without a reason in the upgrade database`
  return undefined
}

/** A node of a shard that can't start, as one may: it sleeps. */
export function isLeftAlone(world: AuditContext, node: NodePlan): boolean {
  return world.sharded?.has(node.nodeId) === true && world.sharded.mayBeStuck(node.nodeId) && mayNotRun(world, node)
}

/**
 * A node that is born at a class whose `start()` never ends well has no older version to serve:
 * its host's code hears why.
 */
function mayNotRun(world: AuditContext, node: NodePlan): boolean {
  const { plan } = world
  const services = servicesWith(plan, node)
  const isBroken = (i: number) =>
    services.some((service) => classUpgradeOf(plan, service, i + 1)?.troubles.start === 'throwsForGood')
  return isBornLate(world, node) && plan.upgrades.some((_, i) => isBroken(i))
}

function isBornLate({ plan }: AuditContext, { nodeId, service }: NodePlan): boolean {
  const isBornAnew = plan.steps.some((step) => step.kind === 'move' && step.how === 'bornAnew')
  return isBornAnew || isShardedService(plan, service) || !plan.nodes.some((node) => node.nodeId === nodeId)
}

/** Nodes in trouble, where the rollout has not paused itself for them. */
async function ungated(world: AuditContext, rows: readonly NodeRow[], newest: Version): Promise<readonly string[]> {
  if (!world.plan.upgrades[newest - 1]?.isGated) return []
  const gate = (await world.database.controls()).find((control) => control.kind === 'gate' && control.version === newest)
  const heeded = gate?.kind === 'gate' ? gate.heeded : []
  return rows
    .filter(({ target, phase }) => target === newest && (phase === 'stalled' || phase === 'rejected'))
    .filter(({ nodeId }) => !heeded.some((key) => key.startsWith(`${nodeId} `)))
    .map(({ nodeId }) => `the gate has not closed for ${nodeId}`)
}

/** Versions that nobody runs or calls, and which are not dead, or of which not everybody has heard yet. */
function undead({ plan, deaths }: AuditContext, rows: readonly NodeRow[], newest: Version, forMs: number): readonly string[] {
  if (plan.deaths === null) return []
  if (deaths.inForceForMs < 0) return ['a death is still to come']
  const counted = rows.filter(
    ({ service, alive, version }) => service !== clientService || (alive && version >= deaths.toldInForce),
  )
  // Without any node it is not known what the next one needs.
  if (counted.length === 0) return []
  const below = Math.min(newest, ...counted.map(oldestPossible))
  if (deaths.toldInForce < below) return [`versions below ${below} are not dead, but those below ${deaths.toldInForce}`]
  return deaths.toldInForce > 0 && Math.min(deaths.inForceForMs, forMs) < toldWithinMs ? ['not everybody knows what is dead'] : []
}
