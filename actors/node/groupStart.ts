/**
 * How the members of a group come to life (DESIGN §5, "Groups"): all are born at one version, with their
 * group, in one commit; or all are revived at the version at which they were.
 */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { checkGroup, checkSameMembers, type GroupClasses, type GroupRecord, memberId } from '../../core/model/groupRecord.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import { type Generation, keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import { continued, groupAfterCrash } from '../../core/upgrade/generations.js'
import { startTriesMax } from '../../core/upgrade/upgradeStatechart.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { commitTogether } from '../software/nodeRecordStore.js'
import { NodeGroup } from '../upgrade/nodeGroup.js'
import { type HostServices, Node } from './node.js'
import { beginLife, checkClass, checkStored, claim, goOn, load, planBirth, serveFirst, startAgain } from './nodeStart.js'
import type { NodeStart } from './startingNodes.js'

/** A member as it is to be started. */
interface Member {
  readonly nodeId: string
  readonly definition: NodeClass
}

/** Its nodes by the names of the members. Throws as `startNode` does; then none of them runs. */
export async function startGroup(
  services: HostServices,
  name: string,
  definitions: GroupClasses,
  start: NodeStart,
): Promise<readonly Node[]> {
  const given = checkGroup(name, definitions)
  const members = Object.entries(definitions).map(([member, definition]) => ({ nodeId: memberId(name, member), definition }))
  for (const { definition } of members) await checkClass(services, definition, start)
  const stored = services.store.get(keys.group(name))
  if (stored !== undefined) checkSameMembers(name, unpack(stored), given)
  try {
    await (stored === undefined ? birth(services, name, given, members, start) : revive(services, name, members, start))
  } catch (error) {
    await Promise.all(start.nodes.map((node) => node.stop()))
    throw error
  }
  for (const { definition } of members) services.classes.started(definition)
  return start.nodes
}

async function birth(
  services: HostServices,
  name: string,
  group: GroupRecord,
  members: readonly Member[],
  start: NodeStart,
): Promise<void> {
  for (const { nodeId } of members)
    if (services.store.get(keys.record(nodeId)) !== undefined)
      throw new Fault('config.invalid', `node ${nodeId} is here already, and of no group: give group ${name} another name`)
  const coming = await Promise.all(members.map(({ nodeId, definition }) => planBirth(services, definition, nodeId, start, name)))
  let goal = Math.min(...coming.map((each) => each.goal))
  let generations: readonly Generation[]
  for (;;) {
    const to: Version = goal
    generations = await Promise.all(coming.map((each) => each.made(to)))
    goal = Math.min(...generations.map(({ version }) => version))
    if (generations.every(({ version }) => version === goal)) break
    // One is born before an upgrade that fails: so are the others.
    if (generations.some(({ version }) => version > to))
      throw new Fault(
        'upgrade.invalid',
        `the members of group ${name} can't be born at one version: undo the upgrade that is rejected`,
      )
  }
  start.check()
  const records = coming.map((each, i) => each.record(generations[i]!))
  const nodes = assemble(services, name, records, true, start)
  await commit(services, nodes, [[keys.group(name), pack(group, 'group')]])
  await Promise.all(nodes.map((node) => beginLife(services, node, start)))
  // None serves before all can.
  for (const node of nodes) serveFirst(node)
}

async function revive(services: HostServices, name: string, members: readonly Member[], start: NodeStart): Promise<void> {
  const stored = members.map(({ nodeId, definition }) => {
    const found = services.store.get(keys.record(nodeId))
    if (found !== undefined) return checkStored(definition, found)
    throw new Fault('config.invalid', `group ${name} has lost its member ${nodeId}: restore the state directory of its host`)
  })
  const known: NodeRecord[] = []
  for (const record of stored) known.push(await load(services, record, start))
  const counted = known.map((record) => continued(record, record.incarnation + 1))
  const nodes = assemble(services, name, groupAfterCrash(counted, startTriesMax), false, start)
  await commit(services, nodes)
  await Promise.all(nodes.map((node) => claim(services, node, start)))
  await Promise.all(nodes.map(startAgain))
  start.check()
  for (const node of nodes) goOn(node)
}

/** Each knows its group before it runs. */
function assemble(
  services: HostServices,
  name: string,
  records: readonly NodeRecord[],
  isNew: boolean,
  start: NodeStart,
): readonly Node[] {
  const group = new NodeGroup(name)
  const nodes = records.map((record) => new Node(services, record, isNew, group))
  for (const node of nodes) {
    group.join(node)
    start.made(node)
  }
  return nodes
}

function commit(
  { journal }: HostServices,
  nodes: readonly Node[],
  more: Parameters<typeof commitTogether>[2] = [],
): Promise<void> {
  return commitTogether(
    journal,
    nodes.map(({ recordStore }) => ({ recordStore, record: recordStore.record })),
    more,
  )
}
