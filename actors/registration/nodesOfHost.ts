/** The nodes that run on this host, as the parts below them know them. */
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
  }

  delete(nodeId: string): void {
    this.#nodes.delete(nodeId)
  }

  clear(): void {
    this.#nodes.clear()
  }

  /**
   * The node is registered elsewhere, and may be served there after `leftMs`: it must not run here. Resolves
   * when it does not.
   */
  async takenElsewhere(nodeId: string, leftMs: number): Promise<void> {
    const node = this.#nodes.get(nodeId)
    node?.leaveToOthers(leftMs)
    await node?.stop()
    this.#nodes.delete(nodeId)
  }
}
