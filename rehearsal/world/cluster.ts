/** The processes of a rehearsal, and the nodes that are registered and not forgotten for good. */
import type { MemberHandle, Version } from 'theseus-actors'
import type { HostProcess } from './hostProcess.js'
import type { NodePlan, ServiceName } from './plan.js'
import type { ServerProcess } from './serverProcess.js'

/** A node as it stands, and the way to have it try again. */
export type RunningNode = Pick<MemberHandle, 'version' | 'className' | 'phase' | 'chain' | 'records' | 'retry'>

export class Cluster {
  readonly hosts = new Map<string, HostProcess>()
  readonly servers = new Map<string, ServerProcess>()
  readonly nodes = new Map<string, NodePlan>()

  addNode(node: NodePlan): void {
    this.nodes.set(node.nodeId, node)
    this.hosts.get(node.host)!.add(node)
  }

  host(name: string): HostProcess {
    return this.hosts.get(name)!
  }

  hostNumber(name: string): number {
    return [...this.hosts.keys()].indexOf(name)
  }

  hostOf(nodeId: string): HostProcess | undefined {
    const node = this.nodes.get(nodeId)
    return node && this.hosts.get(node.host)
  }

  server(name: string): ServerProcess {
    return this.servers.get(name)!
  }

  processes() {
    return [...this.hosts.values(), ...this.servers.values()]
  }

  node(nodeId: string) {
    const plan = this.nodes.get(nodeId)
    return plan && { plan, handle: this.host(plan.host).nodes.get(nodeId)?.handle }
  }

  /** Every node, as it runs, if it does. */
  allNodes() {
    return [...this.nodes.keys()].map((nodeId) => this.node(nodeId)!)
  }

  isAlive(nodeId: string): boolean {
    return this.hostOf(nodeId)?.isAlive ?? false
  }

  /** Whether its host lives, and tells the upgrade database so. */
  isHeard(nodeId: string): boolean {
    const host = this.hostOf(nodeId)
    return host?.isAlive === true && !host.processFault.isFrozen
  }

  countOf(service: ServiceName): number {
    return [...this.nodes.values()].filter((node) => node.service === service).length
  }

  areAllAt(version: Version): boolean {
    return this.allNodes().every(({ handle }) => handle?.version === version)
  }

  retry(nodeId: string): void {
    this.node(nodeId)?.handle?.retry()
  }
}
