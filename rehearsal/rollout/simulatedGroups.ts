/**
 * The groups among the nodes of a rehearsal: their members go through every version together. Members that go
 * to a version meet here twice: when all have signalled, and when all have their permits.
 */
import type { Version } from '../../core/base/ids.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { SimulatedNodes } from './simulatedNodes.js'

/** The members of one group on their way to one version. */
interface Meeting {
  /** In the order in which they claim their permits. */
  readonly members: readonly string[]
  readonly signalled: Set<string>
  readonly allSignalled: PromiseWithResolvers<string | null>
  readonly claimed: ReadonlyMap<string, PromiseWithResolvers<void>>
}

export class SimulatedGroups {
  readonly #meetings = new Map<string, Meeting>()

  constructor(private readonly nodes: SimulatedNodes) {}

  /** The node, or all members of its group. */
  with(nodeId: string): readonly NodeRow[] {
    const row = this.nodes.row(nodeId)
    if (row.group === undefined) return [row]
    return this.nodes.group(row.group).map((member) => this.nodes.row(member))
  }

  /** Resolves when all members have signalled, to null; or to the reason why one of them can't go. */
  signalled(nodeId: string, target: Version): Promise<string | null> {
    const { members, signalled, allSignalled } = this.#meeting(nodeId, target)
    signalled.add(nodeId)
    if (signalled.size === members.length) allSignalled.resolve(null)
    return allSignalled.promise
  }

  /** The member can't go to this version: nor can the others. */
  failed(nodeId: string, target: Version, reason: string): void {
    const { members, allSignalled } = this.#meeting(nodeId, target)
    allSignalled.resolve(members.length === 1 ? reason : `${nodeId}: ${reason}`)
  }

  /** The member's host has failed: its group begins again when it is back. */
  lost(nodeId: string): void {
    const { group } = this.nodes.row(nodeId)
    if (group === undefined) return
    for (const key of this.#meetings.keys()) if (key.endsWith(` ${group}`)) this.#meetings.delete(key)
  }

  /** The members that have not signalled. */
  missing(nodeId: string, target: Version): readonly string[] {
    const { members, signalled } = this.#meeting(nodeId, target)
    return members.filter((member) => !signalled.has(member))
  }

  /** Claims the member's permit in its turn. Resolves when all members have theirs. */
  async claimed(nodeId: string, target: Version, claim: () => Promise<void>): Promise<void> {
    const { members, claimed } = this.#meeting(nodeId, target)
    const before = members[members.indexOf(nodeId) - 1]
    if (before !== undefined) await claimed.get(before)!.promise
    await claim()
    claimed.get(nodeId)!.resolve()
    await claimed.get(members.at(-1)!)!.promise
  }

  #meeting(nodeId: string, target: Version): Meeting {
    const key = `${target} ${this.nodes.row(nodeId).group ?? `node ${nodeId}`}`
    let meeting = this.#meetings.get(key)
    if (meeting === undefined) {
      const going = this.with(nodeId).filter(({ version }) => version < target)
      const inOrder = [...going].sort((a, b) => (a.service < b.service ? -1 : 1)).map((row) => row.nodeId)
      const claimed = new Map(inOrder.map((member) => [member, Promise.withResolvers<void>()]))
      meeting = { members: inOrder, signalled: new Set(), allSignalled: Promise.withResolvers(), claimed }
      this.#meetings.set(key, meeting)
    }
    return meeting
  }
}
