/**
 * How a node comes to life: born at the newest complete version, or revived from its state
 * (DESIGN §5, "Birth").
 */

import { Fault } from '../../core/base/fault.js'
import { checkName, type Version } from '../../core/base/ids.js'
import { checkDeclaredCalls, describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { checkRecord, keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import { clientService, type NodeRow, type NodeStatus } from '../../core/model/nodeRow.js'
import { afterCrash, firstGeneration, firstNeeded, isLeftBehind, newborn } from '../../core/upgrade/generations.js'
import { startTriesMax } from '../../core/upgrade/upgradeStatechart.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { within } from '../base/timeouts.js'
import { isRejection } from '../history/classRegistry.js'
import { isOnProbation } from '../registration/nodeRowCache.js'
import { NodeState } from '../state/nodeState.js'
import { runTransform, sweepStateSlots } from '../state/transformRun.js'
import { type HostServices, Node } from './node.js'
import type { NodeStart } from './startingNodes.js'

/**
 * Starts the node with this id: from its state if it has one here, else as a new one. Resolves when it serves
 * or upgrades. Throws `unavailable.stopped` when the host stops meanwhile.
 */
export async function startNode(services: HostServices, definition: NodeClass, nodeId: string, start: NodeStart): Promise<Node> {
  checkName('node id', nodeId)
  services.classes.register(definition)
  checkDeclaredCalls(definition)
  await start.unlessStopped(services.classes.know(definition))
  const stored = services.store.get(keys.record(nodeId))
  const node = await (stored === undefined
    ? birth(services, definition, nodeId, start)
    : revive(services, definition, checkRecord(unpack(stored)), start))
  services.classes.started(definition)
  return node
}

/**
 * A node with state starts with what it has: nothing about an upgrade is needed to serve the
 * versions it knows.
 */
async function revive(services: HostServices, definition: NodeClass, stored: NodeRecord, start: NodeStart): Promise<Node> {
  const { service } = describeClass(definition)
  if (stored.service !== service) {
    throw new Fault(
      'config.invalid',
      `node ${stored.nodeId} is of service ${stored.service}, not ${service}: give the node another id`,
    )
  }
  const lineage = services.classes.lineage(stored.generation.className, stored)
  // Records that are still to be made may need the functions of an upgrade whose version is dead.
  const unmade = [stored.generation, stored.previous].flatMap((of) => Object.values(of?.lazy ?? {}).map(({ upgrade }) => upgrade))
  const oldest = Math.min(stored.oldest, ...unmade)
  await start.unlessStopped(services.classes.load(lineage, oldest, stored.newest))
  await start.unlessStopped(askBriefly(services))
  const record = afterCrash({ ...stored, incarnation: stored.incarnation + 1 }, startTriesMax)
  const node = new Node(services, record, false)
  start.made(node)
  return orStopped(node, async () => {
    await node.recordStore.commit(record)
    await start.unlessStopped(services.statusReporter.claim(rowOf(services, node, record), start))
    await resume(node, record, start)
  })
}

/** Before anything runs. The version it goes to and the reason are told as it goes on. */
function rowOf({ settings, store, clock }: HostServices, node: Node, { service, upgrade }: NodeRecord): NodeStatus {
  const { node: nodeId, className, version } = node.recordStore.replier
  const phase = upgrade === null ? 'current' : upgrade.phase
  return {
    nodeId,
    service,
    className,
    version,
    phase,
    target: upgrade?.target ?? null,
    reason: upgrade?.phase === 'stalled' ? upgrade.reason : null,
    hostId: settings.hostId,
    directoryId: store.directoryId,
    since: clock.now(),
  }
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

async function resume(node: Node, record: NodeRecord, start: NodeStart): Promise<void> {
  node.subscriptions.open()
  if (record.upgrade?.phase !== 'recovering') {
    await node.software.start()
    start.check()
    node.serve()
    // Of a stalled upgrade its manager tells, with the reason.
    if (record.upgrade === null) node.report('current', null, null)
  }
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

/**
 * "It is made as if born at the oldest live version and upgraded at once, so its past-SOs have the states
 * they would have." A new node does not start before it has asked the upgrade server.
 */
async function birth(services: HostServices, definition: NodeClass, nodeId: string, start: NodeStart): Promise<Node> {
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
      firstNeeded(oldest, history.final, history.newest, (version) => history.isUndo(version)),
    ),
  )
  const goal = await start.unlessStopped(newestVerified(services, lineage, first, complete))
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
      },
      start,
    )
  await start.unlessStopped(registerAt(goal))
  let generation = firstGeneration(first, lineage[first]!)
  const state = new NodeState(nodeId, journal, {
    lazyOf: (of) => generation.lazy?.[of],
    rulesOf: (lazy) => classes.recordRules(lineage, lazy),
    recordFailed() {},
    stateLost() {},
  })
  // A transform that is left behind goes on, and writes nothing.
  const given = {
    get up() {
      return start.isStopping
    },
  }
  // The states that an interrupted birth left.
  await sweepStateSlots(nodeId, () => true, journal, settings)
  const root = pack(classes.definitionAt(lineage, first).initial(), `${lineage[first]}.initial()`)
  await journal.commit([[keys.root(nodeId, generation.object), root]])
  for (let version = first + 1; version <= goal; version++) {
    const upgrade = classes.classUpgrade(lineage, version)
    try {
      generation =
        upgrade === undefined
          ? { ...generation, version }
          : await start.unlessStopped(
              runTransform(nodeId, generation, upgrade, history.isUndo(version), state, journal, clock, settings, given),
            )
    } catch (error) {
      start.check()
      // Born before the upgrade that fails, it tries it as any node does, and says why it is stalled.
      services.observe({ type: 'warning', message: `${nodeId} is born before version ${version}`, error })
      await start.unlessStopped(registerAt(generation.version))
      break
    }
  }
  const record = newborn({ nodeId, service, facts: settings.facts }, generation, oldest)
  start.check()
  const node = new Node(services, record, true)
  start.made(node)
  return orStopped(node, async () => {
    await node.recordStore.commit(record)
    await sweepStateSlots(nodeId, (of) => isLeftBehind(record, of), journal, settings)
    start.check()
    node.subscriptions.open()
    await node.software.start()
    await node.state.settled()
    start.check()
    node.serve()
    node.report('current', null, null)
  })
}

