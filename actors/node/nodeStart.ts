/**
 * How a node comes to life: born at the newest complete version, or revived from its state
 * (DESIGN §5, "Birth").
 */

import { Fault, isFault } from '../../core/base/fault.js'
import { checkName, type Version } from '../../core/base/ids.js'
import { type GroupRecord, partsOfId } from '../../core/model/groupRecord.js'
import { type Arrival, checkMove, type Departure } from '../../core/model/nodeMove.js'
import { checkDeclaredCalls, describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { checkRecord, type Generation, keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import type { MovedRow, NodeStatus } from '../../core/model/nodeRow.js'
import { afterCrash, continued, firstGeneration, firstNeeded, isLeftBehind, newborn } from '../../core/upgrade/generations.js'
import { startTriesMax } from '../../core/upgrade/upgradeStatechart.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { within } from '../base/timeouts.js'
import { sweepLeftRecordings } from '../rewind/recordingSweep.js'
import { NodeState } from '../state/nodeState.js'
import { runTransform, sweepStateSlots } from '../state/transformRun.js'
import { firstReadable, newestComplete, newestVerified, passedOver } from './birthVersions.js'
import { type HostServices, Node } from './node.js'
import type { NodeStart } from './startingNodes.js'

/**
 * Starts the node with this id: from its state if it has one here, else as a new one. Resolves when it serves
 * or upgrades. Throws `unavailable.stopped` when the host stops meanwhile.
 */
export async function startNode(services: HostServices, definition: NodeClass, nodeId: string, start: NodeStart): Promise<Node> {
  checkName('node id', nodeId)
  checkOfNoGroup(services, nodeId)
  await checkClass(services, definition, start)
  checkNotMoved(services, nodeId)
  const stored = services.store.get(keys.record(nodeId))
  const node = await (stored === undefined
    ? birth(services, definition, nodeId, start)
    : revive(services, checkStored(definition, stored), start))
  services.classes.started(definition)
  return node
}

export async function checkClass({ classes }: HostServices, definition: NodeClass, start: NodeStart): Promise<void> {
  classes.register(definition)
  checkDeclaredCalls(definition)
  await start.unlessStopped(classes.know(definition))
}

/** M1. One that goes to another store, or has gone there. */
function checkNotMoved({ journal }: HostServices, nodeId: string): void {
  const stored = journal.get(keys.departure(nodeId))
  if (stored === undefined) return
  const { isOver, target } = checkMove<Departure>(unpack(stored))
  const message = isOver
    ? `node ${nodeId} has moved to ${target}: it answers there`
    : `node ${nodeId} is on its way to ${target}: offer its service here, and the move goes on`
  throw new Fault('config.registered-elsewhere', message, { nodeId, directoryId: target })
}

/** The newest move that has brought the node into this store. */
function movedHere({ store }: HostServices, nodeId: string): { readonly moved?: MovedRow } {
  const stored = store.get(keys.arrival(nodeId))
  if (stored === undefined) return {}
  const { verdict, from, number } = checkMove<Arrival>(unpack(stored))
  return verdict === 'arrived' ? { moved: { from, number } } : {}
}

/** A member is at the version of its group: it does not start alone. */
function checkOfNoGroup({ store }: HostServices, nodeId: string): void {
  const { group, member } = partsOfId(nodeId) ?? {}
  const stored = group === undefined ? undefined : store.get(keys.group(group))
  if (stored === undefined || (unpack(stored) as GroupRecord).members[member!] === undefined) return
  throw new Fault('config.invalid', `node ${nodeId} is member ${member} of group ${group}: start it with host.group()`)
}

/** The record of a node of this class. */
export function checkStored(definition: NodeClass, stored: Uint8Array): NodeRecord {
  const { service } = describeClass(definition)
  const record = checkRecord(unpack(stored))
  if (record.service === service) return record
  throw new Fault(
    'config.invalid',
    `node ${record.nodeId} is of service ${record.service}, not ${service}: give the node another id`,
  )
}

/**
 * A node with state starts with what it has: nothing about an upgrade is needed to serve the
 * versions it knows.
 */
async function revive(services: HostServices, stored: NodeRecord, start: NodeStart): Promise<Node> {
  const known = await load(services, stored, start)
  const record = afterCrash(continued(known, known.incarnation + 1), startTriesMax)
  const node = new Node(services, record, false)
  start.made(node)
  return orStopped(node, async () => {
    await node.recordStore.commit(record)
    await claim(services, node, start)
    await resume(node, start)
  })
}

/**
 * The classes and upgrades that a node with this record needs. Answers the record, as far as this release
 * reads the versions that it knows.
 *
 * T4. A newer release may have run here. Its upgrades are rejected like any others, and the states of their
 *     SOs stay where they are. Throws `upgrade.release` only where the node itself has gone so far.
 */
export async function load(services: HostServices, stored: NodeRecord, start: NodeStart): Promise<NodeRecord> {
  const lineage = services.classes.lineage(stored.generation.className, stored)
  // Records that are still to be made may need the functions of an upgrade whose version is dead.
  const kept = stored.rewind?.phase === 'recording' ? stored.rewind : undefined
  const generations = [stored.generation, stored.previous, kept?.kept]
  const unmade = generations.flatMap((of) => Object.values(of?.lazy ?? {}).map(({ upgrade }) => upgrade))
  const oldest = Math.min(stored.oldest, kept?.oldest ?? stored.oldest, ...unmade)
  const newest = await start.unlessStopped(loadAsFarAsRead(services, stored, lineage, oldest))
  await start.unlessStopped(askBriefly(services))
  if (newest === stored.newest) return stored
  const { upgrade } = stored
  return { ...stored, newest, upgrade: upgrade !== null && upgrade.target > newest ? null : upgrade }
}

/** The newest version, of those that the node knows, that this release reads. */
async function loadAsFarAsRead(
  { classes, history }: HostServices,
  { nodeId, generation, newest }: NodeRecord,
  lineage: readonly string[],
  oldest: Version,
): Promise<Version> {
  let read = generation.version
  try {
    const unread = read > history.newest ? history.whyNot(history.newest + 1) : undefined
    if (unread !== undefined) throw unread
    await classes.load(lineage, oldest, read)
  } catch (error) {
    if (!isOfNewerRelease(error)) throw error
    const message = `node ${nodeId} is at version ${generation.version}, which this release does not read, so it does not start: ${error.message}`
    throw new Fault('upgrade.release', message, { ...error.details, nodeId }, { cause: error })
  }
  try {
    for (; read < newest; read++) await classes.loadStep(lineage, read + 1)
  } catch (error) {
    if (!isOfNewerRelease(error)) throw error
  }
  return read
}

function isOfNewerRelease(error: unknown): error is Fault {
  return isFault(error) && error.code === 'upgrade.release'
}

/** Before anything runs. The version it goes to and the reason are told as it goes on. */
export async function claim(services: HostServices, node: Node, start: NodeStart): Promise<void> {
  const { settings, store, clock, statusReporter, shard } = services
  const { service, upgrade } = node.recordStore.record
  const { node: nodeId, className, version } = node.recordStore.replier
  const row: NodeStatus = {
    nodeId,
    service,
    className,
    version,
    phase: upgrade === null ? 'current' : upgrade.phase,
    target: upgrade?.target ?? null,
    reason: upgrade?.phase === 'stalled' ? upgrade.reason : null,
    hostId: settings.hostId,
    directoryId: store.directoryId,
    since: clock.now(),
    ...(node.group === undefined ? {} : { group: node.group.name }),
    ...(shard === undefined ? {} : { shard }),
    ...movedHere(services, nodeId),
  }
  // Of a loss before this start of its host nobody tells it.
  const registered = () => {
    if (upgrade?.phase === 'recovering') node.permit.tellAgain()
  }
  await start.unlessStopped(statusReporter.claim(row, { check: () => start.check(), registered }))
  // Nor is it registered while the database is away.
  registered()
}

/**
 * "A node that comes back at a dead version upgrades before it serves": the upgrade server is asked first, by
 * all nodes of a host together, but not waited for long. Without it nodes serve what they serve.
 */
async function askBriefly({ history, clock, settings }: HostServices): Promise<void> {
  if (history.hasAsked) return
  const late = () => new Fault('upgrade.fetch', 'the upgrade server does not answer')
  await within(clock, settings.firstAnswerMs, history.ask(), late).catch(() => {})
  if (history.refusal !== undefined) throw history.refusal
}

async function resume(node: Node, start: NodeStart): Promise<void> {
  await startAgain(node)
  start.check()
  goOn(node)
}

/** The object of a node that comes back starts; of one that recovers, its upgrade starts it. */
export async function startAgain(node: Node): Promise<void> {
  node.subscriptions.open()
  if (node.recordStore.record.upgrade?.phase !== 'recovering') await node.software.start()
}

/** It serves, or its upgrade goes on. */
export function goOn(node: Node): void {
  const { upgrade } = node.recordStore.record
  if (upgrade?.phase !== 'recovering') {
    node.serve()
    // Of a stalled upgrade its manager tells, with the reason.
    if (upgrade === null) node.report('current', null, null)
  }
  void sweepLeftRecordings(node)
  node.manager.resume()
}

/** A node that could not be started leaves nothing behind that takes its calls. */
async function orStopped(node: Node, start: () => Promise<void>): Promise<Node> {
  try {
    await start()
    return node
  } catch (error) {
    await node.stop()
    throw error
  }
}

async function birth(services: HostServices, definition: NodeClass, nodeId: string, start: NodeStart): Promise<Node> {
  // Where this host ends in the middle of it, nobody else would start the node, and the database has it.
  if (services.addressed === 'by shard') await start.unlessStopped(services.journal.commit([[keys.birth(nodeId), begun]]))
  const coming = await planBirth(services, definition, nodeId, start)
  const generation = await coming.made(coming.goal)
  const record = coming.record(generation)
  start.check()
  const node = new Node(services, record, true)
  start.made(node)
  return orStopped(node, async () => {
    await node.recordStore.commit(record)
    if (services.addressed === 'by shard') await services.journal.commit([[keys.birth(nodeId), null]])
    await beginLife(services, node, start)
    serveFirst(node)
  })
}

const begun = new Uint8Array(0)

/** A node that is to be born: how far its lineage can be verified, and what makes its states. */
export interface ComingNode {
  readonly goal: Version
  /**
   * Registers it, and makes the states of a node at `goal`; of one before the upgrade that fails, if one
   * does.
   */
  made(goal: Version): Promise<Generation>
  record(generation: Generation): NodeRecord
}

/**
 * "It is made as if born at the oldest live version and upgraded at once, so its past-SOs have the states
 * they would have." A new node does not start before it has asked the upgrade server.
 */
export async function planBirth(
  services: HostServices,
  definition: NodeClass,
  nodeId: string,
  start: NodeStart,
  group?: string,
): Promise<ComingNode> {
  const { history, classes, intake, journal, settings, statusReporter, store, clock } = services
  const newest = await start.unlessStopped(history.ask())
  await start.unlessStopped(intake.manifests(newest))
  const oldest = history.dead
  const complete = Math.max(oldest, await start.unlessStopped(newestComplete(services, newest)))
  const lineage = classes.lineage(describeClass(definition).className, { nodeId, facts: settings.facts })
  const first = await start.unlessStopped(
    firstReadable(
      services,
      lineage,
      firstNeeded(oldest, history.final, history.newest, (version) => history.undoes(version)),
    ),
  )
  const goal = await start.unlessStopped(newestVerified(services, lineage, first, complete, { nodeId, facts: settings.facts }))
  const { service } = describeClass(definition)
  const registerAt = (version: Version) =>
    statusReporter.register(
      {
        nodeId,
        service,
        className: lineage[version]!,
        version,
        phase: 'current',
        target: null,
        reason: null,
        hostId: settings.hostId,
        directoryId: store.directoryId,
        since: clock.now(),
        ...(group === undefined ? {} : { group }),
      },
      start,
    )
  // A transform that is left behind goes on, and writes nothing.
  const given = {
    get up() {
      return start.isStopping
    },
  }
  const made = async (to: Version) => {
    await start.unlessStopped(registerAt(to))
    let generation = firstGeneration(first, lineage[first]!)
    const state = new NodeState(nodeId, journal, {
      lazyOf: (of) => generation.lazy?.[of],
      rulesOf: (lazy) => classes.recordRules(lineage, lazy),
      recordFailed() {},
      stateLost() {},
    })
    // The states that an interrupted birth left.
    await sweepStateSlots(nodeId, () => true, journal, settings)
    const root = pack(classes.definitionAt(lineage, first).initial(), `${lineage[first]}.initial()`)
    await journal.commit([[keys.root(nodeId, generation.object), root]])
    for (let version = first + 1; version <= to; version++) {
      const upgrade = classes.classUpgrade(lineage, version)
      const over = upgrade === undefined ? passedOver(services, lineage, version) : null
      if (over !== null && over <= to) {
        generation = { ...generation, version: over }
        version = over
        continue
      }
      try {
        generation =
          upgrade === undefined
            ? { ...generation, version }
            : await start.unlessStopped(
                runTransform(nodeId, generation, upgrade, history.undoes(version), state, journal, clock, settings, given),
              )
      } catch (error) {
        start.check()
        // Born before the upgrade that fails, it tries it as any node does, and says why it is stalled.
        services.observe({ type: 'warning', message: `${nodeId} is born before version ${version}`, error })
        await start.unlessStopped(registerAt(generation.version))
        break
      }
    }
    return generation
  }
  const record = (generation: Generation) => newborn({ nodeId, service, facts: settings.facts }, generation, oldest)
  return { goal, made, record }
}

/** The object of a node whose record is on disk for the first time starts. */
export async function beginLife({ journal, settings }: HostServices, node: Node, start: NodeStart): Promise<void> {
  const { record } = node.recordStore
  await sweepStateSlots(node.id, (of) => isLeftBehind(record, of), journal, settings)
  start.check()
  node.subscriptions.open()
  await node.software.start()
  await node.state.settled()
  start.check()
}

export function serveFirst(node: Node): void {
  node.serve()
  node.report('current', null, null)
}
