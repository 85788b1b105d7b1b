/**
 * The nodes of a host as a viewer sees them: what they are now, and what has changed since it was last asked.
 */
import type { Version } from '../../core/base/ids.js'
import type { Phase } from '../../core/base/phases.js'
import { type CallsSeen, type NodeSeen, reasonSeen, type Seen, type StateSeen } from '../../core/inspection/inspection.js'
import type { ObjectChain } from '../../core/model/objectChain.js'
import type { VersionTally } from '../base/versionTally.js'
import type { Journal } from '../state/journal.js'

export interface InspectedNode {
  readonly id: string
  /** Where its state is. */
  readonly services: { readonly journal: Pick<Journal, 'get' | 'range'> }
  readonly recordStore: { readonly record: { readonly service: string } }
  readonly runs: { readonly className: string; readonly version: Version }
  readonly software: { readonly hasChain: boolean; readonly chain: ObjectChain }
  readonly tallies: readonly VersionTally[]
  /** All of its state, as far as the host tells it. */
  observeState(): Promise<StateSeen | undefined>
  readonly status: { readonly phase: Phase; readonly target: Version | null; readonly reason: string | null }
}

interface Told {
  readonly node: InspectedNode
  readonly chain: ObjectChain | undefined
  readonly calls: number
}

/** Calls are counted much more often than they are looked at. */
const callsMs = 1_000

export class NodeChanges {
  readonly #told = new Map<string, Told>()
  #callsMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly nodes: ReadonlyMap<string, InspectedNode>,
    private readonly hostId: string,
  ) {}

  get ids(): readonly string[] {
    return [...this.nodes.keys()]
  }

  journalOf(nodeId: string): Pick<Journal, 'get' | 'range'> | undefined {
    return this.nodes.get(nodeId)?.services.journal
  }

  all(at: number): readonly NodeSeen[] {
    return [...this.nodes.values()].map((node) => this.#seen(node, at))
  }

  /** Undefined where this host does not have the node. */
  state(nodeId: string): Promise<StateSeen | undefined> | undefined {
    return this.nodes.get(nodeId)?.observeState()
  }

  /** Changes are counted from here on. */
  begin(): void {
    this.#told.clear()
    for (const node of this.nodes.values()) this.#tell(node)
  }

  /** A chain is another object when it is another: comparing ten thousand of them is nothing. */
  changes(at: number, monotonicMs: number): readonly Seen[] {
    const changes: Seen[] = []
    const areCallsDue = monotonicMs - this.#callsMs >= callsMs
    if (areCallsDue) this.#callsMs = monotonicMs
    for (const node of this.nodes.values()) {
      const told = this.#told.get(node.id)
      if (told?.node !== node || told.chain !== chainOf(node)) changes.push(this.#seen(node, at))
      else if (areCallsDue && told.calls !== total(node))
        changes.push({ type: 'calls', at, nodeId: node.id, calls: callsOf(node) })
      else continue
      this.#tell(node)
    }
    for (const nodeId of this.#told.keys()) {
      if (this.nodes.has(nodeId)) continue
      this.#told.delete(nodeId)
      changes.push({ type: 'gone', at, nodeId })
    }
    return changes
  }

  #tell(node: InspectedNode): void {
    this.#told.set(node.id, { node, chain: chainOf(node), calls: total(node) })
  }

  #seen(node: InspectedNode, at: number): NodeSeen {
    const { phase, target, reason } = node.status
    const links = chainOf(node)?.links ?? []
    return {
      type: 'node',
      at,
      nodeId: node.id,
      hostId: this.hostId,
      service: node.recordStore.record.service,
      ...node.runs,
      phase,
      target,
      reason: reasonSeen(reason),
      chain: links.map(({ version, className, role }) => ({ version, className, role })),
      calls: callsOf(node),
    }
  }
}

function chainOf({ software }: InspectedNode): ObjectChain | undefined {
  return software.hasChain ? software.chain : undefined
}

function callsOf({ tallies }: InspectedNode): readonly CallsSeen[] {
  return tallies.filter(({ calls }) => calls > 0).map(({ version, calls }) => [version, calls])
}

function total({ tallies }: InspectedNode): number {
  let sum = 0
  for (const { calls } of tallies) sum += calls
  return sum
}
