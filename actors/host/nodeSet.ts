/** Nodes that run together, over one store: those of a host, or those of a shard. */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostServices, Node } from '../node/node.js'
import { StartingNodes } from '../node/startingNodes.js'
import { NodesOfHost } from '../registration/nodesOfHost.js'
import { NodeServices } from './nodeServices.js'

@injectable()
export class NodeSet {
  readonly starting = new StartingNodes()
  #isStopped = false

  constructor(
    @inject(NodeServices) readonly services: HostServices,
    @inject(NodesOfHost) readonly running: NodesOfHost<Node>,
  ) {
    services.statusReporter.losses.on(() => {
      for (const node of running.all) node.permit.tellAgain()
      for (const node of this.starting.nodes) if (services.statusReporter.has(node.id)) node.permit.tellAgain()
    })
  }

  has(nodeId: string): boolean {
    return this.running.has(nodeId) || this.starting.has(nodeId)
  }

  /** No node is told of anything any more. */
  stop(): void {
    this.#isStopped = true
  }

  /** Nodes that have started are in the set; or none of them is, if that can't be for one of them. */
  async begin(nodes: readonly Node[], check: () => Promise<void>): Promise<void> {
    const { running, services } = this
    for (const node of nodes) running.add(node.id, node)
    try {
      for (const { id: nodeId } of nodes) {
        if (services.statusReporter.has(nodeId)) continue
        throw new Fault('config.registered-elsewhere', `node ${nodeId} was started elsewhere while it started here`, { nodeId })
      }
      // The versions and deaths that were heard of while the nodes were starting.
      const { heard, dead } = services.history
      for (const node of nodes) {
        if (heard > node.recordStore.record.newest) node.learning.learn(heard)
        if (dead > node.recordStore.record.oldest) node.versionsOver()
      }
      await check()
    } catch (fault) {
      for (const { id } of nodes) running.delete(id)
      await Promise.all(nodes.map((node) => node.stop()))
      throw fault
    }
  }

  versionsOver(): void {
    for (const node of this.running.all) node.versionsOver()
  }

  /**
   * So many in a turn, once what they all need is here: else all would go on in the one turn in
   * which it arrives.
   */
  learn(version: Version): void {
    const { clock, settings } = this.services
    const nodes = [...this.running.all]
    const learnFrom = (first: number) => {
      if (this.#isStopped) return
      for (const node of nodes.slice(first, first + settings.learnPerTurnMax)) if (!node.isEnding) node.learning.learn(version)
      if (first + settings.learnPerTurnMax < nodes.length) clock.turn(() => learnFrom(first + settings.learnPerTurnMax))
    }
    if (nodes.length <= settings.learnPerTurnMax) learnFrom(0)
    else void this.#fetch(version, nodes).then(() => learnFrom(0))
  }

  /**
   * The upgrades up to `version`, as far as they concern a node of each service. Each node
   * tries by itself what fails here.
   */
  async #fetch(version: Version, nodes: readonly Node[]): Promise<void> {
    const { intake, classes } = this.services
    try {
      for (const [node] of Map.groupBy(nodes, ({ service }) => service).values())
        await intake.upTo(version, node!.recordStore.record.newest, () => node!.recordStore.lineage(classes))
    } catch {}
  }
}
