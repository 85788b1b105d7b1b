/** The processes of a rehearsal, and the nodes that are registered and not forgotten for good. */
import type { MemberHandle, Version } from 'theseus-actors'
import type { HostProcess } from './hostProcess.js'
import type { NodePlan, ServiceName } from './plan.js'
import type { ProcessFault } from './processFault.js'
import type { ServerProcess } from './serverProcess.js'
import type { ShardedNodes } from './shards/shardedNodes.js'

/** A node as it stands, and the way to have it try again. */
export type RunningNode = Pick<MemberHandle, 'version' | 'className' | 'phase' | 'chain' | 'records' | 'retry'>

export class Cluster {
  readonly hosts = new Map<string, HostProcess>()
  readonly servers = new Map<string, ServerProcess>()
  readonly nodes = new Map<string, NodePlan>()
  /** By the process that waits for the answer: with it ends the call. */
  readonly callsUnderWay: ProcessFault[] = []
  /** Undefined where no service is sharded. */
  sharded: ShardedNodes | undefined

  /** One of a sharded service is born by its first command. */
  addNode(node: NodePlan): void {
    this.nodes.set(node.nodeId, node)
    if (!this.isSharded(node.nodeId)) this.hosts.get(node.host)!.add(node)
  }

  isSharded(nodeId: string): boolean {
    return this.sharded?.has(nodeId) ?? false
  }

  host(name: string): HostProcess {
    return this.hosts.get(name)!
  }

  hostNumber(name: string): number {
    return [...this.hosts.keys()].indexOf(name)
  }

  hostOf(nodeId: string): HostProcess | undefined {
    const node = this.nodes.get(nodeId)
    return this.isSharded(nodeId) ? this.sharded!.hostOf(nodeId) : node && this.hosts.get(node.host)
  }

  server(name: string): ServerProcess {
    return this.servers.get(name)!
  }

  processes() {
    return [...this.hosts.values(), ...this.servers.values()]
  }

  node(nodeId: string) {
    const plan = this.nodes.get(nodeId)
    if (plan !== undefined && this.isSharded(nodeId)) {
      const host = this.sharded!.hostOf(nodeId)?.name ?? ''
      return { plan: { ...plan, host }, handle: this.sharded!.handleOf(nodeId) }
    }
    return plan && { plan, handle: this.host(plan.host).nodes.get(nodeId)?.handle }
  }

  /** Every node that was born, as it runs, if it does. */
  allNodes() {
    const born = [...this.nodes.keys()].filter((nodeId) => !this.isSharded(nodeId) || this.sharded!.isBorn(nodeId))
    return born.map((nodeId) => this.node(nodeId)!)
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

  /** The calls that a process has made, and which have not ended. */
  openCallsOf(processFault: ProcessFault): number {
    return this.callsUnderWay.filter((open) => open === processFault).length
  }

  openCalls(): number {
    return this.callsUnderWay.filter(({ isDead }) => !isDead).length
  }

  retry(nodeId: string): void {
    this.node(nodeId)?.handle?.retry()
  }
}
