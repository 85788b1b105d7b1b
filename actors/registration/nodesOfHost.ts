/**
 * The nodes that run on this host, as the parts below them know them; or those of a shard, which are among
 * the nodes of its host too for those who look at it.
 */
import { injectable } from 'tsyringe'
import type { NodeFigures } from '../../core/model/nodeRow.js'

export interface NodeOfHost {
  readonly status: {
    /** How its calls go, where somebody wants to know. */
    readonly figures: NodeFigures | undefined
  }
  /** Another host has the node in so long: from then on nothing that runs here is acknowledged. */
  leaveToOthers(afterMs: number): void
  stop(): Promise<void>
}

@injectable()
export class NodesOfHost<N extends NodeOfHost = NodeOfHost> {
  readonly #nodes = new Map<string, N>()
  /** With those of the host's shards. */
  readonly #onHost = new Map<string, N>()
  /** They go where their shard goes. */
  readonly areOfShard: boolean = false

  /** All that run on the host, also the nodes of its shards. */
  get onHost(): ReadonlyMap<string, N> {
    return this.#onHost
  }

  get byId(): ReadonlyMap<string, N> {
    return this.#nodes
  }

  get all(): Iterable<N> {
    return this.#nodes.values()
  }

  has(nodeId: string): boolean {
    return this.#nodes.has(nodeId)
  }

  get(nodeId: string): N | undefined {
    return this.#nodes.get(nodeId)
  }

  add(nodeId: string, node: N): void {
    this.#nodes.set(nodeId, node)
    this.show(nodeId, node)
  }

  delete(nodeId: string): void {
    this.#nodes.delete(nodeId)
    this.hide(nodeId)
  }

  clear(): void {
    for (const nodeId of [...this.#nodes.keys()]) this.delete(nodeId)
  }

  /** @internal A shard's node runs on this host. */
  show(nodeId: string, node: N): void {
    this.#onHost.set(nodeId, node)
  }

  /** @internal */
  hide(nodeId: string): void {
    this.#onHost.delete(nodeId)
  }

  /**
   * The node is registered elsewhere, and may be served there after `leftMs`: it must not run here. Resolves
   * when it does not.
   */
  async takenElsewhere(nodeId: string, leftMs: number): Promise<void> {
    const node = this.#nodes.get(nodeId)
    node?.leaveToOthers(leftMs)
    await node?.stop()
    this.delete(nodeId)
  }
}

/** The nodes of a shard. */
export class NodesOfShard<N extends NodeOfHost = NodeOfHost> extends NodesOfHost<N> {
  readonly #host: NodesOfHost<N>
  override readonly areOfShard = true

  constructor(host: NodesOfHost<N>) {
    super()
    this.#host = host
  }

  override show(nodeId: string, node: N): void {
    super.show(nodeId, node)
    this.#host.show(nodeId, node)
  }

  override hide(nodeId: string): void {
    super.hide(nodeId)
    this.#host.hide(nodeId)
  }
}