/**
 * That version, or the newest before it whose class can be loaded: whatever is rejected here
 * the node tries as any other does.
 */
async function firstReadable({ classes }: HostServices, lineage: readonly string[], needed: Version): Promise<Version> {
  for (let first = needed; ; first--) {
    try {
      await classes.load(lineage, first, first)
      return first
    } catch (error) {
      // Of version 0 there is nothing to reject.
      if (!isRejection(error)) throw error
    }
  }
}

/**
 * The newest version up to `complete` to which every upgrade of the lineage can be verified. Nodes of this
 * service may be missing from those that made it complete: a node that is born before an upgrade that is
 * rejected rejects it as any node does, and says why.
 */
async function newestVerified(
  { history, intake }: HostServices,
  lineage: readonly string[],
  first: Version,
  complete: Version,
): Promise<Version> {
  for (let version = first + 1; version <= complete; version++) {
    try {
      await intake.step(lineage, version)
    } catch (error) {
      if (isRejection(error)) return version - 1
      throw error
    }
  }
  // Between an upgrade and its undo there may be nothing to be born at, and none of what was undone before.
  let newest = complete
  while (history.isUndone(newest) && newest > first) newest--
  return newest
}

/**
 * The newest version that every registered node is at or past; the newest there is, where none is registered.
 * The oldest that lives, where it is not known who is registered: from there it goes on as any node does.
 */
async function newestComplete({ nodeRowCache, history }: HostServices, newest: Version): Promise<Version> {
  if (history.newest === 0) return 0
  // The upgrade server has lost versions, and who knows what else.
  if (newest < history.newest) return history.dead
  let rows: readonly NodeRow[]
  try {
    // Read once for all that are born at the same time.
    rows = await nodeRowCache.nodes()
  } catch (error) {
    if (isOnProbation(error)) return history.dead
    throw error
  }
  const versions = rows.filter(({ service }) => service !== clientService).map(({ version }) => version)
  return Math.min(history.newest, ...versions)
}
