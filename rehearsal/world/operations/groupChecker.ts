/**
 * Holds against the disk and the objects of a group that its members go through every version together.
 *
 * C13. After every commit all members are at one version, and a member that calls another is at its version.
 */
import type { Version } from 'theseus-actors'
import { checkRecord, keys } from '../../../core/model/nodeRecord.js'
import type { Write } from '../../../core/ports/stateStore.js'
import { unpack } from '../../../core/wire/codec.js'
import { classOf } from '../classSpecs.js'
import type { RunningNode } from '../cluster.js'
import type { NodePlan, Plan } from '../plan.js'

/** An upgrade concerns the node itself, another of its group, or neither. */
export type Concern = 'itself' | 'its group' | 'neither'

export function concernOf(plan: Plan, node: NodePlan, target: Version): Concern {
  const concerns = (of: NodePlan) => classOf(plan, of, target) !== classOf(plan, of, target - 1)
  if (concerns(node)) return 'itself'
  return membersWith(plan, node).some(concerns) ? 'its group' : 'neither'
}

/** The node, or the members of its group. */
export function membersWith(plan: Plan, node: NodePlan): readonly NodePlan[] {
  return node.group === undefined ? [node] : plan.nodes.filter(({ group }) => group === node.group)
}

/** A node as the world has it. */
interface Seen {
  readonly plan: NodePlan
  readonly handle: RunningNode | undefined
}

export class GroupChecker {
  readonly #onDisk = new Map<string, Version>()

  constructor(
    private readonly plan: Plan,
    private readonly node: (nodeId: string) => Seen | undefined,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  committed(host: string, writes: readonly Write[]): void {
    for (const first of this.plan.nodes) {
      // The host from which it has moved may still write.
      if (this.node(first.nodeId)?.plan.host !== host) continue
      const members = membersWith(this.plan, first)
      if (first.group === undefined || members[0] !== first) continue
      const ids = members.map(({ nodeId }) => nodeId)
      const written = writes.filter(([key, value]) => value !== null && ids.some((id) => key === keys.record(id)))
      if (written.length === 0) continue
      for (const [key, value] of written)
        this.#onDisk.set(ids.find((id) => key === keys.record(id))!, checkRecord(unpack(value!)).generation.version)
      const versions = ids.flatMap((id) => this.#onDisk.get(id) ?? [])
      if (new Set(versions).size > 1) this.violated('C13', `a commit leaves ${ids.join(', ')} at versions ${versions.join(', ')}`)
    }
  }

  /** The disk is another one: it has what it has. */
  replaced(): void {
    this.#onDisk.clear()
  }

  /** An operation begins on a node that another one has asked for it. */
  called(by: string, nodeId: string): void {
    const [caller, callee] = [this.node(by), this.node(nodeId)]
    if (caller?.plan.group === undefined || caller.plan.group !== callee?.plan.group) return
    const [from, to] = [caller.handle?.version, callee.handle?.version]
    if (from !== undefined && to !== undefined && from !== to)
      this.violated('C13', `${by} at version ${from} calls ${nodeId} at version ${to}`)
  }
}
