/** A host that starts a node whose state is elsewhere: by mistake, and it must be refused (C3). */
import type { NodeClass } from 'theseus-actors'
import type { Cluster } from './cluster.js'
import type { HostProcess } from './hostProcess.js'
import type { Plan, ServiceName } from './plan.js'

export interface DuplicateNodeContext extends Cluster {
  readonly plan: Plan
  codeFor(service: ServiceName): NodeClass
  violated(rule: string, what: string): void
  trace(line: string): void
}

export async function startDuplicateNode(world: DuplicateNodeContext, nodeId: string, host: HostProcess): Promise<void> {
  const node = world.node(nodeId)
  // A host that has an old copy of a node's state is none, and a forgotten node may begin anew anywhere:
  // forgotten by an operator or by an upgrade database that nobody has told of it again.
  const mayBeForgotten = world.plan.steps.some(
    (step) =>
      step.kind === 'databaseLost' ||
      step.kind === 'move' ||
      (step.kind === 'leave' && (step.forMs === null || step.isForgotten)),
  )
  if (node?.handle === undefined || node.plan.host === host.name || host.running === undefined || mayBeForgotten) return
  const { processFault } = host
  await host.running.node(world.codeFor(node.plan.service), nodeId).then(
    () => {
      if (!processFault.isDead) world.violated('C3', `${nodeId} runs on ${host.name} too, where its state is not`)
    },
    (error) => world.trace(`${nodeId} is not started on ${host.name}: ${error}`),
  )
}
