/**
 * How a node comes to life: born at the newest complete version, or revived from its state (DESIGN §5, "Birth").
 */
import { pack, unpack } from '../core/codec.js'
import { Fault } from '../core/fault.js'
import { checkName, type Version } from '../core/ids.js'
import { describeClass, type NodeClass } from '../core/nodeObject.js'
import { checkRecord, type Generation, keys, type NodeRecord, recordFormat, slot } from '../core/nodeRecord.js'
import { startTriesMax } from '../core/upgradeStatechart.js'
import { clientService } from './clients.js'
import { Node } from './node.js'
import { isRejection } from './nodeLearning.js'
import type { NodeServices } from './nodeServices.js'
import { NodeState } from './nodeState.js'
import { leftBehind, runTransform, sweepSlots } from './transformRun.js'

/** Starts the node with this id: from its state if it has one here, else as a new one. Resolves when it serves or upgrades. */
export async function startNode(services: NodeServices, definition: NodeClass, nodeId: string): Promise<Node> {
  checkName('node id', nodeId)
  services.classes.register(definition)
  const stored = services.store.get(keys.record(nodeId))
  return stored === undefined ? birth(services, definition, nodeId) : revive(services, definition, checkRecord(unpack(stored)))
}

/** A node with state starts with what it has: nothing about an upgrade is needed to serve the versions it knows. */
async function revive(services: NodeServices, definition: NodeClass, stored: NodeRecord): Promise<Node> {
  const { service } = describeClass(definition)
  if (stored.service !== service) {
    throw new Fault(
      'config.invalid',
      `node ${stored.nodeId} is of service ${stored.service}, not ${service}: give the node another id`,
    )
  }
  const line = services.classes.line(stored.generation.className)
  await services.classes.load(line, stored.oldest, stored.newest)
  const record = afterCrash({ ...stored, incarnation: stored.incarnation + 1 })
  const node = new Node(services, record, false)
  await node.commitRecord(record)
  return orStopped(node, () => resume(node, record))
}

async function resume(node: Node, record: NodeRecord): Promise<void> {
  node.subscribe()
  if (record.upgrade?.phase !== 'recovering') {
    await node.startObject()
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

/** A host that ended while the new object was starting counts as a failed start; after too many one commit flips back. */
function afterCrash(record: NodeRecord): NodeRecord {
  const { upgrade, previous } = record
  if (upgrade?.phase !== 'recovering' || previous === null) return record
  const startsFailed = upgrade.startsFailed + 1
  if (startsFailed < startTriesMax) return { ...record, upgrade: { ...upgrade, startsFailed } }
  const reason = `the host ended ${startsFailed} times while the new object was starting`
  return { ...record, generation: previous, previous: null, upgrade: { phase: 'stalled', target: upgrade.target, reason } }
}

/**
 * "It is made as if born at the oldest live version and upgraded at once, so its past-SOs have the states they would have." A new node does
 * not start before it has asked the upgrade server.
 */
async function birth(services: NodeServices, definition: NodeClass, nodeId: string): Promise<Node> {
  const { history, classes, journal, settings, registrar, store, clock } = services
  const newest = await history.ask()
  await history.fetch(newest)
  const complete = await newestComplete(services)
  const line = classes.line(describeClass(definition).className)
  const goal = await newestVerified(services, line, complete)
  const { service } = describeClass(definition)
  const registerAt = (version: Version) =>
    registrar.register({
      nodeId,
      service,
      className: line[version]!,
      version,
      phase: 'current',
      target: null,
      reason: null,
      hostId: settings.hostId,
      directoryId: store.directoryId,
      since: clock.now(),
    })
  await registerAt(goal)
  let generation: Generation = { number: 0, version: 0, className: line[0]!, object: slot(0, 0), simulations: {} }
  const state = new NodeState(nodeId, journal)
  const recordAt = (at: Generation): NodeRecord => ({
    format: recordFormat,
    nodeId,
    service,
    incarnation: 1,
    oldest: 0,
    newest: at.version,
    generation: at,
    previous: null,
    upgrade: null,
  })
  // What a birth that was interrupted left.
  await sweepSlots(nodeId, () => true, journal, settings)
  const root = pack(classes.definition(line[0]!).initial(), `${line[0]}.initial()`)
  await journal.commit([[keys.root(nodeId, generation.object), root]])
  for (let version = 1; version <= goal; version++) {
    const upgrade = history.classUpgrade(version, line[version - 1]!)
    try {
      generation =
        upgrade === undefined
          ? { ...generation, version }
          : await runTransform(nodeId, generation, upgrade, state, journal, settings)
    } catch (error) {
      // Born before the upgrade that fails, it tries it as any node does, and says why it is stalled.
      services.observe({ type: 'warning', message: `${nodeId} is born before version ${version}`, error })
      await registerAt(generation.version)
      break
    }
  }
  const record = recordAt(generation)
  const node = new Node(services, record, true)
  await node.commitRecord(record)
  await sweepSlots(nodeId, (of) => leftBehind(record, of), journal, settings)
  return orStopped(node, async () => {
    node.subscribe()
    await node.startObject()
    await journal.committed(node.state.batch)
    node.serve()
    node.report('current', null, null)
    node.learning.learn(newest)
  })
}

/**
 * The newest version up to `complete` to which every upgrade of the line can be verified. Nodes of this service may be missing from those
 * that made it complete: a node that is born before an upgrade that is rejected rejects it as any node does, and says why.
 */
async function newestVerified({ history }: NodeServices, line: readonly string[], complete: Version): Promise<Version> {
  for (let version = 1; version <= complete; version++) {
    if (line[version] === line[version - 1]) continue
    try {
      await history.load(version)
    } catch (error) {
      if (isRejection(error)) return version - 1
      throw error
    }
  }
  return complete
}

/** The newest version that every registered node is at or past; the newest there is, where none is registered. */
async function newestComplete({ database, history }: NodeServices): Promise<Version> {
  const rows = await database.nodes()
  const versions = rows.filter(({ service }) => service !== clientService).map(({ version }) => version)
  return Math.min(history.newest, ...versions)
}
